/*
 * In every version of OpenSSL, a list with an unknown or a repeated name fails as a whole. So the groups of the
 * policy that a library does not know are left out. The names are the `openssl` column of the registry, which all
 * versions accept.
 */
#include "tls/groups.h"
#include "tls/policy_pin.h"

#include <stdio.h>
#include <string.h>

#include "base/mutex.h"
#include "config/init.h"
#include "config/override.h"
#include "policy/registry.h"

enum { NID_IS_A_GROUP = 0x1000000 }; /* the bit by which libssl marks the IANA number of a group without a NID */

bool tls_group_is_allowed(uint16_t group)
{
    const struct policy_tls *policy = &tls_policy()->tls;
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

/* Appends `name` to the colon-separated `list`. Returns false if it does not fit. */
static bool list_append(char *list, size_t size, const char *name)
{
    size_t used = strlen(list);
    int added = snprintf(list + used, size - used, "%s%s", used > 0 ? ":" : "", name);
    return added >= 0 && (size_t)added < size - used;
}

/* The groups of the policy that this library knows. Each is tried alone on the first target. */
static const char *groups_of_policy(const struct tls_target *target)
{
    static struct mutex mutex;
    struct libssl *lib = target->lib;
    if (__atomic_load_n(&lib->groups_known, __ATOMIC_ACQUIRE))
        return lib->groups;
    mutex_lock(&mutex);
    const struct policy_tls *policy = &tls_policy()->tls;
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
    mutex_unlock(&mutex);
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
    return set_list(target, list) == 1 ? NULL : "this libssl does not accept the policy's groups";
}

/* A list of groups while the policy is applied to it. */
struct filter {
    char *kept; /* the allowed groups so far */
    size_t size;
    bool changed; /* a group was removed */
};

static void filter_add(struct filter *filter, const struct tls_group *group)
{
    if (group == NULL || group->openssl == NULL || !tls_group_is_allowed(group->id) ||
        !list_append(filter->kept, filter->size, group->openssl))
        filter->changed = true;
}

/* If no group is left, takes the policy's. Returns whether `kept` differs from what the program asked for. */
static bool filter_end(const struct libssl *lib, struct filter *filter)
{
    if (filter->changed && filter->kept[0] == '\0')
        (void)snprintf(filter->kept, filter->size, "%s", lib->groups);
    return filter->changed;
}

bool tls_groups_keep_allowed(const struct libssl *lib, const char *list, char *kept, size_t size)
{
    struct filter filter = {.kept = kept, .size = size};
    kept[0] = '\0';
    while (*list != '\0') {
        /* Since OpenSSL 3.5, a list may have prefixes (? * -), tuples (/) and the name DEFAULT. */
        size_t prefix = strspn(list, "?*-:/");
        size_t length = strcspn(list + prefix, ":/");
        char name[64];
        (void)snprintf(name, sizeof name, "%.*s", (int)(length < sizeof name ? length : sizeof name - 1),
                       list + prefix);
        const struct tls_group *group = tls_group_by_name(name);
        bool removed = memchr(list, '-', prefix) != NULL;
        if (group == NULL && length > 0 && strcmp(name, "DEFAULT") != 0)
            return false;
        if (length > 0 && !removed)
            filter_add(&filter, group);
        list += prefix + length;
    }
    return filter_end(lib, &filter);
}

static bool nids_keep_allowed(const struct libssl *lib, const int *nids, long count, char *kept, size_t size)
{
    struct filter filter = {.kept = kept, .size = size};
    kept[0] = '\0';
    for (long i = 0; i < count; i++)
        filter_add(&filter, tls_group_by_id(tls_group_of_nid(nids[i])));
    return filter_end(lib, &filter);
}

bool tls_groups_concerns(int command)
{
    return command == SSL_CTRL_SET_GROUPS_LIST || command == SSL_CTRL_SET_GROUPS ||
           command == SSL_CTRL_SET_TMP_ECDH;
}

/* Whether a list of `count` NIDs must change. `kept`: what it becomes; `asked`: the names of the NIDs. */
static bool nids_must_change(const struct libssl *lib, const int *nids, long count, char *kept, char *asked)
{
    asked[0] = '\0';
    for (long i = 0; i < count; i++) {
        const struct tls_group *group = tls_group_by_id(tls_group_of_nid(nids[i]));
        (void)list_append(asked, LIBSSL_LIST_MAX, group != NULL ? group->name : "unknown");
    }
    return nids_keep_allowed(lib, nids, count, kept, LIBSSL_LIST_MAX);
}

/* Whether the list that the program has just set must change. `kept` and `asked` have LIBSSL_LIST_MAX bytes. */
static bool must_change(const struct libssl *lib, int command, long value, const void *pointer, char *kept,
                        char *asked)
{
    if (command == SSL_CTRL_SET_GROUPS)
        return nids_must_change(lib, pointer, value, kept, asked);
    if (command == SSL_CTRL_SET_TMP_ECDH) {
        const int curve[] = {lib->EC_GROUP_get_curve_name(lib->EC_KEY_get0_group(pointer))};
        return nids_must_change(lib, curve, 1, kept, asked);
    }
    (void)snprintf(asked, LIBSSL_LIST_MAX, "%s", (const char *)pointer);
    return tls_groups_keep_allowed(lib, pointer, kept, LIBSSL_LIST_MAX);
}

long tls_groups_set(const struct tls_target *target, int command, long value, void *pointer)
{
    long result = tls_target_ctrl(target, command, value, pointer);
    char kept[LIBSSL_LIST_MAX];
    char asked[LIBSSL_LIST_MAX];
    if (result != 1 || pointer == NULL || !must_change(target->lib, command, value, pointer, kept, asked))
        return result;
    bool known = kept[0] != '\0'; /* with mode = audit, the library's groups have not been tried */
    override_report("groups", asked, known ? kept : "the policy's");
    if (!pfswrap_enforces())
        return result;
    struct tls_saved_errors saved = tls_errors_save(target->lib);
    if (set_list(target, kept) != 1)
        (void)tls_groups_begin(target);
    tls_errors_restore(saved);
    return result;
}
