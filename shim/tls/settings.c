/*
 * Reads the settings of a connection, computes what the policy makes of them, and writes the difference. Settings
 * that libssl has no getter for are elsewhere: groups.c, signature.c.
 */
#include "tls/settings.h"

#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "tls/ciphers.h"
#include "tls/groups.h"
#include "tls/report.h"
#include "tls/security.h"
#include "tls/policy_pin.h"
#include "tls/transparency.h"

/* Options that would weaken a connection. The bits are the same in all versions of OpenSSL. */
static const uint64_t options_cleared = SSL_OP_NO_TLSv1_3 | SSL_OP_ALLOW_NO_DHE_KEX |
                                        SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION | SSL_OP_LEGACY_SERVER_CONNECT |
                                        SSL_OP_CISCO_ANYCONNECT;
static const uint64_t options_set = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
#define OPTION_ALLOW_CLIENT_RENEGOTIATION SSL_OP_BIT(8) /* since 3.0; unused in 1.1.1 */

static void settings_read(const struct libssl *lib, SSL *ssl, struct tls_settings *settings)
{
    *settings = (struct tls_settings){
        .min_version = (int)lib->SSL_ctrl(ssl, SSL_CTRL_GET_MIN_PROTO_VERSION, 0, NULL),
        .max_version = (int)lib->SSL_ctrl(ssl, SSL_CTRL_GET_MAX_PROTO_VERSION, 0, NULL),
        .options = lib->SSL_get_options(ssl),
        .num_tickets = lib->SSL_get_num_tickets(ssl),
        .max_early_data = lib->SSL_get_max_early_data(ssl),
        .verify_mode = lib->SSL_get_verify_mode(ssl),
    };
}

static void settings_write(const struct libssl *lib, SSL *ssl, const struct tls_settings *from,
                           const struct tls_settings *to)
{
    if (to->max_version != from->max_version)
        lib->SSL_ctrl(ssl, SSL_CTRL_SET_MAX_PROTO_VERSION, to->max_version, NULL);
    if (to->min_version != from->min_version)
        lib->SSL_ctrl(ssl, SSL_CTRL_SET_MIN_PROTO_VERSION, to->min_version, NULL);
    if ((from->options & ~to->options) != 0)
        lib->SSL_clear_options(ssl, from->options & ~to->options);
    if ((to->options & ~from->options) != 0)
        lib->SSL_set_options(ssl, to->options & ~from->options);
    if (to->num_tickets != from->num_tickets)
        lib->SSL_set_num_tickets(ssl, to->num_tickets);
    if (to->max_early_data != from->max_early_data)
        lib->SSL_set_max_early_data(ssl, to->max_early_data);
    if (to->verify_mode != from->verify_mode)
        lib->SSL_set_verify(ssl, to->verify_mode, NULL);
}

static bool allows_only_old_versions(const struct tls_settings *asked)
{
    return (asked->max_version != 0 && asked->max_version < TLS1_3_VERSION) ||
           (asked->options & SSL_OP_NO_TLSv1_3) != 0;
}

struct tls_settings tls_settings_allowed(const struct policy_tls *policy, const struct tls_settings *asked,
                                         bool dtls, bool server)
{
    struct tls_settings forced = *asked;
    uint64_t cleared = options_cleared | OPTION_ALLOW_CLIENT_RENEGOTIATION;
    if (dtls) {
        /* DTLS version numbers count downwards: 1.2 is 0xfefd, 1.0 is 0xfeff. */
        if (asked->min_version == 0 || asked->min_version > DTLS1_2_VERSION)
            forced.min_version = DTLS1_2_VERSION;
        if (asked->max_version > DTLS1_2_VERSION)
            forced.max_version = 0;
        cleared |= SSL_OP_NO_DTLSv1_2;
    } else {
        if (asked->min_version < policy->min_version)
            forced.min_version = policy->min_version;
        if (asked->max_version != 0 && asked->max_version < TLS1_3_VERSION)
            forced.max_version = 0;
    }
    forced.options = (asked->options & ~cleared) | options_set;
    forced.max_early_data = 0;
    /* A peer that does not expect tickets leaves them unread, and its close then resets the connection. */
    if (policy->session_tickets == POLICY_TICKETS_REFUSE || (!dtls && allows_only_old_versions(asked)))
        forced.num_tickets = 0;
    if (server && policy->client_certificates == POLICY_VERIFY_REQUIRE)
        forced.verify_mode |= SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    return forced;
}

static const struct option_name {
    uint64_t bit;
    const char *name;
} option_names[] = {
    {SSL_OP_NO_TLSv1_3, "no-tls1.3"},
    {SSL_OP_ALLOW_NO_DHE_KEX, "allow-no-dhe-kex"},
    {SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION, "unsafe-legacy-renegotiation"},
    {SSL_OP_LEGACY_SERVER_CONNECT, "legacy-server-connect"},
    {SSL_OP_CISCO_ANYCONNECT, "cisco-anyconnect"},
    {OPTION_ALLOW_CLIENT_RENEGOTIATION, "allow-client-renegotiation"},
};

