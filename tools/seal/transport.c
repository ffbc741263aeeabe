/*
 * Reads and writes by read(2) and write(2), or by OpenSSL. See transport.h.
 */
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "network.h"
#include "tls_library.h"

/* From openssl/ssl.h, openssl/tls1.h. */
enum {
    ERROR_WANT_READ = 2,
    ERROR_WANT_WRITE = 3,
    ERROR_SYSCALL = 5,
    ERROR_ZERO_RETURN = 6,
    VERIFY_NONE = 0,
    VERIFY_PEER = 1,
    FILETYPE_PEM = 1,
    CTRL_MODE = 33,
    MODE_ENABLE_PARTIAL_WRITE = 1,
    MODE_ACCEPT_MOVING_WRITE_BUFFER = 2,
    CTRL_SET_TLSEXT_HOSTNAME = 55,
    CTRL_SET_MIN_PROTO_VERSION = 123,
    TLS1_3_VERSION = 0x0304,
    ALERT_NO_ALPN = 3, /* SSL_TLSEXT_ERR_NOACK: as if there were no list */
};

static const unsigned char seal_name[] = {5, 'p', 'f', 's', 'w', '1'};

struct tls {
    const struct tls_library *lib;
    void *context, *ssl;
    bool offered_seal;
};

/* The seal's name is never selected (docs/WIRE.md, section 2.10). */
static int note_offer(void *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                      unsigned in_length, void *argument)
{
    bool *const offered = argument;
    (void)ssl;
    (void)out;
    (void)out_length;
    for (unsigned i = 0; i < in_length; i += 1U + in[i])
        *offered |= in_length - i >= sizeof seal_name && memcmp(in + i, seal_name, sizeof seal_name) == 0;
    return ALERT_NO_ALPN;
}

/* Returns -1, with the words and the library's reason in problem. */
static int fail(const struct tls *tls, char *problem, const char *what, const char *file)
{
    const unsigned long error = tls->lib->ERR_get_error();
    const char *const reason = error != 0 ? tls->lib->ERR_reason_error_string(error) : NULL;
    (void)snprintf(problem, TRANSPORT_PROBLEM_MAX, "%s%s%s%s%s", what, file != NULL ? " " : "",
                   file != NULL ? file : "", reason != NULL ? ": " : "", reason != NULL ? reason : "");
    return -1;
}

static int configure_server(struct tls *tls, const struct tls_settings *settings, char *problem)
{
    const struct tls_library *const lib = tls->lib;
    lib->SSL_CTX_set_alpn_select_cb(tls->context, note_offer, &tls->offered_seal);
    if (lib->SSL_CTX_use_certificate_chain_file(tls->context, settings->certificate) != 1)
        return fail(tls, problem, "no certificate in", settings->certificate);
    if (lib->SSL_CTX_use_PrivateKey_file(tls->context, settings->key, FILETYPE_PEM) != 1)
        return fail(tls, problem, "no key of the certificate in", settings->key);
    return 0;
}

static int configure_client(struct tls *tls, const struct tls_settings *settings, char *problem)
{
    const struct tls_library *const lib = tls->lib;
    lib->SSL_CTX_set_verify(tls->context, settings->verify ? VERIFY_PEER : VERIFY_NONE, NULL);
    if (settings->offer_seal && lib->SSL_CTX_set_alpn_protos(tls->context, seal_name, sizeof seal_name) != 0)
        return fail(tls, problem, "the ALPN name cannot be set", NULL);
    if (!settings->verify)
        return 0;
    if (settings->authorities == NULL)
        (void)lib->SSL_CTX_set_default_verify_paths(tls->context);
    else if (lib->SSL_CTX_load_verify_locations(tls->context, settings->authorities, NULL) != 1)
        return fail(tls, problem, "no certificate authorities in", settings->authorities);
    return 0;
}

/* An address is not sent as a server's name (RFC 6066, section 3). */
static int set_name(struct tls *tls, const struct tls_settings *settings, char *problem)
{
    const struct tls_library *const lib = tls->lib;
    char name[256];
    uint8_t address[16];
    (void)snprintf(name, sizeof name, "%s", settings->name);
    const bool is_address = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    if (!is_address && lib->SSL_ctrl(tls->ssl, CTRL_SET_TLSEXT_HOSTNAME, 0, name) != 1)
        return fail(tls, problem, "not the name of a host:", name);
    if (!settings->verify)
        return 0;
    const int set = is_address ? lib->X509_VERIFY_PARAM_set1_ip_asc(lib->SSL_get0_param(tls->ssl), name)
                               : lib->SSL_set1_host(tls->ssl, name);
    return set == 1 ? 0 : fail(tls, problem, "not the name of a host:", name);
}

static int configure(struct tls *tls, const struct tls_settings *settings, int fd, char *problem)
{
    const struct tls_library *const lib = tls->lib;
    tls->context = lib->SSL_CTX_new(settings->server ? lib->TLS_server_method() : lib->TLS_client_method());
    if (tls->context == NULL ||
        lib->SSL_CTX_ctrl(tls->context, CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, NULL) != 1)
        return fail(tls, problem, "TLS 1.3 cannot be used", NULL);
    (void)lib->SSL_CTX_ctrl(tls->context, CTRL_MODE, MODE_ENABLE_PARTIAL_WRITE | MODE_ACCEPT_MOVING_WRITE_BUFFER,
                            NULL);
    if ((settings->server ? configure_server : configure_client)(tls, settings, problem) != 0)
        return -1;
    tls->ssl = lib->SSL_new(tls->context);
    if (tls->ssl == NULL || lib->SSL_set_fd(tls->ssl, fd) != 1)
        return fail(tls, problem, "no memory for TLS", NULL);
    return settings->server ? 0 : set_name(tls, settings, problem);
}

