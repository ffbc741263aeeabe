/*
 * The process between a program and a sealed connection. It is a raw clone, possibly of a process with threads, so
 * it allocates nothing, takes no lock but the connection's and calls nothing of libc that might. It ends when both
 * directions have, or as soon as one is broken: then its own end of the pair is closed with a byte unread, which
 * the program gets as ECONNRESET.
 */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/background.h"
#include "base/transport.h"
#include "base/fork.h"
#include "connection/receive.h"
#include "transfer/relay.h"
#include "transfer/relay_program.h"
#include "connection/release.h"
#include "connection/send.h"
#include "transfer/share.h"
#include "config/init.h"
#include "fd/own.h"
#include "base/raw_syscall.h"

enum {
    BUFFER_BYTES = CONNECTION_PREHANDSHAKE_MAX,
    ROUNDS = 16,   /* of each direction before the other has its turn */
    SLICE_MS = 10, /* acknowledgements raise no event */
};

/* What is waited for. */
enum { OF_PAIR, OF_PEER, OF_PROGRAM, WATCHED };

/* One direction, as far as the program is concerned. */
enum direction {
    FLOWING,
    ENDING, /* towards the peer: the program has said all, and the peer is yet to be told */
    ENDED,
    BROKEN,
};

struct relay {
    struct endpoint *endpoint;
    struct connection *connection; /* while it is locked */
    int fd, end, epoll;
    bool plain;        /* the peer of a `prefer` rule does not seal: bytes go through as they are */
    bool program_shut; /* the program sends no more */
    bool program_gone; /* nor receives */
    bool outlived;     /* somebody else had the descriptor longer */
    struct relay_program program;
    enum direction up, down;
    struct span left; /* of down_bytes: for the program */
};

static uint8_t up_bytes[BUFFER_BYTES + 1], down_bytes[BUFFER_BYTES];

static _Noreturn void leave_process(void)
{
    for (;;)
        (void)raw_syscall(SYS_exit_group, 0);
}

/* The lowest number from `first` on that the relay needs, or UINT_MAX. */
static unsigned lowest_kept(unsigned first, const struct relay *relay, bool keep_stderr)
{
    const int own = own_lowest(first, UINT_MAX);
    const unsigned kept[] = {(unsigned)relay->fd, (unsigned)relay->end, keep_stderr ? STDERR_FILENO : UINT_MAX,
                             own >= 0 ? (unsigned)own : UINT_MAX};
    unsigned lowest = UINT_MAX;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (kept[i] >= first && kept[i] < lowest)
            lowest = kept[i];
    return lowest;
}

/* Closes what the program had open, but for the two ends and what the audit log writes to. */
static void close_others(const struct relay *relay)
{
    const bool keep_stderr =
        pfswrap_policy()->log == POLICY_LOG_STDERR && !relay_name_read(STDERR_FILENO, NULL, NULL);
    for (unsigned first = 0;;) {
        const unsigned kept = lowest_kept(first, relay, keep_stderr);
        if (kept > first)
            (void)raw_syscall(SYS_close_range, first, kept == UINT_MAX ? kept : kept - 1, 0);
        if (kept == UINT_MAX)
            return;
        first = kept + 1;
    }
}

static void inspect(int epoll, int fd, uint64_t who)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = who};
    (void)raw_syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event);
}

