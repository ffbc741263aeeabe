/*
 * Each PKCS #1 v1.5 algorithm needs the RSA-PSS algorithm with the same hash beside it. A list without an algorithm
 * for TLS 1.3 gets the usual ones. The names are those of SSL_CTX_set1_sigalgs_list(3).
 */
#include "tls/signature.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/init.h"
#include "config/override.h"
#include "tls/state.h"

static const struct algorithm {
    const char *name;  /* the registry's name (RFC 8446, 4.2.3) */
    const char *alias; /* OpenSSL's KEY+HASH form */
    const char *needs; /* the registry's name of the algorithm to add for TLS 1.3; NULL: it can sign in TLS 1.3 */
} algorithms[] = {
    {"rsa_pkcs1_sha1", "RSA+SHA1", "rsa_pss_rsae_sha256"},
    {"rsa_pkcs1_sha224", "RSA+SHA224", "rsa_pss_rsae_sha256"},
    {"rsa_pkcs1_sha256", "RSA+SHA256", "rsa_pss_rsae_sha256"},
    {"rsa_pkcs1_sha384", "RSA+SHA384", "rsa_pss_rsae_sha384"},
    {"rsa_pkcs1_sha512", "RSA+SHA512", "rsa_pss_rsae_sha512"},
    {"ecdsa_sha1", "ECDSA+SHA1", "ecdsa_secp256r1_sha256"},
    {"ecdsa_sha224", "ECDSA+SHA224", "ecdsa_secp256r1_sha256"},
    {"rsa_pss_rsae_sha256", "RSA-PSS+SHA256", NULL},
    {"rsa_pss_rsae_sha384", "RSA-PSS+SHA384", NULL},
    {"rsa_pss_rsae_sha512", "RSA-PSS+SHA512", NULL},
    {"ecdsa_secp256r1_sha256", "ECDSA+SHA256", NULL},
    {"ecdsa_secp384r1_sha384", "ECDSA+SHA384", NULL},
    {"ecdsa_secp521r1_sha512", "ECDSA+SHA512", NULL},
    {"rsa_pss_pss_sha256", "PSS+SHA256", NULL},
    {"rsa_pss_pss_sha384", "PSS+SHA384", NULL},
    {"rsa_pss_pss_sha512", "PSS+SHA512", NULL},
    {"ed25519", "ed25519", NULL},
    {"ed448", "ed448", NULL},
};

enum { ALGORITHM_COUNT = sizeof algorithms / sizeof algorithms[0] };

/* For a list that has no algorithm for TLS 1.3 (only DSA). */
static const char *const usual[] = {"rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256", "ed25519"};

/* The algorithm with this name, of `length` bytes. NULL: it is not in the table (DSA, GOST). */
static const struct algorithm *algorithm_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ALGORITHM_COUNT; i++) {
        const struct algorithm *algorithm = &algorithms[i];
        if ((strlen(algorithm->name) == length && strncasecmp(algorithm->name, name, length) == 0) ||
            (strlen(algorithm->alias) == length && strncasecmp(algorithm->alias, name, length) == 0))
            return algorithm;
    }
    return NULL;
}

static bool list_has(const char *list, const char *registry_name)
{
    while (*list != '\0') {
        size_t length = strcspn(list, ":");
        const struct algorithm *algorithm = algorithm_find(list + (*list == '?'), length - (*list == '?'));
        if (algorithm != NULL && strcmp(algorithm->name, registry_name) == 0)
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

/*
 * Appends `name` unless the list has it. Returns whether it was appended; sets *fits to false if it does not fit.
 */
static bool list_add(char *list, size_t size, const char *name, bool *fits)
{
    size_t used = strlen(list);
    if (list_has(list, name))
        return false;
    if (used + 1 + strlen(name) + 1 > size) {
        *fits = false;
        return false;
    }
    (void)snprintf(list + used, size - used, "%s%s", used > 0 ? ":" : "", name);
    return true;
}

bool tls_signature_complete(const char *list, char *completed, size_t size)
{
    size_t total = strlen(list);
    if (total >= size)
        return false;
    memcpy(completed, list, total + 1);
    bool added = false;
    bool fits = true;
    bool serves = false;
    for (const char *at = list; *at != '\0';) {
        size_t length = strcspn(at, ":");
        bool optional = *at == '?'; /* since 3.3: ignored if libssl does not know it */
        const struct algorithm *algorithm = algorithm_find(at + optional, length - optional);
        if (algorithm != NULL && algorithm->needs != NULL)
            added |= list_add(completed, size, algorithm->needs, &fits);
        serves |= algorithm != NULL;
        at += length + (at[length] == ':');
    }
    for (size_t i = 0; !serves && i < sizeof usual / sizeof usual[0]; i++)
        added |= list_add(completed, size, usual[i], &fits);
    return added && fits;
}

bool tls_signature_concerns(int command)
{
    return command == SSL_CTRL_SET_SIGALGS_LIST || command == SSL_CTRL_SET_CLIENT_SIGALGS_LIST ||
           command == SSL_CTRL_SET_SIGALGS || command == SSL_CTRL_SET_CLIENT_SIGALGS;
}

enum { LIST_MAX = 1024, NIDS_MAX = 128, ADDED_MAX = 6 };

static long set_list(const struct tls_target *target, int command, long value, char *list)
{
    long result = tls_target_ctrl(target, command, value, list);
    char completed[LIST_MAX];
    if (result != 1 || list == NULL || !tls_signature_complete(list, completed, sizeof completed))
        return result;
    override_report("signature-algorithms", list, completed);
    struct tls_saved_errors saved = tls_errors_save(target->lib);
    if (tls_target_ctrl(target, command, value, completed) != 1)
        (void)tls_target_ctrl(target, command, value, list);
    tls_errors_restore(saved);
    return result;
}

/* The same for a list of NIDs (SSL_CTX_set1_sigalgs(3)): pairs of hash and key type, `count` numbers in total. */
static long set_pairs(const struct tls_target *target, int command, long count, int *nids)
{
    long result = tls_target_ctrl(target, command, count, nids);
    if (result != 1 || nids == NULL || count <= 0 || count + ADDED_MAX > NIDS_MAX)
        return result;
    static const int added[ADDED_MAX] = {NID_sha256,       EVP_PKEY_RSA_PSS, NID_sha384,
                                         EVP_PKEY_RSA_PSS, NID_sha512,       EVP_PKEY_RSA_PSS};
    int completed[NIDS_MAX];
    bool rsa = false;
    bool pss = false;
    memcpy(completed, nids, (size_t)count * sizeof *nids);
    for (long i = 1; i < count; i += 2) {
        rsa |= nids[i] == EVP_PKEY_RSA;
        pss |= nids[i] == EVP_PKEY_RSA_PSS;
    }
    if (!rsa || pss)
        return result;
    memcpy(completed + count, added, sizeof added);
    override_report("signature-algorithms", "RSA without PSS", "RSA-PSS added");
    struct tls_saved_errors saved = tls_errors_save(target->lib);
    if (tls_target_ctrl(target, command, count + ADDED_MAX, completed) != 1)
        (void)tls_target_ctrl(target, command, count, nids);
    tls_errors_restore(saved);
    return result;
}

long tls_signature_set(const struct tls_target *target, int command, long value, void *pointer)
{
    if (!pfswrap_enforces())
        return tls_target_ctrl(target, command, value, pointer);
    if (command == SSL_CTRL_SET_SIGALGS || command == SSL_CTRL_SET_CLIENT_SIGALGS)
        return set_pairs(target, command, value, pointer);
    return set_list(target, command, value, pointer);
}
