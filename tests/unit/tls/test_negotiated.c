/*
 * The negotiated parameters: which connections the policy allows after a handshake, and why not the others.
 */
#include "../suite.h"
#include "fake_handshake.h"

#include <string.h>

#include "base/fork.h"
#include "config/init.h"
#include "config/override.h"
#include "tls/negotiated.h"
#include "tls/certificate_age.h"
#include "tls/transparency.h"

enum { X25519_ID = 29, P256_ID = 23, HYBRID_ID = 0x11ec, MARKED = 0x1000000, QUIC_VERSION = 1 };

const struct process_observer *const process_observers[] = {NULL};

static struct policy policy;

const struct policy *pfswrap_policy(void)
{
    return &policy;
}

void override_report(const char *setting, const char *asked, const char *forced)
{
    (void)asked, (void)forced;
    ck_abort_msg("verifying reports no override of %s", setting);
}

struct tls_saved_errors tls_errors_save(const struct libssl *lib)
{
    return (struct tls_saved_errors){.lib = lib};
}

void tls_errors_restore(struct tls_saved_errors saved)
{
    (void)saved;
}

static struct tls_context known_context;
static bool context_is_known;

struct tls_context *tls_context_find(const struct libssl *lib, const SSL_CTX *context)
{
    (void)lib, (void)context;
    return context_is_known ? &known_context : NULL;
}

static const char *server_reason, *client_reason, *transparency_reason, *age_reason;
static int verifications, transparency_verifications, age_checks;

const char *certificate_age_check(const struct libssl *lib, SSL *ssl)
{
    (void)lib, (void)ssl;
    age_checks++;
    return age_reason;
}

const char *tls_transparency_verify(const struct libssl *lib, SSL *ssl)
{
    (void)lib, (void)ssl;
    transparency_verifications++;
    return transparency_reason;
}

const char *tls_verify_server(struct libssl *lib, SSL *ssl)
{
    (void)lib, (void)ssl;
    verifications++;
    return server_reason;
}

const char *tls_verify_client(struct libssl *lib, SSL *ssl)
{
    (void)lib, (void)ssl;
    verifications++;
    return client_reason;
}

/* A full handshake of TLS 1.3 with X25519, on a client. */
static void setup(void)
{
    policy_builtin(&policy);
    policy.tls.groups[0] = HYBRID_ID;
    policy.tls.groups[1] = X25519_ID;
    policy.tls.groups[2] = P256_ID;
    policy.tls.group_count = 3;
    fake_handshake.version = TLS1_3_VERSION;
    fake_handshake.has_cipher = true;
    fake_handshake.cipher = 0x03001302;
    fake_handshake.key = EVP_PKEY_X25519;
}

/* The same of TLS 1.2, with P-256. */
static void setup_tls12(void)
{
    policy.tls.min_version = TLS1_2_VERSION;
    fake_handshake.version = TLS1_2_VERSION;
    fake_handshake.cipher = 0x0300c02f;
    fake_handshake.exchange = NID_kx_ecdhe;
    fake_handshake.is_aead = true;
    fake_handshake.key = EVP_PKEY_EC;
    fake_handshake.curve = NID_X9_62_prime256v1;
}

static struct tls_negotiated verify(void)
{
    struct tls_negotiated negotiated = tls_verify_negotiated(&fake_handshake_lib, NULL);
    ck_assert_int_eq(keys_given, keys_freed);
    return negotiated;
}

static void expect_allowed(const char *group)
{
    struct tls_negotiated negotiated = verify();
    ck_assert_msg(negotiated.reason == NULL, "refused: %s", negotiated.reason);
    if (group == NULL)
        ck_assert_ptr_null(negotiated.group);
    else
        ck_assert_str_eq(negotiated.group, group);
}

static void expect_refused(const char *reason)
{
    struct tls_negotiated negotiated = verify();
    ck_assert_msg(negotiated.reason != NULL, "not refused, expected: %s", reason);
    ck_assert_str_eq(negotiated.reason, reason);
    ck_assert_int_eq(negotiated.code, SSL_R_UNSUPPORTED_PROTOCOL);
}

START_TEST(a_full_handshake_of_tls13_is_allowed_with_each_kind_of_key)
{
    expect_allowed("X25519");
    fake_handshake.key = EVP_PKEY_EC;
    fake_handshake.curve = NID_X9_62_prime256v1;
    expect_allowed("P-256");
}
END_TEST

START_TEST(a_handshake_without_an_ephemeral_key_is_refused)
{
    fake_handshake.key = 0;
    expect_refused("the handshake had no ephemeral key exchange");
    fake_handshake.negotiated = NID_X25519; /* left over from the session that was resumed */
    expect_refused("the handshake had no ephemeral key exchange");
}
END_TEST

