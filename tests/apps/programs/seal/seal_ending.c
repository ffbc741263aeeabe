/*
 * A peer of the C core that ends a connection step by step, as its standard input says. It uses no pfswrap but the
 * library, so it can do what the shim never does: FINAL without FIN, FINAL in pieces, bytes behind FINAL.
 *
 *     seal_ending client|server PORT SECRET-KEY-FILE PEERS-FILE NAME
 *
 * Each line of standard input is one command, and each is answered with a line that begins with its first word.
 * Frames are collected in a buffer until `send`.
 *
 *     handshake       runs the handshake; a client's header and confirm stay in the buffer
 *     confirm         appends a client's header and confirm, if they are still due
 *     data TEXT       appends a frame with this text, in which \r and \n are control characters
 *     final           appends FINAL
 *     junk COUNT      appends COUNT bytes that are no frame
 *     spoil           changes the last byte of the buffer
 *     send COUNT      sends all but the last COUNT bytes of the buffer
 *     fin             shuts down the sending direction
 *     reset           resets the connection
 *     receive COUNT   reads COUNT bytes of text, and answers with them
 *     read            reads to FINAL or the end of the transport; answers with the text and which of the two it was
 *     close           closes the socket
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <pfswrap/seal.h>

enum { BUFFER_BYTES = 1 << 17, LINE_BYTES = 1 << 15 };

static struct pfswrap_seal channel;
static struct pfswrap_seal_config config;
static uint8_t in[BUFFER_BYTES], out[BUFFER_BYTES];
static size_t in_length, out_length;
static int fd;

static void must(int condition, const char *what)
{
    if (condition)
        return;
    printf("failed: %s (%s)\n", what, pfswrap_seal_error_text(pfswrap_seal_error(&channel)));
    exit(EXIT_FAILURE);
}

static void append_owed(void)
{
    while (pfswrap_seal_owes(&channel)) {
        const int length = pfswrap_seal_take(&channel, &config, out + out_length, sizeof out - out_length);

        must(length > 0, "take");
        out_length += (size_t)length;
    }
}

static void send_all_but(size_t kept)
{
    const size_t length = out_length - kept;

    must(kept <= out_length && (length == 0 || send(fd, out, length, MSG_NOSIGNAL) == (ssize_t)length), "send");
    memmove(out, out + length, kept);
    out_length = kept;
}

/* The next event. At the end of the transport: 0. */
static int next_event(struct pfswrap_seal_opened *opened)
{
    static uint8_t plain[PFSWRAP_SEAL_CHUNK_MAX];

    for (;;) {
        const int event =
            pfswrap_seal_open(&channel, &config, in, in_length, plain, PFSWRAP_SEAL_CHUNK_MAX, opened);

        must(event > 0, "open");
        memmove(in, in + opened->consumed, in_length -= opened->consumed);
        if (event != PFSWRAP_SEAL_MORE)
            return event;
        const ssize_t count = recv(fd, in + in_length, sizeof in - in_length, 0);
        if (count <= 0)
            return 0;
        in_length += (size_t)count;
    }
}

static void shake_hands(void)
{
    struct pfswrap_seal_opened opened;

    while (!pfswrap_seal_ready(&channel)) {
        append_owed();
        send_all_but(0);
        must(next_event(&opened) != 0, "handshake");
    }
}

/* Replaces the two escapes in the text by what they mean. */
static void unescape(char *text)
{
    char *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        const int escaped = from[0] == '\\' && (from[1] == 'n' || from[1] == 'r');

        from += escaped;
        *to++ = (char)(!escaped ? *from : *from == 'n' ? '\n' : '\r');
    }
    *to = '\0';
}

static void append_data(char *text)
{
    size_t accepted;

    unescape(text);
    const int length =
        pfswrap_seal_begin(&channel, text, strlen(text), out + out_length, sizeof out - out_length, &accepted);

    must(length > 0 && accepted == strlen(text) && pfswrap_seal_sent(&channel, NULL, (size_t)length) == 0, "begin");
    out_length += (size_t)length;
}

