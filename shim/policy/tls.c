/*
 * The keys of [tls]. The names of groups and suites are compared with the IANA registries, not with a TLS library:
 * a policy may name a group that only a later library has.
 */
#include "policy/parser.h"
#include "policy/registry.h"

#include <string.h>

static int set_min_version(struct policy_parser *parser, const char *value)
{
    if (strcmp(value, "1.3") == 0)
        parser->policy->tls.min_version = 0x0304;
    else if (strcmp(value, "1.2") == 0)
        parser->policy->tls.min_version = 0x0303;
    else
        return policy_fail(parser, "min-version = %.80s, expected 1.3 or 1.2", value);
    return 0;
}

/* Why a policy cannot name a group of that kind; NULL if it can. */
static const char *group_objection(enum tls_group_kind kind)
{
    switch (kind) {
    case TLS_GROUP_ECDHE:
    case TLS_GROUP_HYBRID:
        return NULL;
    case TLS_GROUP_KEM:
        return "is ML-KEM alone, without ECDHE";
    case TLS_GROUP_FFDHE:
        return "is finite-field Diffie-Hellman (RFC 7919), which pfswrap never allows";
    case TLS_GROUP_LEGACY:
        return "is a curve that TLS 1.3 does not allow (RFC 8446, 4.2.7)";
    }
    return "is of an unknown kind";
}

static int add_group(struct policy_parser *parser, const char *name)
{
    struct policy_tls *tls = &parser->policy->tls;
    const struct tls_group *group = tls_group_by_name(name);
    if (group == NULL)
        return policy_fail(parser,
                           "group %s is not in the IANA registry, expected a name such as X25519, P-256 or "
                           "X25519MLKEM768",
                           name);
    const char *objection = group_objection(group->kind);
    if (objection != NULL)
        return policy_fail(parser, "group %s %s, expected an ECDHE group such as X25519, P-256 or X25519MLKEM768",
                           name, objection);
    for (size_t i = 0; i < tls->group_count; i++)
        if (tls->groups[i] == group->id)
            return policy_fail(parser, "group %s is listed twice, expected it once", name);
    if (tls->group_count == POLICY_LIST_MAX)
        return policy_fail(parser, "groups has more than %d entries", POLICY_LIST_MAX);
    tls->groups[tls->group_count++] = group->id;
    return 0;
}

static int add_ciphersuite(struct policy_parser *parser, const char *name)
{
    struct policy_tls *tls = &parser->policy->tls;
    const struct tls_ciphersuite *suite = tls_ciphersuite_by_name(name);
    if (suite == NULL)
        return policy_fail(parser,
                           "ciphersuite %s is not a TLS 1.3 suite in the IANA registry, expected a name such as "
                           "TLS_AES_256_GCM_SHA384",
                           name);
    for (size_t i = 0; i < tls->ciphersuite_count; i++)
        if (tls->ciphersuites[i] == suite->id)
            return policy_fail(parser, "ciphersuite %s is listed twice, expected it once", name);
    if (tls->ciphersuite_count == POLICY_LIST_MAX)
        return policy_fail(parser, "ciphersuites has more than %d entries", POLICY_LIST_MAX);
    tls->ciphersuites[tls->ciphersuite_count++] = suite->id;
    return 0;
}

static int set_groups(struct policy_parser *parser, const char *value)
{
    char entry[POLICY_ENTRY_MAX];
    int more;
    parser->policy->tls.group_count = 0;
    while ((more = policy_value_next(parser, &value, entry)) > 0)
        if (add_group(parser, entry) < 0)
            return -1;
    return more;
}

static int set_ciphersuites(struct policy_parser *parser, const char *value)
{
    char entry[POLICY_ENTRY_MAX];
    int more;
    parser->policy->tls.ciphersuite_count = 0;
    while ((more = policy_value_next(parser, &value, entry)) > 0)
        if (add_ciphersuite(parser, entry) < 0)
            return -1;
    return more;
}

