/*
 * Moves bytes between the transport, the channel, and standard input and output. See session.h.
 */
#include "session.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "../message.h"
#include "network.h"

enum {
    RECEIVED_MAX = 4 * PFSWRAP_SEAL_FRAME_MAX,
    LATE_MS = 60000,  /* between two looks at the clock of the keys */
    FINISH_MS = 2000, /* for the peer to acknowledge the last bytes */
    UNSENT_MS = 50,   /* between two looks at what it has acknowledged */
};

struct session {
    struct transport *transport;
    const struct session_settings *settings;
    struct trace *trace;
    struct pfswrap_seal channel;
    uint8_t received[RECEIVED_MAX]; /* from the transport, not yet opened */
    size_t received_have;
    uint8_t sealed[PFSWRAP_SEAL_FRAME_MAX + PFSWRAP_SEAL_TAKE_BYTES]; /* for the transport */
    size_t sealed_have, sealed_done;
    uint8_t input[PFSWRAP_SEAL_CHUNK_MAX]; /* to be sealed */
    size_t input_have, input_done;
    uint32_t rehandshakes;
    bool input_ended, is_ready, closed, peer_closed, shut;
    bool has_opened; /* since the start of this round */
    bool has_ended;  /* the transport: there are no more bytes than those received */
    int end_error;   /* its errno value, negative; or 0 */
    bool is_refused; /* the peer has ended the connection before its answer */
};

static bool fails(const struct session *session, int error)
{
    trace_refused(session->trace, session->received, session->received_have);
    message("seal: the connection ends: %s (%s)", pfswrap_seal_error_text(error), pfswrap_seal_error_name(error));
    return false;
}

/* `error`: a negative errno value. */
static bool fails_with_errno(const char *what, int error)
{
    message("seal: %s: %s", what, error == -EPROTO ? "the peer broke the rules of TLS" : strerror(-error));
    return false;
}

/* Writes everything that was opened. Standard output may block. */
static bool write_out(const uint8_t *data, size_t length)
{
    while (length > 0) {
        const ssize_t count = write(STDOUT_FILENO, data, length);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return fails_with_errno("standard output", -errno);
        data += count;
        length -= (size_t)count;
    }
    return true;
}

static void note_handshakes(struct session *session)
{
    struct pfswrap_seal_info info;
    if (!pfswrap_seal_ready(&session->channel) || pfswrap_seal_describe(&session->channel, &info) != 0)
        return;
    if (!session->is_ready)
        trace_handshake(session->trace, &info);
    else if (info.rehandshakes > session->rehandshakes)
        trace_say(session->trace, "* new keys re-handshake %u", info.rehandshakes);
    session->is_ready = true;
    session->rehandshakes = info.rehandshakes;
}

/* Fills `sealed` with the next bytes for the transport, if there are any. */
static bool produce(struct session *session)
{
    struct pfswrap_seal *const channel = &session->channel;
    size_t accepted;
    int count = 0;
    if (session->sealed_done < session->sealed_have)
        return true;
    session->sealed_have = session->sealed_done = 0;
    if (pfswrap_seal_ready(channel) && !session->closed && session->input_ended &&
        session->input_done == session->input_have && (session->peer_closed || !session->settings->waits)) {
        session->closed = true;
        if ((count = pfswrap_seal_close(channel)) != 0)
            return fails(session, count);
    }
    if (pfswrap_seal_owes(channel)) {
        count = pfswrap_seal_take(channel, session->settings->config, session->sealed, sizeof session->sealed);
    } else if (pfswrap_seal_ready(channel) && session->input_done < session->input_have) {
        count = pfswrap_seal_begin(channel, session->input + session->input_done,
                                   session->input_have - session->input_done, session->sealed,
                                   sizeof session->sealed, &accepted);
        if (count > 0) {
            session->input_done += accepted;
            const int result = pfswrap_seal_sent(channel, session->sealed, (size_t)count);
            count = result == 0 ? count : result;
        }
    }
    if (count < 0)
        return fails(session, count);
    session->sealed_have = (size_t)count;
    trace_sent(session->trace, session->sealed, session->sealed_have);
    note_handshakes(session);
    return true;
}

