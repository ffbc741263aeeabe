/*
 * The negotiated parameters: which connections the policy allows after a handshake, and why not the others.
 */
#include "../suite.h"

#include <string.h>

#include "base/fork.h"
#include "config/init.h"
#include "config/override.h"
#include "tls/negotiated.h"

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

static const char *server_reason, *client_reason;
static int verifications;

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

/* What libssl says of the connection. */
static struct {
    int version;
    bool is_dtls, is_quic, is_server, is_reused, has_ticket;
    bool has_cipher;
    uint32_t cipher;
    int exchange;
    bool is_aead;
    int key, curve;         /* the peer's ephemeral key: its type, 0: none, and the NID of an EC key's curve */
    int negotiated, shared; /* the answers to questions for the group; 0: none */
    const char *group_name; /* of SSL_get0_group_name() */
    uint64_t options;
    int verify_mode;
    bool has_certificate;
    long verify_result;
} held;

static int keys_given, keys_freed;

static int fake_version(const SSL *ssl)
{
    (void)ssl;
    return held.version;
}

static int fake_is_dtls(const SSL *ssl)
{
    (void)ssl;
    return held.is_dtls;
}

static int fake_is_quic(const SSL *ssl)
{
    (void)ssl;
    return held.is_quic;
}

static int fake_is_server(const SSL *ssl)
{
    (void)ssl;
    return held.is_server;
}

static int fake_is_reused(const SSL *ssl)
{
    (void)ssl;
    return held.is_reused;
}

static const SSL_CIPHER *fake_cipher(const SSL *ssl)
{
    (void)ssl;
    return held.has_cipher ? (const SSL_CIPHER *)(const void *)&held : NULL;
}

static uint32_t fake_cipher_id(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return held.cipher;
}

static int fake_exchange(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return held.exchange;
}

static int fake_is_aead(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return held.is_aead;
}

static long fake_ctrl(SSL *ssl, int command, long value, void *pointer)
{
    (void)ssl, (void)value;
    switch (command) {
    case SSL_CTRL_GET_PEER_TMP_KEY:
        if (held.key == 0)
            return 0;
        keys_given++;
        *(EVP_PKEY **)pointer = (EVP_PKEY *)(void *)&held;
        return 1;
    case SSL_CTRL_GET_NEGOTIATED_GROUP:
        return held.negotiated;
    case SSL_CTRL_GET_SHARED_GROUP:
        return held.shared;
    default:
        ck_abort_msg("an unexpected command: %d", command);
    }
}

static int fake_key_id(const EVP_PKEY *key)
{
    (void)key;
    return held.key;
}

static const EC_KEY *fake_ec_key(const EVP_PKEY *key)
{
    return (const EC_KEY *)(const void *)key;
}

static const EC_GROUP *fake_ec_group(const EC_KEY *key)
{
    return (const EC_GROUP *)(const void *)key;
}

static int fake_curve(const EC_GROUP *group)
{
    (void)group;
    return held.curve;
}

static void fake_key_free(EVP_PKEY *key)
{
    (void)key;
    keys_freed++;
}

static const char *fake_group_name(SSL *ssl)
{
    (void)ssl;
    return held.group_name;
}

static uint64_t fake_options(const SSL *ssl)
{
    (void)ssl;
    return held.options;
}

static SSL_CTX *fake_context(const SSL *ssl)
{
    (void)ssl;
    return NULL;
}

static SSL_SESSION *fake_session(const SSL *ssl)
{
    (void)ssl;
    return (SSL_SESSION *)(void *)&held;
}

static int fake_has_ticket(const SSL_SESSION *session)
{
    (void)session;
    return held.has_ticket;
}

static int fake_verify_mode(const SSL *ssl)
{
    (void)ssl;
    return held.verify_mode;
}

static long fake_verify_result(const SSL *ssl)
{
    (void)ssl;
    return held.verify_result;
}

static X509 *fake_certificate(const SSL *ssl)
{
    (void)ssl;
    return held.has_certificate ? (X509 *)(void *)&held : NULL;
}

