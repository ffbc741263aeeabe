/*
 * Loads the policy and the keys of the start, makes both read-only and opens the audit log. Nothing here calls
 * malloc(3) or an interposed function, except for key files: the first call may come from an allocator that is
 * still starting. See init.h.
 */
#include "config/init.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sodium.h>

#include "audit/audit.h"
#include "base/error_text.h"
#include "base/interposed.h"
#include "base/large.h"
#include "base/page.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/agent.h"
#include "config/chain_key.h"
#include "config/cryptoperiod.h"
#include "config/keys.h"
#include "config/snapshot.h"
#include "config/trace_output.h"
#include "counters/counters.h"

/* Whole pages, because mprotect(2) changes whole pages and other variables must stay writable. */
LARGE static union {
    alignas(PAGE_LARGEST) struct policy policy;
    char pages[PAGE_ROUND_UP(sizeof(struct policy))];
} state;

static pthread_once_t started = PTHREAD_ONCE_INIT;

/* This thread is inside start(), in which interposed functions may be called, such as the log's connect(). */
static __thread bool starting __attribute__((tls_model("initial-exec")));

PFSWRAP_EXPORT const char *pfswrap_version(void);

PFSWRAP_EXPORT const char *pfswrap_version(void)
{
    return PFSWRAP_VERSION;
}

_Noreturn void pfswrap_die(const char *message)
{
    static const char prefix[] = "pfswrap: ";
    (void)raw_syscall(SYS_write, STDERR_FILENO, prefix, sizeof prefix - 1);
    (void)raw_syscall(SYS_write, STDERR_FILENO, message, strlen(message));
    (void)raw_syscall(SYS_write, STDERR_FILENO, "\n", 1);
    raw_exit(PFSWRAP_EXIT_REFUSED);
}

/* Ends the process, since the policy requires a log that can be written. */
static _Noreturn void die_without_log(int error)
{
    const bool has_path = state.policy.log == POLICY_LOG_FILE || state.policy.log == POLICY_LOG_JOURNALD;
    const char *where = has_path ? state.policy.log_path : "syslog";
    const char *reason = error_text(-error);
    char message[PATH_MAX + 256];
    (void)snprintf(
        message, sizeof message,
        "cannot write the audit log to %s: %s, expected a log that can be written (log-failure = refuse)", where,
        reason);
    pfswrap_die(message);
}

/*
 * Opens the log. Without the key of its chain, nothing would show later that lines were removed, so a program does
 * not start; with mode = audit it does, and its lines say nothing of a chain.
 */
static int start_log(struct policy_error *error)
{
    uint8_t key[CHAIN_MASTER_BYTES];
    const int loaded = chain_key_load(&state.policy, key, error);
    if (loaded < 0 && state.policy.mode == POLICY_ENFORCE)
        pfswrap_die(error->text);
    const int unwritable = audit_start(&state.policy, loaded > 0 ? key : NULL);
    if (loaded != 0) /* else nothing was written to it */
        sodium_memzero(key, sizeof key);
    return unwritable;
}

/* Reads the policy and its keys. Returns what keys_load() does, or -1 with *error filled. */
static int load_once(const char *path, struct policy_error *error)
{
    if (policy_load_first(&state.policy, path, error) != 0)
        return -1;
    const int loaded = getenv(PFSWRAP_CHILD_VARIABLE) != NULL ? keys_load_child(&state.policy, error)
                                                              : keys_load(&state.policy, error);
    return loaded < 0 || keys_keep_serial(keys_first(), error) != 0 ? -1 : loaded;
}

/*
 * The files may be replaced while they are read: a policy may name a key that is gone in the next moment, and two
 * keys that change places may be read as one (`pfswrap rotate`). A mistake that is there twice is one.
 */
static int load(const char *path, struct policy_error *error)
{
    enum { TRIES = 5 };
    LARGE static struct policy_error before;
    int loaded = load_once(path, error);
    for (int i = 1; i < TRIES && loaded < 0 && keys_first() == NULL; i++) {
        before = *error;
        memset(&state.policy, 0, sizeof state.policy);
        loaded = load_once(path, error);
        if (loaded < 0 && strcmp(before.text, error->text) == 0)
            break;
    }
    return loaded;
}

static void start(void)
{
    starting = true;
    LARGE static struct policy_error error;
    char path[PATH_MAX];
    if (policy_locate(path, sizeof path, program_invocation_short_name) != 0)
        pfswrap_die("the path of the policy file is too long, expected at most 4095 bytes");
    if (load(path, &error) < 0)
        pfswrap_die(error.text);
    (void)mprotect(&state, sizeof state, PROT_READ);
    const bool notices_forks = process_start() == 0;
    counters_start(program_invocation_short_name);
    snapshot_prepare(&state.policy, keys_first());
    const char *problem = trace_configure();
    if (problem != NULL)
        pfswrap_die(problem);
    const int unwritable = start_log(&error);
    if (unwritable != 0)
        die_without_log(unwritable);
    if (keys_in_use() && !notices_forks)
        pfswrap_die(
            "cannot prepare for sealed connections: the kernel refused memory that a fork wipes (Linux 4.14)");
    snapshot_start();
    agent_start(&state.policy);
    cryptoperiod_look();
    starting = false;
}

bool pfswrap_seals(void)
{
    (void)pfswrap_policy();
    return keys_in_use() && !starting;
}

const struct policy *pfswrap_policy(void)
{
    /* The fast path: a TLS handshake calls this about seventy times. */
    const struct policy *policy = atomic_load_explicit(&snapshot_policy, memory_order_acquire);
    if (__builtin_expect(policy != NULL, true))
        return policy;
    if (starting)
        return &state.policy;
    const int saved = errno;
    pthread_once(&started, start);
    errno = saved;
    return atomic_load(&snapshot_policy);
}
