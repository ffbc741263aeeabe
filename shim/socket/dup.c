/*
 * dup, dup2, dup3: a duplicate of a sealed number is sealed, too. The kernel's close-on-exec flag is always set for
 * it; the table of descriptors has the program's flag. If the program wants a number of the shim's, that file moves
 * to another number. These calls may come before any constructor, in signal handlers, and in children of vfork(),
 * so nothing here allocates memory.
 */
#include "socket/dup.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fork_lock.h"
#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/filter.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/keys.h"
#include "connection/endpoint.h"
#include "connection/release.h"
#include "fd/linger.h"
#include "fd/own.h"
#include "inspect/inspect.h"
#include "readiness/registration.h"
#include "socket/unconnected.h"
#include "transfer/export.h"
#include "transfer/relay.h"

enum { STANDARD_LAST = 2 };

/*
 * Relays the connection. FD_FOREIGN: the number is foreign now, and the caller makes the real call. -1: with errno.
 */
static int relay(int fd)
{
    const int error = relay_require(fd);
    if (error == 0)
        return FD_FOREIGN;
    errno = error;
    return -1;
}

/*
 * In a child of vfork(): the number becomes a handoff socket, or else a relay's end, and the kernel duplicates
 * that. Returns as relay().
 */
static int make_handoff(int fd)
{
    return export_as_handoff(fd) ? FD_FOREIGN : relay(fd);
}

/*
 * Another thread has connected the socket by its number `fd`, and may have missed the copy. `word` is the copy's
 * word in the table.
 */
static void join(int fd, int copy, uint64_t word)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const int saved = errno;
    if (process_is_vfork_child())
        return;
    process_block_forks();
    if (endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        if (endpoint_add_noted(endpoint, copy, word))
            registration_adopt(endpoint, connection, copy);
        endpoint_leave(connection);
    }
    process_unblock_forks();
    errno = saved;
}

/*
 * Whether another thread has connected the socket meanwhile. Either its connect() reads the note, or this reads the
 * word that connect() has stored.
 */
static bool is_sealed_since(int fd)
{
    atomic_thread_fence(memory_order_seq_cst);
    return fd_is_sealed(fd);
}

int dup_finish(int fd, int copy)
{
    if (copy < 0)
        return copy;
    const int saved = errno;
    (void)fd_is_sealed(copy); /* waits for a call that is still closing the number */
    (void)inspect_is_current(copy);
    if (inspect_is_current(fd))
        inspect_copied(fd, copy);
    const uint32_t id = unconnected_copied(fd);
    if (id != 0)
        fd_note(copy, id, 0);
    if (is_sealed_since(fd))
        join(fd, copy, fd_note_of(copy));
    errno = saved;
    return copy;
}

int dup_sealed(int fd, int lowest, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (process_is_vfork_child())
        return make_handoff(fd);
    process_block_forks();
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED) {
        process_unblock_forks();
        return entered == ENDPOINT_NONE ? FD_FOREIGN : -1;
    }
    long copy = raw_syscall(RAW_FCNTL, fd, F_DUPFD_CLOEXEC, lowest);
    if (copy >= FD_TABLE_SIZE) {
        (void)raw_syscall(SYS_close, copy);
        copy = -EMFILE;
    }
    if (copy >= 0)
        endpoint_add(endpoint, (int)copy, cloexec);
    endpoint_leave(connection);
    process_unblock_forks();
    int error = copy < 0 ? (int)-copy : relay_is_needed((int)copy) ? relay_require((int)copy) : 0;
    if (error == 0)
        return (int)copy;
    if (copy >= 0)
        (void)release_close((int)copy);
    errno = error;
    return -1;
}

PFSWRAP_EXPORT int dup(int fd)
{
    if (fd_is_sealed(fd)) {
        int copy = dup_sealed(fd, 0, false);
        if (copy != FD_FOREIGN)
            return copy;
    }
    return dup_finish(fd, real_libc()->dup(fd));
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
    if (!fd_is_sealed(fd2) && !fd_is_inspected(fd2))
        return false;
    return raw_syscall(RAW_FCNTL, fd, F_GETFD, 0) < 0 ||
           (filter_allows(SYS_prlimit64) && raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 &&
            (uint64_t)fd2 >= limit.now);
}

/* Begins to replace `fd2`: ends what is recorded about it, as close(2) would. False: with errno. */
static bool replace(int fd2, bool passes, struct replacement *replacement)
{
    *replacement = (struct replacement){.fd = fd2};
    own_make_way(fd2);
    linger_before_close(fd2);
    return (!keys_in_use() && !inspect_is_wanted()) || release_before_replace(fd2, passes, replacement);
}

/*
 * EBUSY: the kernel is just giving out that number to another thread (dup(2)). Most likely the shim is making a
 * duplicate for itself, and will move it. Waits, and returns whether to retry.
 */
static bool must_retry(long result, int *round)
{
    enum { TIMEOUT_MS = 1000 };
    return result == -EBUSY && keys_in_use() && !process_sandboxed && fd_wait((*round)++, TIMEOUT_MS);
}

