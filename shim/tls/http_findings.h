/*
 * [findings] http = log: the responses that a server writes are read (http_response.h), and what their headers lack
 * is logged once for each kind and host. Nothing here changes, delays or fails a write: it is called after it.
 */
#ifndef PFSWRAP_TLS_HTTP_FINDINGS_H
#define PFSWRAP_TLS_HTTP_FINDINGS_H

#include "tls/state.h"

/* Whether a connection of this process has been read, or is. */
extern atomic_bool http_findings_on;

/*
 * The handshake is verified. If the connection's policy says so, and it is a server's and of TLS over a stream, its
 * responses are read from now on. Without memory they are not, and the connection is used all the same.
 */
void http_findings_begin(const struct libssl *lib, const SSL *ssl, struct tls_connection *connection);

/* The connection ends or is used again. */
void http_findings_end(const struct libssl *lib, struct tls_connection *connection);

/* Bytes were written, from memory or, with bytes == NULL, from elsewhere. Keeps errno and libssl's errors. */
void http_findings_add(const struct libssl *lib, SSL *ssl, const void *bytes, size_t length);

/*
 * The same, where a `result` of 0 or less is no write. Costs one branch as long as no connection is read. A call by
 * `caller` within the library is part of one that is read itself: SSL_write_ex() calls SSL_write_ex2() since 3.3.
 */
static inline void http_findings_written(const struct libssl *lib, SSL *ssl, const void *bytes, ssize_t result,
                                         const void *caller)
{
    if (__builtin_expect(atomic_load_explicit(&http_findings_on, memory_order_relaxed), false) && result > 0 &&
        !libssl_is_inside(lib, caller))
        http_findings_add(lib, ssl, bytes, (size_t)result);
}

#endif
