/*
 * Every function of include/pfswrap/ with pointers that are NULL, lengths of 0 and far too large, and in the wrong
 * state: each returns the error that its header documents, and none crashes.
 */
#include <pfswrap/tunnel.h>

#include "../suite.h"
#include "pair.h"

START_TEST(a_keyring_that_is_missing_has_nothing_and_takes_nothing)
{
    static const uint8_t key[32] = {9};
    struct pfswrap_keys_error error = {""};

    ck_assert_int_eq(-1, pfswrap_keyring_add_identity(NULL, key));
    ck_assert_int_eq(-1, pfswrap_keyring_add_psk(NULL, key));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(NULL, "a", key, PFSWRAP_NEVER, &error));
    ck_assert_str_eq("an argument is missing", error.text);
    ck_assert_int_eq(-1, pfswrap_keyring_parse_peers(NULL, "", 0, "f", NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(NULL, "/", NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_load_psk(NULL, "/", NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_load_peers(NULL, "/", NULL));
    ck_assert_uint_eq(0, pfswrap_keyring_count_identities(NULL));
    ck_assert_uint_eq(0, pfswrap_keyring_count_psks(NULL));
    ck_assert_uint_eq(0, pfswrap_keyring_count_peers(NULL, NULL));
    ck_assert_uint_eq(0, pfswrap_keyring_count_peers(NULL, "a"));
    pfswrap_keyring_free(NULL);
}
END_TEST

START_TEST(a_keyring_refuses_what_is_missing_and_stays_as_it_was)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    static const uint8_t key[32] = {9};
    struct pfswrap_keys_error error = {""};
    char long_name[300];

    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_eq(-1, pfswrap_keyring_add_identity(keyring, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_add_psk(keyring, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, NULL, key, PFSWRAP_NEVER, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, "a", NULL, PFSWRAP_NEVER, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, "", key, PFSWRAP_NEVER, &error));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, long_name, key, PFSWRAP_NEVER, &error));
    ck_assert_int_eq(-1, pfswrap_keyring_add_peer(keyring, "a", key, INT64_MIN, &error));
    ck_assert_int_eq(0, pfswrap_keyring_parse_peers(keyring, NULL, 0, "f", &error));
    ck_assert_int_eq(-1, pfswrap_keyring_parse_peers(keyring, NULL, 1, "f", &error));
    ck_assert_int_eq(-1, pfswrap_keyring_parse_peers(keyring, "", 0, NULL, &error));
    ck_assert_int_eq(-1, pfswrap_keyring_load_identity(keyring, NULL, &error));
    ck_assert_str_eq("an argument is missing", error.text);
    ck_assert_int_eq(-1, pfswrap_keyring_load_psk(keyring, NULL, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_load_peers(keyring, NULL, NULL));
    ck_assert_int_eq(-1, pfswrap_keyring_load_peers(keyring, "", NULL));
    ck_assert_uint_eq(0, pfswrap_keyring_count_identities(keyring) + pfswrap_keyring_count_psks(keyring) +
                             pfswrap_keyring_count_peers(keyring, NULL));
    pfswrap_keyring_free(keyring);
}
END_TEST

START_TEST(single_keys_refuse_what_is_missing)
{
    static const uint8_t key[32] = {9};
    uint8_t out[32];
    char text[PFSWRAP_KEY_TEXT_BYTES] = "same";

    pfswrap_key_generate(NULL);
    pfswrap_key_derive_public(NULL, key);
    pfswrap_key_derive_public(out, NULL);
    pfswrap_key_encode(NULL, key);
    pfswrap_key_encode(text, NULL);
    ck_assert_str_eq("same", text);
    ck_assert_int_eq(-1, pfswrap_key_decode(NULL, text, 44));
    ck_assert_int_eq(-1, pfswrap_key_decode(out, NULL, 44));
    ck_assert_int_eq(-1, pfswrap_key_decode(out, text, 0));
    ck_assert_int_eq(-1, pfswrap_key_decode(out, text, SIZE_MAX));
    ck_assert_int_eq(-1, pfswrap_key_from_password(NULL, "p", 1, "u", key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, NULL, 1, "u", key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, "", 0, "u", key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, "p", SIZE_MAX, "u", key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, "p", 1, NULL, key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, "p", 1, "", key));
    ck_assert_int_eq(-1, pfswrap_key_from_password(out, "p", 1, "u", NULL));
}
END_TEST

/* All calls for a block that is no channel, or NULL. */
static void check_no_channel(struct pfswrap_seal *channel, const struct pfswrap_seal_config *config)
{
    struct pfswrap_seal_opened opened;
    struct pfswrap_seal_info info;
    uint8_t bytes[PFSWRAP_SEAL_TAKE_BYTES] = {0};
    size_t accepted;

    pfswrap_seal_tick(channel, 1);
    pfswrap_seal_poison(channel);
    ck_assert(!pfswrap_seal_owes(channel));
    ck_assert(!pfswrap_seal_ready(channel));
    ck_assert(!pfswrap_seal_is_sane(channel));
    ck_assert(!pfswrap_seal_trailer_due(channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_error(channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_take(channel, config, bytes, sizeof bytes));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_begin(channel, "x", 1, bytes, sizeof bytes, &accepted));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_begin(channel, NULL, 0, NULL, 0, NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_sent(channel, bytes, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_open(channel, config, bytes, 1, NULL, 0, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_open(channel, NULL, NULL, 0, NULL, 0, NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_open_in_place(channel, config, bytes, 1, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_end(channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_close(channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_describe(channel, &info));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_describe(channel, NULL));
    pfswrap_seal_wipe(channel);
}

START_TEST(a_channel_that_is_none_is_said_to_be_none)
{
    struct pair *pair = pair_new();
    struct pfswrap_seal block;

    check_no_channel(NULL, &pair->client.config);
    memset(&block, 0, sizeof block);
    check_no_channel(&block, &pair->client.config);
    memset(&block, 0xFF, sizeof block);
    check_no_channel(&block, &pair->client.config);
    pair_free(pair);
}
END_TEST

START_TEST(init_refuses_impossible_arguments)
{
    struct pair *pair = pair_new();
    static const char *const no_name[] = {NULL};
    char service[PFSWRAP_NAME_BYTES + 1];
    struct pfswrap_seal channel;
    struct pfswrap_seal_config wrong[6];

    memset(service, 's', sizeof service);
    service[sizeof service - 1] = '\0';
    for (size_t i = 0; i < 6; i++)
        wrong[i] = pair->client.config;
    wrong[0].keyring = NULL;
    wrong[1].names = NULL;
    wrong[2].names = no_name;
    wrong[3].service = service;
    wrong[4].transport_max = PFSWRAP_SEAL_BEGIN_OVERHEAD;
    wrong[5].transport_max = 1;
    for (size_t i = 0; i < 6; i++)
        for (enum pfswrap_seal_role role = PFSWRAP_SEAL_INITIATOR; role <= PFSWRAP_SEAL_RESPONDER; role++) {
            ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_init(&channel, role, &wrong[i], NULL, 0, 0, 0));
            ck_assert_int_eq(PFSWRAP_SEAL_E_CHANNEL, pfswrap_seal_error(&channel));
        }
    for (int role = -1; role <= 3; role++) {
        const enum pfswrap_seal_role as = (enum pfswrap_seal_role)role;

        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_init(NULL, as, &wrong[0], NULL, 0, 0, 0));
        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_init(&channel, as, NULL, NULL, 0, 0, 0));
        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                         pfswrap_seal_init(&channel, as, &pair->client.config, NULL, 32, 0, 0));
        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                         pfswrap_seal_init(&channel, as, &pair->client.config, (uint8_t *)service, 33, 0, 0));
        ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                         pfswrap_seal_init(&channel, as, &pair->client.config, (uint8_t *)service, SIZE_MAX, 0, 0));
        if (role != PFSWRAP_SEAL_INITIATOR && role != PFSWRAP_SEAL_RESPONDER)
            ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                             pfswrap_seal_init(&channel, as, &pair->client.config, NULL, 0, 0, 0));
    }
    pair_free(pair);
}
END_TEST