/* Why the handshake has failed: the certificate comes first. Returns -1. */
static int handshake_problem(const struct tls *tls, const struct tls_settings *settings, int error, char *problem)
{
    const long verified = settings->server || !settings->verify ? 0 : tls->lib->SSL_get_verify_result(tls->ssl);
    if (verified != 0)
        return fail(tls, problem, "the certificate is refused:", tls->lib->X509_verify_cert_error_string(verified));
    if (error == ERROR_SYSCALL || error == ERROR_ZERO_RETURN) {
        (void)snprintf(problem, TRANSPORT_PROBLEM_MAX, "the peer ended the connection during the TLS handshake");
        return -1;
    }
    return fail(tls, problem, "the TLS handshake failed", NULL);
}

int transport_handshake(struct transport *transport, const struct tls_settings *settings, long deadline_ms,
                        char problem[static TRANSPORT_PROBLEM_MAX])
{
    const struct tls_library *const lib = tls_library(problem, TRANSPORT_PROBLEM_MAX);
    if (lib == NULL)
        return -1;
    struct tls *const tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        (void)snprintf(problem, TRANSPORT_PROBLEM_MAX, "no memory for TLS");
        return -1;
    }
    tls->lib = lib;
    transport->tls = tls;
    if (configure(tls, settings, transport->fd, problem) != 0)
        return -1;
    for (;;) {
        lib->ERR_clear_error();
        const int result = settings->server ? lib->SSL_accept(tls->ssl) : lib->SSL_connect(tls->ssl);
        if (result == 1)
            return 0;
        const int error = lib->SSL_get_error(tls->ssl, result);
        if (error != ERROR_WANT_READ && error != ERROR_WANT_WRITE)
            return handshake_problem(tls, settings, error, problem);
        if (network_wait(transport->fd, error == ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms) != 0) {
            (void)snprintf(problem, TRANSPORT_PROBLEM_MAX, "the TLS handshake took too long");
            return -1;
        }
    }
}

void transport_tls_info(const struct transport *transport, struct tls_info *info)
{
    const struct tls *const tls = transport->tls;
    const struct tls_library *const lib = tls->lib;
    void *const certificate = lib->get_peer_certificate(tls->ssl);
    *info = (struct tls_info){.version = lib->SSL_get_version(tls->ssl),
                              .cipher = lib->SSL_CIPHER_get_name(lib->SSL_get_current_cipher(tls->ssl)),
                              .is_13 = lib->SSL_version(tls->ssl) == TLS1_3_VERSION,
                              .offered_seal = tls->offered_seal};
    if (certificate == NULL)
        return;
    (void)lib->X509_NAME_oneline(lib->X509_get_subject_name(certificate), info->subject, sizeof info->subject);
    lib->X509_free(certificate);
}

int transport_binding(const struct transport *transport, uint8_t binding[static TRANSPORT_BINDING_BYTES])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    const struct tls *const tls = transport->tls;
    return tls->lib->SSL_export_keying_material(tls->ssl, binding, TRANSPORT_BINDING_BYTES, label, sizeof label - 1,
                                                (const unsigned char *)"", 0, 1) == 1
               ? 0
               : -1;
}

/* The result of SSL_read() or SSL_write(), which was not positive, as of transport_read(). */
static ssize_t convert(struct transport *transport, int result)
{
    switch (transport->tls->lib->SSL_get_error(transport->tls->ssl, result)) {
    case ERROR_ZERO_RETURN:
        return 0;
    case ERROR_WANT_READ:
        return -EAGAIN;
    case ERROR_WANT_WRITE:
        transport->wants = POLLOUT;
        return -EAGAIN;
    case ERROR_SYSCALL:
        return -ECONNRESET;
    default:
        return -EPROTO;
    }
}

/* The result of recv(2) or send(2). */
static ssize_t plain_result(ssize_t count)
{
    if (count >= 0)
        return count;
    return errno == EINTR ? -EAGAIN : -errno;
}

ssize_t transport_read(struct transport *transport, void *buffer, size_t size)
{
    transport->wants = 0;
    if (transport->tls == NULL) {
        const ssize_t count = recv(transport->fd, buffer, size, 0);
        return plain_result(count);
    }
    transport->tls->lib->ERR_clear_error();
    const int count = transport->tls->lib->SSL_read(transport->tls->ssl, buffer, (int)size);
    return count > 0 ? count : convert(transport, count);
}

ssize_t transport_write(struct transport *transport, const void *data, size_t size)
{
    transport->wants = 0;
    if (transport->tls == NULL) {
        const ssize_t count = send(transport->fd, data, size, MSG_NOSIGNAL);
        const ssize_t result = plain_result(count);
        if (result == -EAGAIN)
            transport->wants = POLLOUT;
        return result;
    }
    transport->tls->lib->ERR_clear_error();
    const int count = transport->tls->lib->SSL_write(transport->tls->ssl, data, (int)size);
    return count > 0 ? count : convert(transport, count);
}

void transport_shutdown(struct transport *transport)
{
    if (transport->tls != NULL)
        (void)transport->tls->lib->SSL_shutdown(transport->tls->ssl);
    else
        (void)shutdown(transport->fd, SHUT_WR);
}

void transport_close(struct transport *transport)
{
    if (transport->tls != NULL) {
        if (transport->tls->ssl != NULL)
            transport->tls->lib->SSL_free(transport->tls->ssl);
        if (transport->tls->context != NULL)
            transport->tls->lib->SSL_CTX_free(transport->tls->context);
        free(transport->tls);
    }
    if (transport->fd >= 0)
        (void)close(transport->fd);
    *transport = (struct transport){.fd = -1};
}
