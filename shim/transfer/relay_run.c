/*
 * The relay's process: it waits for events, moves bytes (relay_flow.c), and ends the connection. The process is a
 * raw clone, possibly of a process with threads. So it allocates nothing, takes no lock but the connection's, and
 * calls no function of libc that might do so. It ends when both directions have ended, or as soon as one is broken:
 * then it closes its end of the pair with a byte unread, and the program gets ECONNRESET.
 */
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/filter.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "connection/release.h"
#include "counters/counters.h"
#include "fd/own.h"
#include "transfer/relay.h"
#include "transfer/relay_flow.h"
#include "transfer/relay_name.h"
#include "transfer/relay_program.h"

enum { SLICE_MS = 10 }; /* between two looks at the acknowledgements of the peer, which raise no event */

/* What the relay's epoll instance reports. */
enum { EVENT_PAIR, EVENT_PEER, EVENT_PROGRAM, EVENT_SOURCES };

static _Noreturn void leave_process(void)
{
    raw_exit(0);
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

/* Closes the descriptors that the program had open, except the two ends and those that the audit log needs. */
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

static bool add_source(int epoll, int fd, uint64_t source)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.u64 = source};
    return raw_syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/*
 * When to go on even without an event, in milliseconds: at the handshake's deadline, or when a peer has taken
 * nothing for too long. -1: never.
 */
static int timeout(const struct relay *relay)
{
    const struct connection *connection = relay->connection;
    if (relay->plain || !handshake_is_under_way(connection))
        return relay->program_gone ? (int)pfswrap_policy()->seal.linger_ms : -1;
    uint64_t until = connection->deadline_ms;
    if (!connection->buffering && connection->buffer_at_ms < until)
        until = connection->buffer_at_ms;
    const uint64_t now = clock_ms();
    return until > now ? (int)(until - now) : 0;
}

/* Waits for events. Returns whether there were any. */
static bool wait_for_events(struct relay *relay, int timeout_ms)
{
    struct epoll_event events[EVENT_SOURCES] = {0};
    bool program_ended = false;
    long count = raw_syscall(SYS_epoll_pwait, relay->epoll, events, EVENT_SOURCES, timeout_ms, NULL, 8);
    for (long i = 0; i < count; i++) {
        program_ended = program_ended || events[i].data.u64 == EVENT_PROGRAM;
        if (events[i].data.u64 == EVENT_PAIR) {
            relay->program_shut = relay->program_shut || (events[i].events & (EPOLLRDHUP | EPOLLHUP)) != 0;
            relay->program_gone = relay->program_gone || (events[i].events & EPOLLHUP) != 0;
        }
    }
    relay->outlived = relay->outlived || (program_ended && !relay->program_gone);
    return count > 0;
}

/* Locks the connection. False: it no longer exists. */
static bool enter(struct relay *relay)
{
    return endpoint_enter_at(relay->endpoint, &relay->connection);
}

/* How many bytes the peer's kernel has not acknowledged, and this kernel has not taken. */
static uint64_t outstanding(const struct relay *relay)
{
    return (uint64_t)transport_unacknowledged(relay->fd) + span_length(relay->connection->tx) +
           span_length(relay->connection->prehandshake);
}

/* The peer has not taken everything within `linger`. It sees a stream that ends without FINAL. */
static void give_up(struct relay *relay)
{
    if (!enter(relay))
        return;
    if (relay->connection->phase == CONNECTION_OPEN)
        connection_report_closed(relay->connection, "unsent", "the peer did not take everything within linger");
    endpoint_leave(relay->connection);
}

/*
 * The program has closed its end, or both directions have ended. If no other process has the connection, it is
 * closed as usual, as long as the peer takes more bytes within each `linger` of the policy. If the program was
 * `killed`, its bytes are sent, but no FINAL, since the program may have had more to send. Called locked; unlocked
 * on return.
 */
static void finish(struct relay *relay, bool killed)
{
    uint64_t before = UINT64_MAX, until_ms = 0;
    const bool shared = holders_release(relay->connection);
    atomic_store(&relay->endpoint->descriptors, 0);
    endpoint_hide(relay->endpoint, relay->fd);
    for (;;) {
        const uint64_t now = clock_ms(), rest = outstanding(relay);
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

/* An orderly end leaves no byte unread, so the program does not get ECONNRESET. */
static void consume_last_byte(const struct relay *relay)
{
    uint8_t byte;
    (void)raw_syscall(SYS_recvfrom, relay->end, &byte, sizeof byte, MSG_DONTWAIT, NULL, NULL);
}

static void serve(struct relay *relay)
{
    bool stuck = false;
    if (!enter(relay))
        return;
    holders_join(relay->connection);
    relay->connection->cork_later = false;
    while (!stuck && relay_flow(relay)) {
        const int timeout_ms = timeout(relay);
        endpoint_leave(relay->connection);
        stuck = !wait_for_events(relay, timeout_ms) && relay->program_gone;
        if (!enter(relay))
            return;
    }
    /* A direction that the program has shut down is complete, whatever happened to the program later. */
    const bool killed = relay->program_gone && !relay->outlived && relay->up != RELAY_ENDED &&
                        relay_program_was_killed(&relay->program);
    if (relay->down == RELAY_ENDED && relay->up == RELAY_ENDED)
        consume_last_byte(relay);
    (void)raw_syscall(SYS_close, relay->end); /* now: after an error, the program must not wait for finish() */
    if (!relay->plain)
        finish(relay, killed);
}

/* The relay sends large pieces already, and the program can no longer set options of this socket (tcp(7)). */
static void send_at_once(int fd)
{
    const int yes = 1, no = 0;
    (void)raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_CORK, &no, sizeof no);
    (void)raw_syscall(SYS_setsockopt, fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

static struct relay relay; /* the only one in this process, whose stack may be a small one of the program's */

bool relay_prepare(struct endpoint *endpoint, int fd, int end, pid_t program)
{
    relay = (struct relay){.endpoint = endpoint, .fd = fd, .end = end};
    close_others(&relay); /* first: the program may be at its limit of descriptors */
    return relay_program_open(&relay.program, program);
}

_Noreturn void relay_run(void)
{
    struct endpoint *const endpoint = relay.endpoint;
    process_become_relay();
    counters_become_child();
    background_forget(false);
    connection_free_buffers(); /* other threads of the process that was cloned may have had some */
    endpoint_end_exec();
    if (filter_allows(SYS_prctl)) {
        (void)raw_syscall(SYS_prctl, PR_SET_NAME, "pfswrap-relay");
        (void)raw_syscall(SYS_prctl, PR_SET_DUMPABLE, 0);
    }
    (void)raw_syscall(SYS_chdir, "/");
    relay.epoll = (int)raw_syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (relay.epoll < 0 || !add_source(relay.epoll, relay.end, EVENT_PAIR) ||
        !add_source(relay.epoll, relay.fd, EVENT_PEER)) {
        connection_report_lost("the process that serves the connection cannot wait for events");
        leave_process();
    }
    if (relay.program.pidfd >= 0)
        (void)add_source(relay.epoll, relay.program.pidfd, EVENT_PROGRAM);
    memset(endpoint->registrations, 0, sizeof endpoint->registrations);
    atomic_store(&endpoint->background, BACKGROUND_NONE);
    atomic_store(&endpoint->fd, relay.fd);
    atomic_store(&endpoint->descriptors, 1);
    transport_call = TRANSPORT_SOCKET;
    send_at_once(relay.fd);
    serve(&relay);
    leave_process();
}
