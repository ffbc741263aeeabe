/*
 * Who else uses a key. A file may be named by several policies; those that are looked at are the files *.conf
 * beside the policy, and the policies of the protected processes that run. See rotate.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../message.h"
#include "../protected.h"
#include "../reload_command.h"
#include "rotate.h"

static unsigned names_in(const struct rotation *rotation, const struct policy *policy)
{
    const struct policy_seal_keys *seal = &policy->seal;
    const char *const peers = rotation->policy->seal.peers;
    const size_t count = rotation->is_psk ? seal->psk_count : seal->identity_count;
    unsigned names = peers[0] != '\0' && strcmp(seal->peers, peers) == 0 ? ROTATE_NAMES_PEERS : 0;
    for (size_t i = 0; i < count; i++) {
        const char *const path = rotation->is_psk ? seal->psks[i] : seal->identities[i];
        if (strcmp(path, rotation->file) == 0)
            names |= ROTATE_NAMES_FILE;
        if (strcmp(path, rotation->next) == 0)
            names |= ROTATE_NAMES_NEXT;
        if (rotation->agent != NULL && strcmp(path, rotation->agent) == 0 &&
            strcmp(policy_agent_path(policy), policy_agent_path(rotation->policy)) == 0)
            names |= ROTATE_NAMES_AGENT;
    }
    return names;
}

static const struct rotate_user *find(const struct rotate_users *users, const struct stat *status)
{
    for (size_t i = 0; i < users->count; i++)
        if (users->entries[i].device == status->st_dev && users->entries[i].inode == status->st_ino)
            return &users->entries[i];
    return NULL;
}

/* Adds a policy, if it is one that names the files. */
static void add(struct rotate_users *users, const char *path)
{
    struct policy_error error;
    struct stat status;
    if (users->has_failed || stat(path, &status) != 0 || !S_ISREG(status.st_mode) || find(users, &status) != NULL)
        return;
    if (users->count == users->room) {
        const size_t room = users->room > 0 ? 2 * users->room : 8;
        struct rotate_user *const more = realloc(users->entries, room * sizeof *more);
        users->has_failed = more == NULL;
        if (more == NULL)
            return;
        users->entries = more;
        users->room = room;
    }
    struct rotate_user *const user = &users->entries[users->count];
    struct policy *const policy = calloc(1, sizeof *policy);
    users->has_failed = policy == NULL;
    *user = (struct rotate_user){.device = status.st_dev, .inode = status.st_ino};
    (void)snprintf(user->path, sizeof user->path, "%s", path);
    if (policy != NULL && policy_load(policy, path, &error) == 0)
        user->names = names_in(users->rotation, policy);
    if (strcmp(path, users->rotation->policy->path) == 0)
        user->names |= ROTATE_IS_POLICY;
    users->count++; /* also one that names nothing: it is not read again */
    free(policy);
}

static void add_folder(struct rotate_users *users, const char *policy)
{
    char folder[PATH_MAX], path[2 * PATH_MAX];
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(policy, '/') - policy) + 1, policy);
    DIR *const entries = opendir(folder);
    if (entries == NULL)
        return;
    for (const struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        const size_t length = strlen(entry->d_name);
        if (length < 6 || strcmp(entry->d_name + length - 5, ".conf") != 0)
            continue;
        if (snprintf(path, sizeof path, "%s%s", folder, entry->d_name) < PATH_MAX)
            add(users, path);
    }
    (void)closedir(entries);
}

/* The policy of a process, as a path in this command's root. Returns whether it is there. */
static bool find_policy(char path[], size_t size, const struct protected_process *process)
{
    if (process->result != SNAPSHOT_READ || process->snapshot.about.policy[0] != '/')
        return false;
    (void)snprintf(path, size, "/proc/%d/root%s", (int)process->process.pid, process->snapshot.about.policy);
    return true;
}