static void fake_certificate_free(X509 *certificate)
{
    (void)certificate;
}

static struct libssl lib = {
    .SSL_version = fake_version,
    .SSL_is_dtls = fake_is_dtls,
    .SSL_is_quic = fake_is_quic,
    .SSL_is_server = fake_is_server,
    .SSL_session_reused = fake_is_reused,
    .SSL_get_current_cipher = fake_cipher,
    .SSL_CIPHER_get_id = fake_cipher_id,
    .SSL_CIPHER_get_kx_nid = fake_exchange,
    .SSL_CIPHER_is_aead = fake_is_aead,
    .SSL_ctrl = fake_ctrl,
    .EVP_PKEY_get_id = fake_key_id,
    .EVP_PKEY_get0_EC_KEY = fake_ec_key,
    .EC_KEY_get0_group = fake_ec_group,
    .EC_GROUP_get_curve_name = fake_curve,
    .EVP_PKEY_free = fake_key_free,
    .SSL_get0_group_name = fake_group_name,
    .SSL_get_options = fake_options,
    .SSL_get_SSL_CTX = fake_context,
    .SSL_get_session = fake_session,
    .SSL_SESSION_has_ticket = fake_has_ticket,
    .SSL_get_verify_mode = fake_verify_mode,
    .SSL_get_verify_result = fake_verify_result,
    .SSL_get1_peer_certificate = fake_certificate,
    .X509_free = fake_certificate_free,
};

/* A full handshake of TLS 1.3 with X25519, on a client. */
static void setup(void)
{
    policy_builtin(&policy);
    policy.tls.groups[0] = HYBRID_ID;
    policy.tls.groups[1] = X25519_ID;
    policy.tls.groups[2] = P256_ID;
    policy.tls.group_count = 3;
    held.version = TLS1_3_VERSION;
    held.has_cipher = true;
    held.cipher = 0x03001302;
    held.key = EVP_PKEY_X25519;
}

/* The same of TLS 1.2, with P-256. */
static void setup_tls12(void)
{
    policy.tls.min_version = TLS1_2_VERSION;
    held.version = TLS1_2_VERSION;
    held.cipher = 0x0300c02f;
    held.exchange = NID_kx_ecdhe;
    held.is_aead = true;
    held.key = EVP_PKEY_EC;
    held.curve = NID_X9_62_prime256v1;
}

static struct tls_negotiated verify(void)
{
    struct tls_negotiated negotiated = tls_verify_negotiated(&lib, NULL);
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
    held.key = EVP_PKEY_EC;
    held.curve = NID_X9_62_prime256v1;
    expect_allowed("P-256");
}
END_TEST

START_TEST(a_handshake_without_an_ephemeral_key_is_refused)
{
    held.key = 0;
    expect_refused("the handshake had no ephemeral key exchange");
    held.negotiated = NID_X25519; /* left over from the session that was resumed */
    expect_refused("the handshake had no ephemeral key exchange");
}
END_TEST

START_TEST(a_group_with_key_encapsulation_shows_no_key_and_is_allowed_by_its_number_or_name)
{
    held.key = 0;
    held.negotiated = MARKED | HYBRID_ID;
    expect_allowed("X25519MLKEM768");
    held.negotiated = 0;
    held.group_name = "X25519MLKEM768";
    expect_allowed("X25519MLKEM768");
}
END_TEST

START_TEST(such_a_group_proves_nothing_if_a_resumption_without_key_exchange_is_possible)
{
    held.key = 0;
    held.negotiated = MARKED | HYBRID_ID;
    held.options = SSL_OP_ALLOW_NO_DHE_KEX;
    expect_refused("the handshake had no ephemeral key exchange");
}
END_TEST

START_TEST(a_group_outside_the_policy_is_refused)
{
    held.key = EVP_PKEY_X448;
    expect_refused("the key exchange group is not in the policy");
    held.key = EVP_PKEY_EC;
    held.curve = NID_secp224r1;
    expect_refused("the key exchange group is not in the policy");
    held.curve = NID_undef;
    expect_refused("the key exchange group is not known");
}
END_TEST