static int set_session_tickets(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_tickets);
    if (choice < 0)
        return -1;
    parser->policy->tls.session_tickets = (enum policy_tickets)choice;
    return 0;
}

static int set_verify_server(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_verify);
    if (choice < 0)
        return -1;
    parser->policy->tls.verify_server = (enum policy_verify)choice;
    return 0;
}

static int set_ca_file(struct policy_parser *parser, const char *value)
{
    return policy_value_path(parser, value, parser->policy->tls.ca_file);
}

static int add_pin(struct policy_parser *parser, const char *value)
{
    struct policy_tls *tls = &parser->policy->tls;
    if (tls->pin_count == POLICY_LIST_MAX)
        return policy_fail(parser, "pin-sha256 occurs more than %d times", POLICY_LIST_MAX);
    uint8_t *pin = tls->pins[tls->pin_count];
    if (policy_base64_decode(value, pin) < 0)
        return policy_fail(parser, "pin-sha256 = %.80s, expected the base64 of 32 bytes (44 characters)", value);
    for (size_t i = 0; i < tls->pin_count; i++)
        if (memcmp(tls->pins[i], pin, POLICY_PIN_BYTES) == 0)
            return policy_fail(parser, "pin-sha256 = %.80s is listed twice, expected it once", value);
    tls->pin_count++;
    return 0;
}

static int set_client_certificates(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_verify);
    if (choice < 0)
        return -1;
    parser->policy->tls.client_certificates = (enum policy_verify)choice;
    return 0;
}

static int set_dtls(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_dtls);
    if (choice < 0)
        return -1;
    parser->policy->tls.dtls = (enum policy_dtls)choice;
    return 0;
}

static int set_post_quantum(struct policy_parser *parser, const char *value)
{
    static const char *const words[] = {"allow", "require", NULL};
    int choice = policy_value_choose(parser, value, words);
    if (choice < 0)
        return -1;
    parser->policy->tls.post_quantum = choice == 1;
    return 0;
}

static int set_transparency(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_transparency);
    if (choice < 0)
        return -1;
    parser->policy->tls.transparency = (enum policy_transparency)choice;
    return 0;
}

static int set_ct_log_list(struct policy_parser *parser, const char *value)
{
    return policy_value_path(parser, value, parser->policy->tls.ct_log_list);
}

static int set_max_certificate_age(struct policy_parser *parser, const char *value)
{
    return policy_value_period(parser, value, &parser->policy->tls.max_certificate_age_s);
}

static int set_max_key_age(struct policy_parser *parser, const char *value)
{
    return policy_value_period(parser, value, &parser->policy->tls.max_key_age_s);
}

static int set_warn_before(struct policy_parser *parser, const char *value)
{
    return policy_value_period(parser, value, &parser->policy->tls.warn_before_s);
}

static int set_expired(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_expired);
    if (choice < 0)
        return -1;
    parser->policy->tls.expired = (enum policy_expired)choice;
    return 0;
}

static int set_key_state(struct policy_parser *parser, const char *value)
{
    return policy_value_path(parser, value, parser->policy->tls.key_state);
}

/* The age of a key is known only from a file, and only this needs the file. */
static int check_key_state(struct policy_parser *parser)
{
    const struct policy_tls *tls = &parser->policy->tls;
    if (tls->max_key_age_s != 0 && tls->key_state[0] == '\0')
        return policy_fail_at(parser, policy_key_line(parser, "max-key-age"),
                              "max-key-age, expected key-state = FILE as well");
    if (tls->key_state[0] != '\0' && tls->max_key_age_s == 0)
        return policy_fail_at(parser, policy_key_line(parser, "key-state"),
                              "key-state has no effect alone, expected max-key-age = TIME as well");
    return 0;
}

