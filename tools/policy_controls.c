/*
 * The requirements of each control, as questions about a policy. See policy_controls.h; docs/CONTROLS.md has the
 * same table in words. A requirement that fails is either "not met", or an exception: the control is then met,
 * except for what the line says.
 */
#include "policy_controls.h"

#include <stdio.h>
#include <string.h>

#include "message.h"
#include "policy/registry.h"

enum outcome { HOLDS, EXCEPTION, FAILS };

enum { REASON = 256 };

/* Answers whether the policy meets it; if not, reason[] says what is in force and what was expected. */
typedef enum outcome requirement(const struct policy *policy, char reason[REASON]);

static enum outcome say(enum outcome outcome, char reason[REASON], const char *text)
{
    (void)snprintf(reason, REASON, "%s", text);
    return outcome;
}

static enum outcome is_enforced(const struct policy *policy, char reason[REASON])
{
    return policy->mode == POLICY_ENFORCE
               ? HOLDS
               : say(FAILS, reason, "mode = audit changes nothing, expected mode = enforce");
}

static enum outcome checks_wire(const struct policy *policy, char reason[REASON])
{
    return policy->wire.tls == POLICY_WIRE_PFS
               ? HOLDS
               : say(FAILS, reason, "TLS of other libraries is not cut, expected [wire] tls = pfs");
}

static enum outcome protects_children(const struct policy *policy, char reason[REASON])
{
    if (policy->children == POLICY_CHILDREN_ALLOW)
        return say(FAILS, reason,
                   "children = allow: executed programs run without pfswrap, expected protect or require");
    return HOLDS;
}

static enum outcome requires_children(const struct policy *policy, char reason[REASON])
{
    if (policy->children == POLICY_CHILDREN_REQUIRE)
        return HOLDS;
    return say(policy->children == POLICY_CHILDREN_ALLOW ? FAILS : EXCEPTION, reason,
               "executed programs that cannot be protected run all the same, expected children = require");
}

/* Whether all addresses of the rule are of the loopback, which no network carries. */
static bool is_loopback(const struct policy *policy, const struct policy_rule *rule)
{
    static const uint8_t mapped[13] = {[10] = 0xff, [11] = 0xff, [12] = 127};
    for (size_t i = 0; i < rule->address_count; i++) {
        const struct policy_address *const address = &policy->addresses[rule->address_first + i];
        const bool is_ipv4 = address->prefix >= 104 && memcmp(address->address, mapped, sizeof mapped) == 0;
        const bool is_ipv6 = address->prefix == 128 && memcmp(address->address, &in6addr_loopback, 16) == 0;
        if (!is_ipv4 && !is_ipv6)
            return false;
    }
    return true;
}

static bool lets_pass(enum policy_plaintext plaintext)
{
    return plaintext == POLICY_PLAINTEXT_ALLOW || plaintext == POLICY_PLAINTEXT_LOG;
}

static enum outcome refuses_plaintext(const struct policy *policy, char reason[REASON])
{
    size_t used = 0;
    if (lets_pass(policy->wire.plaintext))
        return say(FAILS, reason, "plaintext passes, expected [wire] plaintext = refuse (or starttls)");
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *const rule = &policy->rules[i];
        const bool is_sealed = rule->seal == POLICY_SEAL_REQUIRE && rule->layer == POLICY_LAYER_SOCKET;
        const bool passes = rule->seal == POLICY_SEAL_PREFER || (lets_pass(rule->plaintext) && !is_sealed);
        if (!passes || is_loopback(policy, rule) || used + POLICY_NAME_MAX + 32 > REASON)
            continue;
        used +=
            (size_t)snprintf(reason + used, REASON - used, "%s[%s %s]", used == 0 ? "plaintext passes by " : ", ",
                             rule->direction == POLICY_LISTEN ? "listen" : "connect", rule->name);
    }
    return used > 0 ? EXCEPTION : HOLDS;
}

static enum outcome verifies_servers(const struct policy *policy, char reason[REASON])
{
    if (policy->tls.verify_server == POLICY_VERIFY_REQUIRE)
        return HOLDS;
    return say(EXCEPTION, reason,
               "clients decide about servers' certificates themselves, expected verify-server = require");
}

