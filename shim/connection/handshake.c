/*
 * Everything before data: TCP's own handshake, whether the peer seals (`prefer` rules), and the seal's handshake.
 * Nothing here waits. It reads ahead only while the peer cannot have sent data: bytes behind the handshake stay in
 * the kernel, where poll reports them.
 */
#include "connection/connection.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "audit/audit.h"
#include "base/transport.h"
#include "connection/counting.h"
#include "connection/endpoint.h"
#include "connection/frame.h"
#include "connection/receive.h"
#include "connection/send.h"
#include "base/process.h"
#include "base/signals.h"
#include "config/cryptoperiod.h"
#include "config/init.h"
#include "base/filter.h"
#include "base/raw_syscall.h"

enum {
    LOCAL_TIMEOUT_MS = 50,    /* the peer may be in this same thread, which cannot answer while it waits */
    REMOTE_TIMEOUT_MS = 1000, /* the peer's program may not have called accept(2) yet; TCP does not wait for it */
    PREFIX_BYTES = 3,         /* what the channel needs of a frame first (docs/WIRE.md, 2.5) */
};

/*
 * For each rule, which of the server's keys the next connection tries (channel_init()). A handshake that fails
 * advances it to the next key.
 */
static atomic_uint candidates[POLICY_RULES_MAX];

static bool same_host(const struct connection *connection)
{
    const struct sockaddr_in *self = (const void *)&connection->self, *peer = (const void *)&connection->peer;
    if (self->sin_family == AF_INET)
        return self->sin_addr.s_addr == peer->sin_addr.s_addr || (ntohl(peer->sin_addr.s_addr) >> 24) == 127;
    return memcmp(&connection->self.sin6_addr, &connection->peer.sin6_addr, 16) == 0;
}

/* The kernel is asked for the addresses that nobody has filled in. */
static void find_addresses(struct connection *connection, int fd)
{
    socklen_t self_length = sizeof connection->self, peer_length = sizeof connection->peer;
    if (connection->self.sin6_family == AF_UNSPEC)
        (void)raw_syscall(SYS_getsockname, fd, &connection->self, &self_length);
    if (connection->peer.sin6_family == AF_UNSPEC)
        (void)raw_syscall(SYS_getpeername, fd, &connection->peer, &peer_length);
}

void handshake_begin(struct connection *connection, int fd)
{
    const struct policy_rule *rule = connection_rule(connection);
    transport_set_option(fd, SOL_SOCKET, SO_RCVLOWAT,
                         1); /* the program may have set it, perhaps on the listening socket */
    find_addresses(connection, fd);
    connection->local = same_host(connection);
    const uint64_t now = clock_ms();
    connection->deadline_ms = now + pfswrap_policy()->seal.handshake_timeout_ms;
    if (connection->local)
        connection->buffer_at_ms = now + LOCAL_TIMEOUT_MS;
    else if (!atomic_load(&connection->nonblocking))
        connection->buffer_at_ms = now + REMOTE_TIMEOUT_MS;
    connection->wants = POLLIN;
    if (rule->seal == POLICY_SEAL_PREFER) {
        connection->phase = CONNECTION_UNDECIDED;
        return;
    }
    enum pfswrap_seal_role role = connection->initiator ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER;
    const uint64_t today = (uint64_t)time(NULL);
    cryptoperiod_check(today);
    int error = channel_init(&connection->channel, role, connection_config(connection),
                             atomic_load(&candidates[connection->binding->rule]), today);
    connection->phase = CONNECTION_HANDSHAKE;
    connection->buffering = !connection->initiator;
    if (error != 0)
        connection_fail(connection, fd, ECONNRESET, pfswrap_seal_error_text(error));
}

