/*
 * The settings of a connection: what the policy makes of them, and what libssl has before, during and after.
 */
#include "../suite.h"
#include "fake_settings.h"

#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "tls/ciphers.h"
#include "tls/groups.h"
#include "tls/report.h"
#include "tls/security.h"
#include "tls/settings.h"
#include "tls/transparency.h"

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

/* The overrides that were reported, each as "setting=asked ". */
static char overrides[1024];

void override_report(const char *setting, const char *asked, const char *forced)
{
    (void)forced;
    size_t used = strlen(overrides);
    (void)snprintf(overrides + used, sizeof overrides - used, "%s=%s ", setting, asked);
}

const char *report_version_name(int version)
{
    return version == 0                ? "any"
           : version == TLS1_2_VERSION ? "TLSv1.2"
           : version == TLS1_VERSION   ? "TLSv1"
                                       : "other";
}

/* A context as the shim knows it; NULL: it was created without an interposed call. */
static struct tls_context context;
static struct tls_context *known_context = &context;

struct tls_context *tls_context_find(const struct libssl *lib, const SSL_CTX *of)
{
    (void)lib, (void)of;
    return known_context;
}

static bool groups_were_set, callback_was_set, scts_were_asked_for;

const char *tls_groups_begin(const struct tls_target *target)
{
    (void)target;
    groups_were_set = true;
    return NULL;
}

void tls_security_install(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    (void)lib, (void)ssl, (void)connection;
    callback_was_set = true;
}

void tls_transparency_ask(const struct libssl *lib, SSL *connection_of_client)
{
    (void)lib, (void)connection_of_client;
    scts_were_asked_for = true;
}

static const char *ciphers_reason;

const char *tls_ciphers_enforce(struct libssl *lib, SSL *ssl, bool dtls, bool enforce)
{
    (void)lib, (void)ssl, (void)dtls, (void)enforce;
    return ciphers_reason;
}

struct tls_saved_errors tls_errors_save(const struct libssl *lib)
{
    return (struct tls_saved_errors){.lib = lib};
}

void tls_errors_restore(struct tls_saved_errors saved)
{
    (void)saved;
}

static SSL *const ssl = (SSL *)&fake_settings; /* only its address is used */
static struct tls_connection connection;

enum { KEPT_OPTION = SSL_OP_CIPHER_SERVER_PREFERENCE, TICKETS = 2 };
static const uint64_t always_set = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;

static void setup(void)
{
    policy_builtin(&policy);
}

/* What the policy makes of these settings on a TLS client. */
static struct tls_settings allowed(struct tls_settings asked)
{
    return tls_settings_allowed(&policy.tls, &asked, false, false);
}

START_TEST(a_maximum_below_tls13_is_removed_and_a_minimum_below_the_policys_is_raised)
{
    struct tls_settings result = allowed((struct tls_settings){.min_version = TLS1_VERSION, //
                                                               .max_version = TLS1_2_VERSION});
    ck_assert_int_eq(result.max_version, 0);
    ck_assert_int_eq(result.min_version, TLS1_3_VERSION);
    policy.tls.min_version = TLS1_2_VERSION;
    result = allowed((struct tls_settings){.min_version = TLS1_VERSION, .max_version = TLS1_2_VERSION});
    ck_assert_int_eq(result.max_version, 0);
    ck_assert_int_eq(result.min_version, TLS1_2_VERSION);
}
END_TEST

START_TEST(limits_that_the_policy_allows_stay)
{
    struct tls_settings result = allowed((struct tls_settings){.min_version = TLS1_3_VERSION, //
                                                               .max_version = TLS1_3_VERSION});
    ck_assert_int_eq(result.min_version, TLS1_3_VERSION);
    ck_assert_int_eq(result.max_version, TLS1_3_VERSION);
    policy.tls.min_version = TLS1_2_VERSION;
    result = allowed((struct tls_settings){.min_version = TLS1_3_VERSION, .max_version = 0});
    ck_assert_int_eq(result.min_version, TLS1_3_VERSION);
    ck_assert_int_eq(result.max_version, 0);
}
END_TEST

START_TEST(dtls_versions_count_downwards)
{
    struct tls_settings asked = {.min_version = DTLS1_VERSION, .max_version = DTLS1_VERSION};
    struct tls_settings result = tls_settings_allowed(&policy.tls, &asked, true, false);
    ck_assert_int_eq(result.min_version, DTLS1_2_VERSION);
    ck_assert_int_eq(result.max_version, 0);
    asked = (struct tls_settings){.min_version = 0, .max_version = DTLS1_2_VERSION, .options = SSL_OP_NO_DTLSv1_2};
    result = tls_settings_allowed(&policy.tls, &asked, true, false);
    ck_assert_int_eq(result.min_version, DTLS1_2_VERSION);
    ck_assert_int_eq(result.max_version, DTLS1_2_VERSION);
    ck_assert_uint_eq(result.options & SSL_OP_NO_DTLSv1_2, 0);
}
END_TEST

