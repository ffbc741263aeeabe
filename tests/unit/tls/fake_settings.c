/* See fake_settings.h. */
#include "fake_settings.h"

#include <check.h>

struct tls_settings fake_settings;
bool is_dtls, is_server, is_quic;
int setter_calls;

static long fake_ctrl(SSL *ssl, int command, long value, void *pointer)
{
    (void)ssl, (void)pointer;
    switch (command) {
    case SSL_CTRL_GET_MIN_PROTO_VERSION:
        return fake_settings.min_version;
    case SSL_CTRL_GET_MAX_PROTO_VERSION:
        return fake_settings.max_version;
    case SSL_CTRL_SET_MIN_PROTO_VERSION:
        fake_settings.min_version = (int)value;
        break;
    case SSL_CTRL_SET_MAX_PROTO_VERSION:
        fake_settings.max_version = (int)value;
        break;
    default:
        ck_abort_msg("an unexpected command: %d", command);
    }
    setter_calls++;
    return 1;
}

static uint64_t fake_get_options(const SSL *ssl)
{
    (void)ssl;
    return fake_settings.options;
}

static uint64_t fake_set_options(SSL *ssl, uint64_t options)
{
    (void)ssl;
    setter_calls++;
    return fake_settings.options |= options;
}

static uint64_t fake_clear_options(SSL *ssl, uint64_t options)
{
    (void)ssl;
    setter_calls++;
    return fake_settings.options &= ~options;
}

static size_t fake_get_num_tickets(const SSL *ssl)
{
    (void)ssl;
    return fake_settings.num_tickets;
}

static int fake_set_num_tickets(SSL *ssl, size_t count)
{
    (void)ssl;
    setter_calls++;
    fake_settings.num_tickets = count;
    return 1;
}

static uint32_t fake_get_max_early_data(const SSL *ssl)
{
    (void)ssl;
    return fake_settings.max_early_data;
}

static int fake_set_max_early_data(SSL *ssl, uint32_t bytes)
{
    (void)ssl;
    setter_calls++;
    fake_settings.max_early_data = bytes;
    return 1;
}

static int fake_get_verify_mode(const SSL *ssl)
{
    (void)ssl;
    return fake_settings.verify_mode;
}

static void fake_set_verify(SSL *ssl, int mode, SSL_verify_cb callback)
{
    (void)ssl, (void)callback;
    setter_calls++;
    fake_settings.verify_mode = mode;
}

static int fake_is_dtls(const SSL *ssl)
{
    (void)ssl;
    return is_dtls;
}

static int fake_is_server(const SSL *ssl)
{
    (void)ssl;
    return is_server;
}

static int fake_is_quic(const SSL *ssl)
{
    (void)ssl;
    return is_quic;
}

static SSL_CTX *fake_get_context(const SSL *ssl)
{
    (void)ssl;
    return NULL;
}

struct libssl fake_settings_lib = {
    .SSL_ctrl = fake_ctrl,
    .SSL_get_options = fake_get_options,
    .SSL_set_options = fake_set_options,
    .SSL_clear_options = fake_clear_options,
    .SSL_get_num_tickets = fake_get_num_tickets,
    .SSL_set_num_tickets = fake_set_num_tickets,
    .SSL_get_max_early_data = fake_get_max_early_data,
    .SSL_set_max_early_data = fake_set_max_early_data,
    .SSL_get_verify_mode = fake_get_verify_mode,
    .SSL_set_verify = fake_set_verify,
    .SSL_is_dtls = fake_is_dtls,
    .SSL_is_server = fake_is_server,
    .SSL_is_quic = fake_is_quic,
    .SSL_get_SSL_CTX = fake_get_context,
};