/*
 * Duplicates the connection's socket to `fd2`, with close-on-exec. Returns 0 or an errno; FD_FOREIGN: the
 * connection is gone.
 */
static int put_at(int fd2, bool cloexec, struct endpoint *endpoint, uint32_t generation)
{
    struct connection *connection;
    long copy;
    int round = 0;
    if (!endpoint_enter_again(endpoint, generation, &connection))
        return FD_FOREIGN;
    do
        copy = raw_syscall(SYS_dup3, atomic_load(&endpoint->fd), fd2, O_CLOEXEC);
    while (must_retry(copy, &round));
    if (copy >= 0)
        endpoint_add(endpoint, fd2, cloexec);
    endpoint_leave(connection);
    return copy >= 0 ? 0 : (int)-copy;
}

/*
 * While `fd2` is closing, other threads' calls on it wait for dup2(2). If the socket there has SO_LINGER
 * (socket(7)), the system call might take long, since it closes the socket. A hidden duplicate prevents that, and
 * is closed afterwards. Returns it; -1: it is not needed.
 */
static int keep_open(int fd2)
{
    struct linger linger = {0};
    socklen_t length = sizeof linger;
    const bool waits = !fd_is_sealed(fd2) && !process_sandboxed &&
                       raw_syscall(SYS_getsockopt, fd2, SOL_SOCKET, SO_LINGER, &linger, &length) == 0 &&
                       linger.l_onoff != 0 && linger.l_linger > 0;
    return waits ? fd_keep_open(fd2) : -1;
}

/* dup3() of a sealed descriptor to another number. */
static int dup_sealed_to(int fd, int fd2, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct replacement replacement;
    if (fd2 < 0 || fd2 >= FD_TABLE_SIZE || fd_is_hidden(fd) || will_fail(fd, fd2)) {
        errno = EBADF;
        return -1;
    }
    if (relay_is_needed(fd2))
        return fd2 > STANDARD_LAST ? make_handoff(fd) : relay(fd);
    const enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return entered == ENDPOINT_NONE ? FD_FOREIGN : -1;
    const uint32_t generation = atomic_load(&endpoint->generation);
    endpoint_leave(connection);
    const int target = keep_open(fd2);
    int error = EBUSY;
    if (replace(fd2, false, &replacement)) {
        error = put_at(fd2, cloexec, endpoint, generation);
        release_after_replace(&replacement, error == 0, 0);
    }
    if (target >= 0)
        fd_unreserve(target, true);
    if (error <= 0)
        return error == 0 ? fd2 : FD_FOREIGN;
    errno = error;
    return -1;
}

/*
 * dup2() or dup3() of a foreign number. Other threads' calls on a foreign `fd2` do not wait, except in two cases:
 * the new socket may be connected meanwhile, or one of the two connections is inspected, and its bytes would pass
 * unseen while the number has no record.
 */
static int dup_plain_to(int fd, int fd2, int flags)
{
    struct replacement replacement;
    int round = 0, copy = -1;
    const uint32_t id = unconnected_copied(fd);
    const bool passes = id == 0 && !fd_is_sealed(fd) && !inspect_is_current(fd) && !fd_is_inspected(fd2);
    const int target = passes ? -1 : keep_open(fd2);
    if (replace(fd2, passes, &replacement)) {
        const uint64_t head = (uint64_t)replacement.generation << FD_WORD_ID_SHIFT;
        do
            copy = flags == 0 ? real_libc()->dup2(fd, fd2) : real_libc()->dup3(fd, fd2, flags);
        while (copy < 0 && must_retry(-errno, &round));
        const uint64_t record =
            copy >= 0 && replacement.generation != 0 && inspect_is_current(fd) ? inspect_share(fd) : 0;
        if (copy >= 0 && replacement.generation != 0 && fd_is_sealed(fd))
            join(fd, fd2, head | FD_WORD_CLOSING);
        release_after_replace(&replacement, copy >= 0, fd_note_word(id, 0) | record);
        if (copy >= 0 && replacement.generation != 0 && is_sealed_since(fd))
            join(fd, fd2, fd_note_of(fd2));
    }
    const int saved = errno;
    if (target >= 0)
        fd_unreserve(target, true);
    errno = saved;
    return copy;
}

PFSWRAP_EXPORT int dup2(int fd, int fd2)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && !will_fail(fd, fd2)) {
        if (fd_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, false);
            if (copy != FD_FOREIGN)
                return copy;
        }
        return dup_plain_to(fd, fd2, 0);
    }
    return real_libc()->dup2(fd, fd2); /* changes nothing */
}
PFSWRAP_ALIAS(__dup2, dup2);

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && (flags & ~O_CLOEXEC) == 0 && !will_fail(fd, fd2)) {
        if (fd_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, (flags & O_CLOEXEC) != 0);
            if (copy != FD_FOREIGN)
                return copy;
        }
        return dup_plain_to(fd, fd2, flags);
    }
    return real_libc()->dup3(fd, fd2, flags);
}
