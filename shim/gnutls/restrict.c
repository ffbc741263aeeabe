/*
 * A priority string is processed from left to right. So the appended part first removes all versions, key
 * exchanges, MACs, groups and ciphers, and then adds those that the policy allows.
 */
#include "gnutls/restrict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/init.h"
#include "config/override.h"
#include "gnutls/algorithm.h"

enum { TLS_1_3 = 0x0304 };

/* Signature schemes that TLS 1.3 needs for the usual certificates, and that priorities for TLS 1.2 may lack. */
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

/* A priority string that grows. Once a word does not fit, it is too long and does not change any more. */
struct priority_string {
    char *text;
    size_t length;
    bool is_too_long;
};

__attribute__((format(printf, 2, 3))) static void string_add(struct priority_string *string, const char *format,
                                                             ...)
{
    va_list arguments;
    if (string->is_too_long)
        return;
    va_start(arguments, format);
    int length = vsnprintf(string->text + string->length, PRIORITY_MAX - string->length, format, arguments);
    va_end(arguments);
    string->is_too_long = length < 0 || (size_t)length >= PRIORITY_MAX - string->length;
    string->length += string->is_too_long ? 0 : (size_t)length;
}

/*
 * Adds the groups that the program and the policy have in common, or else the policy's. Returns false if it adds
 * none.
 */
static bool add_groups(const struct gnutls *lib, struct priority_string *string, gnutls_priority_t asked)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    const unsigned *list;
    int count = lib->gnutls_priority_group_list(asked, &list);
    bool is_any = false;
    string_add(string, ":-GROUP-ALL");
    for (int i = 0; i < count; i++)
        if (algorithm_group_is_allowed(lib, (gnutls_group_t)list[i])) {
            const uint16_t id = algorithm_group_id(lib, (gnutls_group_t)list[i]);
            string_add(string, ":+GROUP-%s", algorithm_group_name(lib, id));
            is_any = true;
        }
    const bool is_programs = is_any;
    for (size_t i = 0; i < policy->group_count && !is_programs; i++) {
        const char *name = algorithm_group_name(lib, policy->groups[i]);
        if (name == NULL)
            continue;
        string_add(string, ":+GROUP-%s", name);
        is_any = true;
    }
    return is_any;
}

/* The same for ciphers. In TLS 1.3 the cipher determines the suite; in TLS 1.2 these ciphers are AEAD as well. */
static bool add_ciphers(const struct gnutls *lib, struct priority_string *string, gnutls_priority_t asked)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    const unsigned *list;
    int count = lib->gnutls_priority_cipher_list(asked, &list);
    bool is_any = false;
    string_add(string, ":-CIPHER-ALL");
    for (int i = 0; i < count; i++)
        if (algorithm_cipher_is_allowed(lib, (gnutls_cipher_algorithm_t)list[i])) {
            const uint16_t id = algorithm_suite_id(lib, (gnutls_cipher_algorithm_t)list[i]);
            string_add(string, ":+%s", algorithm_cipher_name(lib, id));
            is_any = true;
        }
    const bool is_programs = is_any;
    for (size_t i = 0; i < policy->ciphersuite_count && !is_programs; i++) {
        const char *name = algorithm_cipher_name(lib, policy->ciphersuites[i]);
        if (name == NULL)
            continue;
        string_add(string, ":+%s", name);
        is_any = true;
    }
    return is_any;
}

static bool has_preshared_key(const struct gnutls *lib, gnutls_priority_t asked)
{
    const unsigned *list;
    int count = lib->gnutls_priority_kx_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (list[i] == GNUTLS_KX_PSK || list[i] == GNUTLS_KX_DHE_PSK || list[i] == GNUTLS_KX_ECDHE_PSK ||
            list[i] == GNUTLS_KX_RSA_PSK)
            return true;
    return false;
}

