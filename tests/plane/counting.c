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
#include "fd/plane.h"

enum { RECORD = 1 }; /* one for all connections: nothing is remembered about them */

extern const struct plane counting_plane;

static atomic_long connections, accepts, sends, bytes_sent, receives, bytes_received, copies, ends;

static bool always(void)
{
    return true;
}

static int connected(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)address, (void)length;
    if (!socket_may_be_tcp(fd) || !plane_add_record(&counting_plane, fd, RECORD))
        return FD_FOREIGN;
    atomic_fetch_add(&connections, 1);
    return 0;
}

static int accepted(int fd, int listener, int flags)
{
    (void)listener, (void)flags;
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

static void print_counts(void)
{
    char line[256];
    const int length = snprintf(
        line, sizeof line, "plane: connects %ld accepts %ld sends %ld/%ld receives %ld/%ld copies %ld ends %ld\n",
        atomic_load(&connections), atomic_load(&accepts), atomic_load(&sends), atomic_load(&bytes_sent),
        atomic_load(&receives), atomic_load(&bytes_received), atomic_load(&copies), atomic_load(&ends));
    (void)raw_syscall(SYS_write, 2, line, length);
}

const struct plane counting_plane = {
    .operations =
        {
            .before_send = before_send,
            .sent = sent,
            .received = received,
            .copied = copied,
            .share = share,
        },
    .is_wanted = always,
    .is_started = always,
    .connected = connected,
    .accepted = accepted,
    .dropped = dropped,
    .exit = print_counts,
};
