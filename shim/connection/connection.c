/*
 * What all files about connections share: their buffers, the copies between a slot and private memory, and how a
 * connection fails. Buffers come from a pool, and a connection has them only while they are not empty. Between
 * calls, the buffers of a shared connection lie behind its slot.
 */
#include "connection/connection.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <time.h>

#include "base/transport.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "connection/keyexchange.h"
#include "connection/frame.h"
#include "connection/renew.h"
#include "base/memory.h"
#include "base/process.h"
#include "base/trace.h"
#include "config/init.h"
#include "config/snapshot.h"

/* What belongs to the memory, and not to the connection in it: the lock, and the entry in this process's list. */
enum { KEPT_BYTES = offsetof(struct connection, slot) };

MEMORY_TABLE(buffers);
static struct memory_pool buffers = {
    .table = &buffers_table, .block = CONNECTION_BUFFER_BYTES, .per_chunk = 16, .secret = true};

const struct policy_rule *connection_rule(const struct connection *connection)
{
    return &connection->binding->snapshot->policy->rules[connection->binding->rule];
}

const struct pfswrap_seal_config *connection_config(const struct connection *connection)
{
    return snapshot_config(connection->binding->snapshot, connection->binding->rule);
}

static uint8_t *buffer(int32_t *index)
{
    if (*index == CONNECTION_NO_BUFFER && (*index = memory_take(&buffers)) < 0) {
        *index = CONNECTION_NO_BUFFER;
        return NULL;
    }
    return memory_at(&buffers, *index);
}

uint8_t *connection_rx(struct connection *connection)
{
    return buffer(&connection->rx_index);
}

uint8_t *connection_tx(struct connection *connection)
{
    return buffer(&connection->tx_index);
}

uint8_t *connection_borrow(int32_t *index)
{
    *index = memory_take(&buffers);
    return *index < 0 ? NULL : memory_at(&buffers, *index);
}

uint8_t *connection_borrowed(int32_t index)
{
    return memory_at(&buffers, index);
}

void connection_return(int32_t index)
{
    memory_give(&buffers, index);
}

void connection_free_buffers(void)
{
    memory_begin_rebuild(&buffers);
    memory_end_rebuild(&buffers);
    keyexchange_free_all();
}

static void give_back(int32_t *index)
{
    if (*index != CONNECTION_NO_BUFFER)
        memory_give(&buffers, *index);
    *index = CONNECTION_NO_BUFFER;
}

void connection_trim(struct connection *connection)
{
    if (span_length(connection->rx_plain) == 0 && span_length(connection->rx_cipher) == 0) {
        connection->rx_plain = connection->rx_cipher = (struct span){0};
        give_back(&connection->rx_index);
    }
    if (span_length(connection->tx) == 0 && span_length(connection->prehandshake) == 0) {
        connection->tx = connection->prehandshake = (struct span){0};
        give_back(&connection->tx_index);
    }
    keyexchange_trim(connection);
}

/* Whether another thread may be inside connect(2). A sandbox does not allow the question whether it is alive. */
static bool is_dialling(struct process_thread thread)
{
    return thread.id != 0 && !process_is_this_thread(thread) &&
           (process_sandboxed || process_thread_life(thread) != PROCESS_DEAD);
}

bool connection_is_dialled(const struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (is_dialling(connection->diallers[i]))
            return true;
    return false;
}

void connection_end_dial(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (process_is_this_thread(connection->diallers[i]))
            connection->diallers[i] = (struct process_thread){0};
}

bool connection_begin_dial(struct connection *connection)
{
    connection_end_dial(connection);
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (!is_dialling(connection->diallers[i])) {
            connection->diallers[i] = process_thread();
            return true;
        }
    return false;
}

void connection_init(struct connection *connection, const struct binding *binding, bool initiator, bool nonblocking)
{
    memset((uint8_t *)connection + KEPT_BYTES, 0, sizeof *connection - KEPT_BYTES);
    connection->nonblocking = nonblocking;
    connection->initiator = initiator;
    connection->binding = binding;
    connection->rx_index = connection->tx_index = CONNECTION_NO_BUFFER;
    connection->holder_count = 1;
    connection->holders[0] = (struct holder){process_id(), process_thread().space};
    connection->deadline_ms = connection->buffer_at_ms = UINT64_MAX;
}

const char *connection_phase_name(const struct connection *connection)
{
    static const char *const names[] = {"plain", "connecting", "undecided", "handshake", "open", "failed"};
    return connection->phase < sizeof names / sizeof names[0] ? names[connection->phase] : "invalid";
}

