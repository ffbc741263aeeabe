/*
 * The plane (fd/plane.h) and its operations: the kernel moves the bytes, and the reader gets a
 * copy, before bytes are sent and after bytes were received. So a connection can be refused before a byte leaves.
 */
#include "inspect/inspect.h"

#include <errno.h>

#include "base/address_check.h"
#include "base/iov_check.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "inspect/record.h"

/* Gives the reader the bytes in the vectors from `skip` on, at most `limit` bytes. Returns how many there were. */
static uint64_t record_feed(struct record *record, enum wire_direction direction, const struct iovec *vectors,
                            size_t count, uint64_t skip, uint64_t limit)
{
    uint64_t fed = 0;
    size_t passes;
    record->head_count = 0;
    for (size_t i = 0; i < count && fed < limit; i++) {
        const uint8_t *bytes = vectors[i].iov_base;
        uint64_t length = vectors[i].iov_len;
        uint64_t passed = skip < length ? skip : length;
        skip -= passed;
        length -= passed;
        if (length > 0 && address_is_bad(bytes))
            break; /* the kernel stops here, too */
        if (length > limit - fed)
            length = limit - fed;
        if (length > 0 && record->wire.verdict == WIRE_UNDECIDED)
            wire_feed(&record->wire, record->config, direction, bytes + passed, (size_t)length, &passes);
        for (uint64_t j = 0; j < length && record->head_count < sizeof record->head; j++)
            record->head[record->head_count++] = bytes[passed + j];
        fed += length;
    }
    record->fed[direction] += fed;
    record->generation++;
    return fed;
}

/* The result of a call on a connection that is cut. */
static int cut(void)
{
    errno = ECONNRESET;
    return -1;
}

static int feed_before_send(int fd, const struct iovec *vectors, size_t count, const void *caller,
                            uint32_t *generation)
{
    uint32_t entry;
    int saved = errno;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    if (record->is_cut) {
        record_unlock(record);
        return cut();
    }
    record->caller = caller;
    record->before = record->wire;
    record->before_fed = record->fed[WIRE_OUT];
    record->before_ahead = record->ahead;
    record->may_be_taken_back = true;
    record->ahead = 0;
    uint64_t fed = record_feed(record, WIRE_OUT, vectors, count, record->before_ahead, UINT64_MAX);
    *generation = record->generation;
    if (record_decide(record, entry, fd, WIRE_OUT, fed))
        return cut();
    errno = saved;
    return 0;
}

/* The kernel refuses an invalid vector, and nothing is sent: ticket 0. */
static int before_send(int fd, const struct iovec *vectors, long count, const void *caller, uint32_t *ticket)
{
    *ticket = 0;
    return iov_is_taken(vectors, count) ? feed_before_send(fd, vectors, (size_t)count, caller, ticket) : 0;
}

/*
 * After a short write, the reader must have only the bytes that were sent. `ticket` is the record's generation
 * after the bytes were read.
 */
static void sent(int fd, const struct iovec *vectors, long count, ssize_t result, uint32_t ticket)
{
    uint32_t entry;
    int saved = errno;
    uint64_t offered = 0, taken = result > 0 ? (uint64_t)result : 0;
    if (ticket == 0)
        return;
    for (long i = 0; i < count; i++)
        offered += vectors[i].iov_len;
    if (taken == offered || !fd_has_record(fd))
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    if (record->generation == ticket && record->may_be_taken_back) {
        /* No other call came in between: restore the state, and read the bytes that the kernel took. */
        uint64_t again = record->before_ahead < taken ? record->before_ahead : taken;
        record->wire = record->before;
        record->fed[WIRE_OUT] = record->before_fed;
        record->ahead = record->before_ahead - again;
        (void)record_feed(record, WIRE_OUT, vectors, (size_t)count, again, taken - again);
    } else {
        record->ahead += offered - taken;
    }
    record->may_be_taken_back = false;
    record_unlock(record);
    errno = saved;
}

