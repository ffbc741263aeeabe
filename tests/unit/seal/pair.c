#include "pair.h"

const char *const pair_names[2] = {"server", "client"};

static void end_make_keys(struct end *end)
{
    end->keyring = pfswrap_keyring_new();
    ck_assert_ptr_nonnull(end->keyring);
    pfswrap_key_generate(end->secret);
    pfswrap_key_derive_public(end->public_key, end->secret);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(end->keyring, end->secret));
    end->config.keyring = end->keyring;
}

void fill(uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761U >> 13);
}

struct pair *pair_new(void)
{
    struct pair *pair = calloc(1, sizeof *pair);

    ck_assert_ptr_nonnull(pair);
    ck_assert_int_ge(sodium_init(), 0);
    end_make_keys(&pair->client);
    end_make_keys(&pair->server);
    ck_assert_int_eq(
        0, pfswrap_keyring_add_peer(pair->client.keyring, "server", pair->server.public_key, PFSWRAP_NEVER, NULL));
    ck_assert_int_eq(
        0, pfswrap_keyring_add_peer(pair->server.keyring, "client", pair->client.public_key, PFSWRAP_NEVER, NULL));
    pair->client.config.names = pair_names;
    pair->client.config.name_count = 1;
    return pair;
}

void pair_add_psk(struct pair *pair)
{
    uint8_t psk[32];

    pfswrap_key_generate(psk);
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->client.keyring, psk));
    ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->server.keyring, psk));
}

void pair_set_pattern(struct pair *pair, enum pfswrap_seal_pattern pattern)
{
    const bool hybrid = pattern >= PFSWRAP_SEAL_IKHFS;
    const enum pfswrap_seal_pattern plain = hybrid ? pattern - PFSWRAP_SEAL_IKHFS + PFSWRAP_SEAL_IK : pattern;

    pair->client.config.anonymous = plain == PFSWRAP_SEAL_NK || plain == PFSWRAP_SEAL_NKPSK2;
    pair->server.config.anonymous = pair->client.config.anonymous;
    if (hybrid)
        pair->client.config.post_quantum = pair->server.config.post_quantum = PFSWRAP_SEAL_POST_QUANTUM_REQUIRE;
    if (plain == PFSWRAP_SEAL_IKPSK2 || plain == PFSWRAP_SEAL_NKPSK2)
        pair_add_psk(pair);
}

int pair_patterns_end(void)
{
    return (pfswrap_seal_has_post_quantum() ? PFSWRAP_SEAL_NKHFS_PSK2 : PFSWRAP_SEAL_NKPSK2) + 1;
}

void pair_start(struct pair *pair)
{
    ck_assert_int_eq(0, pfswrap_seal_init(&pair->client.channel, PFSWRAP_SEAL_INITIATOR, &pair->client.config, NULL,
                                          0, 0, PAIR_NOW));
    ck_assert_int_eq(0, pfswrap_seal_init(&pair->server.channel, PFSWRAP_SEAL_RESPONDER, &pair->server.config, NULL,
                                          0, 0, PAIR_NOW));
}

void pair_free(struct pair *pair)
{
    pfswrap_keyring_free(pair->client.keyring);
    pfswrap_keyring_free(pair->server.keyring);
    sodium_memzero(pair, sizeof *pair);
    free(pair);
}

void wire_append(struct wire *wire, const uint8_t *bytes, size_t length)
{
    ck_assert_uint_le(length, sizeof wire->bytes - wire->length);
    memcpy(wire->bytes + wire->length, bytes, length);
    wire->length += length;
}

void wire_consume(struct wire *wire, size_t length)
{
    ck_assert_uint_le(length, wire->length);
    memmove(wire->bytes, wire->bytes + length, wire->length - length);
    wire->length -= length;
}

int end_take(struct end *from, struct wire *wire)
{
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];
    int total = 0;

    while (pfswrap_seal_owes(&from->channel)) {
        const int n = pfswrap_seal_take(&from->channel, &from->config, out, sizeof out);

        if (n < 0)
            return n;
        ck_assert_int_gt(n, 0);
        wire_append(wire, out, (size_t)n);
        total += n;
    }
    return total;
}

/*
 * Calls open() once, in place, in a buffer of exactly what has reached `end`, so that sanitizers and valgrind
 * report each byte too many that is read. Returns the event, or the error.
 */
static int end_open_once(struct end *end, struct pfswrap_seal_opened *opened)
{
    uint8_t *exact = malloc(end->in.length > 0 ? end->in.length : 1);
    int event;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, end->in.bytes, end->in.length);
    event = pfswrap_seal_open_in_place(&end->channel, &end->config, exact, end->in.length, opened);
    if (event == PFSWRAP_SEAL_DATA) {
        ck_assert_uint_le(opened->length, sizeof end->data - end->data_length);
        memcpy(end->data + end->data_length, opened->data, opened->length);
        end->data_length += opened->length;
        end->frames++;
    }
    free(exact);
    wire_consume(&end->in, opened->consumed);
    return event;
}

int end_open(struct end *end)
{
    struct pfswrap_seal_opened opened;

    for (;;) {
        const int event = end_open_once(end, &opened);

        if (event < 0)
            return event;
        if (event == PFSWRAP_SEAL_FINAL)
            end->final = true;
        if (event == PFSWRAP_SEAL_MORE || event == PFSWRAP_SEAL_TAKE ||
            (event == PFSWRAP_SEAL_FINAL && end->in.length == 0))
            return 0;
    }
}

int end_send(struct end *from, struct wire *wire, const void *data, size_t length)
{
    uint8_t out[PFSWRAP_SEAL_CHUNK_MAX + PFSWRAP_SEAL_BEGIN_OVERHEAD];
    const uint8_t *at = data;

    while (length > 0) {
        size_t accepted;
        const int n = pfswrap_seal_begin(&from->channel, at, length, out, sizeof out, &accepted);

        if (n < 0)
            return n;
        wire_append(wire, out, (size_t)n);
        ck_assert_int_eq(0, pfswrap_seal_sent(&from->channel, out, (size_t)n));
        at += accepted;
        length -= accepted;
    }
    return 0;
}

void pair_start_handshake(struct pair *pair)
{
    pair_start(pair);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, end_open(&pair->client));
}

int pair_settle(struct pair *pair)
{
    for (int i = 0; i < 100; i++) {
        int error, moved;

        if ((moved = end_take(&pair->client, &pair->server.in)) < 0 || (error = end_open(&pair->server)) < 0)
            return moved < 0 ? moved : error;
        if ((error = end_take(&pair->server, &pair->client.in)) < 0)
            return error;
        moved += error;
        if ((error = end_open(&pair->client)) < 0)
            return error;
        if (moved == 0 && !pfswrap_seal_owes(&pair->client.channel))
            return 0;
    }
    return -1000; /* nothing comes to rest */
}

struct pair *pair_open(void)
{
    struct pair *pair = pair_new();

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pfswrap_seal_ready(&pair->client.channel));
    ck_assert(pfswrap_seal_ready(&pair->server.channel));
    return pair;
}

void pair_check_transfer(struct end *from, struct end *to, const void *data, size_t length)
{
    to->data_length = 0;
    ck_assert_int_eq(0, end_send(from, &to->in, data, length));
    ck_assert_int_eq(0, end_open(to));
    ck_assert_uint_eq(length, to->data_length);
    ck_assert_mem_eq(data, to->data, length);
}