/* Logs the settings that the program weakened after its context was created. */
static void report_overrides(const struct libssl *lib, const SSL *ssl, const struct policy_tls *policy,
                             const struct tls_settings *asked, const struct tls_settings *forced)
{
    const struct tls_context *context = tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl));
    int initial_min = context != NULL ? context->initial_min : 0;
    uint64_t initial_options = context != NULL ? context->initial_options : options_cleared;
    if (asked->max_version != forced->max_version)
        override_report("max-version", report_version_name(asked->max_version),
                        report_version_name(forced->max_version));
    if (asked->min_version != forced->min_version && asked->min_version != initial_min)
        override_report("min-version", report_version_name(asked->min_version),
                        report_version_name(forced->min_version));
    for (size_t i = 0; i < sizeof option_names / sizeof option_names[0]; i++)
        if ((asked->options & ~initial_options & ~forced->options & option_names[i].bit) != 0)
            override_report("options", option_names[i].name, "off");
    if ((initial_options & ~asked->options & SSL_OP_NO_COMPRESSION) != 0)
        override_report("options", "compression", "off");
    if (asked->max_early_data != 0)
        override_report("early-data", "allowed", "refused");
    if (policy->session_tickets == POLICY_TICKETS_REFUSE && asked->num_tickets != 0)
        override_report("session-tickets", "issued", "refused");
}

const char *tls_settings_enforce(struct libssl *lib, SSL *ssl, struct tls_connection *connection,
                                 enum tls_role role)
{
    const struct policy *policy = connection->policy = pfswrap_policy();
    bool enforce = policy->mode == POLICY_ENFORCE;
    struct tls_saved_errors saved = tls_errors_save(lib);
    (void)tls_policy_pin(policy);
    bool quic = lib->SSL_is_quic != NULL && lib->SSL_is_quic(ssl);
    bool dtls = lib->SSL_is_dtls(ssl) != 0;
    bool server = role == TLS_ROLE_SERVER || (role == TLS_ROLE_UNKNOWN && lib->SSL_is_server(ssl));
    settings_read(lib, ssl, &connection->asked);
    connection->upgraded = enforce && !dtls && !quic && allows_only_old_versions(&connection->asked);
    connection->reported = false;
    struct tls_settings forced = tls_settings_allowed(&policy->tls, &connection->asked, dtls, server);
    if (quic) /* always TLS 1.3 (RFC 9001), and its version numbers are not TLS's */
        forced = connection->asked;
    report_overrides(lib, ssl, &policy->tls, &connection->asked, &forced);
    const char *reason = tls_ciphers_enforce(lib, ssl, dtls, enforce);
    if (enforce) {
        struct tls_target target = {.lib = lib, .ssl = ssl};
        bool context_is_unknown = tls_context_find(lib, lib->SSL_get_SSL_CTX(ssl)) == NULL;
        if (context_is_unknown && reason == NULL)
            reason = tls_groups_begin(&target);
        settings_write(lib, ssl, &connection->asked, &forced);
        tls_security_install(lib, ssl, connection);
        if (!server)
            tls_transparency_ask(lib, ssl);
    }
    connection->stage = TLS_STAGE_HANDSHAKE;
    (void)tls_policy_pin(NULL);
    tls_errors_restore(saved);
    return enforce ? reason : NULL;
}

static bool is_forced(const struct tls_connection *connection)
{
    return connection != NULL && connection->stage != TLS_STAGE_NEW && pfswrap_enforces();
}

void tls_settings_release(struct libssl *lib, SSL *ssl, const struct tls_connection *connection)
{
    if (!is_forced(connection))
        return;
    struct tls_saved_errors saved = tls_errors_save(lib);
    struct tls_settings now;
    settings_read(lib, ssl, &now);
    settings_write(lib, ssl, &now, &connection->asked);
    tls_errors_restore(saved);
}

void tls_settings_retake(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    if (!is_forced(connection))
        return;
    struct tls_saved_errors saved = tls_errors_save(lib);
    const struct policy_tls *policy = &connection->policy->tls;
    bool quic = lib->SSL_is_quic != NULL && lib->SSL_is_quic(ssl);
    settings_read(lib, ssl, &connection->asked);
    if (!quic) {
        struct tls_settings forced = tls_settings_allowed(policy, &connection->asked, lib->SSL_is_dtls(ssl) != 0,
                                                          lib->SSL_is_server(ssl) != 0);
        report_overrides(lib, ssl, policy, &connection->asked, &forced);
        settings_write(lib, ssl, &connection->asked, &forced);
    }
    tls_errors_restore(saved);
}
