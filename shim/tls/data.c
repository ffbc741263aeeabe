/*
 * Calls that move data, and may run the handshake first: it is run and attested before they see a byte. On an open
 * connection each adds a comparison, or the look-up of its record, and nothing else.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "config/init.h"
#include "base/interposed.h"
#include "tls/error.h"
#include "tls/handshake.h"
#include "tls/layer.h"

/* Where a call goes on to. */
struct route {
    struct libssl *lib;  /* NULL: it does not go on */
    int result;          /* then: what libssl answered to the handshake, -1 if there was none */
    struct layer *layer; /* the inner layer that the data has to pass; NULL: none */
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

/* To the library, if the connection is open or the call comes from inside the library. */
static inline struct route route_find(SSL *ssl, const void *caller)
{
    struct route route = {.lib = tls_handshake_last_open(ssl)};
    return route.lib != NULL ? route : route_look_up(ssl, caller);
}

/* From a result as SSL_read has it to one as SSL_read_ex has it. */
static int counted(int result, size_t *count)
{
    *count = result > 0 ? (size_t)result : 0;
    return result > 0;
}

/* A write of nothing succeeds (SSL_write_ex(3)). */
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
    if (__builtin_expect(to.layer != NULL, 0))
        return length >= 0 ? layer_write(to.layer, buffer, (size_t)length) : to.lib->SSL_write(ssl, buffer, length);
    return to.lib != NULL ? to.lib->SSL_write(ssl, buffer, length) : to.result;
}

PFSWRAP_EXPORT int SSL_write_ex(SSL *ssl, const void *buffer, size_t length, size_t *written)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0))
        return written_counted(to.layer, buffer, length, written);
    return to.lib != NULL ? to.lib->SSL_write_ex(ssl, buffer, length, written) : 0;
}

PFSWRAP_EXPORT int SSL_write_ex2(SSL *ssl, const void *buffer, size_t length, uint64_t flags, size_t *written)
{
    struct route to = route_find(ssl, CALLER);
    if (__builtin_expect(to.layer != NULL, 0)) /* the flags end a QUIC stream */
        return written_counted(to.layer, buffer, length, written);
    bool possible = to.lib != NULL && to.lib->SSL_write_ex2 != NULL;
    return possible ? to.lib->SSL_write_ex2(ssl, buffer, length, flags, written) : 0;
}

PFSWRAP_EXPORT ossl_ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t length, int flags)
{
    struct route to = route_find(ssl, CALLER);
    if (to.lib == NULL)
        return to.result;
    if (to.layer != NULL)
        return layer_sendfile(to.layer, fd, offset, length);
    return to.lib->SSL_sendfile != NULL ? to.lib->SSL_sendfile(ssl, fd, offset, length, flags) : -1;
}

/*
 * Whether reading cannot make the program wait for its peer: the descriptor does not block, or all of the next
 * record has come (RFC 8446, 5.1: five bytes of header, the last two its length).
 */
static bool record_is_here(struct libssl *lib, SSL *ssl, int fd, int waiting)
{
    enum { HEADER = 5 };
    unsigned char header[HEADER];
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_NONBLOCK) != 0)
        return flags >= 0;
    if (lib->SSL_has_pending(ssl)) /* the library holds part of a record */
        return false;
    return recv(fd, header, sizeof header, MSG_PEEK | MSG_DONTWAIT) == HEADER &&
           waiting >= HEADER + (header[HEADER - 2] << 8 | header[HEADER - 1]);
}

/*
 * A program from before TLS 1.3 does not read the tickets that a server sends after the handshake; left unread in
 * the socket they would turn its close into a reset. Peeking lets the library take them; with automatic retries off
 * it returns after each, also on a blocking socket.
 */
static void take_tickets(struct libssl *lib, SSL *ssl)
{
    enum { TICKETS_MAX = 16 };
    int fd = lib->SSL_get_rfd(ssl);
    struct tls_saved_errors saved = tls_errors_save(lib);
    bool retries = (lib->SSL_ctrl(ssl, SSL_CTRL_MODE, 0, NULL) & SSL_MODE_AUTO_RETRY) != 0;
    if (retries)
        lib->SSL_ctrl(ssl, SSL_CTRL_CLEAR_MODE, SSL_MODE_AUTO_RETRY, NULL);
    int waiting = 0;
    for (int i = 0; i < TICKETS_MAX && fd >= 0 && ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0; i++) {
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
        tls_error_push(lib, SSL_R_SHUTDOWN_WHILE_IN_INIT, "the inner layer's handshake is not over");
        return -1;
    }
    int result = lib->SSL_shutdown(ssl);
    if (ssl == NULL || libssl_is_inside(lib, CALLER) || result != 0)
        return result;
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->upgraded && connection->stage == TLS_STAGE_OPEN &&
        !lib->SSL_is_server(ssl))
        take_tickets(lib, ssl);
    return result;
}