/* Begins the seal's handshake if the kernel knows the peer. Returns what getpeername(2) returned. */
static long begin_if_connected(struct connection *connection, int fd)
{
    struct sockaddr_in6 peer = {0};
    socklen_t length = sizeof peer;
    const long result = raw_syscall(SYS_getpeername, fd, &peer, &length);
    if (result == 0) {
        connection->peer = peer;
        connection->self.sin6_family = AF_UNSPEC; /* not known yet */
        handshake_begin(connection, fd);
    }
    return result;
}

void handshake_connected(struct connection *connection, int fd)
{
    if (connection->phase == CONNECTION_CONNECTING && begin_if_connected(connection, fd) == 0)
        endpoint_update(fd, connection);
}

/*
 * TCP's handshake. The program finds its result itself (SO_ERROR), as it would without the shim. The socket is not
 * sealed any more only if the kernel confirms that it is not connected, and no thread is inside connect(2) for it.
 */
static void check_connected(struct connection *connection, int fd)
{
    struct pollfd poll = {.fd = fd, .events = POLLOUT};
    struct timespec now = {0};
    connection->wants = POLLOUT;
    const long ready = filter_allows(SYS_ppoll) ? raw_syscall(SYS_ppoll, &poll, 1, &now, NULL, 0) : -ENOSYS;
    if (ready == 0)
        return;
    const long result = begin_if_connected(connection, fd);
    if (result == 0)
        return;
    if (result != -ENOTCONN || ready < 0)
        connection_fail(connection, fd, ECONNRESET, "the kernel does not say whether there is a connection");
    else if (connection->dialled && !connection_is_dialled(connection) && (poll.revents & POLLHUP) != 0)
        connection->phase = CONNECTION_NONE;
}

/* `prefer`: whether the peer seals. Its first bytes are then the magic (docs/WIRE.md). They stay in the kernel. */
static void decide(struct connection *connection, int fd)
{
    uint8_t first[PFSWRAP_SEAL_MAGIC_BYTES];
    long count = raw_syscall(SYS_recvfrom, fd, first, sizeof first, MSG_PEEK | MSG_DONTWAIT, 0, 0);
    int verdict = count > 0 ? pfswrap_seal_probe(first, (size_t)count) : -1;
    if ((count == -EAGAIN || verdict == 0) && clock_ms() < connection->deadline_ms) {
        /* poll must not report the socket as readable as long as only a part of the magic has come. */
        transport_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, verdict == 0 ? PFSWRAP_SEAL_MAGIC_BYTES : 1);
        return;
    }
    transport_set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
    if (verdict != 1) {
        connection_report_plain(connection);
        const char *unlogged = audit_refusal();
        if (unlogged != NULL) {
            connection_fail(connection, fd, ECONNRESET, unlogged);
            return;
        }
        connection->phase = CONNECTION_NONE;
        if (connection->write_shut) /* the program's shutdown(2), held back until now */
            (void)transport_shut(fd, SHUT_WR);
        return;
    }
    int error = channel_init(&connection->channel, PFSWRAP_SEAL_RESPONDER, connection_config(connection), 0,
                             (uint64_t)time(NULL));
    connection->phase = CONNECTION_HANDSHAKE;
    connection->buffering = true;
    if (error != 0)
        connection_fail(connection, fd, ECONNRESET, pfswrap_seal_error_text(error));
}

/* The handshake fails; the next connection under this rule tries another of the server's keys. */
static void fail(struct connection *connection, int fd, const char *reason)
{
    if (connection->initiator)
        atomic_fetch_add(&candidates[connection->binding->rule], 1);
    connection_fail(connection, fd, ECONNRESET, reason);
}

/*
 * How many bytes to ask the kernel for. `need`: how many the channel needs, with those in the buffer. Once message
 * 2 is sent, data may come. Then the confirm is received with the header, in one call, but never the trailer of a
 * frame with data: it must stay in the kernel until the program has read the data. Such a frame is longer than the
 * confirm.
 */
