/*
 * Calls that move data, and may run the handshake first: it is run and attested before they see a byte. On an open
 * connection each adds the lookup of its record and nothing else.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "init.h"
#include "interposed.h"
#include "tls/handshake.h"

/* Whether the call may go on to the library: the connection is open, or the call comes from inside the library. */
#define PASSES(lib, ssl, result)                                                                                   \
    ((ssl) == NULL || libssl_is_inside((lib), CALLER) || ((result) = tls_handshake_complete((lib), (ssl))) == 1)

PFSWRAP_EXPORT int SSL_read(SSL *ssl, void *buffer, int length)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = -1;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_read(ssl, buffer, length) : result;
}

PFSWRAP_EXPORT int SSL_read_ex(SSL *ssl, void *buffer, size_t length, size_t *read)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = 0;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_read_ex(ssl, buffer, length, read) : 0;
}

PFSWRAP_EXPORT int SSL_peek(SSL *ssl, void *buffer, int length)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = -1;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_peek(ssl, buffer, length) : result;
}

PFSWRAP_EXPORT int SSL_peek_ex(SSL *ssl, void *buffer, size_t length, size_t *read)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = 0;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_peek_ex(ssl, buffer, length, read) : 0;
}

PFSWRAP_EXPORT int SSL_write(SSL *ssl, const void *buffer, int length)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = -1;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_write(ssl, buffer, length) : result;
}

PFSWRAP_EXPORT int SSL_write_ex(SSL *ssl, const void *buffer, size_t length, size_t *written)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = 0;
    return lib != NULL && PASSES(lib, ssl, result) ? lib->SSL_write_ex(ssl, buffer, length, written) : 0;
}

PFSWRAP_EXPORT int SSL_write_ex2(SSL *ssl, const void *buffer, size_t length, uint64_t flags, size_t *written)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = 0;
    if (lib == NULL || lib->SSL_write_ex2 == NULL)
        return 0;
    return PASSES(lib, ssl, result) ? lib->SSL_write_ex2(ssl, buffer, length, flags, written) : 0;
}

PFSWRAP_EXPORT ossl_ssize_t SSL_sendfile(SSL *ssl, int fd, off_t offset, size_t length, int flags)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    int result = -1;
    if (lib == NULL || lib->SSL_sendfile == NULL)
        return -1;
    return PASSES(lib, ssl, result) ? lib->SSL_sendfile(ssl, fd, offset, length, flags) : result;
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
    struct tls_quiet quiet = tls_quiet_begin(lib);
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
    tls_quiet_end(quiet);
}

PFSWRAP_EXPORT int SSL_shutdown(SSL *ssl)
{
    struct libssl *lib = libssl_of_connection(ssl, CALLER);
    if (lib == NULL)
        return -1;
    int result = lib->SSL_shutdown(ssl);
    if (ssl == NULL || libssl_is_inside(lib, CALLER) || result != 0)
        return result;
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (connection != NULL && connection->upgraded && connection->stage == TLS_STAGE_OPEN &&
        !lib->SSL_is_server(ssl))
        take_tickets(lib, ssl);
    return result;
}
