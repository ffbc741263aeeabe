/*
 * The real functions behind the interposed ones: for each name on the list (base/interposed.h), the next definition
 * after this shared object in the loader's order, as dlsym(3) finds it with RTLD_NEXT.
 */
#ifndef PFSWRAP_BASE_LIBC_H
#define PFSWRAP_BASE_LIBC_H

#include <aio.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <execinfo.h>
#endif

#include "base/aliases.h"
#include "base/interposed.h"
#include "base/newer.h"

struct real_libc {
#define X(name) __typeof__(name) *name;
    PFSWRAP_LIBC_CALLS(X)
    PFSWRAP_LOADER_CALLS(X)
#undef X
};

/*
 * The table. Most pointers are NULL before real_libc() has filled it. Those of the calls that move bytes (libc.c,
 * EARLY) are never NULL: before that they fill the table themselves, so their callers need not ask whether it is
 * filled.
 */
extern struct real_libc real_libc_table __attribute__((visibility("hidden")));
extern atomic_bool real_libc_resolved __attribute__((visibility("hidden")));

/* Fills the table. May run more than once: libraries may have been loaded since. */
void real_libc_resolve(void);

/* Whether the table is filled. */
static inline bool real_libc_is_ready(void)
{
    return atomic_load_explicit(&real_libc_resolved, memory_order_acquire);
}

/*
 * The table. An entry is NULL only if the process has no such function, and no libc is known to lack it. The
 * functions that a supported libc lacks fail with ENOSYS there. May be called before any constructor has run. After
 * the first call it costs one atomic load.
 */
static inline const struct real_libc *real_libc(void)
{
    if (__builtin_expect(!real_libc_is_ready(), 0))
        real_libc_resolve();
    return &real_libc_table;
}

/*
 * Whether `name` is on the list. *function is the real function; NULL: the process has none, or `name` is not on
 * the list.
 */
bool real_libc_has(const char *name, void **function);

#endif
