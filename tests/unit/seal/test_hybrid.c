/*
 * Hybrid handshakes: who may use them with whom, the sizes of their messages, changed bytes, a key of ML-KEM that
 * is not valid, and that the keys depend on ML-KEM. Without ML-KEM in this build: what is refused, and what still
 * works.
 */
#include "../suite.h"
#include "ephemeral.h"
#include "pair.h"

#include "seal/channel.h"

#define OFF PFSWRAP_SEAL_POST_QUANTUM_OFF
#define ALLOW PFSWRAP_SEAL_POST_QUANTUM_ALLOW
#define REQUIRE PFSWRAP_SEAL_POST_QUANTUM_REQUIRE
enum { MSS = 1428 /* MTU 1500: IPv6, TCP, and time stamps */ };

static struct wire wire;

START_TEST(each_side_gets_what_its_settings_say)
{
    static const struct {
        enum pfswrap_seal_post_quantum client, server;
        int pattern, error;
    } cases[] = {
        {OFF, OFF, PFSWRAP_SEAL_IK, 0},
        {OFF, ALLOW, PFSWRAP_SEAL_IK, 0},
        {OFF, REQUIRE, 0, PFSWRAP_SEAL_E_HYBRID_REQUIRED},
        {REQUIRE, OFF, 0, PFSWRAP_SEAL_E_HYBRID_UNEXPECTED},
        {REQUIRE, ALLOW, PFSWRAP_SEAL_IKHFS, 0},
        {REQUIRE, REQUIRE, PFSWRAP_SEAL_IKHFS, 0},
        {ALLOW, REQUIRE, PFSWRAP_SEAL_IKHFS, 0},
        {ALLOW, OFF, 0, PFSWRAP_SEAL_E_HYBRID_UNEXPECTED},
    };
    struct pair *pair = pair_new();
    struct pfswrap_seal_info info;

    pair->client.config.post_quantum = cases[_i].client;
    pair->server.config.post_quantum = cases[_i].server;
    pair_start(pair);
    ck_assert_int_eq(cases[_i].error, pair_settle(pair));
    if (cases[_i].error == 0) {
        ck_assert_int_eq(0, pfswrap_seal_describe(&pair->client.channel, &info));
        ck_assert_int_eq(cases[_i].pattern, info.pattern);
        ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
        ck_assert_int_eq(cases[_i].pattern, info.pattern);
        pair_check_transfer(&pair->client, &pair->server, "hybrid", 6);
    } else {
        ck_assert(!pfswrap_seal_ready(&pair->client.channel));
    }
    pair_free(pair);
}
END_TEST

static struct pair *start_hybrid(enum pfswrap_seal_pattern pattern)
{
    struct pair *pair = pair_new();

    pair_set_pattern(pair, pattern);
    pair_start(pair);
    wire.length = 0;
    return pair;
}

START_TEST(each_message_fits_one_packet)
{
    struct pair *pair = start_hybrid((enum pfswrap_seal_pattern)_i);
    const size_t ik = _i == PFSWRAP_SEAL_IKHFS || _i == PFSWRAP_SEAL_IKHFS_PSK2 ? 48 : 0;
    const size_t psk = _i == PFSWRAP_SEAL_IKHFS_PSK2 || _i == PFSWRAP_SEAL_NKHFS_PSK2 ? 10 : 0;

    ck_assert_int_eq((int)(28 + 32 + 1200 + ik + 16 + 6 + psk), end_take(&pair->client, &pair->server.in));
    ck_assert_uint_le(pair->server.in.length, MSS);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_eq(2 + 32 + 1104 + 16 + 6 + 24, end_take(&pair->server, &pair->client.in));
    ck_assert_uint_le(pair->client.in.length, MSS);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pfswrap_seal_ready(&pair->server.channel));
    pair_free(pair);
}
END_TEST

START_TEST(each_changed_byte_of_message_1_is_refused)
{
    struct pair *pair = start_hybrid(PFSWRAP_SEAL_IKHFS);
    const struct pfswrap_seal waiting = pair->server.channel;
    const int length = end_take(&pair->client, &wire);

    ck_assert_int_gt(length, 28);
    for (size_t at = 28; at < (size_t)length; at++) {
        pair->server.channel = waiting;
        pair->server.in.length = 0;
        wire.bytes[at] ^= 0x40;
        wire_append(&pair->server.in, wire.bytes, (size_t)length);
        ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, end_open(&pair->server));
        wire.bytes[at] ^= 0x40;
    }
    pair_free(pair);
}
END_TEST

