/*
 * Whoever tampers with, drops, repeats or mixes frames is found out, and so is a peer that holds the keys and
 * breaks the rules. Such a peer is made by sealing with a channel's own stream, behind its back.
 */
#include "pair.h"
#include "tap.h"

#include "seal/channel.h"

enum { MESSAGE = 0, PUSH = 1, REKEY = 2, FINAL = 3 };

static struct pair *pair;
static struct wire wire;

static void teardown(void)
{
    if (pair != NULL) {
        pair_free(pair);
        pair = NULL;
    }
}

/* Also called in the middle of a test, to go on with peers that have done nothing wrong. */
static void setup(void)
{
    teardown();
    pair = pair_open();
    wire.length = 0;
}

/* What `to` says to `length` bytes. Its channel is put back after. */
static int judge(struct end *to, const uint8_t *bytes, size_t length)
{
    const struct pfswrap_seal before = to->channel;
    int error;

    to->in.length = 0;
    to->data_length = 0;
    to->final = false;
    wire_append(&to->in, bytes, length);
    error = end_open(to);
    if (error != 0) {
        ck_assert_int_eq(error, pfswrap_seal_error(&to->channel));
        ck_assert_int_eq(error, end_open(to));
        ck_assert(!pfswrap_seal_ready(&to->channel));
    }
    to->channel = before;
    return error;
}

/* A frame with any type, tag and content, in the stream of `from`. */
static size_t forge(struct end *from, uint8_t type, uint8_t tag, const void *data, size_t length, uint8_t *out)
{
    struct channel *channel = channel_of(&from->channel);
    const size_t ciphertext = length + 17;

    out[0] = type;
    out[1] = (uint8_t)(ciphertext >> 8);
    out[2] = (uint8_t)ciphertext;
    crypto_secretstream_xchacha20poly1305_push(&channel->push.stream, out + 3, NULL, data, length, out, 3, tag);
    out[3 + ciphertext] = 0;
    return ciphertext + 4;
}

static void append_forged(struct end *from, uint8_t tag, const char *data)
{
    uint8_t out[64] = {0};
    const size_t length = forge(from, 0, tag, data, strlen(data), out);

    wire_append(&wire, out, length);
}

static int judge_forged(struct end *from, struct end *to, uint8_t type, uint8_t tag, const void *data,
                        size_t length)
{
    uint8_t out[4096];

    return judge(to, out, forge(from, type, tag, data, length, out));
}

START_TEST(each_flipped_bit_of_a_frame_is_refused)
{
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "sixteen bytes...", 16));
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    for (size_t bit = 0; bit < wire.length * 8; bit++) {
        const size_t offset = bit / 8;
        int error;

        wire.bytes[offset] ^= (uint8_t)(1 << bit % 8);
        error = judge(&pair->server, wire.bytes, wire.length);
        if (offset == 0) {
            ck_assert(error == PFSWRAP_SEAL_E_FRAME_TYPE || error == PFSWRAP_SEAL_E_FRAME);
        } else if (offset < 3) { /* or it waits for a longer frame, that does not come */
            ck_assert(error == PFSWRAP_SEAL_E_FRAME_LENGTH || error == PFSWRAP_SEAL_E_FRAME || error == 0);
        } else {
            ck_assert_int_eq(offset + 1 < wire.length ? PFSWRAP_SEAL_E_FRAME : PFSWRAP_SEAL_E_TRAILER, error);
        }
        ck_assert_uint_eq(error == PFSWRAP_SEAL_E_TRAILER ? 16 : 0, pair->server.data_length);
        wire.bytes[offset] ^= (uint8_t)(1 << bit % 8);
    }
}
END_TEST

START_TEST(each_truncation_of_a_frame_waits_and_its_end_is_an_error)
{
    const struct pfswrap_seal before = pair->server.channel;

    ck_assert_int_eq(0, end_send(&pair->client, &wire, "cut short", 9));
    for (size_t length = 0; length < wire.length; length++) {
        ck_assert_int_eq(0, judge(&pair->server, wire.bytes, length));
        wire_append(&pair->server.in, wire.bytes, 0);
        ck_assert_uint_eq(length < wire.length - 1 ? 0 : 9, pair->server.data_length);
        ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->server.channel));
        pair->server.channel = before;
    }
}
END_TEST