START_TEST(options_that_weaken_are_cleared_and_all_others_stay)
{
    const uint64_t weak = SSL_OP_NO_TLSv1_3 | SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                          SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_CISCO_ANYCONNECT |
                          SSL_OP_ALLOW_CLIENT_RENEGOTIATION;
    struct tls_settings result = allowed((struct tls_settings){.options = weak | KEPT_OPTION});
    ck_assert_uint_eq(result.options, KEPT_OPTION | always_set);
    result = allowed((struct tls_settings){.options = 0});
    ck_assert_uint_eq(result.options, always_set);
}
END_TEST

START_TEST(early_data_is_always_refused)
{
    ck_assert_uint_eq(allowed((struct tls_settings){.max_early_data = 16384}).max_early_data, 0);
}
END_TEST

START_TEST(tickets_are_issued_only_to_programs_that_expect_tls13_and_if_the_policy_allows_it)
{
    policy.tls.session_tickets = POLICY_TICKETS_ALLOW;
    struct tls_settings asked = {.num_tickets = TICKETS};
    ck_assert_uint_eq(allowed(asked).num_tickets, TICKETS);
    asked.options = SSL_OP_NO_TLSv1_3;
    ck_assert_uint_eq(allowed(asked).num_tickets, 0);
    asked = (struct tls_settings){.num_tickets = TICKETS, .max_version = TLS1_2_VERSION};
    ck_assert_uint_eq(allowed(asked).num_tickets, 0);
    asked = (struct tls_settings){.num_tickets = TICKETS, .max_version = DTLS1_2_VERSION};
    ck_assert_uint_eq(tls_settings_allowed(&policy.tls, &asked, true, true).num_tickets, TICKETS);
    policy.tls.session_tickets = POLICY_TICKETS_REFUSE;
    asked = (struct tls_settings){.num_tickets = TICKETS};
    ck_assert_uint_eq(allowed(asked).num_tickets, 0);
}
END_TEST

START_TEST(only_a_server_must_ask_for_certificates_and_only_if_the_policy_verifies_clients)
{
    const struct tls_settings asked = {.verify_mode = SSL_VERIFY_NONE};
    const int required = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    policy.tls.client_certificates = POLICY_VERIFY_REQUIRE;
    ck_assert_int_eq(tls_settings_allowed(&policy.tls, &asked, false, true).verify_mode, required);
    ck_assert_int_eq(tls_settings_allowed(&policy.tls, &asked, false, false).verify_mode, SSL_VERIFY_NONE);
    policy.tls.client_certificates = POLICY_VERIFY_APPLICATION;
    ck_assert_int_eq(tls_settings_allowed(&policy.tls, &asked, false, true).verify_mode, SSL_VERIFY_NONE);
}
END_TEST

START_TEST(during_a_handshake_libssl_has_the_policys_settings_and_the_programs_are_remembered)
{
    fake_settings =
        (struct tls_settings){.max_version = TLS1_2_VERSION, .options = KEPT_OPTION, .num_tickets = TICKETS};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_UNKNOWN));
    ck_assert_int_eq(connection.stage, TLS_STAGE_HANDSHAKE);
    ck_assert(connection.upgraded);
    ck_assert(callback_was_set);
    ck_assert(!groups_were_set); /* the context has given them to the connection */
    ck_assert_int_eq(fake_settings.max_version, 0);
    ck_assert_int_eq(fake_settings.min_version, TLS1_3_VERSION);
    ck_assert_uint_eq(fake_settings.options, KEPT_OPTION | always_set);
    ck_assert_uint_eq(fake_settings.num_tickets, 0);
    ck_assert_int_eq(connection.asked.max_version, TLS1_2_VERSION);
    ck_assert_uint_eq(connection.asked.options, KEPT_OPTION);
    ck_assert_uint_eq(connection.asked.num_tickets, TICKETS);
}
END_TEST

START_TEST(settings_that_agree_with_the_policy_are_not_written)
{
    fake_settings =
        (struct tls_settings){.min_version = TLS1_3_VERSION, .options = always_set, .num_tickets = TICKETS};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert_int_eq(setter_calls, 0);
    ck_assert(!connection.upgraded);
}
END_TEST

START_TEST(a_context_that_the_shim_does_not_know_has_not_given_the_connection_the_policys_groups)
{
    known_context = NULL;
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert(groups_were_set);
}
END_TEST

START_TEST(only_clients_ask_for_scts)
{
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_SERVER));
    ck_assert(!scts_were_asked_for);
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert(scts_were_asked_for);
}
END_TEST

START_TEST(a_connection_without_usable_ciphers_is_refused)
{
    ciphers_reason = "none left";
    ck_assert_str_eq(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT), "none left");
}
END_TEST

START_TEST(with_mode_audit_nothing_is_written_and_nothing_refused_but_overrides_are_reported)
{
    policy.mode = POLICY_AUDIT;
    ciphers_reason = "none left";
    fake_settings = (struct tls_settings){.max_version = TLS1_2_VERSION, .max_early_data = 1};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert_int_eq(setter_calls, 0);
    ck_assert(!callback_was_set);
    ck_assert(!scts_were_asked_for);
    ck_assert_ptr_nonnull(strstr(overrides, "max-version=TLSv1.2 "));
    ck_assert_ptr_nonnull(strstr(overrides, "early-data=allowed "));
    tls_settings_release(&fake_settings_lib, ssl, &connection);
    tls_settings_retake(&fake_settings_lib, ssl, &connection);
    ck_assert_int_eq(setter_calls, 0);
}
END_TEST