void connection_clear(struct connection *connection)
{
    give_back(&connection->rx_index);
    give_back(&connection->tx_index);
    keyexchange_drop(connection);
    sodium_memzero((uint8_t *)connection + KEPT_BYTES, sizeof *connection - KEPT_BYTES);
}

/* The buffer with this number behind a slot: 0 is the receive buffer, 1 the send buffer. */
static uint8_t *slot_buffer(struct connection *slot, int number)
{
    return (uint8_t *)slot + CONNECTION_BLOCK_BYTES + (size_t)number * CONNECTION_BUFFER_BYTES;
}

static bool is_span(struct span span, uint32_t limit)
{
    return span.begin <= span.end && span.end <= limit;
}

/* Whether a bool that another process may have written is 0 or 1. Any other value is undefined behaviour in C. */
static bool is_bool(const bool *flag)
{
    uint8_t byte;
    memcpy(&byte, flag, sizeof byte);
    return byte <= 1;
}

static bool has_valid_flags(const struct connection *connection)
{
    const bool *const flags[] = {
        &connection->initiator,          &connection->local,
        &connection->buffering,          &connection->confirmed,
        &connection->reported_connected, &connection->reported_error,
        &connection->read_shut,          &connection->write_shut,
        &connection->final_received,     &connection->end_shown,
        &connection->ended_early,        &connection->finishing,
        &connection->fin_sent,           &connection->broken,
        &connection->answered,           &connection->only_confirm_sent,
        &connection->cork_later,         &connection->prehandshake_full,
        &connection->inherited,          &connection->wiped,
        &connection->used_by_others,     &connection->dialled,
        &connection->size_is_known,      &connection->nothing_follows,
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (!is_bool(flags[i]))
            return false;
    return true;
}

/* Only with `prefer` can another process have found that the peer does not seal. */
static bool is_phase(const struct connection *connection, const struct policy_rule *rule)
{
    return connection->phase <= CONNECTION_FAILED &&
           (connection->phase != CONNECTION_NONE || rule->seal == POLICY_SEAL_PREFER);
}

/* The pre-handshake buffer has its place in the send buffer, behind what is pending. */
static bool is_prehandshake(struct span prehandshake, struct span tx)
{
    return span_length(prehandshake) == 0 ||
           (prehandshake.begin == CONNECTION_CONTROL_MAX && tx.end <= prehandshake.begin);
}

/* Whether nothing in the copy can lead out of this process's own memory, whatever another process has written. */
static bool is_sane(const struct connection *connection)
{
    return has_valid_flags(connection) && is_phase(connection, connection_rule(connection)) &&
           is_span(connection->rx_plain, CONNECTION_BUFFER_BYTES) &&
           is_span(connection->rx_cipher, CONNECTION_BUFFER_BYTES) && is_span(connection->tx, CONNECTION_TX_MAX) &&
           is_span(connection->prehandshake, CONNECTION_CONTROL_MAX + CONNECTION_PREHANDSHAKE_MAX) &&
           (span_length(connection->rx_plain) == 0 || connection->rx_plain.end <= connection->rx_cipher.begin ||
            span_length(connection->rx_cipher) == 0) &&
           is_prehandshake(connection->prehandshake, connection->tx) &&
           (connection->phase == CONNECTION_CONNECTING || connection->phase == CONNECTION_UNDECIDED ||
            connection->phase == CONNECTION_NONE || channel_is_sane(&connection->channel));
}

/* The end of the span that ends last. An empty span does not count. */
static uint32_t last_end(struct span one, struct span other)
{
    const uint32_t first = span_length(one) > 0 ? one.end : 0, second = span_length(other) > 0 ? other.end : 0;
    return first > second ? first : second;
}

void connection_fetch(struct connection *connection, struct connection *slot, const struct binding *binding)
{
    keyexchange_forget(connection); /* of a thread that has left a call without storing it */
    memcpy((uint8_t *)connection + KEPT_BYTES, (uint8_t *)slot + KEPT_BYTES, sizeof *slot - KEPT_BYTES);
    connection->slot = slot;
    connection->binding = binding;
    connection->rx_index = connection->tx_index = CONNECTION_NO_BUFFER;
    connection->exchange = 0;
    const bool used_by_others = is_bool(&connection->used_by_others) && connection->used_by_others;
    bool whole = is_sane(connection);
    const uint32_t rx_length = whole ? last_end(connection->rx_plain, connection->rx_cipher) : 0;
    const uint32_t tx_length = whole ? last_end(connection->tx, connection->prehandshake) : 0;
    uint8_t *rx = rx_length > 0 ? connection_rx(connection) : NULL;
    uint8_t *tx = tx_length > 0 ? connection_tx(connection) : NULL;
    whole = whole && (rx_length == 0 || rx != NULL) && (tx_length == 0 || tx != NULL) &&
            keyexchange_fetch(connection, slot);
    if (whole && rx != NULL)
        memcpy(rx, slot_buffer(slot, 0), rx_length);
    if (whole && tx != NULL)
        memcpy(tx, slot_buffer(slot, 1), tx_length);
    if (!whole)
        connection_lose(connection);
    /* Otherwise only a private connection can be wiped; another process may have set the flag. */
    connection->wiped = connection->used_by_others = used_by_others;
}

void connection_store(struct connection *connection)
{
    struct connection *slot = connection->slot;
    const uint32_t rx_length = last_end(connection->rx_plain, connection->rx_cipher);
    const uint32_t tx_length = last_end(connection->tx, connection->prehandshake);
    if (rx_length > 0)
        memcpy(slot_buffer(slot, 0), connection_rx(connection), rx_length);
    if (tx_length > 0)
        memcpy(slot_buffer(slot, 1), connection_tx(connection), tx_length);
    give_back(&connection->rx_index);
    give_back(&connection->tx_index);
    keyexchange_store(connection, slot);
    memcpy((uint8_t *)slot + KEPT_BYTES, (uint8_t *)connection + KEPT_BYTES, sizeof *slot - KEPT_BYTES);
    sodium_memzero((uint8_t *)connection + KEPT_BYTES, sizeof *connection - KEPT_BYTES);
}

void connection_lose(struct connection *connection)
{
    struct connection *slot = connection->slot;
    give_back(&connection->rx_index);
    give_back(&connection->tx_index);
    keyexchange_drop(connection);
    connection_init(connection, connection->binding, false, false);
    connection->slot = slot;
    connection->phase = CONNECTION_FAILED;
    connection->error = ECONNRESET;
}

/* The phase becomes CONNECTION_FAILED. The program still gets the plaintext in rx_plain, which is authentic. */
static void enter_failed(struct connection *connection, int error)
{
    counting_end(connection);
    channel_poison(&connection->channel);
    connection->phase = CONNECTION_FAILED;
    connection->error = error;
    connection->rx_cipher = connection->tx = connection->prehandshake = (struct span){0};
    connection->finishing = false;
    connection->wants = 0;
    connection_trim(connection);
}

/* `end`: for the `closed` event. */
static void fail(struct connection *connection, int fd, int error, const char *end, const char *reason)
{
    TRACE(HANDSHAKE, "failed", fd, "errno", error);
    if (connection->phase == CONNECTION_FAILED)
        return;
    if (connection->confirmed)
        connection_report_closed(connection, end, reason);
    else
        connection_report_refused(connection, reason);
    enter_failed(connection, error);
    /* If bytes were left, the kernel would reset the connection, and the peer would lose what it has not read yet.
     */
    transport_discard(fd);
    (void)transport_shut(fd, SHUT_RDWR);
    endpoint_update(fd, connection);
}

void connection_fail(struct connection *connection, int fd, int error, const char *reason)
{
    fail(connection, fd, error, "error", reason);
}

void connection_truncate(struct connection *connection, int fd, int error, const char *reason)
{
    fail(connection, fd, error, "truncated", reason);
}

void connection_end_unused(struct connection *connection, int fd)
{
    connection_report_refused(connection, "the peer closed the connection before it sent anything");
    enter_failed(connection, 0);
    endpoint_update(fd, connection);
}

void connection_disconnect(struct connection *connection)
{
    if (connection->phase == CONNECTION_OPEN)
        connection_report_closed(connection, "reset", "the program disconnected it (connect to AF_UNSPEC)");
    counting_end(connection);
    channel_poison(&connection->channel);
    connection->phase = CONNECTION_FAILED; /* other processes may have it */
    connection->error = ECONNRESET;
    connection->rx_plain = connection->rx_cipher = connection->tx = connection->prehandshake = (struct span){0};
    connection->finishing = false;
    connection_trim(connection);
}

void connection_fail_seal(struct connection *connection, int fd, int seal_error)
{
    const bool truncated = seal_error == PFSWRAP_SEAL_E_TRUNCATED;
    const char *reason = seal_error == RENEW_REMOVED     ? renew_removed_reason
                         : seal_error == FRAME_NO_MEMORY ? "out of memory"
                                                         : pfswrap_seal_error_text(seal_error);
    fail(connection, fd, seal_error == FRAME_NO_MEMORY ? ENOBUFS : ECONNRESET, truncated ? "truncated" : "error",
         reason);
}
