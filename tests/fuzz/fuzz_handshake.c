/*
 * Handshake input: bytes of an unknown peer to a responder and to an initiator, in pieces; a client with valid keys
 * whose payload, and key of ML-KEM, is anything; and a server with valid keys whose ciphertext of ML-KEM is
 * anything. The first byte chooses; see LLVMFuzzerTestOneInput.
 */
#include "fuzz.h"
#include "../unit/seal/ephemeral.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mlkem_stack own_stack = {NULL, 0};

/* Bytes in pieces of `step`, until the channel refuses or needs more than there is. */
static void feed(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config, const uint8_t *data,
                 size_t size, size_t step)
{
    size_t at = 0, have = 0;

    for (;;) {
        struct pfswrap_seal_opened opened;
        uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];
        int event;

        have = have + step < size - at ? have + step : size - at;
        event = fuzz_open(channel, config, data + at, have, &opened);
        at += opened.consumed;
        have -= opened.consumed;
        while (event >= 0 && pfswrap_seal_owes(channel))
            if (pfswrap_seal_take(channel, config, out, sizeof out) < 0)
                return;
        if (event < 0 || event == PFSWRAP_SEAL_FINAL || (event == PFSWRAP_SEAL_MORE && have == size - at))
            return;
    }
}

/* A preamble that a responder accepts without a secret, and then the fuzzer's message. */
static void feed_with_preamble(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config,
                               const uint8_t *data, size_t size, uint8_t pattern)
{
    uint8_t bytes[CHANNEL_PREAMBLE_BYTES + CHANNEL_HYBRID_MESSAGE_MAX] = {0xF5, 0x70, 0x66, 0x73,
                                                                          0x77, 0x0D, 0x0A, 0x01};
    const size_t length = size < CHANNEL_HYBRID_MESSAGE_MAX ? size : CHANNEL_HYBRID_MESSAGE_MAX;

    bytes[8] = pattern;
    bytes[10] = (uint8_t)(length >> 8);
    bytes[11] = (uint8_t)length;
    crypto_generichash(bytes + 20, 8, bytes, 20, fuzz_server.public_key, 32);
    memcpy(bytes + CHANNEL_PREAMBLE_BYTES, data, length);
    feed(channel, config, bytes, CHANNEL_PREAMBLE_BYTES + length, sizeof bytes);
}

/* A client with valid keys and a payload from the fuzzer. */
static void feed_payload(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config,
                         const uint8_t *data, size_t size, enum noise_pattern pattern)
{
    struct channel *state = channel_of(channel);
    struct channel_room room = channel_room_of(channel);
    uint8_t message[CHANNEL_HYBRID_MESSAGE_MAX], reply[CHANNEL_HYBRID_MESSAGE_MAX];
    uint8_t payload[CHANNEL_HYBRID_MESSAGE_MAX];
    const bool hybrid = noise_pattern_is_hybrid(pattern);
    const size_t key = !hybrid ? 0 : size < MLKEM_PUBLIC_BYTES ? size : MLKEM_PUBLIC_BYTES;
    struct noise_handshake noise;
    struct exchange_random random;
    struct exchange_keys keys;
    size_t length;
    int result;

    data += key;
    size -= key;
    length = size < 900 ? size : 900;

    state->pattern = (uint8_t)pattern;
    memcpy(state->own_static, fuzz_server.public_key, 32);
    noise_start(&noise, pattern, NULL, 0, fuzz_server.public_key);
    FUZZ_CHECK(make_ephemeral(&noise, &own_stack) == 0);
    memcpy(noise.kem, data - key, key);
    FUZZ_CHECK(noise_write_1(&noise, &(struct noise_static){fuzz_client.secret, fuzz_client.public_key, NULL}, data,
                             length, message) == 0);
    if (exchange_read_1(state, config, NULL, 0, message, noise_overhead_1(pattern) + length, &room, payload) == 0) {
        FUZZ_CHECK(state->rekey >= 1);
        exchange_draw(&random, false);
        result = exchange_write_2(state, config, &random, &room, reply, &keys);
        FUZZ_CHECK(result > 0 || (key > 0 && result == PFSWRAP_SEAL_E_KEM_KEY));
    }
}

