/*
 * Reads the policy and its keys again, checks them, and makes them the newest state (config/snapshot.h), or leaves
 * everything as it is. docs/ARCHITECTURE.md, "Reload", has the design.
 */
#ifndef PFSWRAP_RELOAD_RELOAD_H
#define PFSWRAP_RELOAD_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/filter.h"
#include "policy/policy.h"
#include "reload/control.h"
#include "reload/files.h"

struct reloading {
    enum control_result result;
    uint32_t generation;          /* of the state in force afterwards */
    unsigned ended;               /* connections that on-removal = now has ended */
    struct file_identities files; /* what was read; of the policy in force, if it is refused */
    struct policy_error error;    /* with CONTROL_REFUSED */
};

/*
 * Called by one thread, which may allocate and has a stack of its own: never inside a call of the program. Writes
 * an event `reload`, unless nothing has changed; and with `is_retry`, unless it is refused for the same reason
 * again.
 */
void reload_read(struct reloading *reloading, bool is_retry);

/* Whether the system call filters of this process, or those in `set`, allow what reload_read() and its thread need.
 */
bool reload_is_allowed(void);
bool reload_is_allowed_by(const struct filter_set *set);

/* Writes the event `reload` that this process will not read its files again, and shows it in its counters. */
void reload_report_impossible(const char *why);

#endif