/* What the program has sent and the connection has not taken, behind the byte that is always there. */
static size_t peek(const struct relay *relay)
{
    long count =
        raw_syscall(SYS_recvfrom, relay->end, up_bytes, sizeof up_bytes, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return count > 1 ? (size_t)count - 1 : 0;
}

/* `count` bytes less, with the one before them; the last stays. */
static void consume(const struct relay *relay, size_t count)
{
    while (count > 0) {
        long taken = raw_syscall(SYS_recvfrom, relay->end, up_bytes, count, MSG_DONTWAIT, NULL, NULL);
        if (taken <= 0)
            return;
        count -= (size_t)taken;
    }
}

/* Returns 0 or a negated errno, as send_some(); *from goes past what was taken. */
static int give_peer(struct relay *relay, struct iter *from)
{
    if (!relay->plain)
        return send_some(relay->connection, relay->fd, from, 0);
    size_t length;
    const uint8_t *piece = iov_iter_segment(from, &length);
    long count = length > 0 ? transport_send(relay->fd, piece, length, 0) : 0;
    if (count > 0)
        iov_iter_advance(from, (size_t)count);
    return count < 0 ? (int)count : 0;
}

/* The program to the peer, as far as it goes. Returns whether anything has moved. */
static bool pass_up(struct relay *relay)
{
    bool moved = false;
    for (int i = 0; i < ROUNDS && relay->up == FLOWING; i++) {
        const bool shut =
            relay->program_shut; /* looked at before the bytes are: behind them there is nothing then */
        const struct iovec vector = {.iov_base = up_bytes + 1, .iov_len = peek(relay)};
        struct iter from = iov_iter_init(&vector, 1);
        int error = give_peer(relay, &from);
        const size_t passed = from.passed;
        consume(relay, passed);
        moved = moved || passed > 0;
        if (error != 0 && error != -EAGAIN && error != -EINTR && error != -ENOBUFS) {
            relay->up = BROKEN;
            (void)transport_shut(relay->end, SHUT_RD); /* the program's next write is EPIPE */
            return true;
        }
        if (shut && vector.iov_len == 0)
            relay->up = ENDING;
        else if (passed == 0)
            return moved;
    }
    return moved;
}

/* Plaintext from the peer: a count, 0 for the end, or a negated errno. */
static long take_peer(struct relay *relay)
{
    const struct iovec vector = {.iov_base = down_bytes, .iov_len = sizeof down_bytes};
    struct iter to = iov_iter_init(&vector, 1);
    if (relay->plain)
        return transport_receive(relay->fd, down_bytes, sizeof down_bytes);
    if (handshake_is_under_way(relay->connection))
        return -EAGAIN;
    return receive_some(relay->connection, relay->fd, &to, false);
}

/* Gives the program what is there. Returns whether it took any. */
static bool give_program(struct relay *relay)
{
    const uint32_t length = span_length(relay->left);
    if (length == 0)
        return false;
    long count = transport_send(relay->end, down_bytes + relay->left.begin, length, 0);
    if (count == -EAGAIN)
        return false;
    /* It has shut this direction, or is gone: what comes is thrown away, so that the peer is not held up. */
    relay->left.begin += count > 0 ? (uint32_t)count : length;
    return true;
}

/*
 * What comes now is for other processes that have the connection: the program has closed its end. The event may not
 * have been seen yet, and who has reaped the program may be waiting for an answer already.
 */
static bool is_for_others(const struct relay *relay)
{
    struct pollfd poll = {.fd = relay->end};
    struct timespec now = {0};
    return !relay->plain && relay->connection->holder_count > 1 &&
           raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) == 1 && (poll.revents & POLLHUP) != 0 &&
           !share_is_alone(relay->connection);
}

/* The peer to the program, as far as it goes. Returns whether anything has moved. */
static bool pass_down(struct relay *relay)
{
    bool moved = false;
    for (int i = 0; i < ROUNDS; i++) {
        moved = give_program(relay) || moved;
        if (relay->down != FLOWING || span_length(relay->left) > 0 || is_for_others(relay))
            return moved;
        long count = take_peer(relay);
        if (count > 0) {
            relay->left = (struct span){0, (uint32_t)count};
        } else if (count == 0) {
            relay->down = ENDED;
            (void)transport_shut(relay->end, SHUT_WR);
        } else if (count == -EAGAIN || count == -EINTR) {
            return moved;
        } else {
            relay->down = BROKEN;
        }
    }
    return true;
}