/* A server with valid keys, whose ciphertext begins with the fuzzer's bytes: implicit rejection, and no more. */
static void feed_ciphertext(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config,
                            const uint8_t *message, const uint8_t *data, size_t size)
{
    const enum noise_pattern pattern = (enum noise_pattern)channel_of(channel)->pattern;
    const size_t changed = size < MLKEM_CIPHERTEXT_BYTES ? size : MLKEM_CIPHERTEXT_BYTES;
    const size_t length = (size_t)message[10] << 8 | message[11];
    uint8_t prologue[CHANNEL_PREAMBLE_BYTES + 2], payload[CHANNEL_HYBRID_MESSAGE_MAX], kem[MLKEM_CIPHERTEXT_BYTES];
    uint8_t reply[2 + CHANNEL_HYBRID_MESSAGE_MAX];
    struct pfswrap_seal_opened opened;
    struct noise_handshake noise;
    int event;

    memcpy(prologue, message, CHANNEL_PREAMBLE_BYTES);
    memset(prologue + CHANNEL_PREAMBLE_BYTES, 0, 2); /* no service, no binding */
    noise_start(&noise, pattern, prologue, sizeof prologue, fuzz_server.public_key);
    FUZZ_CHECK(noise_read_1(&noise, &(struct noise_static){.secret = fuzz_server.secret},
                            message + CHANNEL_PREAMBLE_BYTES, length, payload) >= 0);
    FUZZ_CHECK(make_ephemeral(&noise, &own_stack) == 0);
    memcpy(kem, noise.kem, sizeof kem);
    memcpy(noise.kem, data, changed);
    FUZZ_CHECK(noise_write_2(&noise, NULL, NULL, 0, reply + 2) == 0);
    reply[0] = (uint8_t)(noise_overhead_2(pattern) >> 8);
    reply[1] = (uint8_t)noise_overhead_2(pattern);
    event = fuzz_open(channel, config, reply, 2 + noise_overhead_2(pattern), &opened);
    FUZZ_CHECK(event == (memcmp(kem, noise.kem, sizeof kem) == 0 ? (int)PFSWRAP_SEAL_PROGRESS
                                                                 : (int)PFSWRAP_SEAL_E_HANDSHAKE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum noise_pattern patterns[] = {NOISE_IK, NOISE_NK, NOISE_IKPSK2, NOISE_NKPSK2};
    static struct fuzz_end plain_client, plain_server, psk_client, psk_server;
    struct pfswrap_seal channel;
    struct pfswrap_seal_config client, server;
    enum noise_pattern pattern;
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];

    if (plain_client.keyring == NULL) {
        fuzz_start(true);
        psk_client = fuzz_client;
        psk_server = fuzz_server;
        fuzz_start(false);
        plain_client = fuzz_client;
        plain_server = fuzz_server;
    }
    if (size < 2)
        return 0;
    fuzz_state = data[0];
    pattern = patterns[data[0] & 3];
    if ((data[0] & 16) != 0) {
        FUZZ_CHECK(pfswrap_seal_has_post_quantum());
        pattern += NOISE_IKHFS - NOISE_IK;
    }
    client = noise_pattern_has_psk(pattern) ? psk_client.config : plain_client.config;
    server = noise_pattern_has_psk(pattern) ? psk_server.config : plain_server.config;
    client.names = fuzz_names;
    client.name_count = 1;
    client.anonymous = server.anonymous = !noise_pattern_has_client_key(pattern);
    if (noise_pattern_is_hybrid(pattern))
        client.post_quantum = server.post_quantum = PFSWRAP_SEAL_POST_QUANTUM_ALLOW;
    if ((data[0] >> 2 & 3) == 3) {
        FUZZ_CHECK(pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &client, NULL, 0, 0, FUZZ_NOW) == 0);
        FUZZ_CHECK(pfswrap_seal_take(&channel, &client, out, sizeof out) > 0);
        if ((data[0] & 32) != 0 && noise_pattern_is_hybrid(pattern) && !noise_pattern_has_psk(pattern))
            feed_ciphertext(&channel, &client, out, data + 2, size - 2);
        else
            feed(&channel, &client, data + 2, size - 2, 1 + data[1]);
        return 0;
    }
    FUZZ_CHECK(pfswrap_seal_init(&channel, PFSWRAP_SEAL_RESPONDER, &server, NULL, 0, 0, FUZZ_NOW) == 0);
    switch (data[0] >> 2 & 3) {
    case 0:
        feed(&channel, &server, data + 2, size - 2, 1 + data[1]);
        break;
    case 1:
        feed_with_preamble(&channel, &server, data + 2, size - 2, (uint8_t)pattern);
        break;
    default:
        feed_payload(&channel, &server, data + 2, size - 2, pattern);
        break;
    }
    return 0;
}
