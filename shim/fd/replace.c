/*
 * What happens to a number when dup2(2) replaces it, for every kind of number (fd/table.h). This file makes the
 * call to the kernel possible; the caller makes it.
 */
#include "fd/close.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "fd/change.h"
#include "fd/hidden.h"
#include "fd/linger.h"
#include "fd/own.h"
#include "fd/plane.h"

/* Claims a foreign number. Any other one has no word to be restored, so replacement->before is 0. */
static bool claim(struct fd_replacement *replacement, bool passes)
{
    const bool claimed = fd_claim(replacement->fd, replacement->generation, passes, &replacement->before);
    if (!claimed)
        replacement->before = 0;
    return claimed;
}

/* Claims the number, or makes it closing, whatever its kind is. False: not yet possible. */
static bool take_number(struct fd_replacement *replacement, bool passes)
{
    const int fd = replacement->fd;
    if (claim(replacement, passes))
        return true;
    if (fd_is_sealed(fd)) /* or hidden */
        replacement->released = planes_release(fd, replacement->generation, true);
    return replacement->released || claim(replacement, passes);
}

int fd_begin_replace(int fd, bool passes, struct fd_replacement *replacement)
{
    enum { TIMEOUT_MS = 1000 }; /* for other calls that change the number at the same time */
    bool taken = false;
    *replacement = (struct fd_replacement){.fd = fd};
    own_make_way(fd);
    linger_before_close(fd);
    if (!planes_started() || (unsigned)fd >= FD_TABLE_SIZE || process_is_vfork_child() || fd_is_beyond_limit(fd))
        return 0;
    const int saved = errno;
    signals_pin();
    process_block_forks();
    replacement->generation = fd_next_generation();
    for (int round = 0; !(taken = take_number(replacement, passes)) && fd_wait(round, TIMEOUT_MS); round++)
        continue;
    if (!taken) {
        process_unblock_forks();
        signals_unpin();
    }
    errno = saved;
    return taken ? 0 : -EBUSY;
}

void fd_end_replace(const struct fd_replacement *replacement, bool replaced, uint64_t word)
{
    const int saved = errno;
    if (replacement->generation == 0)
        return;
    if (!replaced && (replacement->released || (replacement->before & FD_WORD_HIDDEN) != 0))
        (void)fd_close_closing(replacement->fd, replacement->generation);
    else if (!fd_vacate_as(replacement->fd, replacement->generation, replaced ? word : replacement->before))
        fd_dropped(replacement->fd,
                   replaced ? word : replacement->before); /* another call has registered the number */
    if (replaced)
        fd_dropped(replacement->fd, replacement->before);
    process_unblock_forks();
    signals_unpin();
    errno = saved;
}

bool fd_must_retry(long result, int *round)
{
    enum { TIMEOUT_MS = 1000 };
    return result == -EBUSY && planes_started() && !process_sandboxed && fd_wait((*round)++, TIMEOUT_MS);
}

int fd_keep_lingering(int fd)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    const bool waits = !fd_is_sealed(fd) && !process_sandboxed &&
                       raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 &&
                       linger.l_onoff != 0 && linger.l_linger > 0;
    return waits ? fd_keep_open(fd) : -1;
}
