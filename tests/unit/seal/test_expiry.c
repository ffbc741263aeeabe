/*
 * Keys that are too old: they begin no connection, and open ones go on.
 */
#include "pair.h"

#include "../suite.h"
#include "seal/keyring.h"

enum { DAY = 24 * 60 * 60 };

static struct pair *pair;

static void setup(void)
{
    pair = pair_new();
}

static void teardown(void)
{
    pair_free(pair);
}

static int start(struct end *end, uint64_t now)
{
    return pfswrap_seal_init(&end->channel, end == &pair->client ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER,
                             &end->config, NULL, 0, 0, now);
}

/* The end's keys were made a day before PAIR_NOW, and may become that old. */
static void limit(struct end *end, int64_t seconds)
{
    keyring_set_created(end->keyring, false, PAIR_NOW - DAY);
    keyring_set_created(end->keyring, true, PAIR_NOW - DAY);
    keyring_limit_age(end->keyring, seconds);
}

START_TEST(a_key_expires_at_the_second)
{
    struct end *const ends[] = {&pair->client, &pair->server};

    for (size_t i = 0; i < 2; i++) {
        limit(ends[i], DAY + 1);
        ck_assert_int_eq(0, start(ends[i], PAIR_NOW));
        ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_EXPIRED, start(ends[i], PAIR_NOW + 1));
    }
}
END_TEST

START_TEST(an_anonymous_client_needs_no_identity_and_a_server_does)
{
    pair_set_pattern(pair, PFSWRAP_SEAL_NK);
    limit(&pair->client, DAY);
    limit(&pair->server, DAY);
    ck_assert_int_eq(0, start(&pair->client, PAIR_NOW));
    ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_EXPIRED, start(&pair->server, PAIR_NOW));
}
END_TEST

START_TEST(the_next_identity_takes_over)
{
    uint8_t secret[PFSWRAP_KEY_BYTES], public_key[PFSWRAP_KEY_BYTES];
    struct pfswrap_seal_info info;

    pfswrap_key_generate(secret);
    pfswrap_key_derive_public(public_key, secret);
    keyring_set_created(pair->client.keyring, false, PAIR_NOW - DAY);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(pair->client.keyring, secret));
    keyring_set_created(pair->client.keyring, false, PAIR_NOW - 1);
    keyring_limit_age(pair->client.keyring, DAY);
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(pair->server.keyring, "next", public_key, PFSWRAP_NEVER, NULL));
    pair_start_handshake(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_str_eq("next", info.peer_name);
}
END_TEST

START_TEST(a_server_does_not_answer_with_an_expired_identity)
{
    uint8_t secret[PFSWRAP_KEY_BYTES];

    pfswrap_key_generate(secret);
    keyring_set_created(pair->server.keyring, false, PAIR_NOW - DAY);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(pair->server.keyring, secret));
    keyring_set_created(pair->server.keyring, false, PAIR_NOW - 1);
    keyring_limit_age(pair->server.keyring, DAY);
    pair_start(pair);
    ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_ID, pair_settle(pair));
}
END_TEST

START_TEST(an_expired_psk_is_neither_offered_nor_taken)
{
    pair_set_pattern(pair, PFSWRAP_SEAL_IKPSK2);
    for (int i = 0; i < 2; i++) {
        struct end *const end = i == 0 ? &pair->client : &pair->server;
        keyring_set_created(end->keyring, false, PAIR_NOW);
        keyring_set_created(end->keyring, true, PAIR_NOW - DAY);
    }
    keyring_limit_age(pair->server.keyring, DAY);
    ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_EXPIRED, start(&pair->server, PAIR_NOW));
    pair_add_psk(pair);
    keyring_set_created(pair->server.keyring, true, PAIR_NOW);
    keyring_limit_age(pair->server.keyring, DAY);
    ck_assert_uint_eq(1, keyring_current_psks(pair->server.keyring, PAIR_NOW));
    pair_start_handshake(pair); /* the client offers both, and the server takes the second */
    ck_assert_int_eq(0, pair_settle(pair));
    keyring_set_created(pair->client.keyring, true, PAIR_NOW - DAY);
    keyring_limit_age(pair->client.keyring, DAY);
    ck_assert_int_eq(PFSWRAP_SEAL_E_KEY_EXPIRED, start(&pair->client, PAIR_NOW));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("expiry");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_key_expires_at_the_second);
    tcase_add_test(cases, an_anonymous_client_needs_no_identity_and_a_server_does);
    tcase_add_test(cases, the_next_identity_takes_over);
    tcase_add_test(cases, a_server_does_not_answer_with_an_expired_identity);
    tcase_add_test(cases, an_expired_psk_is_neither_offered_nor_taken);
    return run_suite(cases, "keys that expire");
}