START_TEST(frames_replayed_reordered_dropped_or_reflected_are_refused)
{
    struct wire one = {.length = 0}, two = {.length = 0};

    ck_assert_int_eq(0, end_send(&pair->client, &one, "one", 3));
    ck_assert_int_eq(0, end_send(&pair->client, &two, "two", 3));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, judge(&pair->server, two.bytes, two.length));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, judge(&pair->client, one.bytes, one.length));
    wire_append(&wire, one.bytes, one.length);
    wire_append(&wire, one.bytes, one.length);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, judge(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(3, pair->server.data_length);
    wire.length = 0;
    wire_append(&wire, one.bytes, one.length);
    wire_append(&wire, two.bytes, two.length);
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(6, pair->server.data_length);
}
END_TEST

START_TEST(frames_of_another_connection_between_the_same_peers_are_refused)
{
    struct pfswrap_seal client = pair->client.channel, server = pair->server.channel;

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "spliced", 7));
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    pair->server.channel = server;
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, judge(&pair->server, wire.bytes, wire.length));
    pair->client.channel = client;
}
END_TEST

START_TEST(lengths_and_types_that_cannot_be_are_refused_at_the_third_byte)
{
    static const struct {
        uint8_t prefix[3];
        int error;
    } cases[] = {
        {{0, 0, 0}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0, 16}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0, 17}, 0},
        {{0, 0x40, 0x11}, 0},
        {{0, 0x40, 0x12}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{0, 0xFF, 0xFF}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{1, 0x40, 0x11}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{2, 0x04, 0x2A}, PFSWRAP_SEAL_E_FRAME_LENGTH},
        {{2, 0x04, 0x29}, 0},
        {{3, 0, 17}, PFSWRAP_SEAL_E_FRAME_TYPE},
        {{255, 0, 17}, PFSWRAP_SEAL_E_FRAME_TYPE},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(cases[i].error, judge(&pair->server, cases[i].prefix, 3));
    }
}
END_TEST

START_TEST(a_peer_that_does_not_rekey_is_refused)
{
    ck_assert_int_eq(0, judge_forged(&pair->client, &pair->server, 0, REKEY, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REKEY, judge_forged(&pair->client, &pair->server, 0, MESSAGE, "x", 1));
    ck_assert_uint_eq(0, pair->server.data_length);
}
END_TEST

START_TEST(a_peer_that_rekeys_later_than_agreed_is_refused_at_that_chunk)
{
    pair->client.config.rekey = pair->server.config.rekey = 4;
    pair_start(pair);
    ck_assert_int_eq(0, end_take(&pair->client, &wire) < 0);
    pair->server.in = wire;
    ck_assert_int_eq(0, end_open(&pair->server));
    (void)end_take(&pair->server, &pair->client.in);
    ck_assert_int_eq(0, end_open(&pair->client));
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server)); /* the confirm was chunk 1, with tag MESSAGE */
    wire.length = 0;
    append_forged(&pair->client, MESSAGE, "2");
    append_forged(&pair->client, MESSAGE, "3");
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    append_forged(&pair->client, MESSAGE, "4");
    ck_assert_int_eq(PFSWRAP_SEAL_E_REKEY, judge(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(2, pair->server.data_length);
}
END_TEST

START_TEST(rekeying_more_often_than_agreed_is_allowed)
{
    pair->client.config.rekey = pair->server.config.rekey = 4;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    for (int i = 0; i < 10; i++) {
        append_forged(&pair->client, REKEY, "x");
    }
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(10, pair->server.data_length);
}
END_TEST

START_TEST(tags_and_empty_frames_that_the_protocol_does_not_have_are_refused)
{
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAG, judge_forged(&pair->client, &pair->server, 0, PUSH, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_TAG, judge_forged(&pair->client, &pair->server, 0, 0x82, "x", 1));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_EMPTY, judge_forged(&pair->client, &pair->server, 0, REKEY, NULL, 0));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_EMPTY, judge_forged(&pair->server, &pair->client, 0, REKEY, NULL, 0));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_FINAL, judge_forged(&pair->client, &pair->server, 0, FINAL, "x", 1));
    ck_assert_uint_eq(0, pair->server.data_length);
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_FINAL, judge_forged(&pair->client, &pair->server, 1, FINAL, NULL, 0));
}
END_TEST

