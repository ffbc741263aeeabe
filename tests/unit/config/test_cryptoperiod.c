/*
 * The events of keys that expire: at the right second, once for each key, and again when it gets worse.
 */
#include "../suite.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "base/process.h"
#include "config/cryptoperiod.h"
#include "config/snapshot.h"
#include "seal/keyring.h"

enum { DAY = 24 * 60 * 60 };

static struct policy policy;
static struct pfswrap_keyring *keyring;
static int64_t now;

/* Stand-ins: the code under test asks for the state and the clock only. */
static struct snapshot state = {.policy = &policy};

struct snapshot *snapshot_acquire(void)
{
    return &state;
}
void snapshot_release(struct snapshot *snapshot)
{
    ck_assert_ptr_eq(snapshot, &state);
}
const struct pfswrap_keyring *keys_keyring(const struct keys *keys)
{
    ck_assert_ptr_null(keys);
    return keyring;
}
const char *keys_identity_name(const struct keys *keys, size_t index)
{
    ck_assert_ptr_null(keys);
    return policy.seal.identities[index];
}
const char *keys_psk_name(const struct keys *keys, size_t index)
{
    ck_assert_ptr_null(keys);
    return policy.seal.psks[index];
}
pid_t process_id(void)
{
    return 1;
}
time_t time(time_t *result)
{
    if (result != NULL)
        *result = (time_t)now;
    return (time_t)now;
}

static char events[1024]; /* "event kind name expires;" for each */

void audit_event(const char *event, const struct audit_field *fields, size_t count)
{
    size_t used = strlen(events);
    used += (size_t)snprintf(events + used, sizeof events - used, "%s", event);
    for (size_t i = 0; i < count; i++)
        if (fields[i].value.string != NULL && strcmp(fields[i].key, "key") != 0 &&
            strcmp(fields[i].key, "created") != 0)
            used += (size_t)snprintf(events + used, sizeof events - used, " %s", fields[i].value.string);
    (void)snprintf(events + used, sizeof events - used, ";");
}

/* What is written when a connection begins at this second. */
static const char *at(int64_t second)
{
    events[0] = '\0';
    now = second;
    cryptoperiod_check((uint64_t)second);
    return events;
}

static void setup(void)
{
    static const uint8_t secret[PFSWRAP_KEY_BYTES] = {1, 2}, psk[PFSWRAP_KEY_BYTES] = {3};
    policy_builtin(&policy);
    strcpy(policy.seal.identities[0], "/a.key");
    strcpy(policy.seal.psks[0], "/site.psk");
    policy.seal.identity_count = policy.seal.psk_count = 1;
    keyring = pfswrap_keyring_new();
    ck_assert_int_eq(pfswrap_keyring_add_identity(keyring, secret), 0);
    keyring_set_created(keyring, false, 1000);
    ck_assert_int_eq(pfswrap_keyring_add_psk(keyring, psk), 0);
    keyring_set_created(keyring, true, 2000);
}

static void add_peer(void)
{
    static const uint8_t secret[PFSWRAP_KEY_BYTES] = {9};
    uint8_t public_key[PFSWRAP_KEY_BYTES];
    pfswrap_key_derive_public(public_key, secret);
    ck_assert_int_eq(pfswrap_keyring_add_peer(keyring, "redis", public_key, DAY + 2999, NULL), 0);
}

START_TEST(keys_without_a_limit_have_no_events)
{
    add_peer();
    cryptoperiod_look();
    ck_assert_str_eq(at(INT64_MAX - 1), "");
    ck_assert_int_eq(atomic_load(&cryptoperiod_next), INT64_MAX);
}
END_TEST

START_TEST(each_key_is_reported_at_its_second_and_once)
{
    policy.seal.max_key_age_s = DAY;
    policy.seal.warn_before_s = 100;
    add_peer();
    now = 5000;
    cryptoperiod_look();
    ck_assert_str_eq(events, "");
    ck_assert_int_eq(atomic_load(&cryptoperiod_next), DAY + 900);
    ck_assert_str_eq(at(DAY + 899), "");
    ck_assert_str_eq(at(DAY + 900), "expiring identity /a.key 1970-01-02T00:16:40Z;");
    ck_assert_str_eq(at(DAY + 999), "");
    ck_assert_str_eq(at(DAY + 1000), "expired identity /a.key 1970-01-02T00:16:40Z;");
    ck_assert_str_eq(at(DAY + 1001), "");
    ck_assert_str_eq(at(DAY + 2950), "expired psk /site.psk 1970-01-02T00:33:20Z;"
                                     "expiring peer redis 1970-01-02T00:50:00Z;");
    cryptoperiod_look();
    ck_assert_str_eq(at(DAY + 3000), "expired peer redis 1970-01-02T00:50:00Z;");
    ck_assert_str_eq(at(INT64_MAX - 1), "");
}
END_TEST

START_TEST(without_a_warning_only_the_end_is_reported)
{
    policy.seal.max_key_age_s = DAY;
    now = 5000;
    cryptoperiod_look();
    ck_assert_str_eq(at(DAY + 999), "");
    ck_assert_str_eq(at(DAY + 1500), "expired identity /a.key 1970-01-02T00:16:40Z;");
}
END_TEST

START_TEST(peers_need_a_warning_or_a_limit)
{
    policy.seal.warn_before_s = 100;
    add_peer();
    now = 1;
    cryptoperiod_look();
    ck_assert_str_eq(at(DAY + 2900), "expiring peer redis 1970-01-02T00:50:00Z;");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("cryptoperiod");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, keys_without_a_limit_have_no_events);
    tcase_add_test(cases, each_key_is_reported_at_its_second_and_once);
    tcase_add_test(cases, without_a_warning_only_the_end_is_reported);
    tcase_add_test(cases, peers_need_a_warning_or_a_limit);
    return run_suite(cases, "cryptoperiods");
}