START_TEST(a_group_with_key_encapsulation_shows_no_key_and_is_allowed_by_its_number_or_name)
{
    fake_handshake.key = 0;
    fake_handshake.negotiated = MARKED | HYBRID_ID;
    expect_allowed("X25519MLKEM768");
    fake_handshake.negotiated = 0;
    fake_handshake.group_name = "X25519MLKEM768";
    expect_allowed("X25519MLKEM768");
}
END_TEST

START_TEST(such_a_group_proves_nothing_if_a_resumption_without_key_exchange_is_possible)
{
    fake_handshake.key = 0;
    fake_handshake.negotiated = MARKED | HYBRID_ID;
    fake_handshake.options = SSL_OP_ALLOW_NO_DHE_KEX;
    expect_refused("the handshake had no ephemeral key exchange");
}
END_TEST

START_TEST(a_group_outside_the_policy_is_refused)
{
    fake_handshake.key = EVP_PKEY_X448;
    expect_refused("the key exchange group is not in the policy");
    fake_handshake.key = EVP_PKEY_EC;
    fake_handshake.curve = NID_secp224r1;
    expect_refused("the key exchange group is not in the policy");
    fake_handshake.curve = NID_undef;
    expect_refused("the key exchange group is not known");
}
END_TEST

START_TEST(a_cipher_outside_the_policy_and_a_missing_one_are_refused)
{
    fake_handshake.cipher = 0x03001305;
    expect_refused("the cipher is not in the policy");
    fake_handshake.has_cipher = false;
    expect_refused("the cipher is not in the policy");
}
END_TEST

START_TEST(tls12_is_allowed_only_where_the_policy_says_so)
{
    setup_tls12();
    expect_allowed("P-256");
    policy.tls.min_version = TLS1_3_VERSION;
    expect_refused("the version is older than the policy allows");
    policy.tls.min_version = TLS1_2_VERSION;
    fake_handshake.version = TLS1_1_VERSION;
    expect_refused("the version is older than the policy allows");
}
END_TEST

START_TEST(a_tls12_server_reports_the_shared_group)
{
    setup_tls12();
    fake_handshake.is_server = true;
    fake_handshake.key = 0;
    fake_handshake.shared = NID_X25519;
    expect_allowed("X25519");
    fake_handshake.shared = 0;
    expect_allowed(NULL);
}
END_TEST

START_TEST(a_session_older_than_tls13_is_never_resumed)
{
    setup_tls12();
    fake_handshake.is_reused = true;
    policy.tls.session_tickets = POLICY_TICKETS_ALLOW;
    expect_refused("a session older than TLS 1.3 was resumed, without a fresh key exchange");
}
END_TEST

START_TEST(dtls12_is_allowed_unless_the_policy_refuses_dtls)
{
    setup_tls12();
    policy.tls.min_version = TLS1_3_VERSION;
    policy.tls.dtls = POLICY_DTLS_ECDHE;
    fake_handshake.is_dtls = true;
    fake_handshake.version = DTLS1_2_VERSION;
    expect_allowed("P-256");
    fake_handshake.version = DTLS1_VERSION;
    expect_refused("the version is older than the policy allows");
    fake_handshake.version = DTLS1_2_VERSION;
    policy.tls.dtls = POLICY_DTLS_REFUSE;
    expect_refused("DTLS is refused by the policy");
}
END_TEST

START_TEST(quic_is_tls13_whatever_its_version_number_is)
{
    fake_handshake.is_quic = true;
    fake_handshake.version = QUIC_VERSION;
    expect_allowed("X25519");
}
END_TEST

START_TEST(a_resumption_of_tls13_is_allowed_as_the_policy_says)
{
    fake_handshake.is_reused = fake_handshake.has_ticket = true;
    policy.tls.session_tickets = POLICY_TICKETS_ALLOW;
    expect_allowed("X25519");
    policy.tls.session_tickets = POLICY_TICKETS_REFUSE;
    expect_refused("a session was resumed, which the policy refuses");
}
END_TEST

START_TEST(a_preshared_key_of_the_program_is_no_resumption)
{
    policy.tls.session_tickets = POLICY_TICKETS_REFUSE;
    fake_handshake.is_reused = true;
    expect_allowed("X25519"); /* a client, whose session has no ticket */
    fake_handshake.is_server = context_is_known = true;
    expect_allowed("X25519"); /* a server that cannot find a session */
    context_is_known = false;
    expect_refused("a session was resumed, which the policy refuses");
}
END_TEST

