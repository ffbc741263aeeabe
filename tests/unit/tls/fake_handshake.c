/* See fake_handshake.h. */
#include "fake_handshake.h"

struct fake_handshake fake_handshake;
int keys_given, keys_freed;

static int fake_version(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.version;
}

static int fake_is_dtls(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.is_dtls;
}

static int fake_is_quic(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.is_quic;
}

static int fake_is_server(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.is_server;
}

static int fake_is_reused(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.is_reused;
}

static const SSL_CIPHER *fake_cipher(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.has_cipher ? (const SSL_CIPHER *)(const void *)&fake_handshake : NULL;
}

static uint32_t fake_cipher_id(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return fake_handshake.cipher;
}

static int fake_exchange(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return fake_handshake.exchange;
}

static int fake_is_aead(const SSL_CIPHER *cipher)
{
    (void)cipher;
    return fake_handshake.is_aead;
}

static long fake_ctrl(SSL *ssl, int command, long value, void *pointer)
{
    (void)ssl, (void)value;
    switch (command) {
    case SSL_CTRL_GET_PEER_TMP_KEY:
        if (fake_handshake.key == 0)
            return 0;
        keys_given++;
        *(EVP_PKEY **)pointer = (EVP_PKEY *)(void *)&fake_handshake;
        return 1;
    case SSL_CTRL_GET_NEGOTIATED_GROUP:
        return fake_handshake.negotiated;
    case SSL_CTRL_GET_SHARED_GROUP:
        return fake_handshake.shared;
    default:
        ck_abort_msg("an unexpected command: %d", command);
    }
}

static int fake_key_id(const EVP_PKEY *key)
{
    (void)key;
    return fake_handshake.key;
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
    return fake_handshake.curve;
}

static void fake_key_free(EVP_PKEY *key)
{
    (void)key;
    keys_freed++;
}

static const char *fake_group_name(SSL *ssl)
{
    (void)ssl;
    return fake_handshake.group_name;
}

static uint64_t fake_options(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.options;
}

static SSL_CTX *fake_context(const SSL *ssl)
{
    (void)ssl;
    return NULL;
}

static SSL_SESSION *fake_session(const SSL *ssl)
{
    (void)ssl;
    return (SSL_SESSION *)(void *)&fake_handshake;
}

static int fake_has_ticket(const SSL_SESSION *session)
{
    (void)session;
    return fake_handshake.has_ticket;
}

static int fake_verify_mode(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.verify_mode;
}

static long fake_verify_result(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.verify_result;
}

static X509 *fake_certificate(const SSL *ssl)
{
    (void)ssl;
    return fake_handshake.has_certificate ? (X509 *)(void *)&fake_handshake : NULL;
}

static void fake_certificate_free(X509 *certificate)
{
    (void)certificate;
}

struct libssl fake_handshake_lib = {
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
