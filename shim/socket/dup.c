/*
 * dup, dup2, dup3: a duplicate has the plane of the original (fd/plane.h), and what is recorded about a socket that
 * is not connected yet. If the program wants a number of the shim's, that file moves to another number. These calls
 * may come before any constructor, in signal handlers, and in children of vfork(), so nothing here allocates
 * memory.
 */
#include "socket/dup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/aliases.h"
#include "base/filter.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "fd/close.h"
#include "fd/hidden.h"
#include "fd/own.h"
#include "fd/plane.h"
#include "socket/data_call.h"
#include "socket/unconnected.h"

/*
 * Whether another thread has connected the socket meanwhile, and a plane has taken the number over. Either its
 * connect() reads the note, or this reads the word that connect() has stored. Then that connect() may have missed
 * the copy; `word` is the copy's word in the table.
 */
static void join(int fd, int copy, uint64_t word)
{
    atomic_thread_fence(memory_order_seq_cst);
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->receive != NULL && operations->copied != NULL)
        operations->copied(fd, copy, word);
}

int dup_finish(int fd, int copy)
{
    if (copy < 0)
        return copy;
    const int saved = errno;
    (void)fd_has_operations(copy); /* waits for a call that is still closing the number */
    (void)plane_with_current_record(copy);
    const struct plane *plane = plane_with_current_record(fd);
    if (plane != NULL)
        plane_copied(plane, fd, copy);
    const uint32_t id = unconnected_copied(fd);
    if (id != 0)
        fd_note(copy, id, 0);
    join(fd, copy, fd_note_of(copy));
    errno = saved;
    return copy;
}

/* dup(2), if the number's plane does that. Or FD_FOREIGN: the kernel duplicates it. */
static int dup_known(int fd)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->dup != NULL ? operations->dup(fd, 0, false) : FD_FOREIGN;
}

PFSWRAP_EXPORT int dup(int fd)
{
    const int copy = dup_known(fd);
    return copy != FD_FOREIGN ? copy : dup_finish(fd, real_libc()->dup(fd));
}

/*
 * Whether dup2() will fail with EBADF, and leave `fd2` open (dup(2)). False: unknown, or there is nothing to
 * protect.
 */
static bool will_fail(int fd, int fd2)
{
    struct {
        uint64_t now, most;
    } limit = {0}; /* struct rlimit64; struct rlimit is smaller on i386, in the files with wrappers */
    if (!fd_has_operations(fd2))
        return false;
    return raw_syscall(RAW_FCNTL, fd, F_GETFD, 0) < 0 ||
           (filter_allows(SYS_prlimit64) && raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 &&
            (uint64_t)fd2 >= limit.now);
}

/*
 * dup2() or dup3() of a number that no plane duplicates. Other threads' calls on a foreign `fd2` do not wait,
 * except in two cases: the new socket may be connected meanwhile, or a plane has a record of one of the two
 * connections, and its bytes would pass unseen while the number has no record.
 */
static int dup_foreign_to(int fd, int fd2, int flags)
{
    struct fd_replacement replacement;
    int round = 0, copy;
    const uint32_t id = unconnected_copied(fd);
    const bool has_record = plane_with_current_record(fd) != NULL;
    const bool passes = id == 0 && !has_record && !fd_has_operations(fd) && !fd_has_record(fd2);
    const int target = passes ? -1 : fd_keep_lingering(fd2);
    const int error = fd_begin_replace(fd2, passes, &replacement);
    if (error != 0) {
        copy = fd_call_result(error);
    } else {
        const uint64_t head = (uint64_t)replacement.generation << FD_WORD_ID_SHIFT;
        do
            copy = flags == 0 ? real_libc()->dup2(fd, fd2) : real_libc()->dup3(fd, fd2, flags);
        while (copy < 0 && fd_must_retry(-errno, &round));
        const bool is_noted = copy >= 0 && replacement.generation != 0;
        const struct plane *plane = is_noted ? plane_with_current_record(fd) : NULL;
        const uint64_t record = plane != NULL ? plane_share(plane, fd) : 0;
        if (is_noted)
            join(fd, fd2, head | FD_WORD_CLOSING);
        fd_end_replace(&replacement, copy >= 0, fd_note_word(id, 0) | record);
        if (is_noted)
            join(fd, fd2, fd_note_of(fd2));
    }
    const int saved = errno;
    if (target >= 0)
        fd_unreserve(target, true);
    errno = saved;
    return copy;
}

/* dup2() or dup3() to another number, which is possible as far as is known. */
static int dup_to(int fd, int fd2, int flags)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    const int copy = operations != NULL && operations->dup_to != NULL
                         ? operations->dup_to(fd, fd2, (flags & O_CLOEXEC) != 0)
                         : FD_FOREIGN;
    return copy != FD_FOREIGN ? copy : dup_foreign_to(fd, fd2, flags);
}

PFSWRAP_EXPORT int dup2(int fd, int fd2)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    return fd != fd2 && !will_fail(fd, fd2) ? dup_to(fd, fd2, 0) : real_libc()->dup2(fd, fd2); /* changes nothing */
}
PFSWRAP_ALIAS(__dup2, dup2);

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && (flags & ~O_CLOEXEC) == 0 && !will_fail(fd, fd2))
        return dup_to(fd, fd2, flags);
    return real_libc()->dup3(fd, fd2, flags);
}
