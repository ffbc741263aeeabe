/*
 * A client that implements the inner layer (layer = tls) itself. OpenSSL's TLS is the transport of a tunnel of
 * libpfswrap-seal; any other TLS library works in the same way. The client sends one HTTP request and prints
 * the answer.
 *
 *     cc tunnel_client.c $(pkg-config --cflags --libs libpfswrap-seal libssl libcrypto)
 *     ./a.out HOST PORT PATH CA-FILE SECRET-KEY-FILE PEERS-FILE
 *
 * The peers file has the server's key under the name `server`.
 */
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pfswrap/tunnel.h>

static void must(int condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "tunnel_client: %s\n", what);
    exit(1);
}

/* The transport. The socket blocks, so these calls wait. STOPPED means that the connection has failed. */
static int tls_read(void *context, void *buffer, size_t size)
{
    SSL *tls = context;
    int got = SSL_read(tls, buffer, (int)size);
    return got <= 0 && SSL_get_error(tls, got) != SSL_ERROR_ZERO_RETURN ? -1 : got;
}

static int tls_write(void *context, const void *data, size_t length)
{
    return SSL_write(context, data, (int)length);
}

/* A TLS 1.3 connection that offers `pfsw1`, so that the server expects the seal inside. */
static SSL *tls_connect(const char *host, const char *port, const char *authority)
{
    static const unsigned char protocols[] = "\x08http/1.1\x05pfsw1";
    char address[300];
    SSL *tls = NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    must(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1, "TLS 1.3");
    must(SSL_CTX_load_verify_locations(context, authority, NULL) == 1, "the CA file cannot be read");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    must(SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) == 0, "ALPN");
    BIO *bio = BIO_new_ssl_connect(context);
    snprintf(address, sizeof address, "%s:%s", host, port);
    BIO_set_conn_hostname(bio, address);
    BIO_get_ssl(bio, &tls);
    must(SSL_set_tlsext_host_name(tls, host) == 1 && SSL_set1_host(tls, host) == 1, "the host's name");
    must(BIO_do_connect(bio) == 1 && BIO_do_handshake(bio) == 1, "no TLS connection to the server");
    return tls;
}

int main(int argc, char **argv)
{
    static const char *const server[] = {"server"};
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 */
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    struct pfswrap_seal_config config = {
        .keyring = keyring, .names = server, .name_count = 1, .transport_max = PFSWRAP_SEAL_TLS_RECORD};
    struct pfswrap_keys_error error;
    uint8_t binding[32];
    char text[4096];
    int result;

    signal(SIGPIPE, SIG_IGN);
    must(argc == 7, "usage: tunnel_client HOST PORT PATH CA-FILE SECRET-KEY-FILE PEERS-FILE");
    must(pfswrap_keyring_load_identity(keyring, argv[5], &error) == 0, error.text);
    must(pfswrap_keyring_load_peers(keyring, argv[6], &error) == 0, error.text);
    SSL *tls = tls_connect(argv[1], argv[2], argv[4]);
    must(SSL_export_keying_material(tls, binding, sizeof binding, label, strlen(label), NULL, 0, 0) == 1,
         "exporter");
    const struct pfswrap_tunnel_transport transport = {.read = tls_read, .write = tls_write, .context = tls};
    struct pfswrap_tunnel *tunnel =
        pfswrap_tunnel_new(PFSWRAP_SEAL_INITIATOR, &config, binding, sizeof binding, 0, &transport, &result);
    must(tunnel != NULL, pfswrap_seal_error_text(result));
    result = pfswrap_tunnel_handshake(tunnel);
    must(result != PFSWRAP_TUNNEL_STOPPED, "the connection failed");
    must(result == 1, pfswrap_seal_error_text(result));
    int length =
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", argv[3], argv[1]);
    for (int at = 0; at < length; at += result)
        must((result = pfswrap_tunnel_write(tunnel, text + at, (size_t)(length - at))) > 0,
             "the request was not sent");
    while ((result = pfswrap_tunnel_read(tunnel, text, sizeof text)) > 0)
        must(fwrite(text, 1, (size_t)result, stdout) == (size_t)result, "the answer cannot be printed");
    must(result == PFSWRAP_TUNNEL_END, "the answer was cut short");
    if (pfswrap_tunnel_close(tunnel) == 1) /* a server that has closed both directions does not wait */
        (void)SSL_shutdown(tls);
    pfswrap_tunnel_free(tunnel);
    pfswrap_keyring_free(keyring);
    return 0;
}
