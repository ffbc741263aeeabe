/*
 * What the system call filters of this process allow (seccomp(2)). If the program installs a filter, its code is
 * read before the kernel gets it: then the shim knows which of its own calls are still allowed. A filter that was
 * installed before the program started cannot be read. probe.h asks the kernel about it.
 *
 * The answer is safe, not exact. A call whose arguments the filter examines counts as allowed only if every path
 * through the filter allows it.
 */
#ifndef PFSWRAP_BASE_FILTER_H
#define PFSWRAP_BASE_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum { FILTER_NUMBERS = 512 }; /* above every system call number of the supported machines */

enum filter_answer {
    FILTER_ALLOWS,
    FILTER_ENOSYS, /* the call fails with ENOSYS, as on an older kernel */
    FILTER_DENIES, /* it fails with another error, or ends the process, or it is not known what happens */
};

/* The answer for each number (enum filter_answer). Zeros: no filter. */
struct filter_set {
    uint8_t answers[FILTER_NUMBERS];
};

/*
 * Reads a filter: *set is what this filter and those that filter_enter() has recorded will allow. `program` is the
 * kernel's structure; NULL stands for the strict mode (SECCOMP_MODE_STRICT). A pointer that cannot be read denies
 * everything, and the kernel will refuse it with EFAULT. Maps memory for a moment.
 */
void filter_read(const struct sock_fprog *program, struct filter_set *set);

/* From here on, the set is in force; and out of force again, because the kernel has refused the filter. */
void filter_enter(const struct filter_set *set, struct filter_set *before);
void filter_return_to(const struct filter_set *before);

/* Denies one number from here on. */
void filter_deny(long number);

extern struct filter_set filter_in_force;

/* Whether the call is allowed, as far as filters have been read. One load. */
static inline bool filter_allows(long number)
{
    return __atomic_load_n(&filter_in_force.answers[number], __ATOMIC_RELAXED) == FILTER_ALLOWS;
}

/* Whether libc can make a thread: it calls clone3(2), and clone(2) where that does not exist. */
bool filter_allows_thread(const struct filter_set *set);

/*
 * Whether all calls are allowed that the shim makes on connections in normal operation (filter.c has the list).
 * Calls for rare purposes are not among them. The shim asks filter_allows() before it makes those.
 */
bool filter_is_harmless(const struct filter_set *set);

#endif
