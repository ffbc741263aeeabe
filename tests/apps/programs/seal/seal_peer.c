/*
 * An endpoint of the C core for tests against peers that others wrote. It speaks the protocol on stdin and stdout,
 * which are one socket. An initiator sends chunks of the given sizes, waits for each to come back, and closes; a
 * responder echoes. At the end it prints a line of JSON about the connection on stderr. Keys are arguments, since
 * they are the test's.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <pfswrap/seal.h>

enum { INPUT_BYTES = 1 << 16 };

static struct pfswrap_seal channel;
static struct pfswrap_seal_config config;
static uint8_t input[INPUT_BYTES];
static size_t have;
static crypto_hash_sha256_state received;
static size_t received_bytes;
static const char *const peer_names[] = {"peer"};

static void die(const char *what, int error)
{
    fprintf(stderr, "{\"error\": \"%s: %s\", \"code\": %d}\n", what, error ? pfswrap_seal_error_text(error) : "",
            error);
    exit(EXIT_FAILURE);
}

static void write_all(const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(STDOUT_FILENO, bytes, length);

        if (n <= 0)
            die("write", 0);
        bytes += n;
        length -= (size_t)n;
    }
}

static void settle(void)
{
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];

    while (pfswrap_seal_owes(&channel)) {
        const int n = pfswrap_seal_take(&channel, &config, out, sizeof out);

        if (n < 0)
            die("take", n);
        write_all(out, (size_t)n);
    }
}

static void send_data(const uint8_t *data, size_t length)
{
    static uint8_t out[PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD];

    while (length > 0) {
        size_t accepted;
        int n = pfswrap_seal_begin(&channel, data, length, out, sizeof out, &accepted);

        if (n == PFSWRAP_SEAL_E_TAKE_FIRST) {
            settle();
            continue;
        }
        if (n < 0 || pfswrap_seal_sent(&channel, out, (size_t)n) != 0)
            die("begin", n);
        write_all(out, (size_t)n);
        data += accepted;
        length -= accepted;
    }
}

/* Handles one event. What it leaves in `opened` points into `input` until the next call. */
static int receive(struct pfswrap_seal_opened *opened)
{
    static size_t done;

    have -= done;
    memmove(input, input + done, have);
    for (;;) {
        const int event = pfswrap_seal_open_in_place(&channel, &config, input, have, opened);
        ssize_t n;

        if (event < 0)
            die("open", event);
        done = opened->consumed;
        if (event != PFSWRAP_SEAL_MORE)
            return event;
        have -= done;
        memmove(input, input + done, have);
        done = 0;
        if ((n = read(STDIN_FILENO, input + have, sizeof input - have)) <= 0)
            die("end of input", pfswrap_seal_end(&channel));
        have += (size_t)n;
    }
}

static void count_received(const struct pfswrap_seal_opened *opened)
{
    crypto_hash_sha256_update(&received, opened->data, opened->length);
    received_bytes += opened->length;
}

static void receive_exactly(size_t length)
{
    struct pfswrap_seal_opened opened;

    while (length > 0) {
        const int event = receive(&opened);

        if (event == PFSWRAP_SEAL_FINAL)
            die("the peer closed too early", 0);
        if (event == PFSWRAP_SEAL_DATA) {
            count_received(&opened);
            length -= opened.length;
        }
    }
}

static void initiate(const char *sizes)
{
    static uint8_t data[1 << 20];
    struct pfswrap_seal_opened opened;
    char *end;

    settle();
    while (!pfswrap_seal_ready(&channel))
        (void)receive(&opened);
    for (const char *at = sizes; *at != '\0'; at = *end == ',' ? end + 1 : end) {
        const size_t length = strtoul(at, &end, 10);

        for (size_t i = 0; i < length; i++)
            data[i] = (uint8_t)(i + length);
        send_data(data, length);
        receive_exactly(length);
    }
    (void)pfswrap_seal_close(&channel);
    settle();
    while (receive(&opened) != PFSWRAP_SEAL_FINAL) {
    }
}

