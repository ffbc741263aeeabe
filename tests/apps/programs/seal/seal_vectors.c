/*
 * Prints docs/vectors/seal.json, or with the argument `hybrid` docs/vectors/hybrid.json, which needs ML-KEM:
 * connections of the seal protocol with all their bytes, and inputs that a responder must refuse, each with the
 * name of its error (docs/WIRE.md, 3). Keys are fixed, and random bytes count upwards from 0 in each connection, so
 * the output is always the same. Errors: a line on stderr and status 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <pfswrap/seal.h>

#include "../lib/counting.h"
#include "../lib/vector_settings.h"
#include "seal/channel.h"

enum { NOW = 1800000000, ROOM = 4096 };

static struct end client = {.name = "client"}, server = {.name = "server"};
static const char *const server_name[] = {"server"};
static bool is_quiet; /* prints nothing: a connection is only a way to a state */

/* --- JSON --- */

static void print_hex(const char *name, const uint8_t *bytes, size_t length, const char *after)
{
    if (is_quiet)
        return;
    printf("\"%s\": \"", name);
    for (size_t i = 0; i < length; i++)
        printf("%02x", bytes[i]);
    printf("\"%s", after);
}

static void print_step(const struct end *from, const char *kind, const char *text, const uint8_t *bytes,
                       size_t length)
{
    static bool is_next;
    if (is_quiet)
        return;
    is_next = strcmp(kind, "message 1") != 0 || from != &client;
    printf("%s      {\"from\": \"%s\", \"kind\": \"%s\", ", is_next ? ",\n" : "", from->name, kind);
    print_hex("plaintext", (const uint8_t *)text, strlen(text), ", ");
    print_hex("bytes", bytes, length, "}");
}

/* --- connections --- */

static void make_end(struct end *end, uint8_t first, const struct setting *setting, uint32_t rekey)
{
    end_make(end, first);
    end->config.service = setting->service;
    end->config.rekey = rekey;
    end->config.anonymous = !noise_pattern_has_client_key((enum noise_pattern)setting->pattern);
    end->config.post_quantum = setting->post_quantum;
}

static void add_psks(struct end *end, size_t from, size_t to)
{
    uint8_t psk[32];

    for (size_t i = from; i < to; i++) {
        count_up(psk, sizeof psk, (uint8_t)(0x30 + 0x20 * i));
        must(pfswrap_keyring_add_psk(end->keyring, psk) == 0, "psk");
    }
}

/* Both ends, before their first byte. */
static void start(const struct setting *setting)
{
    uint8_t binding[PFSWRAP_SEAL_BINDING_MAX];
    make_end(&client, 0x80, setting, setting->client);
    make_end(&server, 0xC0, setting, setting->server);
    client.config.padding = setting->client_padding;
    server.config.padding = setting->server_padding;
    add_psks(&client, 0, setting->psks);
    add_psks(&server, setting->psks - setting->known, setting->psks);
    must(pfswrap_keyring_add_peer(client.keyring, "server", server.public_key, PFSWRAP_NEVER, NULL) == 0 &&
             pfswrap_keyring_add_peer(server.keyring, "client", client.public_key, PFSWRAP_NEVER, NULL) == 0,
         "peer");
    client.config.names = server_name;
    client.config.name_count = 1;
    count_up(binding, sizeof binding, 0xA0);
    counting_start(0);
    must(pfswrap_seal_init(&client.channel, PFSWRAP_SEAL_INITIATOR, &client.config, binding, setting->binding, 0,
                           NOW) == 0 &&
             pfswrap_seal_init(&server.channel, PFSWRAP_SEAL_RESPONDER, &server.config, binding, setting->binding,
                               0, NOW) == 0,
         "init");
}

static void finish(void)
{
    pfswrap_keyring_free(client.keyring);
    pfswrap_keyring_free(server.keyring);
}

/* Gives the bytes to `to`. Returns 0, or the error. */
static int receive(struct end *to, const uint8_t *bytes, size_t length)
{
    uint8_t copy[ROOM];
    struct pfswrap_seal_opened opened;
    memcpy(copy, bytes, length);
    for (size_t at = 0; at < length; at += opened.consumed) {
        const int event = pfswrap_seal_open_in_place(&to->channel, &to->config, copy + at, length - at, &opened);
        if (event < 0)
            return event;
        if (event == PFSWRAP_SEAL_MORE)
            break;
    }
    return 0;
}

/* What `from` owes next, which `to` reads. */
static void carry(struct end *from, struct end *to, const char *kind)
{
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];
    const int n = pfswrap_seal_take(&from->channel, &from->config, out, sizeof out);

    must(n > 0, "nothing to take");
    print_step(from, kind, "", out, (size_t)n);
    must(receive(to, out, (size_t)n) == 0, kind);
}

