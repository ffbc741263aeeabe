/* What ends early leaves no key: a handshake, a re-handshake, a channel that fails or is poisoned. */
#include "../suite.h"
#include "pair.h"
#include "search.h"

#include "seal/channel.h"
#include "seal/cipher.h"
#include "seal/wipe.h"

static const struct noise_handshake *noise_of(const struct end *end)
{
    return &((const struct channel_block *)(const void *)&end->channel)->noise;
}

/* The client sends message 1, so that it waits for message 2. Remembers its ephemeral key. */
static void begin_exchange(struct pair *pair, struct secret *ephemeral)
{
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    remember(ephemeral, noise_of(&pair->client)->e, 32);
    ck_assert(finds(ephemeral, &pair->client.channel, sizeof pair->client.channel));
}

START_TEST(a_handshake_that_ends_early_leaves_no_key)
{
    static const uint8_t garbage[2 + CHANNEL_MESSAGE_MIN] = {0, CHANNEL_MESSAGE_MIN, 9};
    struct pair *pair = pair_new();
    struct pfswrap_seal_opened opened;
    struct secret key;

    pair_start(pair);
    begin_exchange(pair, &key);
    pfswrap_seal_poison(&pair->client.channel);
    ck_assert(!finds(&key, &pair->client.channel, sizeof pair->client.channel));
    pair_start(pair);
    begin_exchange(pair, &key);
    ck_assert_int_eq(PFSWRAP_SEAL_E_TRUNCATED, pfswrap_seal_end(&pair->client.channel));
    ck_assert(!finds(&key, &pair->client.channel, sizeof pair->client.channel));
    pair_start(pair);
    begin_exchange(pair, &key);
    ck_assert_int_eq(PFSWRAP_SEAL_E_HANDSHAKE, pfswrap_seal_open(&pair->client.channel, &pair->client.config,
                                                                 garbage, sizeof garbage, NULL, 0, &opened));
    ck_assert(!finds(&key, &pair->client.channel, sizeof pair->client.channel));
    pair_free(pair);
}
END_TEST

START_TEST(a_rehandshake_that_final_ends_leaves_no_key)
{
    struct pair *pair = pair_open();
    struct secret key;

    pfswrap_seal_tick(&pair->client.channel, PAIR_NOW + 4000);
    begin_exchange(pair, &key);
    ck_assert_int_eq(0, pfswrap_seal_close(&pair->server.channel));
    ck_assert_int_gt(end_take(&pair->server, &pair->client.in), 0);
    ck_assert_int_eq(0, end_open(&pair->client));
    ck_assert(pair->client.final);
    ck_assert(!finds(&key, &pair->client.channel, sizeof pair->client.channel));
    pair_free(pair);
}
END_TEST

START_TEST(a_failed_or_poisoned_channel_holds_no_key)
{
    struct pair *pair = pair_open();
    struct channel *client = channel_of(&pair->client.channel), *server = channel_of(&pair->server.channel);
    struct secret push, pull;

    remember(&push, client->push.stream.k, 32);
    remember(&pull, client->pull.stream.k, 32);
    pfswrap_seal_poison(&pair->client.channel);
    ck_assert(!finds(&push, client, sizeof(struct pfswrap_seal)) &&
              !finds(&pull, client, sizeof(struct pfswrap_seal)));
    memset(pair->server.in.bytes, 0, 40);
    pair->server.in.bytes[2] = 17;
    pair->server.in.length = 40;
    ck_assert_int_eq(PFSWRAP_SEAL_E_FRAME, end_open(&pair->server));
    ck_assert(!finds(&push, server, sizeof(struct pfswrap_seal)) &&
              !finds(&pull, server, sizeof(struct pfswrap_seal)));
    pfswrap_seal_wipe(&pair->server.channel);
    ck_assert(sodium_is_zero((const uint8_t *)server, sizeof(struct pfswrap_seal)));
    pair_free(pair);
}
END_TEST

static void *derive_public(void *argument)
{
    uint8_t public_key[32];

    pfswrap_key_derive_public(public_key, argument);
    return NULL;
}

START_TEST(deriving_a_public_key_leaves_no_trace_of_the_secret)
{
    static uint8_t key[32];
    struct secret secret;

    ck_assert_int_ge(sodium_init(), 0);
    pfswrap_key_generate(key);
    remember(&secret, key, 32);
    run_on_own_stack(derive_public, key);
    ck_assert(!finds(&secret, stack, STACK_BYTES));
}
END_TEST

START_TEST(an_idle_connection_holds_at_most_two_kibibytes)
{
    ck_assert_uint_le(sizeof(struct pfswrap_seal), 2048);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("residue_ends");

    tcase_add_test(tc, a_handshake_that_ends_early_leaves_no_key);
    tcase_add_test(tc, a_rehandshake_that_final_ends_leaves_no_key);
    tcase_add_test(tc, a_failed_or_poisoned_channel_holds_no_key);
    tcase_add_test(tc, deriving_a_public_key_leaves_no_trace_of_the_secret);
    tcase_add_test(tc, an_idle_connection_holds_at_most_two_kibibytes);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "residue_ends");
}