START_TEST(an_end_without_FINAL_is_a_truncation)
{
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_error(&pair->server.channel));
}
END_TEST

START_TEST(anything_after_FINAL_is_refused)
{
    static const uint8_t rest[] = {0, 0, 18, 1};

    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(21, end_take(&pair->client, &wire));
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, wire.length));
    ck_assert(pair->server.final);
    wire_append(&wire, rest, 1);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AFTER_FINAL, judge(&pair->server, wire.bytes, wire.length));
    wire_append(&wire, rest, 3);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AFTER_FINAL, judge(&pair->server, wire.bytes, wire.length));
    /* Its trailing byte may be missing, but must not be another. */
    ck_assert_int_eq(0, judge(&pair->server, wire.bytes, 20));
    ck_assert(pair->server.final);
    wire.bytes[20] = 1;
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, judge(&pair->server, wire.bytes, 21));
}
END_TEST

START_TEST(a_nonzero_trailing_byte_is_refused_whether_it_comes_along_or_later)
{
    ck_assert_int_eq(0, end_send(&pair->client, &wire, "x", 1));
    wire.bytes[wire.length - 1] = 0x80;
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, judge(&pair->server, wire.bytes, wire.length));
    ck_assert_uint_eq(1, pair->server.data_length); /* what had authenticated was handed over before */
    wire_append(&pair->server.in, wire.bytes, 0);
    pair->server.in.length = 0;
    wire_append(&pair->server.in, wire.bytes, wire.length - 1);
    ck_assert_int_eq(0, end_open(&pair->server));
    wire_append(&pair->server.in, wire.bytes + wire.length - 1, 1);
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRAILER, end_open(&pair->server));
}
END_TEST

START_TEST(rehandshake_frames_out_of_turn_are_refused)
{
    uint8_t content[24 + 96] = {0};

    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, judge_forged(&pair->client, &pair->server, 2, REKEY, content, 24));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, judge_forged(&pair->server, &pair->client, 1, REKEY, content, 96));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE,
                     judge_forged(&pair->server, &pair->client, 2, REKEY, content, 120));
    setup();
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, judge_forged(&pair->client, &pair->server, 1, REKEY, content, 20));
    setup();
    content[0] = 9;
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, judge_forged(&pair->client, &pair->server, 1, REKEY, content, 96));
}
END_TEST

START_TEST(a_second_question_and_an_answer_of_the_wrong_length_are_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t content[24 + 10] = {0};

    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    client->renewal = RENEWAL_NONE; /* it forgets that it has asked */
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, judge(&pair->server, wire.bytes, wire.length));
    setup();
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH,
                     judge_forged(&pair->server, &pair->client, 2, REKEY, content, sizeof content));
    setup();
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH,
                     judge_forged(&pair->client, &pair->server, 2, REKEY, content, 25));
}
END_TEST

START_TEST(a_rehandshake_with_another_identity_is_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t other[32], other_public[32];

    pfswrap_key_generate(other);
    pfswrap_key_derive_public(other_public, other);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(pair->client.keyring, other));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(pair->server.keyring, "other", other_public, PFSWRAP_NEVER, NULL));
    memcpy(client->own_static, other_public, sizeof other_public);
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_eq(PFSWRAP_SEAL_E_PEER_CHANGED, pair_settle(pair));
}
END_TEST

START_TEST(a_question_in_place_of_the_confirm_is_refused)
{
    struct channel *client = channel_of(&pair->client.channel);
    uint8_t header[24];

    pair_start(pair);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, end_open(&pair->client));
    memcpy(header, client->header, sizeof header);
    client->header_owed = client->confirm_owed = false;
    wire_append(&wire, header, sizeof header);
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    ck_assert_int_eq(PFSWRAP_SEAL_E_REHANDSHAKE, judge(&pair->server, wire.bytes, wire.length));
}
END_TEST

