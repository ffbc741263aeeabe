/*
 * Closing a number of any kind: close(2), close_range(2), and the check after a foreign number was closed. May run
 * before any constructor, in signal handlers and in children of vfork(), so nothing here allocates memory.
 */
#include "fd/close.h"

#include <errno.h>
#include <pthread.h>

#include "base/fork_lock.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "fd/change.h"
#include "fd/plane.h"

long fd_close_closing(int fd, uint32_t generation)
{
    const long result = raw_syscall(SYS_close, fd);
    fd_vacate_as(fd, generation, result == -EPERM || result == -EACCES || result == -ENOSYS ? FD_WORD_HIDDEN : 0);
    return result;
}

/*
 * A plane's number becomes closing in this generation. False: it is foreign, and nothing is recorded about it; or
 * another thread's close(2) has made it hidden.
 */
static bool take_for_close(int fd, uint32_t generation)
{
    enum { TIMEOUT_MS = 1000 }; /* for another thread's dup2(2) onto the number */
    for (int round = 0; fd_is_known(fd) && !fd_is_hidden(fd); round++) {
        if (planes_release(fd, generation, false))
            return true;
        fd_forget(fd);
        if (fd_is_known(fd) && !fd_wait(round, TIMEOUT_MS))
            break;
    }
    return false;
}

/* A hidden number is not open for the program. */
static int refuse_hidden(void)
{
    errno = EBADF;
    return -1;
}

int fd_close(int fd)
{
    if (fd_is_hidden(fd))
        return refuse_hidden();
    if (process_is_vfork_child())
        return real_libc()->close(fd);
    const int saved = errno;
    const uint32_t generation = fd_next_generation();
    pthread_testcancel(); /* close(2) is a cancellation point. From here on, the number must be closed */
    signals_pin();
    if (signals_held)
        process_keep_answer();
    process_block_forks();
    const bool taken = take_for_close(fd, generation);
    /* If it stays open for the shim, it is hidden now, or another call has closed it already. */
    const bool closes = taken && fd_word(fd) == fd_word_closing(generation);
    const long result = closes ? fd_close_closing(fd, generation) : 0;
    process_unblock_forks();
    signals_unpin();
    if (!taken && fd_is_hidden(fd))
        return refuse_hidden();
    errno = result < 0 ? (int)-result : saved;
    return !taken ? FD_FOREIGN : result < 0 ? -1 : 0;
}

void fd_closed(int fd)
{
    const int saved = errno;
    if (process_is_vfork_child() || fd_is_hidden(fd))
        return;
    signals_pin();
    process_block_forks();
    PLANES_EACH(plane, closed)
    plane->closed(fd);
    process_unblock_forks();
    signals_unpin();
    errno = saved;
}

uint32_t fd_begin_close_range(unsigned first, unsigned last)
{
    if (process_is_vfork_child())
        return 0;
    const int saved = errno;
    const uint32_t generation = fd_next_generation();
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1))
        if (!fd_is_hidden(fd))
            (void)planes_release(fd, generation, false);
    fd_forget_range(first, last);
    errno = saved;
    return generation;
}
