/*
 * libssl's BIO (BIO_f_ssl(3)) runs handshakes and moves data without calling an interposed function. Programs get a
 * copy of its method instead (BIO_meth_new(3)), which first does the shim's part. BIO_new_ssl() and its relatives
 * take libssl's method inside the library, so they are implemented here.
 */

#include "base/interposed.h"
#include "base/mutex.h"
#include "tls/handshake.h"
#include "tls/http_findings.h"
#include "tls/layer.h"

static SSL *bio_connection(const struct libssl *lib, BIO *bio)
{
    SSL *ssl = NULL;
    lib->BIO_ctrl(bio, BIO_C_GET_SSL, 0, &ssl);
    return ssl;
}

/*
 * The library whose libcrypto called one of the functions below, or the library of a program that called it itself.
 */
static struct libssl *bio_library(const void *caller)
{
    struct libssl *lib = libssl_containing(caller);
    return lib != NULL ? lib : libssl_of_caller(caller);
}

/* Sets the retry flags as libssl's BIO does after a call that returned `result` (BIO_should_retry(3)). */
static void bio_set_retry(const struct libssl *lib, BIO *bio, const SSL *ssl, int result)
{
    lib->BIO_clear_flags(bio, BIO_FLAGS_RWS | BIO_FLAGS_SHOULD_RETRY);
    lib->BIO_set_retry_reason(bio, 0);
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        lib->BIO_set_flags(bio, BIO_FLAGS_READ | BIO_FLAGS_SHOULD_RETRY);
        break;
    case SSL_ERROR_WANT_WRITE:
        lib->BIO_set_flags(bio, BIO_FLAGS_WRITE | BIO_FLAGS_SHOULD_RETRY);
        break;
    default:
        break;
    }
}

static int bio_layer(struct libssl *lib, BIO *bio, SSL *ssl)
{
    int result = tls_handshake_complete(lib, ssl);
    bio_set_retry(lib, bio, ssl, result);
    return result;
}

/*
 * Runs the handshake by libssl's state machine command, which sets the BIO's retry flags. Returns 1 when data may
 * pass, else 0 or less. The functions that read and write then return -1, as libssl's do: a program may take 0 for
 * the end of the stream, or for a short write.
 */
static long bio_establish(struct libssl *lib, BIO *bio)
{
    SSL *ssl = bio_connection(lib, bio);
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    if (ssl == NULL || (connection != NULL && connection->stage == TLS_STAGE_OPEN))
        return 1;
    if (tls_handshake_enforce(lib, ssl, TLS_ROLE_UNKNOWN) != 1)
        return -1;
    if (layer_in_force() && layer_is_handshaking(lib, ssl, CALLER))
        return bio_layer(lib, bio, ssl);
    long result = lib->BIO_meth_get_ctrl(lib->BIO_f_ssl())(bio, BIO_C_DO_STATE_MACHINE, 0, NULL);
    if (result <= 0) {
        tls_handshake_failed(lib, ssl, (int)result);
        return result;
    }
    result = tls_handshake_verify(lib, ssl);
    return result == 1 && layer_in_force() && layer_is_handshaking(lib, ssl, CALLER) ? bio_layer(lib, bio, ssl)
                                                                                     : result;
}

/* The inner layer of the BIO's connection, or NULL. */
static struct layer *bio_find_layer(const struct libssl *lib, BIO *bio)
{
    return layer_in_force() ? layer_find(lib, bio_connection(lib, bio)) : NULL;
}

static int bio_read(BIO *bio, char *buffer, size_t length, size_t *read)
{
    struct libssl *lib = bio_library(CALLER);
    if (lib == NULL || bio_establish(lib, bio) <= 0)
        return -1;
    struct layer *layer = bio_find_layer(lib, bio);
    if (layer == NULL)
        return lib->BIO_meth_get_read_ex(lib->BIO_f_ssl())(bio, buffer, length, read);
    int result = layer_read(layer, buffer, length);
    *read = result > 0 ? (size_t)result : 0;
    bio_set_retry(lib, bio, layer->ssl, result);
    return result > 0 ? 1 : result;
}

static int bio_write(BIO *bio, const char *buffer, size_t length, size_t *written)
{
    struct libssl *lib = bio_library(CALLER);
    if (lib == NULL || bio_establish(lib, bio) <= 0)
        return -1;
    struct layer *layer = bio_find_layer(lib, bio);
    int result;
    if (layer == NULL) {
        result = lib->BIO_meth_get_write_ex(lib->BIO_f_ssl())(bio, buffer, length, written);
    } else {
        result = layer_write(layer, buffer, length);
        *written = result > 0 ? (size_t)result : 0;
        bio_set_retry(lib, bio, layer->ssl, result);
        result = result > 0 ? 1 : result;
    }
    if (result > 0 && atomic_load_explicit(&http_findings_on, memory_order_relaxed))
        http_findings_add(lib, bio_connection(lib, bio), buffer, *written);
    return result;
}