/* Takes the handshake further. A peer that does not seal, where the rule allows that, makes it plain. */
static void advance(struct relay *relay)
{
    if (relay->plain)
        return;
    handshake_advance(relay->connection, relay->fd);
    relay->plain = relay->connection->phase == CONNECTION_NONE;
}

/* FINAL and FIN to the peer, once all has gone before. Returns whether they have, or never will. */
static bool tell_peer(struct relay *relay)
{
    relay->connection->write_shut = true;
    relay->connection->finishing = true;
    if (relay->plain)
        (void)transport_shut(relay->fd, SHUT_WR);
    return relay->plain || send_finish(relay->connection, relay->fd);
}

/*
 * Both directions as far as they go. False: this process has nothing more to bring to the program.
 */
static bool turn(struct relay *relay)
{
    bool moved;
    do {
        advance(relay);
        moved = pass_up(relay);
        moved = pass_down(relay) || moved;
        if (relay->down == BROKEN && span_length(relay->left) == 0)
            return false;
        if (relay->up == ENDING && relay->program_gone)
            return false; /* it is closed, not shut down: that is the last holder's affair */
        if (relay->up == ENDING && tell_peer(relay))
            relay->up = ENDED;
    } while (moved);
    const bool up_over = relay->up == ENDED || relay->up == BROKEN;
    return !up_over || relay->down != ENDED || span_length(relay->left) > 0;
}

/* When to go on though nothing has happened: a handshake takes too long, or the peer takes nothing; -1: never. */
static int timeout(const struct relay *relay)
{
    const struct connection *connection = relay->connection;
    if (relay->plain || !handshake_is_under_way(connection))
        return relay->program_gone ? (int)pfswrap_policy()->seal.linger_ms : -1;
    uint64_t until = connection->deadline_ms;
    if (!connection->buffering && connection->buffer_at_ms < until)
        until = connection->buffer_at_ms;
    const uint64_t now = connection_now_ms();
    return until > now ? (int)(until - now) : 0;
}

/* Waits for events of either end. Returns whether there were any. */
static bool wait_for_events(struct relay *relay, int timeout_ms)
{
    struct epoll_event events[WATCHED] = {0};
    bool program_ended = false;
    long count = raw_syscall(SYS_epoll_pwait, relay->epoll, events, WATCHED, timeout_ms, NULL, 8);
    for (long i = 0; i < count; i++) {
        program_ended = program_ended || events[i].data.u64 == OF_PROGRAM;
        if (events[i].data.u64 == OF_PAIR) {
            relay->program_shut = relay->program_shut || (events[i].events & (EPOLLRDHUP | EPOLLHUP)) != 0;
            relay->program_gone = relay->program_gone || (events[i].events & EPOLLHUP) != 0;
        }
    }
    relay->outlived = relay->outlived || (program_ended && !relay->program_gone);
    return count > 0;
}

/* False: the connection is no longer there. */
static bool enter(struct relay *relay)
{
    return endpoint_enter_at(relay->endpoint, &relay->connection);
}

/* What the peer's kernel has yet to acknowledge, and what our own has yet to take. */
static uint64_t outstanding(const struct relay *relay)
{
    return (uint64_t)transport_unacknowledged(relay->fd) + span_length(relay->connection->tx) +
           span_length(relay->connection->prehandshake);
}

/* What the peer has not taken within `linger` it will not get, and it is told by a stream that ends without FINAL.
 */
static void give_up(struct relay *relay)
{
    if (!enter(relay))
        return;
    if (relay->connection->phase == CONNECTION_OPEN)
        connection_report_closed(relay->connection, "unsent", "the peer did not take everything within linger");
    endpoint_leave(relay->connection);
}

/*
 * The program has closed its end, or both directions are over. Unless another process has the connection, it is
 * closed as its own would be, as long as there is some progress within the policy's `linger`. What a program has
 * said before it was `killed` still goes, but no FINAL: it may have had more to say. Locked; given back.
 */
