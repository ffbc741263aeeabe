/*
 * The policy in GnuTLS's words (priority strings, gnutls.info 6.10): names of groups and suites, and what is
 * appended to a program's priorities so that nothing else is left of them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gnutls/priority.h"
#include "config/init.h"

/* IANA numbers and what GnuTLS calls them; a version that does not know a name answers 0 for it. */
static const struct {
    uint16_t id;
    const char *name;
} group_names[] = {
    {23, "SECP256R1"},
    {24, "SECP384R1"},
    {25, "SECP521R1"},
    {29, "X25519"},
    {30, "X448"},
    {0x11eb, "SECP256R1-MLKEM768"},
    {0x11ec, "X25519-MLKEM768"},
    {0x11ed, "SECP384R1-MLKEM1024"},
};

static const struct {
    uint16_t id;
    const char *name;
} suite_names[] = {
    {0x1301, "AES-128-GCM"}, {0x1302, "AES-256-GCM"},   {0x1303, "CHACHA20-POLY1305"},
    {0x1304, "AES-128-CCM"}, {0x1305, "AES-128-CCM-8"},
};

enum {
    GROUP_NAMES = sizeof group_names / sizeof group_names[0],
    SUITE_NAMES = sizeof suite_names / sizeof suite_names[0]
};

/* Signature schemes that TLS 1.3 needs for the usual certificates, and that priorities of older days lack. */
static const struct {
    gnutls_sign_algorithm_t id;
    const char *name;
} tls13_signatures[] = {
    {GNUTLS_SIGN_RSA_PSS_RSAE_SHA256, "SIGN-RSA-PSS-RSAE-SHA256"},
    {GNUTLS_SIGN_RSA_PSS_RSAE_SHA384, "SIGN-RSA-PSS-RSAE-SHA384"},
    {GNUTLS_SIGN_ECDSA_SECP256R1_SHA256, "SIGN-ECDSA-SECP256R1-SHA256"},
    {GNUTLS_SIGN_ECDSA_SECP384R1_SHA384, "SIGN-ECDSA-SECP384R1-SHA384"},
    {GNUTLS_SIGN_EDDSA_ED25519, "SIGN-EDDSA-ED25519"},
};

static bool list_has(const uint16_t *list, size_t count, uint16_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

uint16_t priority_group_id(const struct gnutls *lib, gnutls_group_t group)
{
    for (size_t i = 0; i < GROUP_NAMES && group != GNUTLS_GROUP_INVALID; i++)
        if (lib->gnutls_group_get_id(group_names[i].name) == group)
            return group_names[i].id;
    return 0;
}

uint16_t priority_suite_id(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher)
{
    for (size_t i = 0; i < SUITE_NAMES && cipher != GNUTLS_CIPHER_UNKNOWN; i++)
        if (lib->gnutls_cipher_get_id(suite_names[i].name) == cipher)
            return suite_names[i].id;
    return 0;
}

bool priority_group_is_allowed(const struct gnutls *lib, gnutls_group_t group)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    uint16_t id = priority_group_id(lib, group);
    return id != 0 && list_has(policy->groups, policy->group_count, id);
}

bool priority_cipher_is_allowed(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    uint16_t id = priority_suite_id(lib, cipher);
    return id != 0 && list_has(policy->ciphersuites, policy->ciphersuite_count, id);
}

/* A string that grows; what does not fit makes it too long for good. */
struct words {
    char *text;
    size_t length;
    bool is_too_long;
};

__attribute__((format(printf, 2, 3))) static void words_add(struct words *words, const char *format, ...)
{
    va_list arguments;
    if (words->is_too_long)
        return;
    va_start(arguments, format);
    int length = vsnprintf(words->text + words->length, PRIORITY_MAX - words->length, format, arguments);
    va_end(arguments);
    words->is_too_long = length < 0 || (size_t)length >= PRIORITY_MAX - words->length;
    words->length += words->is_too_long ? 0 : (size_t)length;
}

static const char *group_name(uint16_t id)
{
    for (size_t i = 0; i < GROUP_NAMES; i++)
        if (group_names[i].id == id)
            return group_names[i].name;
    return NULL;
}

static const char *suite_name(uint16_t id)
{
    for (size_t i = 0; i < SUITE_NAMES; i++)
        if (suite_names[i].id == id)
            return suite_names[i].name;
    return NULL;
}

/* The groups that the program and the policy have in common, or else the policy's. False: this library has none. */
static bool add_groups(const struct gnutls *lib, struct words *words, gnutls_priority_t asked)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    const unsigned *list;
    int count = lib->gnutls_priority_group_list(asked, &list);
    bool any = false;
    words_add(words, ":-GROUP-ALL");
    for (int i = 0; i < count; i++)
        if (priority_group_is_allowed(lib, (gnutls_group_t)list[i])) {
            words_add(words, ":+GROUP-%s", group_name(priority_group_id(lib, (gnutls_group_t)list[i])));
            any = true;
        }
    bool is_programs = any;
    for (size_t i = 0; i < policy->group_count && !is_programs; i++) {
        const char *name = group_name(policy->groups[i]);
        if (name == NULL || lib->gnutls_group_get_id(name) == GNUTLS_GROUP_INVALID)
            continue;
        words_add(words, ":+GROUP-%s", name);
        any = true;
    }
    return any;
}