static size_t to_ask(const struct connection *connection, size_t need)
{
    const size_t buffered = span_length(connection->rx_cipher);
    if (connection->initiator || !connection->answered)
        return PFSWRAP_SEAL_FRAME_MAX;
    if (need == PFSWRAP_SEAL_HEADER_BYTES && buffered < PREFIX_BYTES) /* else it could be a frame, too */
        need += PFSWRAP_SEAL_OVERHEAD;
    else if (need == PREFIX_BYTES)
        need = PFSWRAP_SEAL_OVERHEAD;
    return need - buffered;
}

/*
 * Receives more of the handshake, but nothing behind its last frame. `need`: how many bytes the channel needs, with
 * those in the buffer. False: nothing has come; the connection has failed, or `wants` says what to wait for.
 */
static bool fetch(struct connection *connection, int fd, size_t need)
{
    long count = receive_fill(connection, fd, to_ask(connection, need));
    if (count > 0)
        return true;
    if (count == -EAGAIN || count == -EINTR)
        connection->wants = span_length(connection->tx) > 0 ? POLLIN | POLLOUT : POLLIN;
    else if (count == 0 && connection->read_shut && !transport_has_ended(fd))
        connection->wants =
            span_length(connection->tx) > 0 ? POLLOUT : 0; /* poll would report POLLIN all the time */
    else if (count == 0 && connection->rx_total == 0 && !connection->initiator)
        connection_end_unused(connection, fd);
    else if (count == 0)
        fail(connection, fd, "the peer closed the connection during the handshake");
    else if (connection->rx_total == 0 && !connection->initiator)
        fail(connection, fd, "the peer reset the connection before it sent anything");
    else
        fail(connection, fd, "the connection broke during the handshake");
    return false;
}

/* The handshake is complete. Does what the program asked for while it was under way. */
static void complete(struct connection *connection, int fd)
{
    connection->phase = CONNECTION_OPEN;
    connection->wants = 0;
    connection_report_opened(connection);
    const char *unlogged = audit_refusal();
    if (unlogged != NULL) {
        connection_fail(connection, fd, ECONNRESET, unlogged);
        return;
    }
    connection->confirmed = true;
    connection->opened_at = (uint32_t)time(NULL);
    counting_begin(connection, endpoint_of(fd));
    connection->only_confirm_sent = connection->initiator;
    /* To the kernel the handshake looks like a dialogue, in which it delays acknowledgements (tcp(7)). */
    transport_set_option(fd, IPPROTO_TCP, TCP_QUICKACK, 1);
    if (connection->read_shut)
        (void)transport_shut(fd, SHUT_RD);
    if (connection->cork_later)
        transport_set_option(fd, IPPROTO_TCP, TCP_CORK, 1);
    send_prehandshake(connection, fd);
    endpoint_update(fd, connection);
}

/*
 * The responder's stream header comes with message 2. If all of it is there, it is opened at once: a read that
 * finds nothing in the buffer waits before it looks (receive_awaits_answer()).
 */
static void open_header(struct connection *connection)
{
    struct pfswrap_seal_opened opened;
    if (!connection->initiator || span_length(connection->rx_cipher) < PFSWRAP_SEAL_HEADER_BYTES)
        return;
    (void)frame_open_in_place(connection, connection_rx(connection) + connection->rx_cipher.begin,
                              PFSWRAP_SEAL_HEADER_BYTES, &opened);
    connection->rx_cipher.begin += (uint32_t)opened.consumed;
    connection_trim(connection);
}

/*
 * A message has just been sent. Whether its answer cannot have come yet, so that the kernel need not be asked. The
 * caller then waits for an event. But what a peer sends without being asked may have come with the event that led
 * here, and an edge-triggered epoll reports it only once. A responder has just read everything; an initiator has
 * not, and gets another event only if it waits itself.
 */
static bool is_answered_later(const struct connection *connection)
{
    return span_length(connection->rx_cipher) == 0 && span_length(connection->tx) == 0 &&
           !transport_receive_waits() &&
           (!connection->initiator || !atomic_load_explicit(&connection->nonblocking, memory_order_relaxed));
}

