/*
 * Identities and psks whose secret another process has: handshakes and re-handshakes in every pattern, and what
 * happens if that process does not answer.
 */
#include "../suite.h"

#include "pair.h"
#include "seal/keyring.h"

/* What the holder of the keys has, and what it does. */
static struct {
    uint8_t secrets[2][32];
    unsigned lasting, asked, fails_at; /* the question of this number, from 1 on, has no answer; 0: all have one */
    bool fails, answers_zeros;
    uint8_t psk[32], psk_id[8];
    unsigned psk_asked;
    bool has_no_psk;
} holder;

static int ask_holder(const uint8_t own[32], const uint8_t peer[32], bool is_lasting, uint8_t shared[32])
{
    uint8_t public_key[32];

    holder.lasting += is_lasting;
    if (++holder.asked == holder.fails_at || holder.fails)
        return -1;
    memset(shared, 0, 32);
    for (size_t i = 0; i < 2 && !holder.answers_zeros; i++) {
        crypto_scalarmult_base(public_key, holder.secrets[i]);
        if (memcmp(public_key, own, 32) == 0)
            return crypto_scalarmult(shared, holder.secrets[i], peer);
    }
    return holder.answers_zeros ? 0 : -1;
}

static int ask_holder_psk(const uint8_t id[8], const uint8_t ck[32], uint8_t extracted[32])
{
    holder.psk_asked++;
    if (holder.has_no_psk || memcmp(id, holder.psk_id, 8) != 0)
        return -1;
    noise_extract(ck, holder.psk, extracted);
    return 0;
}

/* One of several psks, of which the holder has the last one. */
static void give_psk_to_holder(struct end *end, const struct noise_psk *psk)
{
    memcpy(holder.psk, psk->key, sizeof holder.psk);
    memcpy(holder.psk_id, psk->id, sizeof holder.psk_id);
    ck_assert_int_eq(0, keyring_add_remote_psk(end->keyring, psk->id, ask_holder_psk));
    ck_assert_int_eq(-1, keyring_add_remote_psk(end->keyring, psk->id, ask_holder_psk));
}

/* The secret of `end` goes to the holder. Its keyring has the public part, and knows `peer`. */
static void give_to_holder(struct end *end, size_t number, const char *name, const struct end *peer)
{
    const struct pfswrap_keyring *before = end->keyring;

    memcpy(holder.secrets[number], end->secret, 32);
    end->keyring = pfswrap_keyring_new();
    ck_assert_int_eq(0, keyring_add_remote(end->keyring, end->public_key, ask_holder));
    for (size_t i = 0; i < before->psk_count; i++)
        give_psk_to_holder(end, &before->psks[i].secret);
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(end->keyring, name, peer->public_key, PFSWRAP_NEVER, NULL));
    end->config.keyring = end->keyring;
    pfswrap_keyring_free((struct pfswrap_keyring *)(uintptr_t)before);
}

static struct pair *remote_pair(enum pfswrap_seal_pattern pattern)
{
    struct pair *pair = pair_new();

    memset(&holder, 0, sizeof holder);
    pair_set_pattern(pair, pattern);
    give_to_holder(&pair->client, 0, "server", &pair->server);
    give_to_holder(&pair->server, 1, "client", &pair->client);
    return pair;
}

static void tick(struct pair *pair, uint64_t now)
{
    pfswrap_seal_tick(&pair->client.channel, now);
    pfswrap_seal_tick(&pair->server.channel, now);
}

static bool has_psk(enum pfswrap_seal_pattern pattern)
{
    return noise_pattern_has_psk((enum noise_pattern)pattern);
}

/* es, ss and se in the patterns with a client key; es in the others. */
static unsigned questions(enum pfswrap_seal_pattern pattern)
{
    return noise_pattern_has_client_key((enum noise_pattern)pattern) ? 4 : 1;
}

START_TEST(every_pattern_works_with_keys_that_are_elsewhere)
{
    struct pair *pair = remote_pair((enum pfswrap_seal_pattern)_i);

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_uint_eq(questions((enum pfswrap_seal_pattern)_i), holder.asked);
    ck_assert_uint_eq(questions((enum pfswrap_seal_pattern)_i) == 4 ? 2 : 0, holder.lasting); /* ss of both sides */
    pair_check_transfer(&pair->client, &pair->server, "first", 5);
    tick(pair, PAIR_NOW + 4000);
    ck_assert_int_eq(0, pair_settle(pair));
    /* Before a re-handshake, a client asks whether the holder is there. */
    ck_assert_uint_eq(questions((enum pfswrap_seal_pattern)_i) == 4 ? 9 : 2, holder.asked);
    ck_assert_uint_eq(has_psk((enum pfswrap_seal_pattern)_i) ? 4 + (questions((enum pfswrap_seal_pattern)_i) == 1)
                                                             : 0,
                      holder.psk_asked); /* each side, twice */
    pair_check_transfer(&pair->server, &pair->client, "second", 6);
    pair_free(pair);
}
END_TEST