/* Of a process with the same root directory: its paths lead to the same files. For protected_each(). */
static void add_process(void *argument, const struct protected_process *process)
{
    char root[64];
    struct stat its, own;
    (void)snprintf(root, sizeof root, "/proc/%d/root", (int)process->process.pid);
    if (process->result == SNAPSHOT_READ && process->snapshot.about.policy[0] == '/' && stat(root, &its) == 0 &&
        stat("/", &own) == 0 && its.st_dev == own.st_dev && its.st_ino == own.st_ino)
        add(argument, process->snapshot.about.policy);
}

static void note_change(struct rotate_users *users, const char *path)
{
    struct stat status;
    if (path[0] != '\0' && stat(path, &status) == 0 &&
        (status.st_ctim.tv_sec > users->changed.tv_sec ||
         (status.st_ctim.tv_sec == users->changed.tv_sec && status.st_ctim.tv_nsec > users->changed.tv_nsec)))
        users->changed = status.st_ctim;
}

int rotate_users_find(struct rotate_users *users, const struct rotation *rotation)
{
    const struct protected_choice everyone = {0};
    const struct policy *const policy = rotation->policy;
    *users = (struct rotate_users){.rotation = rotation};
    add(users, policy->path);
    add_folder(users, policy->path);
    const int found = protected_each(&everyone, add_process, users);
    note_change(users, policy->path);
    note_change(users, rotate_list(rotation));
    note_change(users, policy->seal.peers);
    note_change(users, rotation->file);
    note_change(users, rotation->next);
    if (users->has_failed)
        message("not enough memory");
    if (!users->has_failed && found >= 0)
        return 0;
    rotate_users_free(users);
    return -1;
}

void rotate_users_free(struct rotate_users *users)
{
    free(users->entries);
    users->entries = NULL;
    users->count = 0;
}

const char *rotate_users_other(const struct rotate_users *users, unsigned names, unsigned without)
{
    for (size_t i = 0; i < users->count; i++) {
        const struct rotate_user *const user = &users->entries[i];
        if ((user->names & names) == names && (user->names & (without | ROTATE_IS_POLICY)) == 0)
            return user->path;
    }
    return NULL;
}

/* Whether the process has one of these policies, and has not read it since the last change. For reload_wanted(). */
static bool is_behind(void *argument, const struct protected_process *process)
{
    const struct rotate_users *const users = argument;
    char path[PATH_MAX + 64];
    struct stat status;
    if (!find_policy(path, sizeof path, process) || stat(path, &status) != 0)
        return false;
    const struct rotate_user *const user = find(users, &status);
    const int64_t changed = (int64_t)users->changed.tv_sec * 1000000000 + users->changed.tv_nsec;
    return user != NULL && user->names != 0 &&
           (process->policy != POLICY_STATE_CURRENT || process->snapshot.about.policy_ns <= changed);
}

int rotate_users_reload(const struct rotation *rotation)
{
    struct rotate_users users;
    if (rotation->agent != NULL && rotate_agent_reload(rotation) != 0)
        return 1;
    if (rotate_users_find(&users, rotation) != 0)
        return 1;
    const int status = reload_wanted(is_behind, &users);
    rotate_users_free(&users);
    return status;
}

struct printing {
    struct rotate_users users;
    int count;
};

static void print_process(void *argument, const struct protected_process *process)
{
    struct printing *const printing = argument;
    if (!is_behind(&printing->users, process))
        return;
    out("missing: %d %s has not read these files since they have changed: pfswrap reload %d, or restart it\n",
        (int)process->process.pid, protected_name(process), (int)process->process.pid);
    printing->count++;
}

int rotate_users_print(const struct rotation *rotation)
{
    const struct protected_choice everyone = {0};
    struct printing printing = {.count = 0};
    if (rotate_users_find(&printing.users, rotation) != 0)
        return -1;
    const int found = protected_each(&everyone, print_process, &printing);
    rotate_users_free(&printing.users);
    return found < 0 ? -1 : printing.count;
}
