/*
 * A third plane, which a test adds to the list of shim/order.c (mk/plane.mk): it has a record of each TCP
 * connection that no other plane has, and counts what the interposed calls ask of it. At exit it prints the counts
 * on standard error.
 */
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/raw_syscall.h"
#include "base/socket_kind.h"
#include "fd/events.h"
#include "fd/plane.h"

enum { RECORD = 1 }; /* one for all connections: nothing is remembered about them */

extern const struct plane counting_plane;

static atomic_long connections, accepts, sends, bytes_sent, receives, bytes_received, copies, ends;
static atomic_long waits, sweeps, asks, answers, epoll_events, execs, failures, exports;

/* The sweep is due when the process starts, and an hour later. */
enum { HOUR_MS = 3600000 };

static bool always(void)
{
    return true;
}

/* As if its connections had a filter, so that the calls that wait ask it. */
static void start(const struct policy *policy)
{
    (void)policy;
    atomic_fetch_add(&planes_filtering, 1);
    events_schedule(0);
}

static int connected(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)address, (void)length;
    if (!socket_may_be_tcp(fd) || !plane_add_record(&counting_plane, fd, RECORD))
        return FD_FOREIGN;
    atomic_fetch_add(&connections, 1);
    return 0;
}

static int accepted(int fd, int listener, int flags, const struct sockaddr *peer)
{
    (void)listener, (void)flags, (void)peer;
    if (!socket_may_be_tcp(fd) || !plane_add_record(&counting_plane, fd, RECORD))
        return FD_FOREIGN;
    atomic_fetch_add(&accepts, 1);
    return fd;
}

static int before_send(int fd, const struct iovec *vectors, long count, const void *caller, uint32_t *ticket)
{
    (void)fd, (void)vectors, (void)count, (void)caller;
    atomic_fetch_add(&sends, 1);
    *ticket = RECORD;
    return 0;
}

static void sent(int fd, const struct iovec *vectors, long count, ssize_t taken, uint32_t ticket)
{
    (void)fd, (void)vectors, (void)count;
    if (ticket == RECORD && taken > 0)
        atomic_fetch_add(&bytes_sent, taken);
}

static ssize_t received(int fd, const struct iovec *vectors, long count, ssize_t got, int flags, const void *caller)
{
    (void)fd, (void)vectors, (void)count, (void)flags, (void)caller;
    if (got >= 0)
        atomic_fetch_add(&receives, 1);
    if (got > 0)
        atomic_fetch_add(&bytes_received, got);
    return got;
}

static void copied(int fd, int copy, uint64_t word)
{
    (void)fd, (void)word;
    if (plane_add_record(&counting_plane, copy, RECORD))
        atomic_fetch_add(&copies, 1);
}

static uint64_t share(int fd)
{
    (void)fd;
    atomic_fetch_add(&copies, 1);
    return plane_record_word(&counting_plane, RECORD);
}

static void dropped(int fd, uint64_t word)
{
    (void)fd;
    if (plane_record(&counting_plane, word) == RECORD)
        atomic_fetch_add(&ends, 1);
}

static bool poll_concerns(int fd)
{
    (void)fd;
    return true;
}

static short poll_ask(int fd, short events, bool *held_back)
{
    (void)fd, (void)held_back;
    atomic_fetch_add(&asks, 1);
    return events;
}

static short poll_answer(int fd, short events, short revents)
{
    (void)fd, (void)events;
    atomic_fetch_add(&answers, 1);
    return revents;
}

static void before_wait(void)
{
    atomic_fetch_add(&waits, 1);
}

static uint64_t sweep(uint64_t now_ms)
{
    atomic_fetch_add(&sweeps, 1);
    return now_ms + HOUR_MS;
}

static int epoll_reported(int epoll, struct epoll_event *events, int count, uint64_t epoch)
{
    (void)epoll, (void)events, (void)epoch;
    atomic_fetch_add(&epoll_events, count);
    return count;
}

static int export_bare(int fd)
{
    (void)fd;
    atomic_fetch_add(&exports, 1);
    return 0;
}

static void before_exec(bool preloaded)
{
    (void)preloaded;
    atomic_fetch_add(&execs, 1);
}

static void exec_failed(void)
{
    atomic_fetch_add(&failures, 1);
}

static void print_counts(void)
{
    char line[384];
    const int length =
        snprintf(line, sizeof line,
                 "plane: connects %ld accepts %ld sends %ld/%ld receives %ld/%ld copies %ld ends %ld\n"
                 "plane: waits %ld sweeps %ld asks %ld answers %ld epoll %ld execs %ld/%ld exports %ld\n",
                 atomic_load(&connections), atomic_load(&accepts), atomic_load(&sends), atomic_load(&bytes_sent),
                 atomic_load(&receives), atomic_load(&bytes_received), atomic_load(&copies), atomic_load(&ends),
                 atomic_load(&waits), atomic_load(&sweeps), atomic_load(&asks), atomic_load(&answers),
                 atomic_load(&epoll_events), atomic_load(&execs), atomic_load(&failures), atomic_load(&exports));
    (void)raw_syscall(SYS_write, 2, line, length);
}

const struct plane counting_plane = {
    .operations =
        {
            .before_send = before_send,
            .sent = sent,
            .received = received,
            .poll_concerns = poll_concerns,
            .poll_ask = poll_ask,
            .poll_answer = poll_answer,
            .copied = copied,
            .share = share,
            .export_bare = export_bare,
        },
    .start = start,
    .is_wanted = always,
    .is_started = always,
    .connected = connected,
    .accepted = accepted,
    .before_wait = before_wait,
    .sweep = sweep,
    .epoll_reported = epoll_reported,
    .dropped = dropped,
    .exit = print_counts,
    .before_exec = before_exec,
    .exec_failed = exec_failed,
    .has_connections = always,
};