static enum outcome verifies_clients(const struct policy *policy, char reason[REASON])
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *const rule = &policy->rules[i];
        if (rule->direction == POLICY_LISTEN && rule->seal != POLICY_SEAL_OFF && rule->clients_any) {
            (void)snprintf(reason, REASON,
                           "[listen %s] admits clients without a known key, expected clients = NAMES", rule->name);
            return EXCEPTION;
        }
    }
    return HOLDS;
}

static enum outcome is_tls13(const struct policy *policy, char reason[REASON])
{
    return policy->tls.min_version == 0x0304 ? HOLDS
                                             : say(EXCEPTION, reason, "min-version = 1.2 also accepts TLS 1.2");
}

/* SP 800-52r2, sections 3.3.1 and 3.4, and FIPS 203 (ML-KEM) combined with one of its curves. */
static enum outcome has_nist_groups(const struct policy *policy, char reason[REASON])
{
    static const uint16_t groups[] = {23, 24, 25, 0x11eb, 0x11ec, 0x11ed};
    for (size_t i = 0; i < policy->tls.group_count; i++) {
        size_t j = 0;
        while (j < sizeof groups / sizeof groups[0] && groups[j] != policy->tls.groups[i])
            j++;
        if (j == sizeof groups / sizeof groups[0]) {
            (void)snprintf(reason, REASON,
                           "group %s is not one that NIST lists, expected P-256 and P-384 (or with ML-KEM)",
                           tls_group_by_id(policy->tls.groups[i])->name);
            return FAILS;
        }
    }
    return HOLDS;
}

static enum outcome has_nist_suites(const struct policy *policy, char reason[REASON])
{
    for (size_t i = 0; i < policy->tls.ciphersuite_count; i++) {
        const char *const name = tls_ciphersuite_by_id(policy->tls.ciphersuites[i])->name;
        if (strstr(name, "_AES_") == NULL) {
            (void)snprintf(reason, REASON,
                           "%s is not a suite of AES, expected TLS_AES_128_GCM_SHA256 or TLS_AES_256_GCM_SHA384",
                           name);
            return FAILS;
        }
    }
    return policy->tls.min_version == 0x0304
               ? HOLDS
               : say(EXCEPTION, reason,
                     "in TLS 1.2, ChaCha20-Poly1305 cannot be switched off: the program's cipher list decides");
}

static enum outcome logs_failures(const struct policy *policy, char reason[REASON])
{
    return policy->log_failure == POLICY_LOG_FAILURE_REFUSE
               ? HOLDS
               : say(EXCEPTION, reason,
                     "connections that cannot be logged are made all the same, expected log-failure = refuse");
}

static enum outcome is_post_quantum(const struct policy *policy, char reason[REASON])
{
    for (size_t i = 0; i < policy->tls.group_count; i++) {
        const struct tls_group *const group = tls_group_by_id(policy->tls.groups[i]);
        if (group->kind != TLS_GROUP_HYBRID) {
            (void)snprintf(
                reason, REASON,
                "group %s can be recorded today and read by a quantum computer, expected groups with ML-KEM",
                group->name);
            return FAILS;
        }
    }
    return policy->tls.min_version == 0x0304
               ? HOLDS
               : say(FAILS, reason, "TLS 1.2 has no post-quantum exchange, expected min-version = 1.3");
}

/* Mozilla, Server Side TLS 5.7, "modern" (5.8 adds X25519MLKEM768). */
static enum outcome has_mozilla_groups(const struct policy *policy, char reason[REASON])
{
    for (size_t i = 0; i < policy->tls.group_count; i++) {
        const uint16_t group = policy->tls.groups[i];
        if (group != 0x11ec && group != 29 && group != 23 && group != 24) {
            (void)snprintf(reason, REASON,
                           "group %s is not in the list, expected X25519MLKEM768, X25519, P-256 or P-384",
                           tls_group_by_id(group)->name);
            return FAILS;
        }
    }
    return HOLDS;
}

static enum outcome only_tls13(const struct policy *policy, char reason[REASON])
{
    return policy->tls.min_version == 0x0304
               ? HOLDS
               : say(FAILS, reason, "TLS 1.2 is accepted, expected min-version = 1.3");
}

static enum outcome looks_at_http(const struct policy *policy, char reason[REASON])
{
    return policy->findings.http
               ? say(EXCEPTION, reason, "pfswrap logs responses that lack it; the server has to set it")
               : say(FAILS, reason, "nobody looks at the headers of responses, expected [findings] http = log");
}

