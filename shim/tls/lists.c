/*
 * Groups and ciphers. Entries that a library does not know are skipped: a list with one unknown name, or one name
 * twice, fails as a whole in every version of OpenSSL, and 1.1.1 knows P-256 by that name only.
 */
#include "tls/lists.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "init.h"
#include "policy/registry.h"
#include "tls/report.h"

enum { NID_IS_A_GROUP = 0x1000000 }; /* libssl's mark for a group without a NID, above the IANA number */

/* ECDHE with AES-GCM or ChaCha20-Poly1305, for TLS 1.2 and DTLS 1.2, as libssl's cipher strings say it. */
static const char ecdhe_aead[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

bool tls_group_is_allowed(uint16_t group)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    for (size_t i = 0; i < policy->group_count; i++)
        if (policy->groups[i] == group)
            return true;
    return false;
}

static bool ciphersuite_is_allowed(uint16_t id)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    for (size_t i = 0; i < policy->ciphersuite_count; i++)
        if (policy->ciphersuites[i] == id)
            return true;
    return false;
}

static bool is_tls13(uint16_t id)
{
    return id >> 8 == 0x13; /* RFC 8446 B.4: { 0x13, 0x01 } and on */
}

bool tls_cipher_is_allowed(const struct libssl *lib, const SSL_CIPHER *cipher)
{
    uint16_t id = (uint16_t)lib->SSL_CIPHER_get_id(cipher);
    if (is_tls13(id))
        return ciphersuite_is_allowed(id);
    int exchange = lib->SSL_CIPHER_get_kx_nid(cipher);
    return (exchange == NID_kx_ecdhe || exchange == NID_kx_ecdhe_psk) && lib->SSL_CIPHER_is_aead(cipher);
}

uint16_t tls_group_of_nid(int nid)
{
    if ((nid & NID_IS_A_GROUP) != 0)
        return (uint16_t)nid;
    const struct tls_group *group = tls_group_by_nid(nid);
    return group != NULL ? group->id : 0;
}

/* Appends `name` to the colon-separated `list`. */
static void list_append(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    (void)snprintf(list + used, size - used, "%s%s", used > 0 ? ":" : "", name);
}

/* Those of the policy's groups that this library knows: asked once, of a context that is not in use yet. */
static const char *groups_of_policy(struct libssl *lib, SSL_CTX *context)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    if (__atomic_load_n(&lib->groups_known, __ATOMIC_ACQUIRE))
        return lib->groups;
    pthread_mutex_lock(&mutex);
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    char list[LIBSSL_LIST_MAX] = "";
    for (size_t i = 0; i < policy->group_count; i++) {
        const struct tls_group *group = tls_group_by_id(policy->groups[i]);
        char name[64];
        if (group == NULL || group->openssl == NULL)
            continue;
        (void)snprintf(name, sizeof name, "%s", group->openssl);
        if (lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, name) == 1)
            list_append(list, sizeof list, name);
    }
    if (!lib->groups_known)
        memcpy(lib->groups, list, sizeof list);
    __atomic_store_n(&lib->groups_known, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&mutex);
    return lib->groups;
}

static void ciphersuites_of_policy(char *list, size_t size)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    list[0] = '\0';
    for (size_t i = 0; i < policy->ciphersuite_count; i++)
        list_append(list, size, tls_ciphersuite_by_id(policy->ciphersuites[i])->name);
}

const char *tls_lists_begin(struct libssl *lib, SSL_CTX *context)
{
    char list[LIBSSL_LIST_MAX];
    (void)snprintf(list, sizeof list, "%s", groups_of_policy(lib, context));
    if (list[0] == '\0')
        return "this libssl knows none of the policy's groups";
    if (lib->SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, list) != 1)
        return "this libssl does not take the policy's groups";
    ciphersuites_of_policy(list, sizeof list);
    if (lib->SSL_CTX_set_ciphersuites(context, list) != 1)
        return "this libssl knows none of the policy's cipher suites";
    return NULL;
}

