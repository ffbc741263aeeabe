/*
 * Starting up: find and read the policy, make it read-only, open the log, and take out of the environment what must
 * not be there. May call policy and audit; knows no TLS and no socket.
 */
#include "init.h"

#include <errno.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit/audit.h"
#include "interposed.h"
#include "real/libc.h"

enum { PAGE = 4096 };

/* Whole pages, so that they can be made read-only without touching a neighbour. */
static union {
    alignas(PAGE) struct policy policy;
    char pages[(sizeof(struct policy) + PAGE - 1) / PAGE * PAGE];
} state;

static pthread_once_t started = PTHREAD_ONCE_INIT;

PFSWRAP_EXPORT const char *pfswrap_version(void);

PFSWRAP_EXPORT const char *pfswrap_version(void)
{
    return PFSWRAP_VERSION;
}

_Noreturn void pfswrap_die(const char *message)
{
    static const char prefix[] = "pfswrap: ";
    (void)syscall(SYS_write, STDERR_FILENO, prefix, sizeof prefix - 1);
    (void)syscall(SYS_write, STDERR_FILENO, message, strlen(message));
    (void)syscall(SYS_write, STDERR_FILENO, "\n", 1);
    _exit(PFSWRAP_EXIT_REFUSED);
}

static void start(void)
{
    static struct policy_error error;
    char path[PATH_MAX];
    if (policy_locate(path, sizeof path, program_invocation_short_name) != 0)
        pfswrap_die("the path of the policy file is too long, expected at most 4095 bytes");
    if (policy_load(&state.policy, path, &error) != 0)
        pfswrap_die(error.text);
    (void)mprotect(&state, sizeof state, PROT_READ);
    audit_start(&state.policy);
    const struct audit_field fields[] = {
        AUDIT_S("policy", state.policy.path),
        AUDIT_S("mode", state.policy.mode == POLICY_ENFORCE ? "enforce" : "audit"),
        AUDIT_S("version", PFSWRAP_VERSION),
    };
    audit_event("policy", fields, sizeof fields / sizeof fields[0]);
}

const struct policy *pfswrap_policy(void)
{
    int error = errno;
    pthread_once(&started, start);
    errno = error;
    return &state.policy;
}

/* Key logs give past traffic away: no library of this process, and no child, is to write one. */
static void refuse_key_log(const struct policy *policy)
{
    const char *path = getenv("SSLKEYLOGFILE");
    if (path == NULL)
        return;
    bool enforce = policy->mode == POLICY_ENFORCE;
    const struct audit_field fields[] = {AUDIT_S("setting", "SSLKEYLOGFILE"), AUDIT_S("asked", path),
                                         AUDIT_S("forced", "unset")};
    audit_event(enforce ? "override" : "would-override", fields, sizeof fields / sizeof fields[0]);
    if (enforce)
        unsetenv("SSLKEYLOGFILE");
}

/* children = allow: what this program executes starts without us. Other preloads of the operator's stay. */
static void let_children_go(void)
{
    const char *preload = getenv("LD_PRELOAD");
    unsetenv("PFSWRAP_POLICY");
    if (preload == NULL)
        return;
    static const char ours[] = "libpfswrap.so";
    char kept[PATH_MAX];
    size_t length = 0;
    while (*preload != '\0') {
        size_t word = strcspn(preload, " :");
        bool is_ours = word >= sizeof ours - 1 && memcmp(preload + word - (sizeof ours - 1), ours, sizeof ours - 1) == 0;
        if (word > 0 && !is_ours) {
            if (length + word + 2 > sizeof kept)
                return;
            if (length > 0)
                kept[length++] = ':';
            memcpy(kept + length, preload, word);
            length += word;
        }
        preload += word + (preload[word] != '\0' ? 1 : 0);
    }
    kept[length] = '\0';
    if (length > 0)
        setenv("LD_PRELOAD", kept, 1);
    else
        unsetenv("LD_PRELOAD");
}

__attribute__((constructor)) static void pfswrap_constructor(void)
{
    (void)real_libc();
    const struct policy *policy = pfswrap_policy();
    refuse_key_log(policy);
    if (policy->children == POLICY_CHILDREN_ALLOW)
        let_children_go();
}
