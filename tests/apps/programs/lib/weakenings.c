/* Calls that OpenSSL 3.0 has deprecated are weakenings, too. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "weakenings.h"

#include <openssl/conf.h>
#include <openssl/dh.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <stdio.h>

static void answer(const char *call, long value)
{
    (void)printf("answer %s %ld\n", call, value);
}

/* A call that exists for contexts and, under another name, for connections. */
#define BOTH(name, on_ctx, on_ssl)                                                                                 \
    static void name##_ctx(SSL_CTX *c)                                                                             \
    {                                                                                                              \
        on_ctx;                                                                                                    \
    }                                                                                                              \
    static void name##_ssl(SSL *s)                                                                                 \
    {                                                                                                              \
        on_ssl;                                                                                                    \
    }

static const uint64_t BAD_OPTIONS = SSL_OP_ALLOW_NO_DHE_KEX | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                                    SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_ANTI_REPLAY |
                                    SSL_OP_NO_EXTENDED_MASTER_SECRET | SSL_OP_PRIORITIZE_CHACHA;

BOTH(max_version, answer("max", SSL_CTX_set_max_proto_version(c, TLS1_2_VERSION)),
     answer("max", SSL_set_max_proto_version(s, TLS1_2_VERSION)))
BOTH(min_version, answer("min", SSL_CTX_set_min_proto_version(c, TLS1_VERSION)),
     answer("min", SSL_set_min_proto_version(s, TLS1_VERSION)))
BOTH(no_version_limits,
     (answer("min", SSL_CTX_set_min_proto_version(c, 0)), answer("max", SSL_CTX_set_max_proto_version(c, 0))),
     (answer("min", SSL_set_min_proto_version(s, 0)), answer("max", SSL_set_max_proto_version(s, 0))))
BOTH(option_no_tls13, answer("options", (long)SSL_CTX_set_options(c, SSL_OP_NO_TLSv1_3)),
     answer("options", (long)SSL_set_options(s, SSL_OP_NO_TLSv1_3)))
BOTH(options_bad, answer("options", (long)SSL_CTX_set_options(c, BAD_OPTIONS)),
     answer("options", (long)SSL_set_options(s, BAD_OPTIONS)))
BOTH(options_cleared, answer("options", (long)SSL_CTX_clear_options(c, ~UINT64_C(0))),
     answer("options", (long)SSL_clear_options(s, ~UINT64_C(0))))
BOTH(ciphers_all, answer("ciphers", SSL_CTX_set_cipher_list(c, "ALL:eNULL:@SECLEVEL=0")),
     answer("ciphers", SSL_set_cipher_list(s, "ALL:eNULL:@SECLEVEL=0")))
BOTH(ciphers_static_rsa, answer("ciphers", SSL_CTX_set_cipher_list(c, "AES128-SHA:AES256-GCM-SHA384")),
     answer("ciphers", SSL_set_cipher_list(s, "AES128-SHA:AES256-GCM-SHA384")))
BOTH(ciphers_unknown, answer("ciphers", SSL_CTX_set_cipher_list(c, "NONE-SUCH")),
     answer("ciphers", SSL_set_cipher_list(s, "NONE-SUCH")))
BOTH(ciphersuites_none, answer("suites", SSL_CTX_set_ciphersuites(c, "")),
     answer("suites", SSL_set_ciphersuites(s, "")))
BOTH(ciphersuites_ccm8, answer("suites", SSL_CTX_set_ciphersuites(c, "TLS_AES_128_CCM_8_SHA256")),
     answer("suites", SSL_set_ciphersuites(s, "TLS_AES_128_CCM_8_SHA256")))
BOTH(groups_ffdhe, answer("groups", SSL_CTX_set1_groups_list(c, "ffdhe2048:ffdhe3072")),
     answer("groups", SSL_set1_groups_list(s, "ffdhe2048:ffdhe3072")))
BOTH(groups_p521, answer("groups", SSL_CTX_set1_curves_list(c, "P-521")),
     answer("groups", SSL_set1_curves_list(s, "P-521")))
BOTH(groups_unknown, answer("groups", SSL_CTX_set1_groups_list(c, "X25519:nonesuch")),
     answer("groups", SSL_set1_groups_list(s, "X25519:nonesuch")))