/* Impossible arguments, in any state. None of the calls may change the channel. */
static void check_arguments(struct end *end)
{
    const struct pfswrap_seal before = end->channel;
    struct pfswrap_seal_config no_keyring = end->config;
    struct pfswrap_seal_opened opened;
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];
    size_t accepted;
    int expected;

    no_keyring.keyring = NULL;
    expected = pfswrap_seal_owes(&end->channel) ? PFSWRAP_SEAL_E_ARGUMENT : 0;
    ck_assert_int_eq(expected, pfswrap_seal_take(&end->channel, NULL, out, sizeof out));
    ck_assert_int_eq(expected, pfswrap_seal_take(&end->channel, &no_keyring, out, sizeof out));
    ck_assert_int_eq(expected, pfswrap_seal_take(&end->channel, &end->config, NULL, sizeof out));
    ck_assert_int_eq(expected, pfswrap_seal_take(&end->channel, &end->config, out, 511));
    ck_assert_int_eq(expected, pfswrap_seal_take(&end->channel, &end->config, NULL, 0));
    expected = pfswrap_seal_ready(&end->channel) ? PFSWRAP_SEAL_E_ARGUMENT : PFSWRAP_SEAL_E_NOT_READY;
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, NULL, 1, out, sizeof out, &accepted));
    ck_assert_uint_eq(0, accepted);
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, NULL, SIZE_MAX, out, sizeof out, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 0, out, sizeof out, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 1, NULL, sizeof out, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 1, NULL, SIZE_MAX, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 1, out, 0, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 1, out, 21, &accepted));
    ck_assert_int_eq(expected, pfswrap_seal_begin(&end->channel, "x", 1, out, sizeof out, NULL));
    ck_assert_int_eq(0, pfswrap_seal_sent(&end->channel, NULL, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_open(&end->channel, NULL, out, 1, NULL, 0, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&end->channel, &no_keyring, out, 1, NULL, 0, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&end->channel, &end->config, NULL, SIZE_MAX, NULL, 0, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&end->channel, &end->config, out, 1, NULL, 1, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open(&end->channel, &end->config, out, 1, NULL, 0, NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open_in_place(&end->channel, &end->config, NULL, SIZE_MAX, &opened));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT,
                     pfswrap_seal_open_in_place(&end->channel, &end->config, out, 1, NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_describe(&end->channel, NULL));
    ck_assert_mem_eq(&before, &end->channel, sizeof before);
}

START_TEST(impossible_arguments_change_no_channel)
{
    struct pair *pair = pair_new();

    pair_start(pair);
    check_arguments(&pair->client);
    check_arguments(&pair->server);
    ck_assert_int_gt(end_take(&pair->client, &pair->server.in), 0);
    ck_assert_int_eq(0, end_open(&pair->server));
    check_arguments(&pair->client);
    check_arguments(&pair->server);
    ck_assert_int_eq(0, pair_settle(pair));
    check_arguments(&pair->client);
    check_arguments(&pair->server);
    pair_check_transfer(&pair->client, &pair->server, "still open", 10);
    pair_free(pair);
}
END_TEST

START_TEST(a_frame_is_rolled_back_only_where_it_can_be_wiped)
{
    struct pair *pair = pair_open();
    uint8_t out[100];
    size_t accepted;

    ck_assert_int_eq(22, pfswrap_seal_begin(&pair->client.channel, "x", 1, out, sizeof out, &accepted));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_seal_sent(&pair->client.channel, NULL, 0));
    ck_assert_int_eq(0, pfswrap_seal_sent(&pair->client.channel, out, 0));
    ck_assert_int_eq(22, pfswrap_seal_begin(&pair->client.channel, "x", 1, out, sizeof out, &accepted));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_seal_sent(&pair->client.channel, out, SIZE_MAX));
    pair_free(pair);
}
END_TEST

