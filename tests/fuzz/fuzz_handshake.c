/*
 * Handshake input: bytes of an unknown peer to a responder and to an initiator, in pieces, and a client with valid
 * keys whose payload is anything. The first byte chooses; see LLVMFuzzerTestOneInput.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    uint8_t bytes[CHANNEL_PREAMBLE_BYTES + CHANNEL_MESSAGE_MAX] = {0xF5, 0x70, 0x66, 0x73, 0x77, 0x0D, 0x0A, 0x01};
    const size_t length = size < CHANNEL_MESSAGE_MAX ? size : CHANNEL_MESSAGE_MAX;

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
    uint8_t message[CHANNEL_MESSAGE_MAX], reply[CHANNEL_MESSAGE_MAX];
    struct noise_handshake noise;
    struct exchange_keys keys;
    const size_t length = size < 900 ? size : 900;

    state->pattern = (uint8_t)pattern;
    memcpy(state->own_static, fuzz_server.public_key, 32);
    noise_start(&noise, pattern, NULL, 0, fuzz_server.public_key);
    noise_make_ephemeral(&noise);
    FUZZ_CHECK(noise_write_1(&noise, fuzz_client.secret, fuzz_client.public_key, data, length, message) == 0);
    if (exchange_read_1(state, config, NULL, 0, message, noise_overhead_1(pattern) + length) == 0) {
        FUZZ_CHECK(state->rekey >= 1);
        FUZZ_CHECK(exchange_write_2(state, config, reply, &keys) > 0);
    }
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
    client = noise_pattern_has_psk(pattern) ? psk_client.config : plain_client.config;
    server = noise_pattern_has_psk(pattern) ? psk_server.config : plain_server.config;
    client.names = fuzz_names;
    client.name_count = 1;
    client.anonymous = server.anonymous = !noise_pattern_has_client_key(pattern);
    if ((data[0] >> 2 & 3) == 3) {
        FUZZ_CHECK(pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &client, NULL, 0, 0, FUZZ_NOW) == 0);
        FUZZ_CHECK(pfswrap_seal_take(&channel, &client, out, sizeof out) > 0);
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
