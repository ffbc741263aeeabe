/*
 * A process under pfswrap with its counters, for the commands that show them.
 */
#ifndef PFSWRAP_TOOLS_PROTECTED_H
#define PFSWRAP_TOOLS_PROTECTED_H

#include "process.h"

/* How the policy that a process has read compares with the file of that name now. */
enum policy_state {
    POLICY_STATE_CURRENT,
    POLICY_STATE_CHANGED,
    POLICY_STATE_REMOVED,
    POLICY_STATE_UNKNOWN, /* this user cannot read it */
    POLICY_STATE_BUILTIN,
};
const char *policy_state_word(enum policy_state state);

struct protected_process {
    struct process process;
    enum snapshot_result result; /* SNAPSHOT_READ: there is a snapshot */
    struct snapshot snapshot;
    enum policy_state policy;
};

/* A process to look at: all of them (both unset), one id, or a program by its name. */
struct protected_choice {
    pid_t pid;
    const char *program;
};

/* PID or PROGRAM. Returns 0, or -1 after a message. */
int protected_choose(struct protected_choice *choice, const char *text);

/*
 * Calls `call` for each of these processes that is protected, also for those whose counters cannot be read. Returns
 * how many there were, or -1 after a message.
 */
int protected_each(const struct protected_choice *choice,
                   void (*call)(void *argument, const struct protected_process *process), void *argument);

/* "redis-server": what the process calls itself, or what /proc calls it. */
const char *protected_name(const struct protected_process *process);

#endif