static int ffdhe_nids[] = {NID_ffdhe2048};
BOTH(groups_numbers, answer("groups", SSL_CTX_set1_groups(c, ffdhe_nids, 1)),
     answer("groups", SSL_set1_groups(s, ffdhe_nids, 1)))

BOTH(sigalgs_pkcs1, answer("sigalgs", SSL_CTX_set1_sigalgs_list(c, "RSA+SHA256")),
     answer("sigalgs", SSL_set1_sigalgs_list(s, "RSA+SHA256")))
BOTH(client_sigalgs, answer("sigalgs", SSL_CTX_set1_client_sigalgs_list(c, "RSA+SHA1")),
     answer("sigalgs", SSL_set1_client_sigalgs_list(s, "RSA+SHA1")))

static int pkcs1_pairs[] = {NID_sha256, EVP_PKEY_RSA};
BOTH(sigalgs_numbers, answer("sigalgs", SSL_CTX_set1_sigalgs(c, pkcs1_pairs, 2)),
     answer("sigalgs", SSL_set1_sigalgs(s, pkcs1_pairs, 2)))

BOTH(security_level, SSL_CTX_set_security_level(c, 0), SSL_set_security_level(s, 0))

int weakening_allow_all(const SSL *s, const SSL_CTX *c, int op, int bits, int nid, void *other, void *ex)
{
    (void)s, (void)c, (void)op, (void)bits, (void)nid, (void)other, (void)ex;
    return 1;
}
BOTH(security_callback, SSL_CTX_set_security_callback(c, weakening_allow_all),
     SSL_set_security_callback(s, weakening_allow_all))

/* Commands of SSL_CONF_cmd, NAME VALUE pairs up to a NULL. */
static void configure(SSL_CTX *c, SSL *s, unsigned flags, const char *const *commands)
{
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
    SSL_CONF_CTX_set_flags(conf, flags | SSL_CONF_FLAG_CLIENT | SSL_CONF_FLAG_SERVER | SSL_CONF_FLAG_CERTIFICATE);
    if (c != NULL)
        SSL_CONF_CTX_set_ssl_ctx(conf, c);
    else
        SSL_CONF_CTX_set_ssl(conf, s);
    for (; *commands != NULL; commands += 2)
        answer(commands[0], SSL_CONF_cmd(conf, commands[0], commands[1]));
    answer("finish", SSL_CONF_CTX_finish(conf));
    SSL_CONF_CTX_free(conf);
}

static const char *const conf_protocol[] = {"Protocol", "-ALL,TLSv1.2", NULL};
BOTH(conf_protocol, configure(c, NULL, SSL_CONF_FLAG_FILE, conf_protocol),
     configure(NULL, s, SSL_CONF_FLAG_FILE, conf_protocol))
static const char *const conf_max_protocol[] = {"MinProtocol", "TLSv1", "MaxProtocol", "TLSv1.2", NULL};
BOTH(conf_max_protocol, configure(c, NULL, SSL_CONF_FLAG_FILE, conf_max_protocol),
     configure(NULL, s, SSL_CONF_FLAG_FILE, conf_max_protocol))
static const char *const conf_groups[] = {"Groups", "ffdhe2048", "SignatureAlgorithms", "RSA+SHA256", NULL};
BOTH(conf_groups, configure(c, NULL, SSL_CONF_FLAG_FILE, conf_groups),
     configure(NULL, s, SSL_CONF_FLAG_FILE, conf_groups))
static const char *const conf_options[] = {"Options",
                                           "UnsafeLegacyRenegotiation,Compression,-EncryptThenMac",
                                           "CipherString",
                                           "ALL:@SECLEVEL=0",
                                           "Ciphersuites",
                                           "",
                                           NULL};
BOTH(conf_options, configure(c, NULL, SSL_CONF_FLAG_FILE, conf_options),
     configure(NULL, s, SSL_CONF_FLAG_FILE, conf_options))
static const char *const conf_command_line[] = {
    "-no_tls1_3", NULL, "-groups", "ffdhe2048", "-legacy_renegotiation", NULL, "-cipher", "AES128-SHA", NULL};