START_TEST(each_changed_byte_of_message_2_is_refused)
{
    struct pair *pair = start_hybrid(PFSWRAP_SEAL_NKHFS);
    struct pfswrap_seal waiting;
    int length;

    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    length = end_take(&pair->server, &wire);
    waiting = pair->client.channel;
    for (size_t at = 2; at < (size_t)length - 24; at += at < 40 || at > 1120 ? 1 : 29) {
        pair->client.channel = waiting;
        pair->client.in.length = 0;
        wire.bytes[at] ^= 1;
        wire_append(&pair->client.in, wire.bytes, (size_t)length);
        ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, end_open(&pair->client));
        ck_assert(!pfswrap_seal_ready(&pair->client.channel));
        wire.bytes[at] ^= 1;
    }
    pair_free(pair);
}
END_TEST

START_TEST(the_lengths_of_messages_have_limits_of_their_own)
{
    static const uint16_t bad[] = {0, 48, 1024, 1151, 2225, 65535};
    struct pair *pair = start_hybrid(PFSWRAP_SEAL_IKHFS);
    uint8_t reply[2];

    ck_assert_int_gt(end_take(&pair->client, &wire), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct pfswrap_seal client = pair->client.channel, server = pair->server.channel;

        wire.bytes[10] = reply[0] = (uint8_t)(bad[i] >> 8);
        wire.bytes[11] = reply[1] = (uint8_t)bad[i];
        wire_append(&pair->server.in, wire.bytes, 28);
        ck_assert_int_eq(PFSWRAP_SEAL_E_MESSAGE_LENGTH, end_open(&pair->server));
        wire_append(&pair->client.in, reply, 2);
        ck_assert_int_eq(PFSWRAP_SEAL_E_MESSAGE_LENGTH, end_open(&pair->client));
        pair->client.channel = client;
        pair->server.channel = server;
        pair->client.in.length = pair->server.in.length = 0;
    }
    pair_free(pair);
}
END_TEST

static const struct mlkem_stack own_stack = {NULL, 0};

/* Both sides of a handshake without channels, until message 1 is at the responder. */
struct sides {
    struct noise_handshake client, server;
    uint8_t secret[32], message[2048], payload[2048];
};

static void start_sides(struct sides *sides, bool spoil_key)
{
    uint8_t public_key[32];

    randombytes_buf(sides->secret, 32);
    crypto_scalarmult_base(public_key, sides->secret);
    noise_start(&sides->client, NOISE_NKHFS, NULL, 0, public_key);
    noise_start(&sides->server, NOISE_NKHFS, NULL, 0, public_key);
    ck_assert_int_eq(0, make_ephemeral(&sides->client, &own_stack));
    if (spoil_key)
        memset(sides->client.kem + 300, 0xFF, 3);
    ck_assert_int_eq(0, noise_write_1(&sides->client, NULL, NULL, 0, sides->message));
    ck_assert_int_eq(0, noise_read_1(&sides->server, &(struct noise_static){.secret = sides->secret},
                                     sides->message, noise_overhead_1(NOISE_NKHFS), sides->payload));
}

static int finish_sides(struct sides *sides)
{
    ck_assert_int_eq(0, noise_write_2(&sides->server, NULL, NULL, 0, sides->message));
    return noise_read_2(&sides->client, NULL, NULL, 0, NULL, sides->message, noise_overhead_2(NOISE_NKHFS),
                        sides->payload, &own_stack);
}

START_TEST(a_key_of_mlkem_that_is_not_valid_is_refused)
{
    static struct sides sides;

    start_sides(&sides, true);
    ck_assert_int_eq(NOISE_E_KEM_KEY, make_ephemeral(&sides.server, &own_stack));
}
END_TEST

/* An authentic message with another ciphertext: implicit rejection, and then the payload does not authenticate. */
START_TEST(a_ciphertext_for_another_secret_is_refused)
{
    static struct sides sides;

    start_sides(&sides, false);
    ck_assert_int_eq(0, make_ephemeral(&sides.server, &own_stack));
    sides.server.kem[_i] ^= 1;
    ck_assert_int_eq(NOISE_E_AUTHENTIC, finish_sides(&sides));
}
END_TEST

START_TEST(the_keys_depend_on_mlkem_and_its_secrets_are_wiped)
{
    static struct sides sides;
    uint8_t own[32], peer[32], others[2][32];

    start_sides(&sides, false);
    ck_assert_int_eq(0, make_ephemeral(&sides.server, &own_stack));
    ck_assert(!sodium_is_zero(sides.server.kem_secret, 32) && !sodium_is_zero(sides.client.kem_secret, 64));
    ck_assert_int_eq(0, finish_sides(&sides));
    ck_assert(sodium_is_zero(sides.server.kem_secret, 64) && sodium_is_zero(sides.client.kem_secret, 64));
    noise_split(&sides.client.symmetric, own, peer);
    noise_split(&sides.server.symmetric, others[0], others[1]);
    ck_assert_mem_eq(own, others[0], 32);
    ck_assert_mem_eq(peer, others[1], 32);

    start_sides(&sides, false);
    ck_assert_int_eq(0, make_ephemeral(&sides.server, &own_stack));
    sides.server.kem_secret[0] ^= 1; /* the same ciphertext, another secret */
    ck_assert_int_eq(NOISE_E_AUTHENTIC, finish_sides(&sides));
}
END_TEST