/* A server proves nothing by an SCT if no log is known, and logs that nothing asks for are a mistake. */
static int check_transparency(struct policy_parser *parser)
{
    const struct policy_tls *tls = &parser->policy->tls;
    const unsigned mode = policy_key_line(parser, "certificate-transparency");
    const unsigned list = policy_key_line(parser, "ct-log-list");
    if (tls->transparency != POLICY_TRANSPARENCY_OFF && list == 0)
        return policy_fail_at(parser, mode, "certificate-transparency = %s, expected ct-log-list = PATH as well",
                              policy_words_transparency[tls->transparency]);
    if (tls->transparency == POLICY_TRANSPARENCY_OFF && list != 0)
        return policy_fail_at(
            parser, list,
            "ct-log-list has no effect alone, expected certificate-transparency = log or require as well");
    return 0;
}

/* Leaves the groups that combine ECDHE with ML-KEM. Kyber's drafts are not what FIPS 203 says. */
static int keep_hybrid_groups(struct policy_parser *parser)
{
    static const uint16_t standard[] = {0x11ec, 0x11eb, 0x11ed}; /* X25519MLKEM768, and NIST's curves */
    struct policy_tls *tls = &parser->policy->tls;
    const unsigned line = policy_key_line(parser, "post-quantum");
    size_t kept = 0;
    if (tls->min_version != 0x0304)
        return policy_fail_at(parser, line,
                              "post-quantum = require, but TLS 1.2 has no ML-KEM, expected min-version = 1.3");
    if (policy_key_line(parser, "groups") == 0) {
        memcpy(tls->groups, standard, sizeof standard);
        tls->group_count = sizeof standard / sizeof standard[0];
        return 0;
    }
    for (size_t i = 0; i < tls->group_count; i++) {
        const struct tls_group *group = tls_group_by_id(tls->groups[i]);
        if (group->kind == TLS_GROUP_HYBRID && group->openssl != NULL)
            tls->groups[kept++] = tls->groups[i];
    }
    tls->group_count = kept;
    return kept > 0 ? 0
                    : policy_fail_at(
                          parser, line,
                          "post-quantum = require leaves none of the groups, expected X25519MLKEM768 among them");
}

/*
 * Pins and trusted certificates that nothing uses are a mistake. Pins are for servers' keys; trusted certificates
 * are for servers and for clients.
 */
int policy_end_tls(struct policy_parser *parser)
{
    const struct policy_tls *tls = &parser->policy->tls;
    unsigned ca_file = policy_key_line(parser, "ca-file");
    unsigned pin = policy_key_line(parser, "pin-sha256");
    if (tls->post_quantum && keep_hybrid_groups(parser) < 0)
        return -1;
    if (check_transparency(parser) < 0 || check_key_state(parser) < 0)
        return -1;
    if (tls->verify_server == POLICY_VERIFY_REQUIRE)
        return 0;
    if (pin != 0)
        return policy_fail_at(parser, pin,
                              "pin-sha256 has no effect alone, expected verify-server = require as well");
    if (ca_file != 0 && tls->client_certificates != POLICY_VERIFY_REQUIRE)
        return policy_fail_at(parser, ca_file,
                              "ca-file has no effect alone, expected verify-server = require or "
                              "client-certificates = require as well");
    return 0;
}

const struct policy_key policy_keys_tls[] = {
    {"min-version", false, set_min_version},
    {"groups", false, set_groups},
    {"ciphersuites", false, set_ciphersuites},
    {"session-tickets", false, set_session_tickets},
    {"verify-server", false, set_verify_server},
    {"ca-file", false, set_ca_file},
    {"pin-sha256", true, add_pin},
    {"client-certificates", false, set_client_certificates},
    {"dtls", false, set_dtls},
    {"post-quantum", false, set_post_quantum},
    {"certificate-transparency", false, set_transparency},
    {"ct-log-list", false, set_ct_log_list},
    {"max-certificate-age", false, set_max_certificate_age},
    {"max-key-age", false, set_max_key_age},
    {"warn-before", false, set_warn_before},
    {"expired", false, set_expired},
    {"key-state", false, set_key_state},
    {NULL, false, NULL},
};