/* A program that chose its signature schemes for TLS 1.2 may have none that its certificate can use in TLS 1.3. */
static void add_signatures(const struct gnutls *lib, struct priority_string *string, gnutls_priority_t asked)
{
    const unsigned *list;
    int count = lib->gnutls_priority_sign_list(asked, &list);
    for (size_t i = 0; i < sizeof tls13_signatures / sizeof tls13_signatures[0]; i++) {
        bool is_present = false;
        for (int j = 0; j < count && !is_present; j++)
            is_present = list[j] == tls13_signatures[i].id;
        if (!is_present)
            string_add(string, ":+%s", tls13_signatures[i].name);
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

/*
 * Appends to `text` (PRIORITY_MAX bytes, may be empty) what restricts it to the policy. `asked` is the result of
 * `text` alone. Returns false if it does not fit, or if the library has no group or no cipher of the policy.
 */
static bool append_policy(const struct gnutls *lib, char *text, gnutls_priority_t asked, bool is_datagram)
{
    const bool with_tls12 = pfswrap_policy()->tls.min_version < TLS_1_3;
    struct priority_string string = {.text = text, .length = strlen(text)};
    const bool was_empty = string.length == 0;
    /* With both TLS and DTLS, a stream session would also offer the cipher suites of TLS 1.2. */
    if (is_datagram)
        string_add(&string, ":-VERS-ALL:+VERS-DTLS1.2");
    else
        string_add(&string, ":-VERS-ALL:+VERS-TLS1.3%s", with_tls12 ? ":+VERS-TLS1.2" : "");
    /*
     * TLS 1.3 needs a key exchange in the string only for preshared keys. One with a certificate would make the
     * session offer the cipher suites of TLS 1.2.
     */
    string_add(&string, ":-KX-ALL%s%s:-MAC-ALL:+AEAD", is_datagram || with_tls12 ? ":+ECDHE-ECDSA:+ECDHE-RSA" : "",
               has_preshared_key(lib, asked) ? ":+ECDHE-PSK" : "");
    const bool has_groups = add_groups(lib, &string, asked);
    const bool has_ciphers = add_ciphers(lib, &string, asked);
    if (!is_datagram && !allows_tls13(lib, asked))
        add_signatures(lib, &string, asked);
    if (was_empty && string.length > 0) /* without the first colon */
        memmove(text, text + 1, string.length);
    return has_groups && has_ciphers && !string.is_too_long;
}

/* Whether priorities allow a version, a group or a cipher that the policy does not allow. */
static bool is_weaker(const struct gnutls *lib, gnutls_priority_t asked)
{
    const unsigned min_version = pfswrap_policy()->tls.min_version < TLS_1_3 ? GNUTLS_TLS1_2 : GNUTLS_TLS1_3;
    const unsigned *list;
    int count = lib->gnutls_priority_protocol_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (list[i] < min_version)
            return true;
    count = lib->gnutls_priority_group_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (!algorithm_group_is_allowed(lib, (gnutls_group_t)list[i]))
            return true;
    count = lib->gnutls_priority_cipher_list(asked, &list);
    for (int i = 0; i < count; i++)
        if (!algorithm_cipher_is_allowed(lib, (gnutls_cipher_algorithm_t)list[i]))
            return true;
    return false;
}

int priority_restrict(const struct gnutls *lib, struct priority_restricted *restricted, const char *string,
                      const char **error, unsigned flags, bool is_datagram)
{
    gnutls_priority_t asked;
    int result = lib->gnutls_priority_init2(&asked, string, error, flags);
    if (result < 0)
        return result;
    if (string != NULL && is_weaker(lib, asked))
        override_report("priority", string, "the policy's versions, groups and ciphers");
    int length = snprintf(restricted->string, sizeof restricted->string, "%s", string != NULL ? string : "");
    restricted->flags = string == NULL ? flags | GNUTLS_PRIORITY_INIT_DEF_APPEND : flags;
    if (length < 0 || (size_t)length >= sizeof restricted->string ||
        !append_policy(lib, restricted->string, asked, is_datagram))
        result = GNUTLS_E_NO_PRIORITIES_WERE_SET;
    lib->gnutls_priority_deinit(asked);
    return result;
}
