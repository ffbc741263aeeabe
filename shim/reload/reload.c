/*
 * Forks wait while a state is made, so that no child has half of one. One thread of a process runs this, so what is
 * large is static. See reload.h.
 */
#include "reload/reload.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/filter.h"
#include "base/fork_lock.h"
#include "base/large.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/cryptoperiod.h"
#include "config/init.h"
#include "config/publish.h"
#include "config/snapshot.h"
#include "config/trust.h"
#include "connection/renew.h"

enum { TRIES = 5 }; /* while the files change */

bool reload_is_allowed_by(const struct filter_set *set)
{
    static const short calls[] = {
        SYS_openat, RAW_FSTATAT, RAW_FSTAT, RAW_FSTATFS, SYS_fgetxattr, RAW_GETGROUPS, RAW_GETEUID,   SYS_pread64,
        SYS_read,   SYS_close,   RAW_MMAP,  SYS_munmap,  SYS_mprotect,  SYS_mlock,     SYS_munlock,   SYS_madvise,
        SYS_futex,  RAW_FCNTL,   SYS_write, SYS_brk,     RAW_GETEGID,   SYS_exit,      SYS_getrandom, RAW_LSEEK,
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (set->answers[calls[i]] != FILTER_ALLOWS)
            return false;
    return true;
}

bool reload_is_allowed(void)
{
    return !process_sandboxed && reload_is_allowed_by(&filter_in_force);
}

__attribute__((format(printf, 2, 3))) static int fail(struct policy_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return -1;
}

/* Whether the paths of the policy mean what they meant at the start. Returns 0, or -1 with *error filled. */
static int check_process(const struct policy *policy, struct policy_error *error)
{
    if (!reload_is_allowed())
        return fail(error, "%.*s: a system call filter of the program forbids to read it again", PATH_MAX,
                    policy->path);
    if (!files_have_same_root())
        return fail(error, "%.*s: the program has changed its root directory and cannot read it again", PATH_MAX,
                    policy->path);
    return 0;
}

/* What was read and checked, before it becomes the newest state. */
struct reading {
    struct policy *candidate; /* NULL if the policy equals one that was in force before */
    const struct policy *policy;
    const struct keys *keys;
    struct trust trust;
    struct file_identities files;
    bool is_torn; /* a file has changed meanwhile */
};

static void discard(struct reading *reading)
{
    keys_free(reading->keys);
    snapshot_free_policy(reading->candidate);
    *reading = (struct reading){0};
}

/* Reads the policy. Returns 0, or -1 with *error filled. */
static int read_policy(struct reading *reading, struct policy_error *error)
{
    const struct policy *now = pfswrap_policy();
    reading->candidate = snapshot_new_policy();
    if (reading->candidate == NULL)
        return fail(error, "%.*s: not enough memory for it", PATH_MAX, now->path);
    if (policy_load(reading->candidate, now->path, error) != 0)
        return -1;
    if (reading->files.files[0].size == 0) /* an editor may be about to write it; as it is, it would seal nothing */
        return fail(error, "%.*s: it is empty, expected a policy", PATH_MAX, now->path);
    if (policy_check_live(now, reading->candidate, error) != 0)
        return -1;
    reading->policy = snapshot_find_policy(reading->candidate);
    if (reading->policy == NULL) {
        reading->policy = reading->candidate;
        return 0;
    }
    snapshot_free_policy(reading->candidate);
    reading->candidate = NULL;
    return 0;
}

/* Reads everything once. Returns 0, or -1 with *error filled. */
static int read_once(struct reading *reading, struct policy_error *error)
{
    LARGE static struct file_identities before, after;
    files_look(pfswrap_policy(), &reading->files);
    if (read_policy(reading, error) != 0)
        return -1;
    files_look(reading->policy, &before);
    reading->is_torn = memcmp(&before.files[0], &reading->files.files[0], sizeof before.files[0]) != 0;
    if (keys_in_use() && !files_peers_are_whole(reading->policy))
        return fail(error, "%.*s: the last line has no end, expected a whole file", PATH_MAX,
                    reading->policy->seal.peers);
    if (keys_in_use() && (reading->keys = keys_make(reading->policy, error)) == NULL)
        return -1;
    if (trust_read(reading->policy, &reading->trust, error) != 0)
        return -1;
    files_look(reading->policy, &after);
    reading->is_torn = reading->is_torn || !files_are_equal(&before, &after);
    reading->files = after;
    return 0;
}

/* Reads until no file has changed meanwhile, so that policy and keys are of the same moment. */
static int read_whole(struct reading *reading, struct policy_error *error)
{
    for (int i = 0; i < TRIES; i++) {
        if (read_once(reading, error) != 0)
            return -1;
        if (!reading->is_torn)
            return 0;
        discard(reading);
    }
    return fail(error, "%.*s: it or its keys changed each time while they were read", PATH_MAX,
                pfswrap_policy()->path);
}

static bool is_unchanged(const struct reading *reading)
{
    const struct snapshot *newest = atomic_load(&snapshot_newest);
    return reading->policy == newest->policy && trust_is_approved(&reading->trust) &&
           (reading->keys == NULL || keys_are_equal(reading->keys, newest->keys));
}

/*
 * Makes what was read the newest state, which then owns it. Returns the generation, or 0 with *error filled.
 */
static uint32_t publish(struct reading *reading, struct policy_error *error)
{
    if (reading->candidate != NULL && !snapshot_keep_policy(reading->candidate)) {
        (void)fail(error, "%.*s: this process has had %d different policies, expected a restart of the program",
                   PATH_MAX, reading->policy->path, SNAPSHOT_POLICIES_MAX);
        return 0;
    }
    reading->candidate = NULL;
    if (keys_keep_serial(reading->keys, error) != 0)
        return 0;
    if (!trust_is_approved(&reading->trust))
        trust_approve(&reading->trust);
    const uint32_t generation = snapshot_publish(reading->policy, reading->keys);
    if (generation == 0)
        (void)fail(error, "%.*s: not enough memory for a new state", PATH_MAX, reading->policy->path);
    else
        reading->keys = NULL;
    return generation;
}

static enum control_result read_state(struct reading *reading, struct reloading *reloading)
{
    if (check_process(pfswrap_policy(), &reloading->error) != 0 || read_whole(reading, &reloading->error) != 0)
        return CONTROL_REFUSED;
    if (is_unchanged(reading))
        return CONTROL_UNCHANGED;
    const uint32_t generation = publish(reading, &reloading->error);
    if (generation == 0)
        return CONTROL_REFUSED;
    reloading->generation = generation;
    return CONTROL_APPLIED;
}

/* `reason`: why the old state stays in force; NULL: the new one is. */
static void report(uint32_t generation, unsigned ended, const char *reason)
{
    struct snapshot *newest = snapshot_acquire();
    const uint64_t serial = keys_peers_serial(newest->keys);
    snapshot_release(newest);
    const struct audit_field fields[] = {
        AUDIT_S("policy", pfswrap_policy()->path),
        AUDIT_S("result", reason == NULL ? "applied" : "refused"),
        AUDIT_N("generation", generation),
        AUDIT_S("reason", reason),
        AUDIT_N("ended", ended),
        AUDIT_N("peers_serial", (int64_t)serial), /* last: only of a signed file */
    };
    audit_event("reload", fields, sizeof fields / sizeof fields[0] - (serial == 0));
}

void reload_report_impossible(const char *why)
{
    publish_problem(why);
    report(atomic_load(&snapshot_newest)->generation, 0, why);
}

void reload_read(struct reloading *reloading, bool is_retry)
{
    LARGE static struct reading reading;
    LARGE static struct policy_error last;
    reading = (struct reading){0}; /* in a child of a fork, it may be what its parent's thread was at */
    reloading->generation = atomic_load(&snapshot_newest)->generation;
    reloading->ended = 0;
    reloading->error.text[0] = '\0';
    process_block_forks();
    reloading->result = read_state(&reading, reloading);
    reloading->files = reading.files;
    discard(&reading);
    if (reloading->result == CONTROL_UNCHANGED)
        publish_unchanged();
    else if (reloading->result != CONTROL_APPLIED)
        publish_problem(reloading->error.text);
    process_unblock_forks();
    if (reloading->result == CONTROL_APPLIED)
        cryptoperiod_look();
    if (reloading->result == CONTROL_APPLIED && pfswrap_policy()->seal.on_removal == POLICY_REMOVAL_NOW)
        reloading->ended = renew_end_removed();
    const bool is_repeated = is_retry && strcmp(last.text, reloading->error.text) == 0;
    if (reloading->result == CONTROL_APPLIED || (reloading->result == CONTROL_REFUSED && !is_repeated))
        report(reloading->generation, reloading->ended,
               reloading->result == CONTROL_REFUSED ? reloading->error.text : NULL);
    last = reloading->error;
}
