/*
 * close, close_range, closefrom, shutdown. The plane of a number ends its connection (fd/close.h). The shim's own
 * files and hidden numbers stay open; for the program they are not open. These calls may come before any
 * constructor, in signal handlers, and in children of vfork(), so nothing here allocates memory.
 */
#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/aliases.h"
#include "base/fork_lock.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/signals.h"
#include "fd/change.h"
#include "fd/close.h"
#include "fd/hidden.h"
#include "fd/linger.h"
#include "fd/list.h"
#include "fd/own.h"
#include "fd/plane.h"
#include "socket/data_call.h"

/*
 * The real call. The number was foreign a moment ago; afterwards another thread may have registered it. Either this
 * reads the word that the other thread has stored, or that thread finds that the kernel has closed the number
 * (sealed/dial.c): on both sides, a fence stands between the table and the kernel.
 */
static inline int close_foreign(int fd)
{
    const int result = real_libc()->close(fd);
    atomic_thread_fence(memory_order_seq_cst);
    if (fd_is_known(fd))
        fd_closed(fd);
    return result;
}

KNOWN_CALL int close_known(int fd)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    linger_before_close(fd);
    int result = fd_close(fd);
    if (result == FD_FOREIGN)
        result = close_foreign(fd);
    TRACE_CALL("close", fd, result);
    return result;
}

PFSWRAP_EXPORT int close(int fd)
{
    return __builtin_expect(fd_word(fd) == 0, true) ? close_foreign(fd) : close_known(fd);
}
PFSWRAP_ALIAS(__close, close);

KNOWN_CALL int shutdown_known(int fd, int how)
{
    const struct fd_operations *operations = fd_operations_of(fd);
    const int result =
        operations != NULL && operations->shutdown != NULL ? operations->shutdown(fd, how) : FD_FOREIGN;
    const int answer = result != FD_FOREIGN ? result : real_libc()->shutdown(fd, how);
    TRACE_CALL("shutdown", fd, answer);
    return answer;
}

PFSWRAP_EXPORT int shutdown(int fd, int how)
{
    REAL_OR_KNOWN(fd, shutdown(fd, how), shutdown_known(fd, how));
}

/* The lowest number in [first, last] that the program must not close; -1: there is none. */
static int lowest_out_of_reach(unsigned first, unsigned last, uint32_t generation)
{
    const int own = own_lowest(first, last), kept = fd_lowest_kept(first, last, generation);
    return own < 0 || (kept >= 0 && kept < own) ? kept : own;
}

/* The real close_range(2), for the parts of the range between those numbers. */
static int close_range_around_own(unsigned first, unsigned last, int flags, uint32_t generation)
{
    const struct real_libc *real = real_libc();
    for (;;) {
        int own = lowest_out_of_reach(first, last, generation);
        if (own < 0)
            return real->close_range(first, last, flags);
        if ((unsigned)own > first && real->close_range(first, (unsigned)own - 1, flags) != 0)
            return -1;
        if ((unsigned)own == last)
            return 0;
        first = (unsigned)own + 1;
    }
}

/*
 * CLOSE_RANGE_UNSHARE gives the calling thread its own set of descriptors, but there is only one table of
 * descriptors (fd/table.h). In a process with one thread, not counting the planes' own, the flag has no
 * effect. Otherwise, and if the number of threads is not known, it is refused.
 */
static bool unshare_is_refused(int *flags)
{
    if ((*flags & (int)CLOSE_RANGE_UNSHARE) == 0 || !planes_take_over() || process_is_vfork_child())
        return false;
    *flags &= ~(int)CLOSE_RANGE_UNSHARE;
    const unsigned others = planes_threads();
    return process_threads() != 1 + others;
}

/* Ends what the planes have in the range, and makes the real call. */
static int close_all_in_range(unsigned first, unsigned last, int flags)
{
    const bool counts = planes_started() && !process_is_vfork_child();
    linger_before_close_range(first, last);
    if (!counts)
        return close_range_around_own(first, last, flags, 0);
    signals_pin();
    process_block_forks();
    const uint32_t generation = fd_begin_close_range(first, last);
    fd_begin_range();
    const int result = close_range_around_own(first, last, flags, generation);
    const int saved = errno;
    atomic_thread_fence(memory_order_seq_cst); /* as in close_foreign() */
    fd_vacate_range(first, last, generation, result != 0);
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1))
        fd_closed(fd);
    fd_end_range();
    process_unblock_forks();
    signals_unpin();
    errno = saved;
    return result;
}

PFSWRAP_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    const int known = (int)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC);
    if (first > last || (flags & ~known) != 0)
        return close_range_around_own(first, last, flags, 0); /* the kernel refuses */
    if (unshare_is_refused(&flags)) {
        errno = ENOMEM;
        return -1;
    }
    if ((flags & (int)CLOSE_RANGE_CLOEXEC) == 0)
        return close_all_in_range(first, last, flags);
    PLANES_EACH(plane, close_range_on_exec)
    plane->close_range_on_exec(first, last);
    return close_range_around_own(first, last, flags, 0);
}

static void close_visited(int fd, void *lowest)
{
    if (fd >= *(const int *)lowest)
        (void)close(fd);
}

PFSWRAP_EXPORT void closefrom(int low)
{
    const int lowest = low > 0 ? low : 0;
    if (close_all_in_range((unsigned)lowest, UINT_MAX, 0) != 0)
        list_descriptors(close_visited, (void *)(uintptr_t)&lowest); /* a kernel without close_range(2) */
}