START_TEST(a_handshake_fails_at_each_question_without_an_answer)
{
    struct pair *pair = remote_pair(PFSWRAP_SEAL_IK);

    holder.fails_at = (unsigned)_i;
    pair_start(pair);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AGENT, pair_settle(pair));
    ck_assert_uint_eq((unsigned)_i, holder.asked);
    ck_assert(pfswrap_seal_error(&pair->client.channel) == PFSWRAP_SEAL_E_AGENT ||
              pfswrap_seal_error(&pair->server.channel) == PFSWRAP_SEAL_E_AGENT);
    pair_free(pair);
}
END_TEST

START_TEST(a_handshake_fails_without_an_answer_about_its_psk)
{
    struct pair *pair = remote_pair(PFSWRAP_SEAL_IKPSK2);

    holder.has_no_psk = true;
    pair_start(pair);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AGENT, pair_settle(pair));
    ck_assert_uint_eq(1, holder.psk_asked);
    pair_free(pair);
}
END_TEST

START_TEST(a_psk_that_the_holder_does_not_have_leaves_the_next_one)
{
    struct pair *pair = pair_new();
    struct pfswrap_keyring *before = pair->client.keyring;
    uint8_t other[8] = {1};

    memset(&holder, 0, sizeof holder);
    pair_set_pattern(pair, PFSWRAP_SEAL_IKPSK2);
    memcpy(holder.secrets[0], pair->client.secret, 32);
    pair->client.keyring = pfswrap_keyring_new();
    ck_assert_int_eq(0, keyring_add_remote(pair->client.keyring, pair->client.public_key, ask_holder));
    ck_assert_int_eq(0, keyring_add_remote_psk(pair->client.keyring, other, ask_holder_psk));
    give_psk_to_holder(&pair->client, &before->psks[0].secret);
    ck_assert_int_eq(
        0, pfswrap_keyring_add_peer(pair->client.keyring, "server", pair->server.public_key, PFSWRAP_NEVER, NULL));
    pair->client.config.keyring = pair->client.keyring;
    pfswrap_keyring_free(before);
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_uint_eq(2, holder.psk_asked);
    pair_free(pair);
}
END_TEST

START_TEST(an_answer_of_zeros_is_refused)
{
    struct pair *pair = remote_pair(PFSWRAP_SEAL_NK);

    holder.answers_zeros = true;
    pair_start(pair);
    ck_assert_int_eq(PFSWRAP_SEAL_E_SMALL_ORDER, pair_settle(pair));
    pair_free(pair);
}
END_TEST

START_TEST(an_identity_without_a_function_fails)
{
    struct pair *pair = pair_new();
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    static const uint8_t zero[32];

    ck_assert_int_eq(-1, keyring_add_remote(keyring, zero, ask_holder));
    ck_assert_int_eq(0, keyring_add_remote(keyring, pair->server.public_key, NULL));
    ck_assert_int_eq(-1, keyring_add_remote(keyring, pair->server.public_key, ask_holder));
    pair->server.config.keyring = keyring;
    pair_start(pair);
    ck_assert_int_eq(PFSWRAP_SEAL_E_AGENT, pair_settle(pair));
    pfswrap_keyring_free(keyring);
    pair_free(pair);
}
END_TEST

START_TEST(a_re_handshake_is_put_off_while_there_is_no_answer)
{
    struct pair *pair = remote_pair(PFSWRAP_SEAL_IK);
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    tick(pair, PAIR_NOW + 4000);
    holder.fails = true;
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    ck_assert_int_eq(0, pfswrap_seal_take(&pair->client.channel, &pair->client.config, out, sizeof out));
    ck_assert_uint_eq(5, holder.asked);
    pair_check_transfer(&pair->client, &pair->server, "old keys", 8);
    ck_assert(!pfswrap_seal_owes(&pair->client.channel));
    holder.fails = false;
    tick(pair, PAIR_NOW + 4002);
    ck_assert(pfswrap_seal_owes(&pair->client.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_uint_eq(10, holder.asked);
    pair_check_transfer(&pair->client, &pair->server, "new keys", 8);
    pair_free(pair);
}
END_TEST

START_TEST(closing_does_not_need_an_answer)
{
    struct pair *pair = remote_pair(PFSWRAP_SEAL_IK);

    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    tick(pair, PAIR_NOW + 4000);
    holder.fails = true;
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->client.channel));
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert(pair->server.final);
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("remote");

    tcase_add_loop_test(tc, every_pattern_works_with_keys_that_are_elsewhere, PFSWRAP_SEAL_IK, pair_patterns_end());
    tcase_add_loop_test(tc, a_handshake_fails_at_each_question_without_an_answer, 1, 5);
    tcase_add_test(tc, a_handshake_fails_without_an_answer_about_its_psk);
    tcase_add_test(tc, a_psk_that_the_holder_does_not_have_leaves_the_next_one);
    tcase_add_test(tc, an_answer_of_zeros_is_refused);
    tcase_add_test(tc, an_identity_without_a_function_fails);
    tcase_add_test(tc, a_re_handshake_is_put_off_while_there_is_no_answer);
    tcase_add_test(tc, closing_does_not_need_an_answer);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "remote");
}
