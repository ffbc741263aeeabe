/*
 * The calls that pfswrap needs, the sets of systemd in which they are, and the meaning of SystemCallFilter=. A test
 * compares the calls with docs/SANDBOXES.md, and the sets with systemd-analyze(1). See unit_calls.h.
 */
#include "unit_calls.h"

#include <stdio.h>
#include <string.h>

enum needed { ALWAYS, FOR_LOG, FOR_SEAL };

/* A call and the smallest sets that have it. All are in @known, and all but those with "" in @system-service. */
static const struct call {
    const char *name;
    const char *sets;
    enum needed needed;
} calls[] = {
    {"openat", "@file-system", ALWAYS},
    {"read", "@basic-io", ALWAYS},
    {"close", "@basic-io @file-system", ALWAYS},
    {"fstat", "@file-system", ALWAYS},
    {"newfstatat", "@file-system", ALWAYS},
    {"pread64", "@basic-io", ALWAYS},
    {"mmap", "@default", ALWAYS},
    {"munmap", "@default", ALWAYS},
    {"mprotect", "@default", ALWAYS},
    {"mremap", "@system-service", ALWAYS},
    {"brk", "@default", ALWAYS},
    {"madvise", "@system-service", ALWAYS},
    {"getuid", "@default", ALWAYS},
    {"geteuid", "@default", ALWAYS},
    {"getgid", "@default", ALWAYS},
    {"getegid", "@default", ALWAYS},
    {"getpid", "@default", ALWAYS},
    {"getcwd", "@file-system", ALWAYS},
    {"readlink", "@file-system", ALWAYS},
    {"fcntl", "@file-system", ALWAYS},
    {"futex", "@default", ALWAYS},
    {"clock_gettime", "@default", ALWAYS},
    {"time", "@default", ALWAYS},
    {"faccessat", "@file-system", ALWAYS},
    {"faccessat2", "@file-system", ALWAYS},
    {"getdents64", "@file-system", ALWAYS},
    {"fstatfs", "@file-system", ALWAYS},
    {"getgroups", "@default", ALWAYS},
    {"exit_group", "@default", ALWAYS},
    {"write", "@basic-io", ALWAYS},
    {"lseek", "@basic-io", ALWAYS},
    {"ppoll", "@io-event", ALWAYS},
    {"rt_sigprocmask", "@signal", ALWAYS},
    {"rt_sigpending", "@signal", ALWAYS},
    {"rt_sigtimedwait", "@signal", ALWAYS},
    {"fgetxattr", "@file-system", ALWAYS},
    {"socket", "@network-io", FOR_LOG},
    {"connect", "@network-io", FOR_LOG},
    {"getsockopt", "@network-io", ALWAYS},
    {"getsockname", "@network-io", ALWAYS},
    {"getpeername", "@network-io", ALWAYS},
    {"shutdown", "@network-io", ALWAYS},
    {"sched_yield", "@default", ALWAYS},
    {"gettid", "@default", ALWAYS},
    {"recvfrom", "@network-io", ALWAYS},
    {"ioctl", "@system-service", ALWAYS},
    {"sendto", "@network-io", FOR_SEAL},
    {"setsockopt", "@network-io", FOR_SEAL},
    {"dup3", "@basic-io", FOR_SEAL},
    {"epoll_ctl", "@io-event", FOR_SEAL},
    {"getrandom", "@default", FOR_SEAL},
    {"getppid", "@default", FOR_SEAL},
    {"tgkill", "@process", FOR_SEAL},
    {"rt_sigaction", "@signal", FOR_SEAL},
    {"clock_nanosleep", "@default", FOR_SEAL},
    {"clone", "@process", FOR_SEAL},
    {"clone3", "@process", FOR_SEAL},
    {"exit", "@default", FOR_SEAL},
    {"set_robust_list", "@default", FOR_SEAL},
    {"rseq", "@default", FOR_SEAL},
    {"wait4", "@process", FOR_SEAL},
    {"socketpair", "@network-io", FOR_SEAL},
    {"bind", "@network-io", FOR_SEAL},
    {"epoll_create1", "@io-event", FOR_SEAL},
    {"epoll_pwait", "@io-event", FOR_SEAL},
    {"close_range", "@basic-io", FOR_SEAL},
    {"chdir", "@file-system", FOR_SEAL},
};

enum { CALL_COUNT = sizeof calls / sizeof calls[0] };

/* Whether `word` of `length` bytes is one of the words in `list`. */
static bool is_among(const char *list, const char *word, size_t length)
{
    for (const char *s = list; *s != '\0'; s += strcspn(s, " "), s += strspn(s, " "))
        if (strcspn(s, " ") == length && strncmp(s, word, length) == 0)
            return true;
    return false;
}

/* Whether an entry of the filter, a call or a set, means this call. */
static bool means(const char *entry, size_t length, const struct call *call)
{
    if (entry[0] != '@')
        return strlen(call->name) == length && strncmp(entry, call->name, length) == 0;
    return is_among("@system-service @known", entry, length) || is_among(call->sets, entry, length);
}

/* One line of the filter: each entry changes which calls are allowed. `:ERRNO` behind an entry changes nothing
 * here. */
static void apply(bool allowed[static CALL_COUNT], const char *value, bool is_inverted)
{
    for (const char *s = value; *s != '\0'; s += strspn(s, " \t")) {
        const size_t length = strcspn(s, " \t");
        const char *const colon = memchr(s, ':', length);
        for (size_t i = 0; i < CALL_COUNT; i++)
            if (means(s, colon != NULL ? (size_t)(colon - s) : length, &calls[i]))
                allowed[i] = !is_inverted;
        s += length;
    }
}

static bool is_needed(enum needed needed, const struct policy *policy)
{
    switch (needed) {
    case FOR_LOG:
        return policy->log == POLICY_LOG_SYSLOG || policy->log == POLICY_LOG_JOURNALD || policy_seals(policy);
    case FOR_SEAL:
        return policy_seals(policy);
    case ALWAYS:
        break;
    }
    return true;
}

void unit_calls_missing(const struct unit *unit, const struct policy *policy, char text[static UNIT_CALLS_TEXT])
{
    bool allowed[CALL_COUNT];
    bool is_first = true;
    size_t used = 0;
    const struct unit_setting *setting;
    memset(allowed, true, sizeof allowed);
    for (size_t at = 0; (setting = unit_next(unit, "SystemCallFilter", &at)) != NULL; is_first = false) {
        const bool is_inverted = setting->value[0] == '~';
        /* The first line decides what is allowed without being named: everything, or only @default. */
        if (is_first && !is_inverted) {
            memset(allowed, false, sizeof allowed);
            apply(allowed, "@default", false);
        }
        apply(allowed, setting->value + (is_inverted ? 1 : 0), is_inverted);
    }
    text[0] = '\0';
    for (size_t i = 0; i < CALL_COUNT; i++) {
        if (allowed[i] || !is_needed(calls[i].needed, policy))
            continue;
        const int length =
            snprintf(text + used, UNIT_CALLS_TEXT - used, "%s%s", used > 0 ? " " : "", calls[i].name);
        used += length > 0 && (size_t)length < UNIT_CALLS_TEXT - used ? (size_t)length : 0;
    }
}