static void carry_data(struct end *from, struct end *to, const char *text)
{
    uint8_t out[ROOM];
    size_t accepted;
    const int n = pfswrap_seal_begin(&from->channel, text, strlen(text), out, sizeof out, &accepted);

    must(n > 0 && accepted == strlen(text) && pfswrap_seal_sent(&from->channel, out, (size_t)n) == 0, "begin");
    print_step(from, "data", text, out, (size_t)n);
    must(receive(to, out, (size_t)n) == 0, text);
}

static void print_hash(const char *name)
{
    struct pfswrap_seal_info info;

    must(pfswrap_seal_describe(&client.channel, &info) == 0, "describe");
    print_step(&client, name, "", info.handshake_hash, sizeof info.handshake_hash);
}

static void print_setting(const struct setting *setting)
{
    uint8_t counted[PFSWRAP_SEAL_BINDING_MAX];

    count_up(counted, sizeof counted, 0xA0);
    printf("    {\"name\": \"%s\", \"pattern\": %d, \"service\": \"%s\", \"client_rekey\": %u, \"server_rekey\": "
           "%u, \"client_padding\": %u, \"server_padding\": %u,\n     ",
           setting->name, (int)setting->pattern, setting->service, setting->client, setting->server,
           setting->client_padding, setting->server_padding);
    print_hex("binding", counted, setting->binding, ", ");
    print_hex("client_secret", client.secret, 32, ",\n     ");
    print_hex("server_secret", server.secret, 32, ",\n     \"psks\": [");
    for (size_t i = 0; i < setting->psks; i++) {
        count_up(counted, sizeof counted, (uint8_t)(0x30 + 0x20 * i));
        printf("%s{\"server_has_it\": %s, ", i > 0 ? ", " : "",
               i >= setting->psks - setting->known ? "true" : "false");
        print_hex("psk", counted, sizeof counted, "}");
    }
    printf("],\n     \"steps\": [\n");
}

static void print_connection(const struct setting *setting)
{
    start(setting);
    print_setting(setting);
    carry(&client, &server, "message 1");
    carry(&server, &client, "message 2");
    print_hash("handshake hash");
    carry(&client, &server, "confirm");
    for (int i = 0; i < 4; i++) { /* as many as show the rekey interval */
        carry_data(&client, &server, "a request of 28 bytes length");
        carry_data(&server, &client, "and its answer");
    }
    pfswrap_seal_tick(&client.channel, NOW + 3600);
    carry(&client, &server, "re-handshake 1");
    carry_data(&client, &server, "under way");
    carry(&server, &client, "re-handshake 2");
    carry(&client, &server, "re-handshake 3");
    print_hash("handshake hash");
    carry_data(&client, &server, "again");
    carry_data(&server, &client, "16 bytes of text");
    must(pfswrap_seal_close(&client.channel) == 0 && pfswrap_seal_close(&server.channel) == 0, "close");
    carry(&client, &server, "FINAL");
    carry(&server, &client, "FINAL");
    must(pfswrap_seal_end(&client.channel) == 0 && pfswrap_seal_end(&server.channel) == 0, "end");
    printf("]}");
    finish();
}

/* --- what a responder refuses --- */

struct failure {
    const char *what;
    size_t setting;      /* of the connection that it is a part of */
    int at, value;       /* this byte of message 1 with its preamble gets this value; below 0: it stays */
    size_t cut;          /* so many bytes of it arrive, and then the transport ends; 0: all */
    int frame;           /* >= 0: after the handshake, a frame of this type */
    int tag;             /* its tag */
    size_t plaintext;    /* its length */
    int length, trailer; /* its length field, if not 0; its trailing byte */
    const char *error;
};

/* Sets a byte, or cuts the bytes, of the preamble and message 1. */
#define MESSAGE(what, at, value, error)                                                                            \
    {                                                                                                              \
        what, 0, at, value, 0, -1, 0, 0, 0, 0, error                                                               \
    }
#define FRAME(what, type, tag, plaintext, length, trailer, error)                                                  \
    {                                                                                                              \
        what, 0, -1, 0, 0, type, tag, plaintext, length, trailer, error                                            \
    }

#define PADDED(what, type, tag, plaintext, error)                                                                  \
    {                                                                                                              \
        what, 5, -1, 0, 0, type, tag, plaintext, 0, 0, error                                                       \
    }