static ssize_t received(int fd, const struct iovec *vectors, long count, ssize_t got, int flags, const void *caller)
{
    uint32_t entry;
    int saved = errno;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return got;
    if (record->is_cut) {
        record_unlock(record);
        return cut();
    }
    if (got <= 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)) != 0) {
        record_unlock(record);
        return got;
    }
    record->caller = caller;
    record->may_be_taken_back = false;
    /* With MSG_TRUNC the kernel has thrown the bytes away (tcp(7)). Its own count shows that they were not read. */
    uint64_t fed =
        (flags & MSG_TRUNC) != 0 ? 0 : record_feed(record, WIRE_IN, vectors, (size_t)count, 0, (uint64_t)got);
    if (record_decide(record, entry, fd, WIRE_IN, fed))
        return cut();
    errno = saved;
    return got;
}

/*
 * Before bytes are sent that the reader cannot read: those of a file (sendfile(2)). A file is not a ClientHello, so
 * they count as plaintext, unless TLS has begun.
 */
static int before_unseen(int fd, const void *caller)
{
    static const uint8_t byte = 0; /* no record of TLS begins with it */
    uint32_t generation;
    uint32_t entry;
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)&byte, .iov_len = sizeof byte};
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    bool is_handshake = wire_is_tls(&record->wire);
    bool is_refused = record->is_cut;
    if (!is_handshake && !is_refused)
        record->wire.streams[WIRE_OUT].plain = record->config->plaintext_max; /* the next byte decides */
    record_unlock(record);
    return is_refused ? cut() : feed_before_send(fd, &vector, 1, caller, &generation);
}

int inspect_before_stream(int fd, const void *caller)
{
    uint32_t entry;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    const bool is_plaintext = record->plaintext == POLICY_PLAINTEXT_REFUSE && !wire_is_tls(&record->wire);
    record_unlock(record);
    return is_plaintext ? before_unseen(fd, caller) : 0;
}

static bool refuses_unseen(int fd)
{
    uint32_t entry;
    if (!fd_has_record(fd) || !inspect_enforces())
        return false;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return fd_has_record(fd);
    if (!process_sandboxed && record->cookie != socket_cookie(fd, SO_COOKIE)) {
        record_forget(record, entry); /* closed without an interposed call, and the number is another file now */
        return false;
    }
    record_unlock(record);
    return true;
}

static int connected(int fd, const struct sockaddr *address, socklen_t length)
{
    if (!inspect_is_wanted())
        return FD_FOREIGN;
    if (inspect_connected(fd, address, length))
        return fd_has_record(fd) ? 0 : FD_FOREIGN;
    errno = ECONNABORTED;
    return -1;
}

/* If the socket were only shut down, bytes that have arrived could still be read. */
static int accepted(int fd, int listener, int flags, const struct sockaddr *peer)
{
    (void)flags;
    (void)peer;
    if (!inspect_is_wanted())
        return FD_FOREIGN;
    if (inspect_accepted(fd, listener))
        return fd_has_record(fd) ? fd : FD_FOREIGN;
    (void)raw_syscall(SYS_close, fd);
    errno = ECONNABORTED;
    return -1;
}

static bool inherited(int fd)
{
    inspect_inherited(fd);
    return fd_has_record(fd);
}

static bool imported(int fd)
{
    inspect_received_descriptor(fd);
    return fd_has_record(fd);
}

static void copied(int fd, int copy, uint64_t word)
{
    (void)word;
    inspect_copied(fd, copy);
}

static void before_filter(bool sandboxes, bool stops_threads)
{
    (void)stops_threads;
    if (sandboxes)
        inspect_before_sandbox();
}

const struct plane inspect_plane = {
    .operations =
        {
            .before_send = before_send,
            .sent = sent,
            .received = received,
            .before_unseen = before_unseen,
            .before_stream = inspect_before_stream,
            .refuses_unseen = refuses_unseen,
            .copied = copied,
            .share = inspect_share,
            .is_current = inspect_is_current,
        },
    .start = inspect_start,
    .is_wanted = inspect_is_wanted,
    .is_started = inspect_is_wanted,
    .enforces = inspect_enforces,
    .connected = connected,
    .accepted = accepted,
    .inherited = inherited,
    .imported = imported,
    .dropped = inspect_dropped,
    .process = &inspect_process_observer,
    .before_filter = before_filter,
};