/* The same for ciphers: in TLS 1.3 they make the suite; in TLS 1.2 they are AEAD all the same. */
static bool add_ciphers(const struct gnutls *lib, struct words *words, gnutls_priority_t asked)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    const unsigned *list;
    int count = lib->gnutls_priority_cipher_list(asked, &list);
    bool any = false;
    words_add(words, ":-CIPHER-ALL");
    for (int i = 0; i < count; i++)
        if (priority_cipher_is_allowed(lib, (gnutls_cipher_algorithm_t)list[i])) {
            words_add(words, ":+%s", suite_name(priority_suite_id(lib, (gnutls_cipher_algorithm_t)list[i])));
            any = true;
        }
    bool is_programs = any;
    for (size_t i = 0; i < policy->ciphersuite_count && !is_programs; i++) {
        const char *name = suite_name(policy->ciphersuites[i]);
        if (name == NULL || lib->gnutls_cipher_get_id(name) == GNUTLS_CIPHER_UNKNOWN)
            continue;
        words_add(words, ":+%s", name);
        any = true;
    }
    return any;
}

static bool kx_has_psk(const struct gnutls *lib, gnutls_priority_t asked)
{
    const unsigned *list;
    int count = lib->gnutls_priority_kx_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (list[i] == GNUTLS_KX_PSK || list[i] == GNUTLS_KX_DHE_PSK || list[i] == GNUTLS_KX_ECDHE_PSK ||
            list[i] == GNUTLS_KX_RSA_PSK)
            return true;
    return false;
}

/* A program that chose signatures before there was TLS 1.3 would have none that its certificate could make. */
static void add_signatures(const struct gnutls *lib, struct words *words, gnutls_priority_t asked)
{
    const unsigned *list;
    int count = lib->gnutls_priority_sign_list(asked, &list);
    for (size_t i = 0; i < sizeof tls13_signatures / sizeof tls13_signatures[0]; i++) {
        bool has = false;
        for (int j = 0; j < count && !has; j++)
            has = list[j] == tls13_signatures[i].id;
        if (!has)
            words_add(words, ":+%s", tls13_signatures[i].name);
    }
}

static bool allows_tls13(const struct gnutls *lib, gnutls_priority_t asked)
{
    const unsigned *list;
    int count = lib->gnutls_priority_protocol_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (list[i] == GNUTLS_TLS1_3)
            return true;
    return false;
}

bool priority_restrict(const struct gnutls *lib, char *string, gnutls_priority_t asked, bool is_datagram)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    struct words words = {.text = string, .length = strlen(string)};
    size_t begin = words.length;
    /* DTLS beside TLS would have a stream session offer the suites of TLS 1.2. */
    if (is_datagram)
        words_add(&words, ":-VERS-ALL:+VERS-DTLS1.2");
    else
        words_add(&words, ":-VERS-ALL:+VERS-TLS1.3%s", policy->min_version < 0x0304 ? ":+VERS-TLS1.2" : "");
    /* In TLS 1.3 only preshared keys are said so; a kind for TLS 1.2 would have its suites offered. */
    words_add(&words, ":-KX-ALL%s%s:-MAC-ALL:+AEAD",
              is_datagram || policy->min_version < 0x0304 ? ":+ECDHE-ECDSA:+ECDHE-RSA" : "",
              kx_has_psk(lib, asked) ? ":+ECDHE-PSK" : "");
    bool groups = add_groups(lib, &words, asked);
    bool ciphers = add_ciphers(lib, &words, asked);
    if (!is_datagram && !allows_tls13(lib, asked))
        add_signatures(lib, &words, asked);
    if (begin == 0 && words.length > 0) /* what is appended to the default begins without a colon */
        memmove(string, string + 1, words.length);
    return groups && ciphers && !words.is_too_long;
}

bool priority_is_weaker(const struct gnutls *lib, gnutls_priority_t asked)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    const unsigned *list;
    int count = lib->gnutls_priority_protocol_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (list[i] < (policy->min_version < 0x0304 ? GNUTLS_TLS1_2 : GNUTLS_TLS1_3))
            return true;
    count = lib->gnutls_priority_group_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (!priority_group_is_allowed(lib, (gnutls_group_t)list[i]))
            return true;
    count = lib->gnutls_priority_cipher_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (!priority_cipher_is_allowed(lib, (gnutls_cipher_algorithm_t)list[i]))
            return true;
    return false;
}
