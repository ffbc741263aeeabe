/* Which peers are admitted, and the error of each reason for which one is not. */
#include "pair.h"
#include "../suite.h"

/* One rule of admission each: a change to the two sides, and the server's error. */
enum admission {
    UNKNOWN_CLIENT,
    EXPIRED_CLIENT,
    REFUSED_CLIENT,
    ANONYMOUS_CLIENT,
    OTHER_SERVER_KEY,
    OTHER_SERVICE,
    OTHER_BINDING,
    PSK_MISSING,
    PSK_UNEXPECTED,
    PSK_NOT_COMMON,
    ADMISSIONS,
};

static int bend(struct pair *pair, enum admission admission)
{
    static const char *const others[] = {"somebody", "else"};
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    uint8_t key[32];

    pfswrap_key_generate(key);
    switch (admission) {
    case UNKNOWN_CLIENT:
    case EXPIRED_CLIENT:
        ck_assert_int_eq(0, pfswrap_keyring_add_identity(keyring, pair->server.secret));
        if (admission == EXPIRED_CLIENT) {
            ck_assert_int_eq(
                0, pfswrap_keyring_add_peer(keyring, "client", pair->client.public_key, PAIR_NOW - 1, NULL));
        }
        pair->server.config.keyring = keyring;
        return admission == EXPIRED_CLIENT ? PFSWRAP_SEAL_E_PEER_EXPIRED : PFSWRAP_SEAL_E_PEER_UNKNOWN;
    case REFUSED_CLIENT:
        pair->server.config.names = others;
        pair->server.config.name_count = 2;
        return PFSWRAP_SEAL_E_PEER_REFUSED;
    case ANONYMOUS_CLIENT:
        pair->client.config.anonymous = true;
        return PFSWRAP_SEAL_E_ANONYMOUS;
    case OTHER_SERVER_KEY:
        ck_assert_int_eq(0, pfswrap_keyring_add_identity(keyring, key));
        pair->server.config.keyring = keyring;
        return PFSWRAP_SEAL_E_KEY_ID;
    case OTHER_SERVICE:
        pair->client.config.service = "redis";
        pair->server.config.service = "postgres";
        return PFSWRAP_SEAL_E_HANDSHAKE;
    case OTHER_BINDING:
        return PFSWRAP_SEAL_E_HANDSHAKE;
    case PSK_MISSING:
        ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->server.keyring, key));
        return PFSWRAP_SEAL_E_PSK_REQUIRED;
    case PSK_UNEXPECTED:
        ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->client.keyring, key));
        return PFSWRAP_SEAL_E_PSK_UNEXPECTED;
    case PSK_NOT_COMMON:
        ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->client.keyring, key));
        key[0] ^= 1;
        ck_assert_int_eq(0, pfswrap_keyring_add_psk(pair->server.keyring, key));
        return PFSWRAP_SEAL_E_PSK_UNKNOWN;
    case ADMISSIONS:
        break;
    }
    ck_abort_msg("no such case");
    return 0;
}

START_TEST(a_peer_that_is_not_admitted_is_refused_with_the_reason)
{
    struct pair *pair = pair_new();
    const int expected = bend(pair, (enum admission)_i);
    const uint8_t binding[32] = {1};
    struct pfswrap_seal_info info;

    pair_start(pair);
    if (_i == OTHER_BINDING) {
        ck_assert_int_eq(0, pfswrap_seal_init(&pair->client.channel, PFSWRAP_SEAL_INITIATOR, &pair->client.config,
                                              binding, sizeof binding, 0, PAIR_NOW));
    }
    ck_assert_int_eq(expected, pair_settle(pair));
    ck_assert_int_eq(expected, pfswrap_seal_error(&pair->server.channel));
    ck_assert(!pfswrap_seal_owes(&pair->server.channel));
    ck_assert_int_eq(PFSWRAP_SEAL_E_NOT_READY, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_str_ne("unknown error", pfswrap_seal_error_text(expected));
    if (pair->server.config.keyring != pair->server.keyring)
        pfswrap_keyring_free((struct pfswrap_keyring *)(uintptr_t)pair->server.config.keyring);
    pair_free(pair);
}
END_TEST

START_TEST(a_server_that_admits_any_client_names_only_known_ones)
{
    struct pair *pair = pair_new();
    uint8_t key[32];
    struct pfswrap_seal_info info;
    struct pfswrap_keyring *unknown = pfswrap_keyring_new();

    pair->server.config.anonymous = true;
    pair_start(pair);
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_str_eq("client", info.peer_name);

    pfswrap_key_generate(key);
    ck_assert_int_eq(0, pfswrap_keyring_add_identity(unknown, key));
    ck_assert_int_eq(0, pfswrap_keyring_add_peer(unknown, "server", pair->server.public_key, PFSWRAP_NEVER, NULL));
    pair->client.config.keyring = unknown;
    pair_start(pair);
    pair->client.in.length = pair->server.in.length = 0;
    ck_assert_int_eq(0, pair_settle(pair));
    ck_assert_int_eq(0, pfswrap_seal_describe(&pair->server.channel, &info));
    ck_assert_str_eq("", info.peer_name);
    pfswrap_keyring_free(unknown);
    pair_free(pair);
}
END_TEST

static TCase *cases(void)
{
    TCase *tc = tcase_create("admission");

    tcase_add_loop_test(tc, a_peer_that_is_not_admitted_is_refused_with_the_reason, 0, ADMISSIONS);
    tcase_add_test(tc, a_server_that_admits_any_client_names_only_known_ones);
    return tc;
}

int main(void)
{
    return run_suite(cases(), "admission");
}
