/*
 * Preparations for a system call filter (seccomp(2)), for the calls that install one: prctl(2), and syscall(2) by
 * number.
 */
#ifndef PFSWRAP_SOCKET_SANDBOX_H
#define PFSWRAP_SOCKET_SANDBOX_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/filter.h"

struct sandbox_sets;

/* One call that installs a filter. Its caller keeps this between the two functions. */
struct sandbox {
    struct sandbox_sets *sets; /* NULL: the filter is for a child of vfork(), which does not have its own memory */
};

/*
 * Before the kernel gets the filter: reads it, and does what it will forbid. Handshakes that are under way are
 * completed. The background thread ends, since the filter may be for all threads (SECCOMP_FILTER_FLAG_TSYNC).
 * `program`: the filter's code; NULL: the strict mode. False: there is no memory, and the call must fail with
 * ENOMEM.
 */
bool sandbox_prepare(struct sandbox *sandbox, const struct sock_fprog *program);

/* The `program` of that call. A filter at NULL is none, and the kernel will refuse it. */
static inline const struct sock_fprog *sandbox_program(bool is_filter, unsigned long address)
{
    static const struct sock_fprog refused;
    if (!is_filter)
        return NULL;
    return address != 0 ? (const struct sock_fprog *)address : &refused; /* NOLINT(performance-no-int-to-ptr) */
}

/* After the call. `installed`: it succeeded. Keeps errno. */
void sandbox_finish(const struct sandbox *sandbox, bool installed);

#endif