START_TEST(a_cipher_outside_the_policy_and_a_missing_one_are_refused)
{
    held.cipher = 0x03001305;
    expect_refused("the cipher is not in the policy");
    held.has_cipher = false;
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
    held.version = TLS1_1_VERSION;
    expect_refused("the version is older than the policy allows");
}
END_TEST

START_TEST(a_tls12_server_reports_the_shared_group)
{
    setup_tls12();
    held.is_server = true;
    held.key = 0;
    held.shared = NID_X25519;
    expect_allowed("X25519");
    held.shared = 0;
    expect_allowed(NULL);
}
END_TEST

START_TEST(a_session_older_than_tls13_is_never_resumed)
{
    setup_tls12();
    held.is_reused = true;
    policy.tls.session_tickets = POLICY_TICKETS_ALLOW;
    expect_refused("a session older than TLS 1.3 was resumed, without a fresh key exchange");
}
END_TEST

START_TEST(dtls12_is_allowed_unless_the_policy_refuses_dtls)
{
    setup_tls12();
    policy.tls.min_version = TLS1_3_VERSION;
    policy.tls.dtls = POLICY_DTLS_ECDHE;
    held.is_dtls = true;
    held.version = DTLS1_2_VERSION;
    expect_allowed("P-256");
    held.version = DTLS1_VERSION;
    expect_refused("the version is older than the policy allows");
    held.version = DTLS1_2_VERSION;
    policy.tls.dtls = POLICY_DTLS_REFUSE;
    expect_refused("DTLS is refused by the policy");
}
END_TEST

START_TEST(quic_is_tls13_whatever_its_version_number_is)
{
    held.is_quic = true;
    held.version = QUIC_VERSION;
    expect_allowed("X25519");
}
END_TEST

START_TEST(a_resumption_of_tls13_is_allowed_as_the_policy_says)
{
    held.is_reused = held.has_ticket = true;
    policy.tls.session_tickets = POLICY_TICKETS_ALLOW;
    expect_allowed("X25519");
    policy.tls.session_tickets = POLICY_TICKETS_REFUSE;
    expect_refused("a session was resumed, which the policy refuses");
}
END_TEST

START_TEST(a_preshared_key_of_the_program_is_no_resumption)
{
    policy.tls.session_tickets = POLICY_TICKETS_REFUSE;
    held.is_reused = true;
    expect_allowed("X25519"); /* a client, whose session has no ticket */
    held.is_server = context_is_known = true;
    expect_allowed("X25519"); /* a server that cannot find a session */
    context_is_known = false;
    expect_refused("a session was resumed, which the policy refuses");
}
END_TEST

START_TEST(the_program_verified_its_peer_only_if_it_asked_for_it_and_it_succeeded)
{
    ck_assert_str_eq(verify().verified, "none");
    held.verify_mode = SSL_VERIFY_PEER;
    ck_assert_str_eq(verify().verified, "none"); /* a peer without a certificate */
    held.has_certificate = true;
    ck_assert_str_eq(verify().verified, "application");
    held.verify_result = X509_V_ERR_CERT_HAS_EXPIRED;
    ck_assert_str_eq(verify().verified, "none");
    held.verify_result = X509_V_OK;
    held.verify_mode = SSL_VERIFY_NONE;
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
    held.is_server = true;
    server_reason = "not asked here";
    policy.tls.pin_count = 1; /* for servers only */
    expect_allowed("X25519");
    policy.tls.client_certificates = POLICY_VERIFY_REQUIRE;
    client_reason = "no certificate";
    ck_assert_str_eq(verify().reason, "no certificate");
}
END_TEST

START_TEST(a_connection_that_is_refused_anyway_is_not_verified)
{
    policy.tls.verify_server = POLICY_VERIFY_REQUIRE;
    held.cipher = 0x03001305;
    expect_refused("the cipher is not in the policy");
    ck_assert_int_eq(verifications, 0);
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
    tcase_add_test(cases, a_connection_that_is_refused_anyway_is_not_verified);
    return run_suite(cases, "negotiated");
}
