// link: -lssl -lcrypto
/*
 * A client of the inner layer that ends its stream in other ways than the shim does. It uses OpenSSL and the tunnel
 * of the library, without pfswrap.
 *
 *     layer_ending PORT SECRET-KEY-FILE PEERS-FILE MANNER
 *
 * It sends `hello` and FINAL, and then, by MANNER: nothing (`final`); nothing, with both in one record
 * (`together`); nothing, with the last byte of FINAL in a record of its own (`apart`), or another byte in its place
 * (`wrong`); the kernel's FIN (`fin`); a close_notify (`notify`); data in TLS (`more`). `cut` sends FIN and no
 * FINAL. Then it prints what it receives and how that ended.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pfswrap/tunnel.h>

static struct {
    SSL *tls;
    int gathers; /* records are kept until flush() */
    size_t length;
    char bytes[1000];
} transport;

static void must(int condition, const char *what)
{
    if (condition)
        return;
    printf("failed: %s\n", what);
    exit(EXIT_FAILURE);
}

static int tls_read(void *context, void *buffer, size_t size)
{
    (void)context;
    const int got = SSL_read(transport.tls, buffer, (int)size);
    return got <= 0 && SSL_get_error(transport.tls, got) != SSL_ERROR_ZERO_RETURN ? -1 : got;
}

static int tls_write(void *context, const void *data, size_t length)
{
    (void)context;
    if (!transport.gathers)
        return SSL_write(transport.tls, data, (int)length);
    memcpy(transport.bytes + transport.length, data, length);
    transport.length += length;
    return (int)length;
}

static int connect_to(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    return fd;
}

static struct pfswrap_tunnel *tunnel_over(const struct pfswrap_seal_config *config)
{
    static const char label[] = "EXPORTER-Channel-Binding"; /* RFC 9266 */
    const struct pfswrap_tunnel_transport calls = {.read = tls_read, .write = tls_write};
    uint8_t binding[32];
    int error;

    must(SSL_export_keying_material(transport.tls, binding, sizeof binding, label, strlen(label), NULL, 0, 0) == 1,
         "exporter");
    struct pfswrap_tunnel *tunnel =
        pfswrap_tunnel_new(PFSWRAP_SEAL_INITIATOR, config, binding, sizeof binding, 0, &calls, &error);
    must(tunnel != NULL && pfswrap_tunnel_handshake(tunnel) == 1, "handshake of the seal");
    return tunnel;
}

/* Sends what was gathered in two records, in one packet. */
static void flush_apart(int fd, char last)
{
    const int on = 1, off = 0;
    must(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0, "TCP_CORK");
    must(SSL_write(transport.tls, transport.bytes, (int)transport.length - 1) > 0, "flush");
    must(SSL_write(transport.tls, &last, 1) == 1, "the last byte");
    must(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off) == 0, "TCP_CORK");
}

static void end(struct pfswrap_tunnel *tunnel, int fd, const char *manner)
{
    const int apart = strcmp(manner, "apart") == 0, wrong = strcmp(manner, "wrong") == 0;

    transport.gathers = strcmp(manner, "together") == 0 || apart || wrong;
    must(pfswrap_tunnel_write(tunnel, "hello", 5) == 5, "write");
    if (strcmp(manner, "cut") != 0)
        must(pfswrap_tunnel_close(tunnel) == 1, "close");
    if (apart || wrong)
        flush_apart(fd, wrong ? 'x' : 0);
    else if (transport.gathers)
        must(SSL_write(transport.tls, transport.bytes, (int)transport.length) > 0, "flush");
    transport.gathers = 0;
    if (strcmp(manner, "fin") == 0 || strcmp(manner, "cut") == 0)
        must(shutdown(fd, SHUT_WR) == 0, "shutdown");
    if (strcmp(manner, "notify") == 0)
        must(SSL_shutdown(transport.tls) == 0, "close_notify");
    if (strcmp(manner, "more") == 0)
        must(SSL_write(transport.tls, "more", 4) == 4, "more");
}

int main(int argc, char **argv)
{
    static const unsigned char protocols[] = "\x05pfsw1";
    static const char *const server[] = {"server"};
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    const struct pfswrap_seal_config config = {
        .keyring = keyring, .names = server, .name_count = 1, .transport_max = PFSWRAP_SEAL_TLS_RECORD};
    struct pfswrap_keys_error error;
    char text[1000];
    int result;

    signal(SIGPIPE, SIG_IGN);
    must(argc == 5, "usage");
    must(pfswrap_keyring_load_identity(keyring, argv[2], &error) == 0, error.text);
    must(pfswrap_keyring_load_peers(keyring, argv[3], &error) == 0, error.text);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    must(SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) == 0, "ALPN");
    const int fd = connect_to(argv[1]);
    transport.tls = SSL_new(context);
    must(SSL_set_fd(transport.tls, fd) == 1 && SSL_connect(transport.tls) == 1, "handshake of TLS");
    struct pfswrap_tunnel *tunnel = tunnel_over(&config);
    end(tunnel, fd, argv[4]);
    while ((result = pfswrap_tunnel_read(tunnel, text, sizeof text)) > 0)
        printf("%.*s", result, text);
    printf(" %s\n", result == PFSWRAP_TUNNEL_END ? "final" : "cut");
    pfswrap_tunnel_free(tunnel);
    pfswrap_keyring_free(keyring);
    return EXIT_SUCCESS;
}