static void conf_line(SSL_CTX *c, SSL *s)
{
    SSL_CONF_CTX *conf = SSL_CONF_CTX_new();
    SSL_CONF_CTX_set_flags(conf, SSL_CONF_FLAG_CMDLINE | SSL_CONF_FLAG_CLIENT | SSL_CONF_FLAG_SERVER);
    if (c != NULL)
        SSL_CONF_CTX_set_ssl_ctx(conf, c);
    else
        SSL_CONF_CTX_set_ssl(conf, s);
    for (size_t i = 0; i + 1 < sizeof conf_command_line / sizeof conf_command_line[0]; i += 2)
        answer(conf_command_line[i], SSL_CONF_cmd(conf, conf_command_line[i], conf_command_line[i + 1]));
    answer("finish", SSL_CONF_CTX_finish(conf));
    SSL_CONF_CTX_free(conf);
}
BOTH(conf_command_line, conf_line(c, NULL), conf_line(NULL, s))

/* The section "weak" of the file $OPENSSL_CONF names. */
BOTH(config_section, answer("config", SSL_CTX_config(c, "weak")), answer("config", SSL_config(s, "weak")))

static void dh_auto(SSL_CTX *c, SSL *s)
{
    answer("auto", c != NULL ? SSL_CTX_set_dh_auto(c, 1) : SSL_set_dh_auto(s, 1));
    DH *dh = DH_new_by_nid(NID_ffdhe2048);
    answer("tmp", c != NULL ? SSL_CTX_set_tmp_dh(c, dh) : SSL_set_tmp_dh(s, dh));
    DH_free(dh);
    answer("ciphers",
           c != NULL ? SSL_CTX_set_cipher_list(c, "DHE:@SECLEVEL=0") : SSL_set_cipher_list(s, "DHE:@SECLEVEL=0"));
}
BOTH(dh_parameters, dh_auto(c, NULL), dh_auto(NULL, s))

static EVP_PKEY *ffdhe_parameters(void)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *generator = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
    if (EVP_PKEY_paramgen_init(generator) == 1 && EVP_PKEY_CTX_set_dh_nid(generator, NID_ffdhe2048) == 1)
        (void)EVP_PKEY_paramgen(generator, &pkey);
    EVP_PKEY_CTX_free(generator);
    return pkey;
}
BOTH(dh_pkey, answer("pkey", SSL_CTX_set0_tmp_dh_pkey(c, ffdhe_parameters())),
     answer("pkey", SSL_set0_tmp_dh_pkey(s, ffdhe_parameters())))

static DH *dh_wanted(SSL *s, int is_export, int bits)
{
    (void)s, (void)is_export, (void)bits;
    return DH_new_by_nid(NID_ffdhe2048);
}
BOTH(dh_callback, SSL_CTX_set_tmp_dh_callback(c, dh_wanted), SSL_set_tmp_dh_callback(s, dh_wanted))

static void ecdh(SSL_CTX *c, SSL *s)
{
    EC_KEY *key = EC_KEY_new_by_curve_name(NID_secp521r1);
    answer("ecdh", c != NULL ? SSL_CTX_set_tmp_ecdh(c, key) : SSL_set_tmp_ecdh(s, key));
    EC_KEY_free(key);
}
BOTH(ecdh_parameters, ecdh(c, NULL), ecdh(NULL, s))

static int early_data_wanted(SSL *s, void *unused)
{
    (void)s, (void)unused;
    return 1;
}
BOTH(early_data,
     (answer("max", SSL_CTX_set_max_early_data(c, 16384)),
      answer("recv", SSL_CTX_set_recv_max_early_data(c, 16384)),
      SSL_CTX_set_allow_early_data_cb(c, early_data_wanted, NULL)),
     (answer("max", SSL_set_max_early_data(s, 16384)), answer("recv", SSL_set_recv_max_early_data(s, 16384)),
      SSL_set_allow_early_data_cb(s, early_data_wanted, NULL)))

BOTH(num_tickets, answer("tickets", SSL_CTX_set_num_tickets(c, 5)), answer("tickets", SSL_set_num_tickets(s, 5)))

long weakening_keylog_lines;
void weakening_keylog(const SSL *s, const char *line)
{
    (void)s;
    weakening_keylog_lines += line != NULL;
}
static void keylog_ctx(SSL_CTX *c)
{
    SSL_CTX_set_keylog_callback(c, weakening_keylog);
}

