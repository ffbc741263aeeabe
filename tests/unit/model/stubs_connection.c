/*
 * Connections in the model: what connection/ and transfer/ do around the sources under test, and the planes. See
 * stubs.h.
 */
#include "model/stubs.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"
#include "config/keys.h"
#include "connection/background.h"
#include "connection/connection.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "connection/holders.h"
#include "connection/keyexchange.h"
#include "connection/receive.h"
#include "connection/release.h"
#include "connection/report_counted.h"
#include "connection/stream.h"
#include "connection/unproved.h"
#include "connection/wait.h"
#include "readiness/registration.h"
#include "sealed/operations.h"
#include "transfer/export.h"
#include "transfer/relay.h"

void channel_poison(struct channel *channel)
{
    (void)channel;
}
void keyexchange_forget(struct connection *connection)
{
    (void)connection;
}
void keyexchange_prepare(void)
{
}
const struct policy_rule *connection_rule(const struct connection *connection)
{
    return &model_policy.rules[connection->binding->rule];
}
void connection_init(struct connection *connection, const struct binding *binding, bool initiator, bool nonblocking)
{
    memset((uint8_t *)connection + sizeof connection->lock, 0, sizeof *connection - sizeof connection->lock);
    connection->binding = binding;
    connection->initiator = initiator;
    connection->nonblocking = nonblocking;
    connection->holder_count = 1;
}
void connection_clear(struct connection *connection)
{
    memset((uint8_t *)connection + sizeof connection->lock, 0, sizeof *connection - sizeof connection->lock);
}
/* Who reads the counters is no part of the model. */
void counting_begin(struct connection *connection, const struct endpoint *endpoint)
{
    (void)connection;
    (void)endpoint;
}

void counting_end(struct connection *connection)
{
    (void)connection;
}

void connection_fail(struct connection *connection, int fd, int error, const char *reason)
{
    (void)fd, (void)reason;
    connection->phase = CONNECTION_FAILED;
    connection->error = error;
}
void connection_disconnect(struct connection *connection)
{
    connection->phase = CONNECTION_FAILED;
}
void connection_lose(struct connection *connection)
{
    connection->phase = CONNECTION_FAILED;
}
/* As in connection.c. */
bool connection_is_dialled(const struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id != 0 && connection->diallers[i].id != process_thread().id)
            return true;
    return false;
}
void connection_end_dial(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id == process_thread().id)
            connection->diallers[i].id = 0;
}
bool connection_begin_dial(struct connection *connection)
{
    for (int i = 0; i < CONNECTION_DIALLERS; i++)
        if (connection->diallers[i].id == 0) {
            connection->diallers[i] = process_thread();
            return true;
        }
    return false;
}
void connection_trim(struct connection *connection)
{
    (void)connection;
}
void connection_fetch(struct connection *connection, struct connection *slot, const struct binding *binding)
{
    (void)connection, (void)slot, (void)binding;
    model_expect(false, "no connection is shared here");
}
void connection_store(struct connection *connection)
{
    (void)connection;
}
void connection_report_closed(const struct connection *connection, const char *end, const char *reason)
{
    (void)connection, (void)end, (void)reason;
}
void counted_write_all(void)
{
}
void connection_report_lost(const char *reason)
{
    (void)reason;
}

/* As in handshake.c; the exchange with the peer is one step here. */
/* Returns what getpeername(2) returns. */
static long meet_peer(struct connection *connection, int fd)
{
    struct sockaddr_in6 peer;
    socklen_t length = sizeof peer;
    const long result = raw_syscall(SYS_getpeername, fd, &peer, &length);
    if (result == 0 && model_peer_of(fd) == PEER_KEYED)
        connection->phase = CONNECTION_OPEN;
    else if (result == 0)
        connection_fail(connection, fd, ECONNRESET, "");
    return result;
}
void handshake_connected(struct connection *connection, int fd)
{
    if (connection->phase == CONNECTION_CONNECTING)
        (void)meet_peer(connection, fd);
}
void handshake_advance(struct connection *connection, int fd)
{
    if (connection->phase != CONNECTION_CONNECTING)
        return;
    const long result = meet_peer(connection, fd);
    if (result == 0)
        return;
    if (result != -ENOTCONN)
        connection_fail(connection, fd, ECONNRESET, "");
    else if (connection->dialled && !connection_is_dialled(connection))
        connection->phase = CONNECTION_NONE;
}