static const struct failure failures[] = {
    MESSAGE("another protocol", 0, 'G', "E_MAGIC"),
    MESSAGE("version 2", 7, 2, "E_VERSION"),
    MESSAGE("pattern 0", 8, 0, "E_PATTERN"),
    MESSAGE("pattern 9", 8, 9, "E_PATTERN"),
    MESSAGE("a hybrid pattern, and the responder has no ML-KEM", 8, 5, "E_HYBRID_UNEXPECTED"),
    {"a pattern without ML-KEM, and the responder requires it", 6, 8, 1, 0, -1, 0, 0, 0, 0, "E_HYBRID_REQUIRED"},
    {"a length below 1,152 in a hybrid pattern", 6, 10, 4, 0, -1, 0, 0, 0, 0, "E_MESSAGE_LENGTH"},
    {"a length above 2,224 in a hybrid pattern", 6, 10, 9, 0, -1, 0, 0, 0, 0, "E_MESSAGE_LENGTH"},
    {"a key of ML-KEM that was changed", 6, 200, 0xFF, 0, -1, 0, 0, 0, 0, "E_HANDSHAKE"},
    MESSAGE("a psk pattern, and the responder has no psk", 8, 3, "E_PSK_UNEXPECTED"),
    {"a pattern without psk, and the responder has one", 2, 8, 1, 0, -1, 0, 0, 0, 0, "E_PSK_REQUIRED"},
    MESSAGE("an anonymous client, and the responder admits named ones only", 8, 2, "E_ANONYMOUS"),
    MESSAGE("a flag", 9, 1, "E_FLAGS"),
    MESSAGE("a length above 1,024", 10, 5, "E_MESSAGE_LENGTH"),
    MESSAGE("a length below 48", 11, 47, "E_MESSAGE_LENGTH"),
    MESSAGE("another salt, so that the key id does not match", 12, 0xFF, "E_KEY_ID"),
    MESSAGE("another key id", 20, 0xFF, "E_KEY_ID"),
    MESSAGE("an ephemeral key that was changed", 40, 0xFF, "E_HANDSHAKE"),
    MESSAGE("a static key that was changed", 70, 0xFF, "E_HANDSHAKE"),
    MESSAGE("a payload that was changed", 110, 0xFF, "E_HANDSHAKE"),
    {"the end in the preamble", 0, -1, 0, 20, -1, 0, 0, 0, 0, "E_TRUNCATED"},
    {"the end in message 1", 0, -1, 0, 90, -1, 0, 0, 0, 0, "E_TRUNCATED"},
    {"another protocol, and then the end", 0, 3, 0, 4, -1, 0, 0, 0, 0, "E_MAGIC"},
    FRAME("a frame type 3", 3, 2, 5, 0, 0, "E_FRAME_TYPE"),
    FRAME("a frame of 16 bytes", 0, 2, 5, 16, 0, "E_FRAME_LENGTH"),
    FRAME("a frame of 16,402 bytes", 0, 2, 5, 16402, 0, "E_FRAME_LENGTH"),
    FRAME("a type 1 frame with more than 1,024 bytes", 1, 2, 5, 1042, 0, "E_FRAME_LENGTH"),
    FRAME("a frame whose length was changed", 0, 2, 5, 21, 0, "E_FRAME"),
    FRAME("the tag PUSH", 0, 1, 5, 0, 0, "E_TAG"),
    FRAME("the tag MESSAGE where REKEY is due", 0, 0, 5, 0, 0, "E_REKEY"),
    FRAME("FINAL with data", 0, 3, 5, 0, 0, "E_FINAL"),
    FRAME("FINAL on a re-handshake", 1, 3, 100, 0, 0, "E_FINAL"),
    FRAME("a second empty frame", 0, 2, 0, 0, 0, "E_EMPTY"),
    FRAME("a type 2 frame without a question", 2, 2, 24, 0, 0, "E_REHANDSHAKE"),
    FRAME("a re-handshake that does not authenticate", 1, 2, 102, 0, 0, "E_HANDSHAKE"),
    FRAME("a trailing byte of 1", 0, 2, 5, 0, 1, "E_TRAILER"),
    PADDED("data that is not padded, although the client has announced that all of it is", 0, 2, 5, "E_PADDING"),
    PADDED("a padded frame with more zeros than it has bytes", 3, 2, 5, "E_PADDING"),
    PADDED("a padded frame without data", 3, 2, 2, "E_FRAME_LENGTH"),
    PADDED("FINAL on a padded frame", 3, 3, 5, "E_FINAL"),
};
enum { FAILURES = sizeof failures / sizeof failures[0] };

