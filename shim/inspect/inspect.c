/*
 * Feeding the reader with what a program sends and receives, as the calls that do it ask.
 */
#include "inspect/inspect.h"

#include <errno.h>

#include "base/process.h"
#include "base/socket_cookie.h"
#include "base/raw_syscall.h"
#include "base/address_check.h"
#include "inspect/record.h"
#include "inspect/verdict.h"

/* Feeds what lies in `vectors` behind `skip` bytes, `limit` bytes of it. */
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
            break; /* no further does the kernel come */
        if (length > limit - fed)
            length = limit - fed;
        if (length > 0 && record->wire.verdict == WIRE_UNDECIDED)
            wire_feed(&record->wire, record->config, direction, bytes + passed, length, &passes);
        for (uint64_t j = 0; j < length && record->head_count < sizeof record->head; j++)
            record->head[record->head_count++] = bytes[passed + j];
        fed += length;
    }
    record->fed[direction] += fed;
    record->generation++;
    return fed;
}

static int cut(void)
{
    errno = ECONNRESET;
    return -1;
}

int inspect_before_send(int fd, const struct iovec *vectors, size_t count, const void *caller, uint32_t *generation)
{
    uint32_t entry;
    int saved = errno;
    *generation = 0;
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

void inspect_sent(int fd, const struct iovec *vectors, size_t count, ssize_t sent, uint32_t generation)
{
    uint32_t entry;
    int saved = errno;
    uint64_t offered = 0, taken = sent > 0 ? (uint64_t)sent : 0;
    if (generation == 0)
        return;
    for (size_t i = 0; i < count; i++)
        offered += vectors[i].iov_len;
    if (taken == offered || !fd_is_inspected(fd))
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    if (record->generation == generation && record->may_be_taken_back) {
        /* Nothing has come in between: as if the program had offered only what the kernel took. */
        uint64_t again = record->before_ahead < taken ? record->before_ahead : taken;
        record->wire = record->before;
        record->fed[WIRE_OUT] = record->before_fed;
        record->ahead = record->before_ahead - again;
        (void)record_feed(record, WIRE_OUT, vectors, count, again, taken - again);
    } else {
        record->ahead += offered - taken;
    }
    record->may_be_taken_back = false;
    record_unlock(record);
    errno = saved;
}

ssize_t inspect_received(int fd, const struct iovec *vectors, size_t count, ssize_t got, int flags,
                         const void *caller)
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
    /* With MSG_TRUNC they were thrown away unseen (tcp(7)), which the kernel's count will tell. */
    uint64_t fed = (flags & MSG_TRUNC) != 0 ? 0 : record_feed(record, WIRE_IN, vectors, count, 0, (uint64_t)got);
    if (record_decide(record, entry, fd, WIRE_IN, fed))
        return cut();
    errno = saved;
    return got;
}

int inspect_before_file(int fd, const void *caller)
{
    /* One byte that begins no record: what a file has is no hello, whatever its bytes look like. */
    static const uint8_t byte = 0;
    uint32_t generation;
    uint32_t entry;
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)&byte, .iov_len = sizeof byte};
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    bool is_handshake = wire_is_tls(&record->wire);
    bool is_refused = record->is_cut;
    if (!is_handshake && !is_refused)
        record->wire.streams[WIRE_OUT].plain = record->config->plaintext_max;
    record_unlock(record);
    return is_refused ? cut() : inspect_before_send(fd, &vector, 1, caller, &generation);
}

int inspect_before_stream(int fd, const void *caller)
{
    uint32_t entry;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    const bool is_plaintext = record->plaintext == POLICY_PLAINTEXT_REFUSE && !wire_is_tls(&record->wire);
    record_unlock(record);
    return is_plaintext ? inspect_before_file(fd, caller) : 0;
}

bool inspect_refuses_unseen(int fd)
{
    uint32_t entry;
    if (!fd_is_inspected(fd) || !inspect_enforces())
        return false;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return fd_is_inspected(fd);
    if (!process_sandboxed && record->cookie != socket_cookie(fd, SO_COOKIE)) {
        record_forget(record, entry); /* closed where nobody saw it: the number is another's */
        return false;
    }
    record_unlock(record);
    return true;
}