/* Sends until the transport takes no more, or there is no more. */
static bool send_all(struct session *session)
{
    for (;;) {
        if (!produce(session))
            return false;
        if (session->sealed_have == 0)
            break;
        while (session->sealed_done < session->sealed_have) {
            const ssize_t count = transport_write(session->transport, session->sealed + session->sealed_done,
                                                  session->sealed_have - session->sealed_done);
            if (count == -EAGAIN)
                return true;
            if (count <= 0 && session->peer_closed && session->closed) { /* only FINAL is left */
                session->shut = true;
                return true;
            }
            if (count <= 0)
                return fails_with_errno("cannot send to the peer", (int)count);
            session->sealed_done += (size_t)count;
        }
    }
    if (session->closed && !session->shut) {
        trace_say(session->trace, "* closed   this direction, with FINAL");
        transport_shutdown(session->transport);
        session->shut = true;
    }
    return true;
}

/* Data that came: to standard output, or back. `input` has room for a chunk: nothing is opened before. */
static bool deliver(struct session *session, const struct pfswrap_seal_opened *opened)
{
    if (!session->settings->echo)
        return write_out(opened->data, opened->length);
    memcpy(session->input, opened->data, opened->length);
    session->input_have = opened->length;
    session->input_done = 0;
    return true;
}

/* Reads from the transport. Returns whether something came. Its end counts when everything before it was opened. */
static bool receive(struct session *session)
{
    const size_t room = sizeof session->received - session->received_have;
    if (room == 0 || session->has_ended)
        return false;
    const ssize_t count = transport_read(session->transport, session->received + session->received_have, room);
    if (count > 0) {
        session->received_have += (size_t)count;
        return true;
    }
    if (count == -EAGAIN)
        return false;
    session->has_ended = true;
    session->end_error = (int)count;
    return false;
}

/* The transport has ended, and everything before its end was opened: there was no FINAL. */
static bool end_early(struct session *session)
{
    const int error = pfswrap_seal_end(&session->channel), end_error = session->end_error;
    session->is_refused = !session->is_ready && session->settings->role == PFSWRAP_SEAL_INITIATOR;
    if (session->is_refused)
        return false;
    return end_error != 0 ? fails_with_errno("cannot receive from the peer", end_error) : fails(session, error);
}

/* Opens what was received. */
static bool open_all(struct session *session)
{
    struct pfswrap_seal_opened opened;
    for (;;) {
        if (session->peer_closed || (session->settings->echo && session->input_done < session->input_have))
            return true;
        const int event = pfswrap_seal_open_in_place(&session->channel, session->settings->config,
                                                     session->received, session->received_have, &opened);
        if (event < 0)
            return fails(session, event);
        trace_received(session->trace, session->received, opened.consumed);
        note_handshakes(session);
        if (event == PFSWRAP_SEAL_DATA && !deliver(session, &opened))
            return false;
        session->received_have -= opened.consumed;
        memmove(session->received, session->received + opened.consumed, session->received_have);
        if (event == PFSWRAP_SEAL_FINAL) {
            trace_say(session->trace, "* closed   the peer's direction, with FINAL");
            session->peer_closed = true;
            session->input_ended |= session->settings->echo || isatty(STDIN_FILENO);
            return true;
        }
        if (event == PFSWRAP_SEAL_MORE)
            return !session->has_ended || end_early(session);
        session->has_opened = true;
        if (pfswrap_seal_owes(&session->channel) && !send_all(session))
            return false;
        if (event == PFSWRAP_SEAL_TAKE && session->sealed_done < session->sealed_have)
            return true;
    }
}

/* Frames are decrypted in place, so plaintext was there. */
static void wipe(struct session *session)
{
    pfswrap_seal_wipe(&session->channel);
    explicit_bzero(session, sizeof *session);
}