START_TEST(a_probe_of_nothing_is_a_part_of_the_magic)
{
    ck_assert_int_eq(0, pfswrap_seal_probe(NULL, 0));
    ck_assert_int_eq(-1, pfswrap_seal_probe(NULL, 1));
    ck_assert_int_eq(-1, pfswrap_seal_probe(NULL, SIZE_MAX));
}
END_TEST

static int never(void *context, void *buffer, size_t size)
{
    (void)context, (void)buffer, (void)size;
    return -1;
}

static int never_write(void *context, const void *data, size_t length)
{
    (void)context, (void)data, (void)length;
    return -1;
}

START_TEST(a_tunnel_that_is_missing_is_an_argument)
{
    struct pfswrap_seal_info info;
    char byte = 0;

    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_handshake(NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_read(NULL, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_peek(NULL, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_write(NULL, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_close(NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_error(NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_describe(NULL, &info));
    ck_assert_uint_eq(0, pfswrap_tunnel_pending(NULL));
    ck_assert_uint_eq(0, pfswrap_tunnel_kept(NULL));
    ck_assert(!pfswrap_tunnel_unsent(NULL));
    ck_assert_uint_eq(0, pfswrap_tunnel_count(NULL).sent_bytes);
    pfswrap_tunnel_poison(NULL);
    pfswrap_tunnel_free(NULL);
}
END_TEST

START_TEST(a_tunnel_refuses_impossible_arguments_and_calls_in_the_wrong_state)
{
    struct pair *pair = pair_new();
    const struct pfswrap_tunnel_transport transport = {.read = never, .write = never_write};
    const struct pfswrap_tunnel_transport no_read = {.write = never_write}, no_write = {.read = never};
    struct pfswrap_seal_config *config = &pair->server.config;
    const enum pfswrap_seal_role role = PFSWRAP_SEAL_RESPONDER;
    struct pfswrap_tunnel *tunnel;
    struct pfswrap_seal_info info;
    char byte = 0;
    int error = 1;

    ck_assert_ptr_null(pfswrap_tunnel_new(role, NULL, NULL, 0, 0, &transport, &error));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, error);
    ck_assert_ptr_null(pfswrap_tunnel_new(role, config, NULL, 32, 0, &transport, &error));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, error);
    ck_assert_ptr_null(pfswrap_tunnel_new(role, config, NULL, 0, 0, NULL, &error));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, error);
    ck_assert_ptr_null(pfswrap_tunnel_new(role, config, NULL, 0, 0, &no_read, NULL));
    ck_assert_ptr_null(pfswrap_tunnel_new(role, config, NULL, 0, 0, &no_write, NULL));
    tunnel = pfswrap_tunnel_new(role, config, NULL, 0, 0, &transport, NULL);
    ck_assert_ptr_nonnull(tunnel);
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_read(tunnel, NULL, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_read(tunnel, &byte, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_peek(tunnel, NULL, SIZE_MAX));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_write(tunnel, NULL, SIZE_MAX));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_write(tunnel, &byte, 0));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_write(tunnel, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_describe(tunnel, &info));
    ck_assert_int_eq(PFSWRAP_SEAL_E_ARGUMENT, pfswrap_tunnel_describe(tunnel, NULL));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_tunnel_close(tunnel));
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_read(tunnel, &byte, SIZE_MAX));
    ck_assert_int_eq(PFSWRAP_TUNNEL_STOPPED, pfswrap_tunnel_handshake(tunnel));
    ck_assert_int_eq(0, pfswrap_tunnel_error(tunnel));
    pfswrap_tunnel_poison(tunnel);
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_handshake(tunnel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_read(tunnel, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_peek(tunnel, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_write(tunnel, &byte, 1));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_close(tunnel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_POISONED, pfswrap_tunnel_error(tunnel));
    pfswrap_tunnel_free(tunnel);
    pair_free(pair);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("interface");

    tcase_add_test(tc, a_keyring_that_is_missing_has_nothing_and_takes_nothing);
    tcase_add_test(tc, a_keyring_refuses_what_is_missing_and_stays_as_it_was);
    tcase_add_test(tc, single_keys_refuse_what_is_missing);
    tcase_add_test(tc, a_channel_that_is_none_is_said_to_be_none);
    tcase_add_test(tc, init_refuses_impossible_arguments);
    tcase_add_test(tc, impossible_arguments_change_no_channel);
    tcase_add_test(tc, a_frame_is_rolled_back_only_where_it_can_be_wiped);
    tcase_add_test(tc, a_probe_of_nothing_is_a_part_of_the_magic);
    tcase_add_test(tc, a_tunnel_that_is_missing_is_an_argument);
    tcase_add_test(tc, a_tunnel_refuses_impossible_arguments_and_calls_in_the_wrong_state);
    return run_suite(tc, "interface");
}
