/*
 * Reading, writing and shutting down a connection with the inner layer, as SSL_read(3), SSL_write(3) and
 * SSL_shutdown(3) describe. A call that cannot go on returns what libssl returned. Errors of the seal are added to
 * libssl's error queue.
 */
#include <errno.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

#include "base/workspace.h"
#include "tls/error.h"
#include "tls/layer.h"

bool layer_enter(struct layer *layer)
{
    if (fork_guard_enter(&layer->fork_guard))
        return true;
    pfswrap_tunnel_poison(layer->tunnel);
    return false;
}

void layer_leave(struct layer *layer)
{
    if (layer->opened)
        layer_count(layer);
    fork_guard_leave(&layer->fork_guard);
}

/* The SSL_R_ code that libssl has for a similar error of TLS, so that programs recognise it. */
static int code_of(int error)
{
    switch (error) {
    case PFSWRAP_SEAL_E_TRUNCATED:
        return SSL_R_UNEXPECTED_EOF_WHILE_READING;
    case PFSWRAP_SEAL_E_CLOSED:
        return SSL_R_PROTOCOL_IS_SHUTDOWN;
    default:
        return SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC;
    }
}

int layer_fail(struct layer *layer, int error)
{
    tls_error_push(layer->lib, code_of(error), pfswrap_seal_error_text(error));
    return -1;
}

int layer_break(struct layer *layer, int error)
{
    layer->end = "error";
    layer->reason = pfswrap_seal_error_text(error);
    pfswrap_tunnel_poison(layer->tunnel);
    return layer_fail(layer, error);
}

typedef int tunnel_read_call(struct pfswrap_tunnel *tunnel, void *buffer, size_t size);

static int read_by(struct layer *layer, tunnel_read_call *call, void *buffer, size_t size)
{
    if (size == 0) /* programs do this to let libssl process what it has received */
        return layer->lib->SSL_peek(layer->ssl, buffer, 0);
    if (layer->final_read)
        return layer_end(layer);
    if (layer_check_removal(layer) != 0)
        return -1;
    if (!layer_enter(layer))
        return layer_fail(layer, PFSWRAP_SEAL_E_POISONED);
    layer->read_at = time(NULL);
    int result = call(layer->tunnel, buffer, size);
    layer_leave(layer);
    if (result > 0 && layer_check_removal(layer) != 0) /* it may have waited for long */
        return -1;
    if (result > 0) {
        layer_show_end(layer);
        return result;
    }
    if (result == PFSWRAP_TUNNEL_STOPPED)
        return layer->result;
    return result == PFSWRAP_TUNNEL_END ? layer_end(layer) : layer_fail(layer, result);
}

int layer_read(struct layer *layer, void *buffer, size_t size)
{
    return read_by(layer, pfswrap_tunnel_read, buffer, size);
}

int layer_peek(struct layer *layer, void *buffer, size_t size)
{
    return read_by(layer, pfswrap_tunnel_peek, buffer, size);
}

size_t layer_pending(struct layer *layer)
{
    if (pfswrap_tunnel_error(layer->tunnel) != 0 || layer->final_read || !layer_enter(layer))
        return 0;
    size_t pending = pfswrap_tunnel_pending(layer->tunnel);
    layer_leave(layer);
    return pending;
}

/*
 * In a write: a program that only writes would never see that the peer renews the keys. After a minute without a
 * read, and then every minute, reads what is there. Data that comes with it is what SSL_pending(3) reports. An
 * error ends the write that follows.
 */
static void look_for_renewal(struct layer *layer)
{
    enum { LOOK_SECONDS = 60 };
    const time_t now = time(NULL);
    char byte;
    if (now - layer->read_at < LOOK_SECONDS || layer->final_read || pfswrap_tunnel_kept(layer->tunnel) > 0)
        return;
    struct tls_saved_errors saved = tls_errors_save(layer->lib);
    layer->read_at = now;
    layer->looking = true;
    (void)pfswrap_tunnel_peek(layer->tunnel, &byte, sizeof byte);
    layer->looking = false;
    tls_errors_restore(saved);
}

static int write_step(struct layer *layer, const void *data, size_t length)
{
    if (layer_check_removal(layer) != 0)
        return -1;
    if (!layer_enter(layer))
        return layer_fail(layer, PFSWRAP_SEAL_E_POISONED);
    layer->writing = true;
    look_for_renewal(layer);
    int result = pfswrap_tunnel_write(layer->tunnel, data, length);
    layer->writing = false;

    layer_leave(layer);
    if (result == PFSWRAP_TUNNEL_STOPPED)
        return layer->result;
    return result >= 0 ? result : layer_fail(layer, result);
}

/* A write that is repeated must have the same arguments (SSL_write(3), SSL_CTX_set_mode(3)). */
static bool is_the_same_write(const struct layer *layer, long mode, const void *data, size_t length)
{
    bool may_move = (mode & SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER) != 0;
    return (may_move || layer->write_buffer == data) &&
           length >= layer->write_done + pfswrap_tunnel_kept(layer->tunnel);
}

static int write_frames(struct layer *layer, const char *data, size_t length, bool partial)
{
    size_t done = layer->write_done;
    do {
        int result = write_step(layer, data + done, length - done);
        if (result <= 0) {
            layer->write_done = done;
            layer->write_buffer = data;
            return result;
        }
        done += (size_t)result;
    } while (done < length && !partial);
    layer->write_done = 0;
    return (int)done;
}