START_TEST(handshake_payloads_that_are_not_type_length_value_are_refused)
{
    static const struct {
        uint8_t bytes[12];
        size_t length;
        int error;
    } payloads[] = {
        {{0}, 0, 0},                                                        /* nothing: every default */
        {{1, 4, 0, 0, 0, 9, 77, 1, 5}, 9, 0},                               /* an unknown type behind ours */
        {{1}, 1, PFSWRAP_SEAL_E_PAYLOAD},                                   /* no length */
        {{77, 5, 0}, 3, PFSWRAP_SEAL_E_PAYLOAD},                            /* runs over the end */
        {{1, 3, 0, 0, 1}, 5, PFSWRAP_SEAL_E_PAYLOAD},                       /* a short interval */
        {{1, 4, 0, 0, 0, 0}, 6, PFSWRAP_SEAL_E_PAYLOAD},                    /* an interval of 0 */
        {{1, 4, 0, 0, 0, 2, 1, 4, 0, 0, 0, 2}, 12, PFSWRAP_SEAL_E_PAYLOAD}, /* twice */
        {{2, 3, 0, 0, 1}, 5, PFSWRAP_SEAL_E_PAYLOAD},                       /* a short psk id */
    };

    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        struct noise_handshake noise;
        struct channel *server;
        uint8_t message[128];

        pair_start(pair);
        server = channel_of(&pair->server.channel);
        server->pattern = NOISE_IK;
        memcpy(server->own_static, pair->server.public_key, 32);
        noise_start(&noise, NOISE_IK, (const uint8_t *)"p", 1, pair->server.public_key);
        noise_make_ephemeral(&noise);
        ck_assert_int_eq(0, noise_write_1(&noise, pair->client.secret, pair->client.public_key, payloads[i].bytes,
                                          payloads[i].length, message));
        ck_assert_int_eq(payloads[i].error, exchange_read_1(server, &pair->server.config, (const uint8_t *)"p", 1,
                                                            message, 96 + payloads[i].length));
        ck_assert_uint_eq(1, server->rekey);
    }
}
END_TEST

START_TEST(every_error_has_words_of_its_own)
{
    for (int error = PFSWRAP_SEAL_E_TRUNCATED; error <= 0; error++) {
        const char *text = pfswrap_seal_error_text(error);

        for (int other = error + 1; other <= 0; other++) {
            const char *words = pfswrap_seal_error_text(other);

            ck_assert(strcmp(text, "unknown error") == 0 || strcmp(text, words) != 0);
        }
    }
    ck_assert_str_eq("no error", pfswrap_seal_error_text(0));
    ck_assert_str_eq("unknown error", pfswrap_seal_error_text(-1000));
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("adversary_frames");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, each_flipped_bit_of_a_frame_is_refused);
    tcase_add_test(tc, each_truncation_of_a_frame_waits_and_its_end_is_an_error);
    tcase_add_test(tc, frames_replayed_reordered_dropped_or_reflected_are_refused);
    tcase_add_test(tc, frames_of_another_connection_between_the_same_peers_are_refused);
    tcase_add_test(tc, lengths_and_types_that_cannot_be_are_refused_at_the_third_byte);
    tcase_add_test(tc, a_peer_that_does_not_rekey_is_refused);
    tcase_add_test(tc, a_peer_that_rekeys_later_than_agreed_is_refused_at_that_chunk);
    tcase_add_test(tc, rekeying_more_often_than_agreed_is_allowed);
    tcase_add_test(tc, tags_and_empty_frames_that_the_protocol_does_not_have_are_refused);
    tcase_add_test(tc, an_end_without_FINAL_is_a_truncation);
    tcase_add_test(tc, anything_after_FINAL_is_refused);
    tcase_add_test(tc, a_nonzero_trailing_byte_is_refused_whether_it_comes_along_or_later);
    tcase_add_test(tc, rehandshake_frames_out_of_turn_are_refused);
    tcase_add_test(tc, a_second_question_and_an_answer_of_the_wrong_length_are_refused);
    tcase_add_test(tc, a_rehandshake_with_another_identity_is_refused);
    tcase_add_test(tc, a_question_in_place_of_the_confirm_is_refused);
    tcase_add_test(tc, handshake_payloads_that_are_not_type_length_value_are_refused);
    tcase_add_test(tc, every_error_has_words_of_its_own);
    return tc;
}

int main(void)
{
    return tap_run("adversary_frames", cases);
}