bool send_finish(struct connection *connection, int fd)
{
    (void)fd;
    connection->fin_sent = true;
    return true;
}
int send_flush(struct connection *connection, int fd)
{
    (void)connection, (void)fd;
    return 1;
}
bool receive_rest(struct connection *connection, int fd, bool *drained)
{
    (void)connection, (void)fd;
    *drained = true;
    return false;
}
bool model_has_background;
void model_finish_all(void)
{
    for (struct endpoint *endpoint = NULL; (endpoint = endpoint_next(endpoint)) != NULL;) {
        struct connection *connection;
        if (MODEL_LOAD(&endpoint->descriptors) == 0 && endpoint_enter_at(endpoint, &connection))
            (void)release_advance(endpoint, connection);
    }
}
void background_add(struct endpoint *endpoint)
{
    (void)endpoint;
    if (!model_has_background)
        model_finish_all();
}
void background_add_closed(struct endpoint *endpoint, bool may_wait, bool is_sent)
{
    (void)is_sent;
    (void)may_wait;
    background_add(endpoint);
}
atomic_int unproved_threshold = INT_MAX;
void unproved_add(const struct endpoint *endpoint)
{
    (void)endpoint;
}
void unproved_remove(const struct endpoint *endpoint)
{
    (void)endpoint;
}
void unproved_make_room(int fd)
{
    (void)fd;
}
bool unproved_drop(void)
{
    return false;
}
void unproved_report(const struct connection *connection)
{
    (void)connection;
}
void unproved_report_rest(void)
{
}
bool background_is_running(void)
{
    return false;
}
void background_settle(void)
{
}
void background_finish(void)
{
}

void export_close_on_exec(unsigned first, unsigned last)
{
    (void)first, (void)last;
}
bool export_as_handoff(int fd)
{
    (void)fd;
    return false;
}
void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd)
{
    (void)endpoint, (void)connection, (void)fd;
}
const struct endpoint_observer *const endpoint_observers[] = {NULL};
bool relay_is_needed(int number)
{
    return number <= 2;
}
bool relay_is_needed_at(int number)
{
    return number <= 2;
}
int relay_require(int fd)
{
    (void)fd;
    return 0;
}
bool holders_release(struct connection *connection)
{
    (void)connection;
    return false;
}
bool holders_are_handoffs(struct connection *connection)
{
    (void)connection;
    return false;
}
void holders_wait(struct connection *connection)
{
    (void)connection;
}
bool holders_end_waiting(struct connection *connection)
{
    (void)connection;
    return false;
}
ssize_t stream_available(int fd)
{
    (void)fd;
    return 0;
}
int wait_for(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms)
{
    (void)fd, (void)events, (void)until_ms, (void)timeout_option, (void)began_ms;
    model_wait();
    return 0;
}
int wait_pinned(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms)
{
    return wait_for(fd, events, until_ms, timeout_option, began_ms);
}
static ssize_t receive_nothing(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    (void)fd, (void)vectors, (void)count, (void)flags, (void)call;
    return 0;
}

/* A plane that has records, and copies them. */
static void copy_record(int fd, int copy, uint64_t word)
{
    (void)fd, (void)copy, (void)word;
}
static uint64_t share_record(int fd)
{
    return plane_record_word(&model_recording, fd_word_record(fd_word(fd)));
}
const struct plane model_recording = {.operations = {.copied = copy_record, .share = share_record}};

/* Of the seal's plane, what the model has (sealed/plane.c). */
static const struct plane sealing = {
    .operations = {.receive = receive_nothing,
                   .shutdown = release_shutdown,
                   .fcntl = sealed_fcntl,
                   .ioctl = sealed_ioctl,
                   .dup = sealed_dup,
                   .dup_to = sealed_dup_to,
                   .copied = sealed_copied},
    .is_wanted = pfswrap_seals,
    .is_started = keys_in_use,
    .connect = sealed_connect,
    .release = release_number,
    .closed = release_closed,
    .dropped = endpoint_dropped,
    .close_range_on_exec = export_close_on_exec,
};
const struct plane *const planes[] = {&sealing, &model_recording, NULL};