static int error_number(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {
#define ERROR(name) {#name, PFSWRAP_SEAL_##name}
        ERROR(E_MAGIC),
        ERROR(E_VERSION),
        ERROR(E_PATTERN),
        ERROR(E_PSK_UNEXPECTED),
        ERROR(E_ANONYMOUS),
        ERROR(E_PSK_REQUIRED),
        ERROR(E_FLAGS),
        ERROR(E_MESSAGE_LENGTH),
        ERROR(E_KEY_ID),
        ERROR(E_HANDSHAKE),
        ERROR(E_TRUNCATED),
        ERROR(E_FRAME_TYPE),
        ERROR(E_TAG),
        ERROR(E_FRAME_LENGTH),
        ERROR(E_FRAME),
        ERROR(E_REKEY),
        ERROR(E_FINAL),
        ERROR(E_EMPTY),
        ERROR(E_REHANDSHAKE),
        ERROR(E_TRAILER),
        ERROR(E_HYBRID_REQUIRED),
        ERROR(E_HYBRID_UNEXPECTED),
        ERROR(E_PADDING),
    };

    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    must(0, name);
    return 0;
}

/* Appends the frame, sealed by the client's stream, and a correct frame behind it. Returns all bytes. */
static size_t make_frame(const struct failure *failure, uint8_t *out)
{
    uint8_t plaintext[128];
    const size_t sealed = failure->plaintext + CHANNEL_CIPHERTEXT_MIN;
    const size_t field = failure->length != 0 ? (size_t)failure->length : sealed;

    count_up(plaintext, sizeof plaintext, 0);
    out[0] = (uint8_t)failure->frame;
    out[1] = (uint8_t)(sealed >> 8);
    out[2] = (uint8_t)sealed;
    must(crypto_secretstream_xchacha20poly1305_push(&channel_of(&client.channel)->push.stream,
                                                    out + CHANNEL_FRAME_PREFIX, NULL, plaintext, failure->plaintext,
                                                    out, CHANNEL_FRAME_PREFIX, (unsigned char)failure->tag) == 0,
         "push");
    out[1] = (uint8_t)(field >> 8);
    out[2] = (uint8_t)field;
    out[CHANNEL_FRAME_PREFIX + sealed] = (uint8_t)failure->trailer;
    return CHANNEL_FRAME_PREFIX + sealed + 1;
}

static void print_failure(const struct failure *failure)
{
    uint8_t first[PFSWRAP_SEAL_TAKE_BYTES], frame[ROOM], answer[PFSWRAP_SEAL_TAKE_BYTES];
    int result, n;

    start(&settings[failure->setting]);
    n = pfswrap_seal_take(&client.channel, &client.config, first, sizeof first);
    must(n > 0, "take");
    if (failure->at >= 0)
        first[failure->at] = (uint8_t)failure->value;
    if (failure->cut > 0)
        n = (int)failure->cut;
    printf("    {\"what\": \"%s\", \"connection\": \"%s\", \"error\": \"%s\", \"ends\": %s,\n     ", failure->what,
           settings[failure->setting].name, failure->error, failure->cut > 0 ? "true" : "false");
    print_hex("first", first, (size_t)n, "");
    result = receive(&server, first, (size_t)n);
    if (failure->frame >= 0) {
        is_quiet = true;
        must(result == 0, "message 1");
        carry(&server, &client, "message 2");
        n = pfswrap_seal_take(&client.channel, &client.config, answer, sizeof answer);
        must(n > 0 && receive(&server, answer, (size_t)n) == 0, "confirm");
        memcpy(frame, answer, (size_t)n);
        is_quiet = false;
        const size_t length = make_frame(failure, frame + n);
        printf(",\n     ");
        print_hex("then", frame, (size_t)n + length, "");
        result = receive(&server, frame + n, length);
    }
    if (result == 0 && failure->cut > 0)
        result = pfswrap_seal_end(&server.channel);
    printf("}");
    must(result == error_number(failure->error), failure->what);
    finish();
}

int main(int argc, char **argv)
{
    const bool hybrid = argc > 1 && strcmp(argv[1], "hybrid") == 0;
    const size_t first = hybrid ? HYBRID_FIRST : 0, end = hybrid ? SETTINGS : HYBRID_FIRST;
    const char *before = "";

    must(sodium_init() >= 0, "libsodium");
    must(!hybrid || mlkem_is_available(), "this build has no ML-KEM (make mlkem-source)");
    printf("{\"protocol\": \"pfswrap seal, version 1 (docs/WIRE.md)\", \"time\": %d,\n  \"connections\": [\n", NOW);
    for (size_t i = first; i < end; i++) {
        print_connection(&settings[i]);
        printf(i + 1 < end ? ",\n" : "],\n  \"refused\": [\n");
    }
    for (size_t i = 0; i < FAILURES; i++) {
        if ((failures[i].setting >= HYBRID_FIRST) != hybrid)
            continue;
        printf("%s", before);
        print_failure(&failures[i]);
        before = ",\n";
    }
    printf("]}\n");
    return EXIT_SUCCESS;
}
