/*
 * The end of the peer's stream inside TLS. FINAL is the end, and TLS's close_notify need not follow it
 * (docs/WIRE.md, 2.8). If a close_notify is there, libssl reads it: a socket that is closed with unread bytes
 * resets the connection. If not, SSL_set_shutdown(3) makes all calls of libssl return what they return after one.
 */
#include "fd/program_socket.h"
#include "tls/layer.h"

#include <sys/socket.h>

#include "seal/tunnel_internal.h"

enum { RECORD_HEADER_BYTES = 5 }; /* type, version, length (RFC 8446, 5.1) */

/* Whether libssl can read a record without waiting. Not at the end of the transport: libssl fails then for good. */
static bool has_whole_record(const struct layer *layer)
{
    const struct libssl *lib = layer->lib;
    uint8_t header[RECORD_HEADER_BYTES];
    const int fd = lib->SSL_get_rfd(layer->ssl);
    if (lib->SSL_pending(layer->ssl) > 0)
        return true;
    if (lib->SSL_has_pending(layer->ssl))
        return false; /* libssl has read ahead, perhaps only a part of a record */
    if (fd < 0)
        return lib->BIO_ctrl(lib->SSL_get_rbio(layer->ssl), BIO_CTRL_PENDING, 0, NULL) > 0;
    return program_socket_peek(fd, header, sizeof header) == (ssize_t)sizeof header &&
           program_socket_available(fd) >= sizeof header + ((size_t)header[3] << 8 | header[4]);
}

static bool has_received_shutdown(const struct layer *layer)
{
    return (layer->lib->SSL_get_shutdown(layer->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

/* Reads a byte of a record behind FINAL. Returns what SSL_read(3) does, and leaves no error in libssl's queue. */
static int read_record(const struct layer *layer, uint8_t *byte)
{
    const struct libssl *lib = layer->lib;
    const long retries = lib->SSL_ctrl(layer->ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_AUTO_RETRY;
    const struct tls_saved_errors saved = tls_errors_save(lib);
    lib->SSL_ctrl(layer->ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, NULL);
    const int result = lib->SSL_read(layer->ssl, byte, sizeof *byte);
    lib->SSL_ctrl(layer->ssl, SSL_CTRL_MODE, retries, NULL);
    tls_errors_restore(saved);
    return result;
}

int layer_end(struct layer *layer)
{
    enum { RECORDS_MAX = 8 }; /* session tickets may come before the close_notify */
    const struct libssl *lib = layer->lib;
    if (!layer->final_read)
        (void)layer_pending(layer); /* bytes in the same record are an error */
    layer->final_read = true;
    if (pfswrap_tunnel_error(layer->tunnel) != 0)
        return layer_fail(layer, pfswrap_tunnel_error(layer->tunnel));
    for (int i = 0; i < RECORDS_MAX && !has_received_shutdown(layer) && has_whole_record(layer); i++) {
        uint8_t byte = 0;
        const int error = read_record(layer, &byte) > 0 ? tunnel_skip_trailer(layer->tunnel, byte) : 0;
        if (error != 0)
            return layer_break(layer, error);
    }
    lib->SSL_set_shutdown(layer->ssl, lib->SSL_get_shutdown(layer->ssl) | SSL_RECEIVED_SHUTDOWN);
    layer->end_reported = true;
    uint8_t nothing;
    return read_record(layer, &nothing); /* 0, and libssl waits for nothing any more (SSL_want(3)) */
}

void layer_show_end(struct layer *layer)
{
    const struct libssl *lib = layer->lib;
    char byte;
    if (layer->end_shown || layer->fd < 0 || !tunnel_ends_next(layer->tunnel) || has_received_shutdown(layer) ||
        lib->SSL_has_pending(layer->ssl) || program_socket_peek(layer->fd, &byte, sizeof byte) >= 0)
        return;
    program_socket_shutdown(layer->fd, SHUT_RD);
    layer->end_shown = true;
}

void layer_note_failure(struct layer *layer)
{
    const struct libssl *lib = layer->lib;
    if (layer->end != NULL || layer->final_read || lib->SSL_want(layer->ssl) != SSL_NOTHING)
        return;
    const int error = lib->SSL_get_error(layer->ssl, layer->result);
    const unsigned long code = lib->ERR_peek_last_error();
    const unsigned long reason =
        code & 0x7fffff; /* since 3.0, the first version with this reason (ERR_GET_REASON(3)) */
    if (error == SSL_ERROR_SYSCALL || (error == SSL_ERROR_SSL && reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        layer->end = "truncated";
        layer->reason = pfswrap_seal_error_text(PFSWRAP_SEAL_E_TRUNCATED);
    } else if (error == SSL_ERROR_SSL) {
        const char *text = lib->ERR_reason_error_string(code);
        layer->end = "error";
        layer->reason = text != NULL ? text : "TLS has failed";
    }
}