static const char *groups_force(struct libssl *lib, SSL *ssl, bool enforce)
{
    enum { NIDS_MAX = 128 };
    int nids[NIDS_MAX];
    long count = lib->SSL_ctrl(ssl, SSL_CTRL_GET_GROUPS, 0, NULL);
    if (count < 0 || count > NIDS_MAX)
        return "the connection has more than 128 groups";
    lib->SSL_ctrl(ssl, SSL_CTRL_GET_GROUPS, 0, nids);
    char denied[LIBSSL_LIST_MAX] = "";
    long allowed = 0;
    for (long i = 0; i < count; i++) {
        uint16_t id = tls_group_of_nid(nids[i]);
        const struct tls_group *group = tls_group_by_id(id);
        if (tls_group_is_allowed(id))
            allowed++;
        else
            list_append(denied, sizeof denied, group != NULL ? group->name : "unknown");
    }
    if (denied[0] != '\0')
        report_override("groups", denied, lib->groups);
    if (allowed > 0 || !enforce)
        return NULL;
    char list[LIBSSL_LIST_MAX];
    memcpy(list, lib->groups, sizeof list);
    if (list[0] == '\0' || lib->SSL_ctrl(ssl, SSL_CTRL_SET_GROUPS_LIST, 0, list) != 1)
        return "the connection's groups cannot be set to the policy's";
    return NULL;
}

struct cipher_counts {
    int tls13_allowed, tls13_denied;
    int older_allowed, older_denied;
};

static struct cipher_counts ciphers_count(const struct libssl *lib, const STACK_OF(SSL_CIPHER) *ciphers)
{
    struct cipher_counts counts = {0};
    int total = ciphers != NULL ? lib->OPENSSL_sk_num((const OPENSSL_STACK *)ciphers) : 0;
    for (int i = 0; i < total; i++) {
        const SSL_CIPHER *cipher = lib->OPENSSL_sk_value((const OPENSSL_STACK *)ciphers, i);
        bool allowed = tls_cipher_is_allowed(lib, cipher);
        if (is_tls13((uint16_t)lib->SSL_CIPHER_get_id(cipher)))
            allowed ? counts.tls13_allowed++ : counts.tls13_denied++;
        else
            allowed ? counts.older_allowed++ : counts.older_denied++;
    }
    return counts;
}

void tls_lists_report(const struct libssl *lib, const STACK_OF(SSL_CIPHER) *ciphers, const char *asked)
{
    if (ciphers_count(lib, ciphers).older_denied > 0)
        report_override("cipher-list", asked, "without forward secrecy: never used");
}

const char *tls_lists_force(struct libssl *lib, SSL *ssl, bool dtls, bool enforce)
{
    const char *obstacle = groups_force(lib, ssl, enforce);
    struct cipher_counts counts = ciphers_count(lib, lib->SSL_get_ciphers(ssl));
    char list[LIBSSL_LIST_MAX];
    ciphersuites_of_policy(list, sizeof list);
    if (counts.tls13_denied > 0 || (counts.tls13_allowed == 0 && !dtls))
        report_override("ciphersuites", counts.tls13_denied > 0 ? "some outside the policy" : "none", list);
    if (!enforce || obstacle != NULL)
        return obstacle;
    if (!dtls && counts.tls13_allowed == 0 && lib->SSL_set_ciphersuites(ssl, list) != 1)
        return "the connection's cipher suites cannot be set to the policy's";
    bool older_versions = dtls || pfswrap_policy()->tls.min_version < TLS1_3_VERSION;
    if (older_versions && counts.older_allowed == 0 && lib->SSL_set_cipher_list(ssl, ecdhe_aead) != 1)
        return "the connection's ciphers cannot be set to ECDHE with AEAD";
    return NULL;
}