START_TEST(a_rehandshake_has_mlkem_too_and_longer_frames)
{
    struct pair *pair = start_hybrid((enum pfswrap_seal_pattern)_i);

    ck_assert_int_eq(0, pair_settle(pair));
    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 3600);
    pfswrap_seal_tick(&pair->server.channel, PAIR_NOW + 3600);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 32 + 1200);
    ck_assert_uint_eq(1, pair->server.in.bytes[0]);
    ck_assert_int_eq(0, end_open(&pair->server));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 24 + 32 + 1104);
    ck_assert_uint_eq(2, pair->client.in.bytes[0]);
    ck_assert_int_eq(0, pair_settle(pair));
    pair_check_transfer(&pair->client, &pair->server, "renewed", 7);
    pair_check_transfer(&pair->server, &pair->client, "renewed", 7);
    pair_free(pair);
}
END_TEST

START_TEST(frames_of_other_patterns_keep_their_limits)
{
    struct pair *pair = pair_open();
    const uint8_t prefix[] = {1, (1025 + 17) >> 8, (1025 + 17) & 255};

    wire_append(&pair->server.in, prefix, sizeof prefix);
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME_LENGTH, end_open(&pair->server));
    pair_free(pair);
}
END_TEST

static int init(struct pair *pair, enum pfswrap_seal_role role, enum pfswrap_seal_post_quantum post_quantum)
{
    struct end *end = role == PFSWRAP_SEAL_INITIATOR ? &pair->client : &pair->server;

    end->config.post_quantum = post_quantum;
    return pfswrap_seal_init(&end->channel, role, &end->config, NULL, 0, 0, PAIR_NOW);
}

START_TEST(without_mlkem_only_what_needs_it_is_refused)
{
    static const uint8_t preamble[28] = {0xF5, 0x70, 0x66, 0x73, 0x77, 0x0D, 0x0A, 0x01, 5};
    struct pair *pair = pair_new();

    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_HYBRID, init(pair, PFSWRAP_SEAL_INITIATOR, REQUIRE));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_HYBRID, init(pair, PFSWRAP_SEAL_INITIATOR, ALLOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NO_HYBRID, init(pair, PFSWRAP_SEAL_RESPONDER, REQUIRE));
    ck_assert_int_eq(0, init(pair, PFSWRAP_SEAL_RESPONDER, ALLOW));
    wire_append(&pair->server.in, preamble, sizeof preamble);
    ck_assert_int_eq(PFSWRAP_SEAL_E_HYBRID_UNEXPECTED, end_open(&pair->server));
    pair->server.in.length = 0;
    ck_assert_int_eq(0, init(pair, PFSWRAP_SEAL_INITIATOR, OFF));
    ck_assert_int_eq(0, init(pair, PFSWRAP_SEAL_RESPONDER, ALLOW));
    ck_assert_int_eq(0, pair_settle(pair));
    pair_check_transfer(&pair->client, &pair->server, "as before", 9);
    pair_free(pair);
}
END_TEST

START_TEST(a_setting_that_does_not_exist_is_an_argument_error)
{
    struct pair *pair = pair_new();

    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     init(pair, PFSWRAP_SEAL_RESPONDER, (enum pfswrap_seal_post_quantum)(REQUIRE + 1)));
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    const int first = PFSWRAP_SEAL_IKHFS, end = PFSWRAP_SEAL_NKHFS_PSK2 + 1;
    TCase *tc = tcase_create("hybrid");

    tcase_add_test(tc, frames_of_other_patterns_keep_their_limits);
    tcase_add_test(tc, a_setting_that_does_not_exist_is_an_argument_error);
    if (!pfswrap_seal_has_post_quantum()) {
        tcase_add_test(tc, without_mlkem_only_what_needs_it_is_refused);
        return tc;
    }
    tcase_add_loop_test(tc, each_side_gets_what_its_settings_say, 0, 8);
    tcase_add_loop_test(tc, each_message_fits_one_packet, first, end);
    tcase_add_test(tc, each_changed_byte_of_message_1_is_refused);
    tcase_add_test(tc, each_changed_byte_of_message_2_is_refused);
    tcase_add_test(tc, the_lengths_of_messages_have_limits_of_their_own);
    tcase_add_test(tc, a_key_of_mlkem_that_is_not_valid_is_refused);
    tcase_add_loop_test(tc, a_ciphertext_for_another_secret_is_refused, 0, 2);
    tcase_add_test(tc, the_keys_depend_on_mlkem_and_its_secrets_are_wiped);
    tcase_add_loop_test(tc, a_rehandshake_has_mlkem_too_and_longer_frames, first, end);
    return tc;
}

int main(void)
{
    return sodium_init() < 0 ? EXIT_FAILURE : run_suite(cases(), "hybrid");
}
