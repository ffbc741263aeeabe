/*
 * Groups that a library does not know are skipped: a list with one unknown name, or one name twice, fails as a
 * whole in every version of OpenSSL. Names are the registry's `openssl` column, which every version takes.
 */
#include "tls/groups.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "init.h"
#include "policy/registry.h"
#include "tls/report.h"

enum { NID_IS_A_GROUP = 0x1000000 }; /* libssl's mark for a group without a NID, above the IANA number */

bool tls_group_is_allowed(uint16_t group)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    for (size_t i = 0; i < policy->group_count; i++)
        if (policy->groups[i] == group)
            return true;
    return false;
}

uint16_t tls_group_of_nid(int nid)
{
    if ((nid & NID_IS_A_GROUP) != 0)
        return (uint16_t)nid;
    const struct tls_group *group = tls_group_by_nid(nid);
    return group != NULL ? group->id : 0;
}

/* Appends `name` to the colon-separated `list`. Returns whether there was room. */
static bool list_append(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    int added = snprintf(list + used, size - used, "%s%s", used > 0 ? ":" : "", name);
    return added >= 0 && (size_t)added < size - used;
}

/* Those of the policy's groups that this library knows: tried one by one on the first target there is. */
static const char *groups_of_policy(const struct tls_target *target)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct libssl *lib = target->lib;
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
        if (tls_target_ctrl(target, SSL_CTRL_SET_GROUPS_LIST, 0, name) == 1)
            (void)list_append(list, sizeof list, name);
    }
    if (!lib->groups_known)
        memcpy(lib->groups, list, sizeof list);
    __atomic_store_n(&lib->groups_known, true, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&mutex);
    return lib->groups;
}

static long set_list(const struct tls_target *target, const char *list)
{
    char copy[LIBSSL_LIST_MAX]; /* the library's parameter is not const */
    (void)snprintf(copy, sizeof copy, "%s", list);
    return tls_target_ctrl(target, SSL_CTRL_SET_GROUPS_LIST, 0, copy);
}

const char *tls_groups_begin(const struct tls_target *target)
{
    const char *list = groups_of_policy(target);
    if (list[0] == '\0')
        return "this libssl knows none of the policy's groups";
    return set_list(target, list) == 1 ? NULL : "this libssl does not take the policy's groups";
}

bool tls_groups_concerns(int command)
{
    return command == SSL_CTRL_SET_GROUPS_LIST || command == SSL_CTRL_SET_GROUPS ||
           command == SSL_CTRL_SET_TMP_ECDH;
}

/* What the program has asked for, as a list of names, for the log. */
static void asked_groups(const struct libssl *lib, int command, long value, const void *pointer, char *asked,
                         size_t size)
{
    const int *nids = pointer;
    int curve = NID_undef;
    if (command == SSL_CTRL_SET_GROUPS_LIST) {
        (void)snprintf(asked, size, "%s", (const char *)pointer);
        return;
    }
    if (command == SSL_CTRL_SET_TMP_ECDH) {
        curve = lib->EC_GROUP_get_curve_name(lib->EC_KEY_get0_group(pointer));
        nids = &curve;
        value = 1;
    }
    asked[0] = '\0';
    for (long i = 0; i < value; i++) {
        const struct tls_group *group = tls_group_by_id(tls_group_of_nid(nids[i]));
        (void)list_append(asked, size, group != NULL ? group->name : "unknown");
    }
}

long tls_groups_set(const struct tls_target *target, int command, long value, void *pointer)
{
    long result = tls_target_ctrl(target, command, value, pointer);
    if (result != 1 || pointer == NULL)
        return result;
    char asked[LIBSSL_LIST_MAX];
    asked_groups(target->lib, command, value, pointer, asked, sizeof asked);
    report_override("groups", asked, target->lib->groups);
    if (pfswrap_policy()->mode != POLICY_ENFORCE)
        return result;
    struct tls_quiet quiet = tls_quiet_begin(target->lib);
    (void)tls_groups_begin(target);
    tls_quiet_end(quiet);
    return result;
}
