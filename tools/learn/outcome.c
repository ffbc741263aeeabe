/*
 * Reads versions, suites, groups and offers of an event as numbers. Any other name is "not known".
 * See facts.h.
 */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include "policy/registry.h"
#include "wire/wire.h"

static const struct {
    const char *name, *words;
    unsigned version;
} versions[] = {
    {"TLSv1.3", "TLS 1.3", 0x0304},   {"TLSv1.2", "TLS 1.2", 0x0303}, {"TLSv1.1", "TLS 1.1", 0x0302},
    {"TLSv1", "TLS 1.0", 0x0301},     {"SSLv3", "SSL 3.0", 0x0300},   {"SSLv2", "SSL 2.0", 0x0002},
    {"DTLSv1.2", "DTLS 1.2", 0xfefd}, {"DTLSv1", "DTLS 1.0", 0xfeff},
};

const char *version_words(unsigned version)
{
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (versions[i].version == version)
            return versions[i].words;
    return "an unknown version";
}

static unsigned version_of(const char *name)
{
    for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++)
        if (strcmp(versions[i].name, name) == 0)
            return versions[i].version;
    return 0;
}

/* The number in a text such as 0xc02f; 0: it is none. */
static unsigned number_of(const char *text)
{
    char *end;
    if (strncmp(text, "0x", 2) != 0 || strlen(text) != 6)
        return 0;
    const unsigned long number = strtoul(text + 2, &end, 16);
    return *end == '\0' ? (unsigned)number : 0;
}

static bool is_aead_name(const char *name)
{
    return strstr(name, "GCM") != NULL || strstr(name, "CCM") != NULL || strstr(name, "POLY1305") != NULL ||
           strstr(name, "CHACHA20") != NULL;
}

static unsigned group_of(const char *name)
{
    const struct tls_group *const group = tls_group_by_name(name);
    return group != NULL ? group->id : number_of(name);
}

/* A group with elliptic curves. GnuTLS names a suite of TLS 1.2 without its key exchange; the group shows that. */
static bool is_ecdhe(unsigned group)
{
    const struct tls_group *const known = group != 0 ? tls_group_by_id((uint16_t)group) : NULL;
    return known != NULL && (known->kind == TLS_GROUP_ECDHE || known->kind == TLS_GROUP_HYBRID);
}

static enum fact_suite suite_of(const char *name, unsigned group, unsigned *id)
{
    const struct tls_ciphersuite *const suite = tls_ciphersuite_by_name(name);
    bool has_hint;
    *id = suite != NULL ? suite->id : 0;
    if (name[0] == '\0')
        return SUITE_UNKNOWN;
    if (suite != NULL)
        return SUITE_TLS13;
    if (number_of(name) != 0)
        return wire_suite_is_ecdhe_aead((uint16_t)number_of(name), &has_hint) ? SUITE_ECDHE_AEAD : SUITE_OTHER;
    const bool has_exchange = strncmp(name, "ECDHE-", 6) == 0 || strncmp(name, "TLS_ECDHE_", 10) == 0;
    const bool has_no_exchange = strchr(name, '-') != NULL && strstr(name, "RSA") == NULL &&
                                 strstr(name, "DH") == NULL && strstr(name, "PSK") == NULL && is_ecdhe(group);
    return is_aead_name(name) && (has_exchange || has_no_exchange) ? SUITE_ECDHE_AEAD : SUITE_OTHER;
}

/* Calls each() for each name of a list with commas. */
static void list_each(const char *list,
                      void (*each)(struct outcome *outcome, const char *name, const struct policy *base),
                      struct outcome *outcome, const struct policy *base)
{
    char name[64];
    for (const char *at = list; *at != '\0';) {
        const size_t length = strcspn(at, ",");
        if (length < sizeof name) {
            memcpy(name, at, length);
            name[length] = '\0';
            each(outcome, name, base);
        }
        at += length + (at[length] == ',');
    }
}

static void offer_version(struct outcome *outcome, const char *name, const struct policy *base)
{
    (void)base;
    const unsigned version = version_of(name);
    outcome->offer |= version == 0x0304 ? OFFER_TLS13 : version == 0x0303 ? OFFER_TLS12 : 0u;
}

static void offer_group(struct outcome *outcome, const char *name, const struct policy *base)
{
    outcome->offer |= policy_has_group(base, group_of(name)) ? OFFER_GROUP : 0u;
}

static void offer_suite(struct outcome *outcome, const char *name, const struct policy *base)
{
    bool has_hint;
    (void)base;
    if (number_of(name) != 0 && wire_suite_is_ecdhe_aead((uint16_t)number_of(name), &has_hint))
        outcome->offer |= OFFER_AEAD;
}

bool policy_has_group(const struct policy *policy, unsigned group)
{
    for (size_t i = 0; i < policy->tls.group_count; i++)
        if (policy->tls.groups[i] == group)
            return true;
    return false;
}

bool policy_has_suite(const struct policy *policy, unsigned suite)
{
    for (size_t i = 0; i < policy->tls.ciphersuite_count; i++)
        if (policy->tls.ciphersuites[i] == suite)
            return true;
    return false;
}

void outcome_find(struct outcome *outcome, const struct record *record, const struct policy *base)
{
    const char *const resumed =
        record_text(record, record->text[FIELD_RESUMED] != NULL ? FIELD_RESUMED : FIELD_PRESHARED_KEY);
    *outcome = (struct outcome){
        .version = version_of(record_text(record, FIELD_VERSION)),
        .group = group_of(record_text(record, FIELD_GROUP)),
        .has_choice = record->text[FIELD_VERSION] != NULL,
        .is_resumed = strcmp(resumed, "true") == 0,
        .has_early_data = strncmp(record_text(record, FIELD_REASON), "early data", 10) == 0,
    };
    outcome->suite = suite_of(record_text(record, FIELD_CIPHER), outcome->group, &outcome->suite_id);
    if (record->text[FIELD_OFFERED_VERSIONS] == NULL)
        return;
    outcome->offer = OFFER_KNOWN;
    list_each(record_text(record, FIELD_OFFERED_VERSIONS), offer_version, outcome, base);
    list_each(record_text(record, FIELD_OFFERED_GROUPS), offer_group, outcome, base);
    list_each(record_text(record, FIELD_OFFERED_CIPHERS), offer_suite, outcome, base);
}