int layer_write(struct layer *layer, const void *data, size_t length)
{
    long mode = layer->lib->SSL_ctrl(layer->ssl, SSL_CTRL_MODE, 0, NULL);
    layer->end_reported = false;
    bool again = layer->write_done > 0 || pfswrap_tunnel_kept(layer->tunnel) > 0;
    if (length == 0)
        return layer->lib->SSL_write(layer->ssl, data, 0);
    if (length > INT_MAX)
        length = INT_MAX;
    if (again && !is_the_same_write(layer, mode, data, length)) {
        tls_error_push(layer->lib, SSL_R_BAD_WRITE_RETRY,
                       "the repeated write is not the same as the incomplete one");
        return -1;
    }
    enum { RECORD_DATA = PFSWRAP_SEAL_TLS_RECORD - PFSWRAP_SEAL_OVERHEAD };
    bool partial = (mode & SSL_MODE_ENABLE_PARTIAL_WRITE) != 0;
    bool one_record = length - layer->write_done <= RECORD_DATA;
    if (!one_record)
        layer_cork(layer, true);
    int result = write_frames(layer, data, length, partial);
    if (!one_record)
        layer_cork(layer, false);
    return result;
}

static ssize_t sendfile_by(struct layer *layer, char chunk[static PFSWRAP_SEAL_CHUNK_MAX], int fd, off_t offset,
                           size_t size)
{
    size_t kept = pfswrap_tunnel_kept(layer->tunnel);
    if (kept > 0) /* these bytes have been sealed in an earlier call: the tunnel only needs their number */
        return size < kept ? -1 : write_step(layer, chunk, kept);
    ssize_t got = pread(fd, chunk, size < PFSWRAP_SEAL_CHUNK_MAX ? size : PFSWRAP_SEAL_CHUNK_MAX, offset);
    return got > 0 ? write_step(layer, chunk, (size_t)got) : got;
}

/* SSL_sendfile(3) passes a file to the kernel's TLS. Here the file is read, one frame in each call. */
ssize_t layer_sendfile(struct layer *layer, int fd, off_t offset, size_t size)
{
    if (size == 0)
        return 0;
    char *chunk = workspace_take();
    if (chunk == NULL) {
        errno = ENOMEM;
        return -1;
    }
    const ssize_t sent = sendfile_by(layer, chunk, fd, offset, size);
    workspace_give(chunk);
    return sent;
}
_Static_assert((int)PFSWRAP_SEAL_CHUNK_MAX <= (int)WORKSPACE_BYTES, "a frame's plaintext fits a workspace");

static int send_final(struct layer *layer)
{
    if (!layer_enter(layer))
        return layer_fail(layer, PFSWRAP_SEAL_E_POISONED);
    int result = pfswrap_tunnel_close(layer->tunnel);
    layer_leave(layer);
    if (result == PFSWRAP_TUNNEL_STOPPED)
        return layer->result < 0 ? layer->result : -1;
    return result == 1 ? 1 : layer_fail(layer, result);
}

/* The second step of a shutdown. The peer sends FINAL before its close_notify, and to libssl it is data. */
static int await_final(struct layer *layer)
{
    char byte;
    if (!layer_enter(layer))
        return layer_fail(layer, PFSWRAP_SEAL_E_POISONED);
    int result = pfswrap_tunnel_peek(layer->tunnel, &byte, 1);
    layer_leave(layer);
    if (result == PFSWRAP_TUNNEL_STOPPED)
        return layer->result < 0 ? layer->result : -1;
    if (result > 0) {
        tls_error_push(layer->lib, SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY, "the peer has sent data");
        return -1;
    }
    if (result != PFSWRAP_TUNNEL_END)
        return layer_fail(layer, result);
    return layer_end(layer) == 0 ? 1 : -1;
}

/* Whether FINAL is neither sent nor expected: after an error, or with SSL_set_quiet_shutdown(3). */
static bool is_quiet(const struct layer *layer)
{
    return layer->lib->SSL_get_quiet_shutdown(layer->ssl) != 0 || pfswrap_tunnel_error(layer->tunnel) != 0;
}

static bool has_sent_shutdown(const struct layer *layer)
{
    return (layer->lib->SSL_get_shutdown(layer->ssl) & SSL_SENT_SHUTDOWN) != 0;
}

void layer_send_final(struct layer *layer)
{
    if (!is_quiet(layer) && !has_sent_shutdown(layer))
        (void)send_final(layer);
}

int layer_shutdown(struct layer *layer)
{
    const struct libssl *lib = layer->lib;
    bool received = layer->final_read || (lib->SSL_get_shutdown(layer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
    bool sends = !is_quiet(layer) && !has_sent_shutdown(layer);
    int result = 1;
    /* The close_notify goes in the same packet as FINAL, since the peer may close when it has read FINAL. */
    if (sends)
        layer_cork(layer, true);
    if (sends)
        result = send_final(layer);
    else if (!is_quiet(layer) && !received)
        result = await_final(layer);
    if (layer->final_read && pfswrap_tunnel_error(layer->tunnel) == 0)
        (void)layer_end(layer); /* a close_notify that has come meanwhile */
    layer->end_reported = false;
    if (result == 1)
        result = lib->SSL_shutdown(layer->ssl);
    if (sends)
        layer_cork(layer, false);
    return result;
}