static void respond(void)
{
    struct pfswrap_seal_opened opened;
    uint8_t copy[PFSWRAP_SEAL_CHUNK_MAX];
    int event;

    while ((event = receive(&opened)) != PFSWRAP_SEAL_FINAL) {
        settle();
        if (event == PFSWRAP_SEAL_DATA) {
            count_received(&opened);
            memcpy(copy, opened.data, opened.length);
            send_data(copy, opened.length);
        }
    }
    (void)pfswrap_seal_close(&channel);
    settle();
}

static void print_summary(void)
{
    struct pfswrap_seal_info info;
    uint8_t digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1], hash[2 * sizeof info.handshake_hash + 1];

    crypto_hash_sha256_final(&received, digest);
    if (pfswrap_seal_describe(&channel, &info) != 0)
        die("describe", 0);
    fprintf(stderr,
            "{\"peer\": \"%s\", \"pattern\": %d, \"rekey\": %u, \"rehandshakes\": %u, \"bytes\": %zu, "
            "\"sha256\": \"%s\", \"hash\": \"%s\"}\n",
            info.peer_name, (int)info.pattern, info.rekey, info.rehandshakes, received_bytes,
            sodium_bin2hex(hex, sizeof hex, digest, sizeof digest),
            sodium_bin2hex(hash, sizeof hash, info.handshake_hash, sizeof info.handshake_hash));
}

static const uint8_t *decode(const char *text)
{
    static uint8_t key[PFSWRAP_KEY_BYTES];

    if (pfswrap_key_decode(key, text, strlen(text)) != 0)
        die("a key that is none", 0);
    return key;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"role", 1, NULL, 'r'},      {"secret", 1, NULL, 's'},  {"peer", 1, NULL, 'p'},
        {"psk", 1, NULL, 'k'},       {"service", 1, NULL, 'v'}, {"binding", 1, NULL, 'b'},
        {"anonymous", 1, NULL, 'a'}, {"rekey", 1, NULL, 'n'},   {"volume", 1, NULL, 'V'},
        {"sizes", 1, NULL, 'z'},     {"hybrid", 1, NULL, 'h'},  {"padding", 1, NULL, 'P'},
        {NULL, 0, NULL, 0}};
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    uint8_t binding[PFSWRAP_SEAL_BINDING_MAX];
    size_t binding_length = 0;
    const char *role = "responder", *sizes = "";
    int option, error = 0;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'r':
            role = optarg;
            break;
        case 's':
            error |= pfswrap_keyring_add_identity(keyring, decode(optarg));
            break;
        case 'p':
            error |= pfswrap_keyring_add_peer(keyring, "peer", decode(optarg), PFSWRAP_NEVER, NULL);
            break;
        case 'k':
            error |= pfswrap_keyring_add_psk(keyring, decode(optarg));
            break;
        case 'v':
            config.service = optarg;
            break;
        case 'b':
            error |= sodium_hex2bin(binding, sizeof binding, optarg, strlen(optarg), NULL, &binding_length, NULL);
            break;
        case 'a':
            config.anonymous = atoi(optarg) != 0;
            break;
        case 'n':
            config.rekey = (uint32_t)atoi(optarg);
            break;
        case 'V':
            config.rehandshake_bytes = strtoull(optarg, NULL, 10);
            break;
        case 'h': /* 1 or 2: as in enum pfswrap_seal_post_quantum */
            config.post_quantum = (enum pfswrap_seal_post_quantum)atoi(optarg);
            break;
        case 'P': /* as in struct pfswrap_seal_config */
            config.padding = (uint32_t)atoi(optarg);
            break;
        case 'z':
            sizes = optarg;
            break;
        default:
            error = -1;
            break;
        }
    }
    config.keyring = keyring;
    config.names = peer_names;
    config.name_count = 1;
    if (error != 0)
        die("usage", 0);
    error = pfswrap_seal_init(&channel,
                              strcmp(role, "initiator") == 0 ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER,
                              &config, binding, binding_length, 0, (uint64_t)time(NULL));
    if (error != 0)
        die("init", error);
    crypto_hash_sha256_init(&received);
    if (strcmp(role, "initiator") == 0)
        initiate(sizes);
    else
        respond();
    print_summary();
    pfswrap_keyring_free(keyring);
    return EXIT_SUCCESS;
}