static enum outcome requires_transparency(const struct policy *policy, char reason[REASON])
{
    switch (policy->tls.transparency) {
    case POLICY_TRANSPARENCY_REQUIRE:
        return HOLDS;
    case POLICY_TRANSPARENCY_LOG:
        return say(
            EXCEPTION, reason,
            "servers without a valid SCT are logged and accepted, expected certificate-transparency = require");
    case POLICY_TRANSPARENCY_OFF:
    default:
        return say(FAILS, reason, "nobody asks for SCTs, expected certificate-transparency = require");
    }
}

enum { REQUIREMENTS_MAX = 8 };

static const struct {
    const char *source, *title;
    requirement *requirements[REQUIREMENTS_MAX];
} controls[] = {
    {"OWASP ASVS 4.0.3, 9.1.1 (L1)",
     "all client connections use TLS and never fall back",
     {is_enforced, checks_wire, refuses_plaintext, protects_children}},
    {"OWASP ASVS 4.0.3, 9.1.2 (L1)", "only strong cipher suites", {is_enforced, checks_wire}},
    {"OWASP ASVS 4.0.3, 9.1.3 (L1)", "only TLS 1.2 and 1.3, the latest preferred", {is_enforced, checks_wire}},
    {"OWASP ASVS 4.0.3, 9.2.1 and 9.2.3 (L2)",
     "connections use trusted certificates and are authenticated",
     {is_enforced, verifies_servers, verifies_clients}},
    {"OWASP ASVS 4.0.3, 9.2.2 (L2)",
     "all inbound and outbound connections are encrypted",
     {is_enforced, checks_wire, refuses_plaintext, requires_children}},
    {"OWASP ASVS 4.0.3, 9.2.5 (L3)", "failures of TLS connections are logged", {is_enforced, logs_failures}},
    {"OWASP ASVS 4.0.3, 14.4.5 (L1)", "browsers are told to use HTTPS only", {looks_at_http}},
    {"OWASP ASVS 4.0.3, 3.4.1 to 3.4.3 (L1)", "cookies have Secure, HttpOnly and SameSite", {looks_at_http}},
    {"NIST SP 800-52r2",
     "approved versions, suites and groups, verified servers",
     {is_enforced, checks_wire, has_nist_groups, has_nist_suites, verifies_servers}},
    {"PCI DSS 3.6.4 (v3.2.1), 3.7.4 (v4.0.1)",
     "keys change at the end of their cryptoperiod",
     {is_enforced, checks_wire}},
    {"PCI DSS 4.2.1 (v4.0.1)",
     "strong cryptography on open networks, trusted keys, no fallback",
     {is_enforced, checks_wire, refuses_plaintext, protects_children, verifies_servers, verifies_clients}},
    {"CWE-326", "no encryption that is too weak", {is_enforced, checks_wire}},
    {"CAPEC-117", "nothing to read on the path", {is_enforced, checks_wire, refuses_plaintext, requires_children}},
    {"Mozilla Server Side TLS 5.8, modern",
     "TLS 1.3 with its groups",
     {is_enforced, only_tls13, has_mozilla_groups}},
    {"Harvest now, decrypt later",
     "a post-quantum key exchange in each connection",
     {is_enforced, checks_wire, is_post_quantum}},
    {"Certificate Transparency, RFC 6962",
     "clients accept only certificates that are in a public log",
     {is_enforced, requires_transparency}},
    {"RFC 9325, 3.1.1", "TLS 1.3 where possible", {is_enforced, is_tls13}},
};

void policy_controls_write(const struct policy *policy)
{
    static const char *const verdicts[] = {"met", "met, with exceptions", "NOT MET"};
    out("\n; controls that this policy meets (docs/CONTROLS.md); what happened is in the log: pfswrap report\n");
    for (size_t i = 0; i < sizeof controls / sizeof controls[0]; i++) {
        char reasons[REQUIREMENTS_MAX][REASON];
        size_t count = 0;
        enum outcome worst = HOLDS;
        for (size_t j = 0; j < REQUIREMENTS_MAX && controls[i].requirements[j] != NULL; j++) {
            const enum outcome outcome = controls[i].requirements[j](policy, reasons[count]);
            count += outcome != HOLDS;
            worst = outcome > worst ? outcome : worst;
        }
        out("; %s, %s: %s\n", controls[i].source, controls[i].title, verdicts[worst]);
        for (size_t j = 0; j < count; j++)
            out(";   - %s\n", reasons[j]);
    }
}
