/*
 * Calls that move data. libssl would run a pending handshake within the call; here the handshake runs first and the
 * negotiated parameters are verified before data moves. On an open connection a call costs one comparison more, or
 * a look-up of the connection's record.
 */
#include "base/interposed.h"
#include "fd/program_socket.h"
#include "tls/error.h"
#include "tls/handshake.h"
#include "tls/http_findings.h"
#include "tls/layer.h"

/* Where a call's data goes. */
struct route {
    struct libssl *lib;  /* NULL: the call fails with `result` */
    int result;          /* what the handshake call returned; -1: there was none */
    struct layer *layer; /* the inner layer that the data passes first; NULL: none */
};

static __attribute__((noinline)) struct route route_look_up(SSL *ssl, const void *caller)
{
    struct route route = {.lib = libssl_of_connection(ssl, caller), .result = -1};
    if (route.lib == NULL || ssl == NULL || libssl_is_inside(route.lib, caller))
        return route;
    route.result = tls_handshake_complete(route.lib, ssl);
    if (route.result != 1)
        route.lib = NULL;
    else if (layer_in_force())
        route.layer = layer_find(route.lib, ssl);
    return route;
}

/* The library, if the connection is open or the library makes the call itself. */
static inline struct route route_find(SSL *ssl, const void *caller)
{
    struct route route = {.lib = tls_handshake_last_open(ssl)};
    return route.lib != NULL ? route : route_look_up(ssl, caller);
}

/* Converts a return value of SSL_read(3) to one of SSL_read_ex(3). */
static int counted(int result, size_t *count)
{
    *count = result > 0 ? (size_t)result : 0;
    return result > 0;
}

/* Writing zero bytes is a success (SSL_write_ex(3)). */
static int written_counted(struct layer *layer, const void *buffer, size_t length, size_t *written)
{
    int result = layer_write(layer, buffer, length);
    return counted(result, written) || (length == 0 && result == 0);
}

PFSWRAP_EXPORT int SSL_read(SSL *ssl, void *buffer, int length)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0))
        return length >= 0 ? layer_read(to.layer, buffer, (size_t)length) : to.lib->SSL_read(ssl, buffer, length);
    return to.lib != NULL ? to.lib->SSL_read(ssl, buffer, length) : to.result;
}

PFSWRAP_EXPORT int SSL_read_ex(SSL *ssl, void *buffer, size_t length, size_t *read)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0))
        return counted(layer_read(to.layer, buffer, length), read);
    return to.lib != NULL ? to.lib->SSL_read_ex(ssl, buffer, length, read) : 0;
}

PFSWRAP_EXPORT int SSL_peek(SSL *ssl, void *buffer, int length)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0))
        return length >= 0 ? layer_peek(to.layer, buffer, (size_t)length) : to.lib->SSL_peek(ssl, buffer, length);
    return to.lib != NULL ? to.lib->SSL_peek(ssl, buffer, length) : to.result;
}

PFSWRAP_EXPORT int SSL_peek_ex(SSL *ssl, void *buffer, size_t length, size_t *read)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0))
        return counted(layer_peek(to.layer, buffer, length), read);
    return to.lib != NULL ? to.lib->SSL_peek_ex(ssl, buffer, length, read) : 0;
}

PFSWRAP_EXPORT int SSL_write(SSL *ssl, const void *buffer, int length)
{
    struct route to = route_find(ssl, CALLER);
    if (to.lib == NULL)
        return to.result;
    int result = __builtin_expect(to.layer != NULL, 0) && length >= 0
                     ? layer_write(to.layer, buffer, (size_t)length)
                     : to.lib->SSL_write(ssl, buffer, length);
    http_findings_written(to.lib, ssl, buffer, result, CALLER);
    return result;
}

PFSWRAP_EXPORT int SSL_write_ex(SSL *ssl, const void *buffer, size_t length, size_t *written)
{
    struct route to = route_find(ssl, CALLER);
    if (to.lib == NULL)
        return 0;
    int result = __builtin_expect(to.layer != NULL, 0) ? written_counted(to.layer, buffer, length, written)
                                                       : to.lib->SSL_write_ex(ssl, buffer, length, written);
    http_findings_written(to.lib, ssl, buffer, result > 0 ? (ssize_t)*written : 0, CALLER);
    return result;
}