static long bio_ctrl(BIO *bio, int command, long value, void *pointer)
{
    struct libssl *lib = bio_library(CALLER);
    if (lib == NULL)
        return 0;
    if (command == BIO_C_DO_STATE_MACHINE)
        return bio_establish(lib, bio);
    if (command == BIO_CTRL_RESET || command == BIO_C_SSL_MODE) {
        SSL *ssl = bio_connection(lib, bio);
        if (ssl != NULL)
            tls_handshake_reset(lib, ssl);
    }
    struct layer *layer = command == BIO_CTRL_PENDING ? bio_find_layer(lib, bio) : NULL;
    size_t pending = layer != NULL ? layer_pending(layer) : 0;
    if (pending > 0)
        return (long)pending;
    return lib->BIO_meth_get_ctrl(lib->BIO_f_ssl())(bio, command, value, pointer);
}

/* libssl's function sends close_notify without calling the interposed SSL_shutdown(). */
static int bio_destroy(BIO *bio)
{
    struct libssl *lib = bio_library(CALLER);
    if (lib == NULL)
        return 0;
    struct layer *layer = bio_find_layer(lib, bio);
    if (layer != NULL)
        layer_send_final(layer);
    return lib->BIO_meth_get_destroy(lib->BIO_f_ssl())(bio);
}

static BIO_METHOD *method_copy(const struct libssl *lib)
{
    const BIO_METHOD *original = lib->BIO_f_ssl();
    BIO_METHOD *copy = lib->BIO_meth_new(BIO_TYPE_SSL, "ssl");
    if (copy == NULL)
        return NULL;
    lib->BIO_meth_set_write_ex(copy, bio_write);
    lib->BIO_meth_set_read_ex(copy, bio_read);
    lib->BIO_meth_set_ctrl(copy, bio_ctrl);
    lib->BIO_meth_set_puts(copy, lib->BIO_meth_get_puts(original)); /* it calls BIO_write(), and so bio_write() */
    lib->BIO_meth_set_create(copy, lib->BIO_meth_get_create(original));
    lib->BIO_meth_set_destroy(copy, bio_destroy);
    lib->BIO_meth_set_callback_ctrl(copy, lib->BIO_meth_get_callback_ctrl(original));
    return copy;
}

static const BIO_METHOD *bio_method(struct libssl *lib)
{
    static struct mutex mutex;
    const BIO_METHOD *method = __atomic_load_n(&lib->bio_method, __ATOMIC_ACQUIRE);
    if (method != NULL)
        return method;
    mutex_lock(&mutex);
    if (lib->bio_method == NULL)
        __atomic_store_n(&lib->bio_method, method_copy(lib), __ATOMIC_RELEASE);
    mutex_unlock(&mutex);
    return lib->bio_method;
}

PFSWRAP_EXPORT const BIO_METHOD *BIO_f_ssl(void)
{
    struct libssl *lib = libssl_of_caller(CALLER);
    if (lib == NULL || lib->missing != NULL)
        return NULL;
    return bio_method(lib);
}

static BIO *bio_new_ssl(struct libssl *lib, SSL_CTX *context, int client)
{
    const BIO_METHOD *method = bio_method(lib);
    BIO *bio = method != NULL ? lib->BIO_new(method) : NULL;
    SSL *ssl = bio != NULL ? lib->SSL_new(context) : NULL;
    if (ssl == NULL) {
        lib->BIO_free(bio);
        return NULL;
    }
    if (client)
        lib->SSL_set_connect_state(ssl);
    else
        lib->SSL_set_accept_state(ssl);
    lib->BIO_ctrl(bio, BIO_C_SET_SSL, BIO_CLOSE, ssl);
    return bio;
}

/* Pushes `front` onto `back`. If one of them is NULL, frees the other and returns NULL. */
static BIO *bio_chain(const struct libssl *lib, BIO *front, BIO *back)
{
    if (front != NULL && back != NULL)
        return lib->BIO_push(front, back);
    lib->BIO_free(front);
    lib->BIO_free(back);
    return NULL;
}

PFSWRAP_EXPORT BIO *BIO_new_ssl(SSL_CTX *context, int client)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    return lib != NULL ? bio_new_ssl(lib, context, client) : NULL;
}

PFSWRAP_EXPORT BIO *BIO_new_ssl_connect(SSL_CTX *context)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    return lib != NULL ? bio_chain(lib, bio_new_ssl(lib, context, 1), lib->BIO_new(lib->BIO_s_connect())) : NULL;
}

PFSWRAP_EXPORT BIO *BIO_new_buffer_ssl_connect(SSL_CTX *context)
{
    struct libssl *lib = libssl_of_context(context, CALLER);
    if (lib == NULL)
        return NULL;
    BIO *ssl = bio_chain(lib, bio_new_ssl(lib, context, 1), lib->BIO_new(lib->BIO_s_connect()));
    return ssl != NULL ? bio_chain(lib, lib->BIO_new(lib->BIO_f_buffer()), ssl) : NULL;
}