static unsigned char ticket_keys[80]; /* all zero: everybody can decrypt the tickets */
static void ticket_keys_ctx(SSL_CTX *c)
{
    answer("keys", SSL_CTX_set_tlsext_ticket_keys(c, ticket_keys, sizeof ticket_keys));
}

static void ssl_version_ctx(SSL_CTX *c)
{
    answer("version", SSL_CTX_set_ssl_version(c, TLSv1_2_method()));
}
static void method_ssl(SSL *s)
{
    answer("method", SSL_set_ssl_method(s, TLSv1_2_method()));
}

/* Weakens in the middle of a handshake, from the callbacks that a program has there. */
static void weaken_connection(SSL *s)
{
    (void)SSL_set_min_proto_version(s, 0);
    (void)SSL_set_max_proto_version(s, TLS1_2_VERSION);
    (void)SSL_set_options(s, SSL_OP_NO_TLSv1_3 | SSL_OP_ALLOW_NO_DHE_KEX);
    (void)SSL_set_cipher_list(s, "ALL:@SECLEVEL=0");
    (void)SSL_set1_groups_list(s, "ffdhe2048");
}
static int in_cert_callback(SSL *s, void *unused)
{
    (void)unused;
    weaken_connection(s);
    return 1;
}
static int in_client_hello(SSL *s, int *alert, void *unused)
{
    (void)alert, (void)unused;
    weaken_connection(s);
    return SSL_CLIENT_HELLO_SUCCESS;
}
SSL_CTX *weakening_other_context;
static int in_server_name(SSL *s, int *alert, void *unused)
{
    (void)alert, (void)unused;
    (void)SSL_set_SSL_CTX(s, weakening_other_context);
    weaken_connection(s);
    return SSL_TLSEXT_ERR_OK;
}
BOTH(cert_callback, SSL_CTX_set_cert_cb(c, in_cert_callback, NULL), SSL_set_cert_cb(s, in_cert_callback, NULL))
static void client_hello_callback_ctx(SSL_CTX *c)
{
    SSL_CTX_set_client_hello_cb(c, in_client_hello, NULL);
}
static void server_name_callback_ctx(SSL_CTX *c)
{
    SSL_CTX_set_tlsext_servername_callback(c, in_server_name);
}
static void everything_ssl(SSL *s)
{
    weaken_connection(s);
}
static void nothing_ctx(SSL_CTX *c)
{
    (void)c;
}

const struct weakening weakenings[] = {
#define ENTRY(name)                                                                                                \
    {                                                                                                              \
#name, name##_ctx, name##_ssl                                                                              \
    }
    {"nothing", nothing_ctx, NULL},
    ENTRY(max_version),
    ENTRY(min_version),
    ENTRY(no_version_limits),
    ENTRY(option_no_tls13),
    ENTRY(options_bad),
    ENTRY(options_cleared),
    ENTRY(ciphers_all),
    ENTRY(ciphers_static_rsa),
    ENTRY(ciphers_unknown),
    ENTRY(ciphersuites_none),
    ENTRY(ciphersuites_ccm8),
    ENTRY(groups_ffdhe),
    ENTRY(groups_p521),
    ENTRY(groups_unknown),
    ENTRY(groups_numbers),
    ENTRY(sigalgs_pkcs1),
    ENTRY(client_sigalgs),
    ENTRY(sigalgs_numbers),
    ENTRY(security_level),
    ENTRY(security_callback),
    ENTRY(conf_protocol),
    ENTRY(conf_max_protocol),
    ENTRY(conf_groups),
    ENTRY(conf_options),
    ENTRY(conf_command_line),
    ENTRY(config_section),
    ENTRY(dh_parameters),
    ENTRY(dh_pkey),
    ENTRY(dh_callback),
    ENTRY(ecdh_parameters),
    ENTRY(early_data),
    ENTRY(num_tickets),
    ENTRY(cert_callback),
    {"keylog", keylog_ctx, NULL},
    {"ticket_keys", ticket_keys_ctx, NULL},
    {"ssl_version", ssl_version_ctx, NULL},
    {"client_hello_callback", client_hello_callback_ctx, NULL},
    {"server_name_callback", server_name_callback_ctx, NULL},
    {"method", NULL, method_ssl},
    {"everything", NULL, everything_ssl},
#undef ENTRY
};

const size_t weakening_count = sizeof weakenings / sizeof weakenings[0];