PFSWRAP_EXPORT int SSL_write_ex2(SSL *ssl, const void *buffer, size_t length, uint64_t flags, size_t *written)
{
    struct route to = route_find(ssl, CALLER);
    if (to.lib == NULL || (to.layer == NULL && to.lib->SSL_write_ex2 == NULL))
        return 0;
    int result = __builtin_expect(to.layer != NULL, 0) /* the only flag is for QUIC streams */
                     ? written_counted(to.layer, buffer, length, written)
                     : to.lib->SSL_write_ex2(ssl, buffer, length, flags, written);
    http_findings_written(to.lib, ssl, buffer, result > 0 ? (ssize_t)*written : 0, CALLER);
    return result;
}

PFSWRAP_EXPORT ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t length, int flags)
{
    struct route to = route_find(ssl, CALLER);
    if (to.lib == NULL)
        return to.result;
    if (to.layer == NULL && to.lib->SSL_sendfile == NULL)
        return -1;
    ssize_t result = to.layer != NULL ? layer_sendfile(to.layer, fd, offset, length)
                                      : to.lib->SSL_sendfile(ssl, fd, offset, length, flags);
    http_findings_written(to.lib, ssl, NULL, result, CALLER);
    return result;
}

/*
 * Whether a read does not wait for the peer: the descriptor is non-blocking, or the next record is complete.
 * `waiting` is the number of bytes that can be read. A record's header has five bytes, the last two are the length
 * (RFC 8446, 5.1).
 */
static bool record_is_here(struct libssl *lib, SSL *ssl, int fd, size_t waiting)
{
    enum { HEADER = 5 };
    unsigned char header[HEADER];
    if (!program_socket_blocks(fd))
        return true;
    if (lib->SSL_has_pending(ssl)) /* libssl holds part of a record */
        return false;
    return program_socket_peek(fd, header, sizeof header) == HEADER &&
           waiting >= HEADER + (size_t)(header[HEADER - 2] << 8 | header[HEADER - 1]);
}

/*
 * A program that expects TLS 1.2 does not read the tickets that a server sends after the handshake. If they stay
 * unread in the socket, closing it resets the connection. SSL_peek() makes libssl read them; without automatic
 * retries it returns after each record, on a blocking socket as well.
 */
static void read_tickets(struct libssl *lib, SSL *ssl)
{
    enum { TICKETS_MAX = 16 };
    int fd = lib->SSL_get_rfd(ssl);
    struct tls_saved_errors saved = tls_errors_save(lib);
    bool retries = ((unsigned long)lib->SSL_ctrl(ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_AUTO_RETRY) != 0;
    if (retries)
        lib->SSL_ctrl(ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, NULL);
    size_t waiting;
    for (int i = 0; i < TICKETS_MAX && fd >= 0 && (waiting = program_socket_available(fd)) > 0; i++) {
        char byte;
        if (!record_is_here(lib, ssl, fd, waiting) || lib->SSL_peek(ssl, &byte, 1) > 0)
            break;
        if (lib->SSL_get_error(ssl, -1) != SSL_ERROR_WANT_READ)
            break;
    }
    if (retries)
        lib->SSL_ctrl(ssl, SSL_CTRL_MODE, SSL_MODE_AUTO_RETRY, NULL);
    tls_errors_restore(saved);
}

PFSWRAP_EXPORT int SSL_shutdown(SSL *ssl)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return -1;
    struct layer *layer = NULL;
    if (layer_in_force() && ssl != NULL && !libssl_is_inside(lib, CALLER))
        layer = layer_find(lib, ssl);
    if (layer != NULL)
        return layer_shutdown(layer);
    if (layer_in_force() && layer_is_handshaking(lib, ssl, CALLER)) {
        tls_error_push(lib, SSL_R_SHUTDOWN_WHILE_IN_INIT, "the inner layer's handshake is not complete");
        return -1;
    }
    int result = lib->SSL_shutdown(ssl);
    if (ssl == NULL || libssl_is_inside(lib, CALLER) || result != 0)
        return result;
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->upgraded && connection->stage == TLS_STAGE_OPEN &&
        !lib->SSL_is_server(ssl))
        read_tickets(lib, ssl);
    return result;
}