START_TEST(only_what_the_program_itself_has_weakened_is_reported)
{
    /* The library's configuration file chose the minimum, and the library has always had one of the options. */
    context.initial_min = TLS1_VERSION;
    context.initial_options = SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_COMPRESSION;
    fake_settings = (struct tls_settings){.min_version = TLS1_VERSION,
                                          .options = SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_TLSv1_3};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert_str_eq(overrides, "options=no-tls1.3 options=compression ");
}
END_TEST

START_TEST(a_setting_made_during_the_handshake_changes_what_the_program_reads_and_not_the_policy)
{
    fake_settings = (struct tls_settings){.max_version = TLS1_2_VERSION};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    tls_settings_release(&fake_settings_lib, ssl, &connection);
    ck_assert_int_eq(fake_settings.max_version, TLS1_2_VERSION);
    ck_assert_int_eq(fake_settings.min_version, 0);
    fake_settings.min_version = TLS1_VERSION; /* the program's call */
    tls_settings_retake(&fake_settings_lib, ssl, &connection);
    ck_assert_int_eq(connection.asked.min_version, TLS1_VERSION);
    ck_assert_int_eq(fake_settings.min_version, TLS1_3_VERSION);
    ck_assert_int_eq(fake_settings.max_version, 0);
}
END_TEST

START_TEST(before_the_handshake_and_without_a_record_settings_are_left_alone)
{
    fake_settings = (struct tls_settings){.max_version = TLS1_2_VERSION};
    tls_settings_release(&fake_settings_lib, ssl, &connection);
    tls_settings_retake(&fake_settings_lib, ssl, &connection);
    tls_settings_release(&fake_settings_lib, ssl, NULL);
    tls_settings_retake(&fake_settings_lib, ssl, NULL);
    ck_assert_int_eq(setter_calls, 0);
}
END_TEST

START_TEST(quic_has_its_own_versions_and_keeps_all_settings)
{
    is_quic = true;
    fake_settings = (struct tls_settings){.max_version = TLS1_2_VERSION, .num_tickets = TICKETS};
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    tls_settings_release(&fake_settings_lib, ssl, &connection);
    tls_settings_retake(&fake_settings_lib, ssl, &connection);
    ck_assert_int_eq(setter_calls, 0);
    ck_assert(!connection.upgraded);
}
END_TEST

START_TEST(the_role_of_the_call_comes_before_the_connections_own)
{
    policy.tls.client_certificates = POLICY_VERIFY_REQUIRE;
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_SERVER));
    ck_assert_int_ne(fake_settings.verify_mode, 0); /* SSL_accept() on a connection that is not a server yet */
    fake_settings.verify_mode = 0;
    is_server = true;
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_CLIENT));
    ck_assert_int_eq(fake_settings.verify_mode, 0);
    ck_assert_ptr_null(tls_settings_enforce(&fake_settings_lib, ssl, &connection, TLS_ROLE_UNKNOWN));
    ck_assert_int_ne(fake_settings.verify_mode, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("settings");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_maximum_below_tls13_is_removed_and_a_minimum_below_the_policys_is_raised);
    tcase_add_test(cases, limits_that_the_policy_allows_stay);
    tcase_add_test(cases, dtls_versions_count_downwards);
    tcase_add_test(cases, options_that_weaken_are_cleared_and_all_others_stay);
    tcase_add_test(cases, early_data_is_always_refused);
    tcase_add_test(cases, tickets_are_issued_only_to_programs_that_expect_tls13_and_if_the_policy_allows_it);
    tcase_add_test(cases, only_a_server_must_ask_for_certificates_and_only_if_the_policy_verifies_clients);
    tcase_add_test(cases, during_a_handshake_libssl_has_the_policys_settings_and_the_programs_are_remembered);
    tcase_add_test(cases, settings_that_agree_with_the_policy_are_not_written);
    tcase_add_test(cases, a_context_that_the_shim_does_not_know_has_not_given_the_connection_the_policys_groups);
    tcase_add_test(cases, only_clients_ask_for_scts);
    tcase_add_test(cases, a_connection_without_usable_ciphers_is_refused);
    tcase_add_test(cases, with_mode_audit_nothing_is_written_and_nothing_refused_but_overrides_are_reported);
    tcase_add_test(cases, only_what_the_program_itself_has_weakened_is_reported);
    tcase_add_test(cases, a_setting_made_during_the_handshake_changes_what_the_program_reads_and_not_the_policy);
    tcase_add_test(cases, before_the_handshake_and_without_a_record_settings_are_left_alone);
    tcase_add_test(cases, quic_has_its_own_versions_and_keeps_all_settings);
    tcase_add_test(cases, the_role_of_the_call_comes_before_the_connections_own);
    return run_suite(cases, "settings");
}