static void append_final(void)
{
    must(pfswrap_seal_close(&channel) == 0, "close");
    append_owed();
}

/* Prints text until there are `limit` bytes of it or the stream has ended. */
static void read_text(const char *word, size_t limit)
{
    struct pfswrap_seal_opened opened;
    int event = PFSWRAP_SEAL_PROGRESS;

    printf("%s ", word);
    while (limit > 0 && (event = next_event(&opened)) != PFSWRAP_SEAL_FINAL && event != 0) {
        if (event != PFSWRAP_SEAL_DATA)
            continue;
        for (size_t i = 0; i < opened.length; i++)
            putchar(opened.data[i] < ' ' ? ' ' : opened.data[i]); /* an answer is one line */
        limit -= opened.length < limit ? opened.length : limit;
    }
    if (limit > 0)
        printf(" %s", event == 0 ? "transport" : "final");
    printf("\n");
}

static void reset(void)
{
    const struct linger now = {.l_onoff = 1};

    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0 && close(fd) == 0, "reset");
}

static void obey(const char *word, char *rest)
{
    const size_t count = strtoul(rest, NULL, 10);

    if (strcmp(word, "handshake") == 0) {
        shake_hands();
    } else if (strcmp(word, "confirm") == 0) {
        append_owed();
    } else if (strcmp(word, "data") == 0) {
        append_data(rest);
    } else if (strcmp(word, "final") == 0) {
        append_final();
    } else if (strcmp(word, "junk") == 0) {
        memset(out + out_length, 'j', count);
        out_length += count;
    } else if (strcmp(word, "spoil") == 0) {
        out[out_length - 1] ^= 0x55;
    } else if (strcmp(word, "send") == 0) {
        send_all_but(count);
    } else if (strcmp(word, "fin") == 0) {
        must(shutdown(fd, SHUT_WR) == 0, "shutdown");
    } else if (strcmp(word, "reset") == 0) {
        reset();
    } else if (strcmp(word, "close") == 0) {
        must(close(fd) == 0, "close");
    } else if (strcmp(word, "read") == 0) {
        read_text(word, SIZE_MAX);
        return;
    } else if (strcmp(word, "receive") == 0) {
        read_text(word, count);
        return;
    } else {
        must(0, word);
    }
    printf("%s\n", word);
}

static void open_socket(int is_client, const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;

    address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    fd = listener;
    if (is_client) {
        must(connect(fd, (struct sockaddr *)&address, sizeof address) == 0, "connect");
    } else {
        (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        must(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 && listen(listener, 1) == 0,
             "listen");
        must((fd = accept(listener, NULL, NULL)) >= 0 && close(listener) == 0, "accept");
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* each `send` is a packet */
}

int main(int argc, char **argv)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    struct pfswrap_keys_error error;
    char line[LINE_BYTES];

    must(argc == 6, "usage");
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    const int is_client = strcmp(argv[1], "client") == 0;
    must(pfswrap_keyring_load_identity(keyring, argv[3], &error) == 0, error.text);
    must(pfswrap_keyring_load_peers(keyring, argv[4], &error) == 0, error.text);
    const char *const names[] = {argv[5]};
    config = (struct pfswrap_seal_config){.keyring = keyring, .names = names, .name_count = 1};
    open_socket(is_client, argv[2]);
    must(pfswrap_seal_init(&channel, is_client ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER, &config, NULL, 0,
                           0, (uint64_t)time(NULL)) == 0,
         "init");
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *rest = strchr(line, ' ');
        if (rest != NULL)
            *rest++ = '\0';
        obey(line, rest != NULL ? rest : line + strlen(line));
    }
    pfswrap_keyring_free(keyring);
    return EXIT_SUCCESS;
}