START_TEST(the_program_verified_its_peer_only_if_it_asked_for_it_and_it_succeeded)
{
    ck_assert_str_eq(verify().verified, "none");
    fake_handshake.verify_mode = SSL_VERIFY_PEER;
    ck_assert_str_eq(verify().verified, "none"); /* a peer without a certificate */
    fake_handshake.has_certificate = true;
    ck_assert_str_eq(verify().verified, "application");
    fake_handshake.verify_result = X509_V_ERR_CERT_HAS_EXPIRED;
    ck_assert_str_eq(verify().verified, "none");
    fake_handshake.verify_result = X509_V_OK;
    fake_handshake.verify_mode = SSL_VERIFY_NONE;
    ck_assert_str_eq(verify().verified, "none");
    ck_assert_int_eq(verifications, 0);
}
END_TEST

START_TEST(the_policys_verification_of_a_server_decides)
{
    policy.tls.verify_server = POLICY_VERIFY_REQUIRE;
    ck_assert_str_eq(verify().verified, "policy");
    server_reason = "not trusted";
    struct tls_negotiated negotiated = verify();
    ck_assert_str_eq(negotiated.reason, "not trusted");
    ck_assert_int_eq(negotiated.code, SSL_R_CERTIFICATE_VERIFY_FAILED);
    policy.tls.verify_server = POLICY_VERIFY_APPLICATION;
    expect_allowed("X25519");
    policy.tls.pin_count = 1;
    ck_assert_str_eq(verify().reason, "not trusted");
}
END_TEST

START_TEST(the_policys_verification_of_a_client_decides)
{
    fake_handshake.is_server = true;
    server_reason = "not asked here";
    policy.tls.pin_count = 1; /* for servers only */
    expect_allowed("X25519");
    policy.tls.client_certificates = POLICY_VERIFY_REQUIRE;
    client_reason = "no certificate";
    ck_assert_str_eq(verify().reason, "no certificate");
}
END_TEST

START_TEST(the_age_of_a_servers_own_certificate_decides)
{
    age_reason = "too old";
    expect_allowed("X25519");
    ck_assert_int_eq(age_checks, 0);
    fake_handshake.is_server = true;
    struct tls_negotiated negotiated = verify();
    ck_assert_str_eq(negotiated.reason, "too old");
    ck_assert_int_eq(negotiated.code, SSL_R_CERTIFICATE_VERIFY_FAILED);
    ck_assert_int_eq(age_checks, 1);
}
END_TEST

START_TEST(what_a_server_shows_of_certificate_transparency_decides)
{
    transparency_reason = "no SCT";
    struct tls_negotiated negotiated = verify();
    ck_assert_str_eq(negotiated.reason, "no SCT");
    ck_assert_int_eq(negotiated.code, SSL_R_CERTIFICATE_VERIFY_FAILED);
    fake_handshake.is_server = true;
    expect_allowed("X25519");
    ck_assert_int_eq(transparency_verifications, 1);
}
END_TEST

START_TEST(a_connection_that_is_refused_anyway_is_not_verified)
{
    policy.tls.verify_server = POLICY_VERIFY_REQUIRE;
    fake_handshake.cipher = 0x03001305;
    expect_refused("the cipher is not in the policy");
    ck_assert_int_eq(verifications, 0);
    ck_assert_int_eq(transparency_verifications, 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("negotiated");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_full_handshake_of_tls13_is_allowed_with_each_kind_of_key);
    tcase_add_test(cases, a_handshake_without_an_ephemeral_key_is_refused);
    tcase_add_test(cases, a_group_with_key_encapsulation_shows_no_key_and_is_allowed_by_its_number_or_name);
    tcase_add_test(cases, such_a_group_proves_nothing_if_a_resumption_without_key_exchange_is_possible);
    tcase_add_test(cases, a_group_outside_the_policy_is_refused);
    tcase_add_test(cases, a_cipher_outside_the_policy_and_a_missing_one_are_refused);
    tcase_add_test(cases, tls12_is_allowed_only_where_the_policy_says_so);
    tcase_add_test(cases, a_tls12_server_reports_the_shared_group);
    tcase_add_test(cases, a_session_older_than_tls13_is_never_resumed);
    tcase_add_test(cases, dtls12_is_allowed_unless_the_policy_refuses_dtls);
    tcase_add_test(cases, quic_is_tls13_whatever_its_version_number_is);
    tcase_add_test(cases, a_resumption_of_tls13_is_allowed_as_the_policy_says);
    tcase_add_test(cases, a_preshared_key_of_the_program_is_no_resumption);
    tcase_add_test(cases, the_program_verified_its_peer_only_if_it_asked_for_it_and_it_succeeded);
    tcase_add_test(cases, the_policys_verification_of_a_server_decides);
    tcase_add_test(cases, the_policys_verification_of_a_client_decides);
    tcase_add_test(cases, the_age_of_a_servers_own_certificate_decides);
    tcase_add_test(cases, what_a_server_shows_of_certificate_transparency_decides);
    tcase_add_test(cases, a_connection_that_is_refused_anyway_is_not_verified);
    return run_suite(cases, "negotiated");
}