/*
 * The seal's handshake: sends and receives its messages, as far as possible without waiting. No signal comes while
 * it computes. To find that nothing has come takes no longer than any other call, and blocks none.
 */
static void exchange(struct connection *connection, int fd)
{
    struct pfswrap_seal_opened opened;
    for (;;) {
        const bool sends = channel_owes(&connection->channel);
        if (sends)
            signals_hold();
        send_owed(connection, fd);
        if (connection->phase != CONNECTION_HANDSHAKE)
            return;
        if (channel_owes(&connection->channel) && connection_tx(connection) == NULL) {
            connection_fail(connection, fd, ENOBUFS, "out of memory");
            return;
        }
        if (connection->broken) {
            fail(connection, fd, "the connection broke during the handshake");
            return;
        }
        if (channel_ready(&connection->channel)) {
            open_header(connection);
            complete(connection, fd);
            return;
        }
        if (sends && is_answered_later(connection)) {
            connection->wants = POLLIN;
            connection_trim(connection);
            return;
        }
        if (span_length(connection->rx_cipher) > 0)
            signals_hold();
        uint8_t *rx = connection_rx(connection);
        if (rx == NULL) {
            connection_fail(connection, fd, ENOBUFS, "out of memory");
            return;
        }
        int event = frame_open_in_place(connection, rx + connection->rx_cipher.begin,
                                        span_length(connection->rx_cipher), &opened);
        connection->rx_cipher.begin += (uint32_t)opened.consumed;
        if (event == PFSWRAP_SEAL_DATA) {
            const uint32_t begin = (uint32_t)(opened.data - rx);
            connection->rx_plain = (struct span){begin, begin + (uint32_t)opened.length};
            counting_received(connection, opened.length);
        } else if (event == PFSWRAP_SEAL_FINAL) {
            receive_end_stream(connection, fd);
        } else if (event == PFSWRAP_SEAL_MORE && !fetch(connection, fd, opened.need)) {
            connection_trim(connection);
            return;
        } else if (event == FRAME_NO_MEMORY) {
            connection_fail_seal(connection, fd, event);
            return;
        } else if (event < 0) {
            fail(connection, fd, pfswrap_seal_error_text(event));
            return;
        }
    }
}

/*
 * Before this process sends the first byte on an inherited connection. If bytes have passed on it, the parent uses
 * it: this process inherited the socket before it was connected. Then this process leaves the connection alone.
 */
static void look_for_others(struct connection *connection, int fd)
{
    connection->inherited = false;
    if (process_sandboxed || !transport_has_begun(fd))
        return;
    connection_report_refused(connection, "another process has begun to use the connection");
    connection_lose(connection);
    connection->wiped = connection->used_by_others = true;
    endpoint_update(fd, connection);
}

void handshake_advance(struct connection *connection, int fd)
{
    const uint8_t before = connection->phase;
    if (!handshake_is_under_way(connection))
        return;
    if (__builtin_expect(connection->inherited, false)) {
        look_for_others(connection, fd);
        if (connection->wiped)
            return;
    }
    if (connection->phase == CONNECTION_CONNECTING)
        check_connected(connection, fd);
    if (connection->phase == CONNECTION_UNDECIDED)
        decide(connection, fd);
    if (connection->phase == CONNECTION_HANDSHAKE)
        exchange(connection, fd);
    if (connection->phase != CONNECTION_UNDECIDED && connection->phase != CONNECTION_HANDSHAKE)
        return;
    if (connection->phase != before)
        endpoint_update(fd, connection);
    const uint64_t now = clock_ms();
    if (now >= connection->deadline_ms) {
        fail(connection, fd, "the handshake took longer than handshake-timeout");
    } else if (now >= connection->buffer_at_ms && !connection->buffering &&
               connection->phase == CONNECTION_HANDSHAKE) {
        connection->buffering = true;
        endpoint_update(fd, connection);
    }
}