/* A whole chunk at most: what standard input has now. */
static bool read_input(struct session *session)
{
    const ssize_t count = read(STDIN_FILENO, session->input, sizeof session->input);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (count < 0)
        return fails_with_errno("standard input", -errno);
    session->input_ended = count == 0;
    session->input_have = (size_t)count;
    session->input_done = 0;
    return true;
}

/* Waits for the peer, or for input that can be sent. A poll(2) without events would still report a hangup. */
static bool wait(struct session *session)
{
    const bool wants_input = session->is_ready && !session->settings->echo && !session->input_ended &&
                             session->input_done == session->input_have &&
                             session->sealed_done == session->sealed_have;
    const short room = session->received_have < sizeof session->received && !session->has_ended ? POLLIN : 0;
    const short events = (short)(room | session->transport->wants);
    struct pollfd fds[2] = {
        {.fd = events != 0 ? session->transport->fd : -1, .events = events},
        {.fd = wants_input ? STDIN_FILENO : -1, .events = POLLIN},
    };
    const long left = session->settings->handshake_deadline_ms - network_now();
    if (!session->is_ready && left <= 0) {
        message("seal: the handshake took too long");
        return false;
    }
    if (poll(fds, 2, session->is_ready || left > LATE_MS ? LATE_MS : (int)left) < 0 && errno != EINTR)
        return fails_with_errno("poll", -errno);
    pfswrap_seal_tick(&session->channel, (uint64_t)time(NULL));
    return fds[1].revents == 0 || read_input(session);
}

static bool is_over(const struct session *session)
{
    return session->peer_closed && session->shut;
}

/* Moves what can be moved now. Returns false after a message, or at the end of the transport. */
static bool move(struct session *session)
{
    bool came;
    if (!send_all(session))
        return false;
    do {
        session->has_opened = false;
        came = receive(session);
        if (!open_all(session) || !send_all(session))
            return false;
    } while ((came || session->has_opened) && !session->peer_closed);
    return true;
}

/*
 * Waits until the peer's kernel has the last bytes, and takes what still comes: a socket that is closed with unread
 * bytes is reset, and FINAL could be lost.
 */
static void finish(struct session *session)
{
    const long deadline = network_now() + FINISH_MS;
    int unsent;
    while (ioctl(session->transport->fd, SIOCOUTQ, &unsent) == 0 && network_now() < deadline) {
        const ssize_t count = transport_read(session->transport, session->received, sizeof session->received);
        if (count == 0 || (count < 0 && count != -EAGAIN) || (count < 0 && unsent == 0))
            return;
        if (count < 0)
            (void)network_wait(session->transport->fd, POLLIN, network_now() + UNSENT_MS);
    }
}

static enum session_result run(struct session *session)
{
    while (!is_over(session)) {
        if (!move(session))
            return session->is_refused ? SESSION_REFUSED : SESSION_FAILED;
        if (!is_over(session) && !wait(session))
            return SESSION_FAILED;
    }
    finish(session);
    return SESSION_ENDED;
}

enum session_result session_run(struct transport *transport, const struct session_settings *settings)
{
    static struct session session;
    uint8_t binding[TRANSPORT_BINDING_BYTES];
    const size_t binding_length = transport->tls != NULL ? sizeof binding : 0;
    session = (struct session){.transport = transport, .settings = settings, .trace = settings->trace};
    if (binding_length > 0 && transport_binding(transport, binding) != 0) {
        message("seal: TLS has no channel binding");
        return SESSION_FAILED;
    }
    const int error = pfswrap_seal_init(&session.channel, settings->role, settings->config, binding, binding_length,
                                        settings->candidate, (uint64_t)time(NULL));
    if (error != 0) {
        (void)fails(&session, error);
        return SESSION_FAILED;
    }
    const enum session_result result = run(&session);
    wipe(&session);
    return result;
}