static void finish(struct relay *relay, bool killed)
{
    uint64_t before = UINT64_MAX, until_ms = 0;
    const bool shared = share_release(relay->connection);
    atomic_store(&relay->endpoint->descriptors, 0);
    endpoint_hide(relay->endpoint, relay->fd);
    for (;;) {
        const uint64_t now = connection_now_ms(), rest = outstanding(relay);
        if (rest != before)
            until_ms = now + pfswrap_policy()->seal.linger_ms;
        before = rest;
        if ((shared || killed) && (send_flush(relay->connection, relay->fd) == 1 || now >= until_ms)) {
            if (!shared && relay->connection->phase == CONNECTION_OPEN)
                connection_report_closed(relay->connection, "error", "the program was killed");
            endpoint_leave(relay->connection);
            return;
        }
        if (shared || killed)
            endpoint_leave(relay->connection);
        else if (release_advance(relay->endpoint, relay->connection))
            return;
        if (now >= until_ms) {
            give_up(relay);
            return;
        }
        (void)wait_for_events(relay, SLICE_MS);
        if (!enter(relay))
            return;
    }
}

static void serve(struct relay *relay)
{
    bool stuck = false;
    if (!enter(relay))
        return;
    share_join(relay->connection);
    relay->connection->cork_later = false;
    while (!stuck && turn(relay)) {
        const int timeout_ms = timeout(relay);
        endpoint_leave(relay->connection);
        stuck = !wait_for_events(relay, timeout_ms) && relay->program_gone;
        if (!enter(relay))
            return;
    }
    /* A direction that the program has shut down is complete, however it ended later. */
    const bool killed =
        relay->program_gone && !relay->outlived && relay->up != ENDED && relay_program_was_killed(&relay->program);
    /* An orderly end leaves nothing unread. Closing now tells the program of a broken one while finish() waits. */
    if (relay->down == ENDED && relay->up == ENDED)
        (void)raw_syscall(SYS_recvfrom, relay->end, up_bytes, 1, MSG_DONTWAIT, NULL, NULL);
    (void)raw_syscall(SYS_close, relay->end);
    if (!relay->plain)
        finish(relay, killed);
}

/* What comes out of the pair is as large as it will get, and the program cannot say more about it (tcp(7)). */
static void send_at_once(int fd)
{
    const int yes = 1, no = 0;
    (void)raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_CORK, &no, sizeof no);
    (void)raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

_Noreturn void relay_run(struct endpoint *endpoint, int fd, int end, pid_t program)
{
    struct relay relay = {.endpoint = endpoint, .fd = fd, .end = end};
    process_become_relay();
    background_forget(false);
    connection_free_buffers(); /* the process it was cloned from may have threads that had some */
    endpoint_end_exec();
    (void)raw_syscall(SYS_prctl, PR_SET_NAME, "pfswrap-relay");
    (void)raw_syscall(SYS_prctl, PR_SET_DUMPABLE, 0);
    (void)raw_syscall(SYS_chdir, "/");
    close_others(&relay);
    relay.epoll = (int)raw_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (relay.epoll < 0)
        leave_process();
    inspect(relay.epoll, end, OF_PAIR);
    inspect(relay.epoll, fd, OF_PEER);
    relay_program_open(&relay.program, program);
    if (relay.program.pidfd >= 0)
        inspect(relay.epoll, relay.program.pidfd, OF_PROGRAM);
    memset(endpoint->registrations, 0, sizeof endpoint->registrations);
    atomic_store(&endpoint->background, BACKGROUND_NONE);
    atomic_store(&endpoint->fd, fd);
    atomic_store(&endpoint->descriptors, 1);
    transport_call = TRANSPORT_SOCKET;
    send_at_once(fd);
    serve(&relay);
    leave_process();
}
