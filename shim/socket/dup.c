/*
 * dup, dup2, dup3: another number for a sealed connection is sealed, too. The kernel's close-on-exec flag is always
 * set for those; the program's own wish is remembered. What the shim holds for itself makes way, and is not there
 * for the program. May be called before any constructor, in signal handlers and in a vfork child: nothing here
 * allocates.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/endpoint.h"
#include "transfer/export.h"
#include "readiness/registration.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "transfer/relay.h"
#include "connection/release.h"
#include "base/interposed.h"
#include "config/keys.h"
#include "base/aliases.h"
#include "fd/own.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "socket/dup.h"
#include "fd/linger.h"
#include "socket/unconnected.h"
#include "inspect/inspect.h"

enum { STANDARD_LAST = 2 };

/* Hands the connection to a relay. The descriptor is an ordinary one then, if this returns FD_FOREIGN. */
static int relay(int fd)
{
    const int error = relay_start(fd);
    if (error == 0)
        return FD_FOREIGN;
    errno = error;
    return -1;
}

/* In a child of vfork() the descriptor becomes a handoff socket, to be copied as it is; where it cannot, it is
 * relayed. */
static int pack(int fd)
{
    return export_as_handoff(fd) ? FD_FOREIGN : relay(fd);
}

/*
 * Another thread has registered the socket by its number `fd`, and may not have known of the copy, for which the
 * table has `word`.
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

/* Either connect() reads the note, or this reads connect()'s word. */
static bool is_sealed_since(int fd)
{
    atomic_thread_fence(memory_order_seq_cst);
    return fd_is_sealed(fd);
}

int dup_given(int fd, int copy)
{
    if (copy < 0)
        return copy;
    const int saved = errno;
    (void)fd_is_sealed(copy); /* what had the number before has to be gone */
    if (fd_is_inspected(fd))
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
        return pack(fd);
    process_block_forks();
    enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED) {
        process_unblock_forks();
        return entered == ENDPOINT_NONE ? FD_FOREIGN : -1;
    }
    long copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, lowest);
    if (copy >= FD_TABLE_SIZE) {
        (void)raw_syscall(SYS_close, copy);
        copy = -EMFILE;
    }
    if (copy >= 0)
        endpoint_add(endpoint, (int)copy, cloexec);
    endpoint_leave(connection);
    process_unblock_forks();
    int error = copy < 0 ? (int)-copy : relay_is_needed((int)copy) ? relay_start((int)copy) : 0;
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
    return dup_given(fd, real_libc()->dup(fd));
}

/* Whether dup2() would answer EBADF, and leave `fd2` alone (dup(2)). */
static bool is_hopeless(int fd, int fd2)
{
    struct rlimit limit = {0};
    if (!fd_is_sealed(fd2) && !fd_is_inspected(fd2))
        return false;
    return raw_syscall(SYS_fcntl, fd, F_GETFD, 0) < 0 ||
           (raw_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &limit) == 0 && (rlim_t)fd2 >= limit.rlim_cur);
}

/* What stands at `fd2` goes, as if the program had closed it. Returns false with errno. */
static bool replace(int fd2, bool passes, struct replacement *replacement)
{
    *replacement = (struct replacement){.fd = fd2};
    own_make_way(fd2);
    linger_before_close(fd2);
    return (!keys_in_use() && !inspect_is_wanted()) || release_before_replace(fd2, passes, replacement);
}

/*
 * EBUSY: the kernel is just giving out that number (dup(2)), to one of the shim's own duplicates in all likelihood,
 * which makes way as soon as it knows that it is there.
 */
static bool is_to_be_tried_again(long result, int *round)
{
    enum { TIMEOUT_MS = 1000 };
    return result == -EBUSY && keys_in_use() && !process_sandboxed && fd_wait((*round)++, TIMEOUT_MS);
}

/*
 * dup3(2) with close-on-exec of the connection's socket to `fd2`. Returns 0 or an errno; FD_FOREIGN: it is no
 * longer sealed.
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
    while (is_to_be_tried_again(copy, &round));
    if (copy >= 0)
        endpoint_add(endpoint, fd2, cloexec);
    endpoint_leave(connection);
    return copy >= 0 ? 0 : (int)-copy;
}

/*
 * Other threads' calls on a foreign number that is closing wait for this one. What stands there must not make the
 * system call wait for its own end (SO_LINGER, socket(7)): it is kept open that long. Returns a hidden number or
 * -1.
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
    if (fd2 < 0 || fd2 >= FD_TABLE_SIZE || fd_is_hidden(fd) || is_hopeless(fd, fd2)) {
        errno = EBADF;
        return -1;
    }
    if (relay_is_needed(fd2))
        return fd2 > STANDARD_LAST ? pack(fd) : relay(fd);
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
 * The same of a foreign descriptor. Calls of other threads on a foreign number pass meanwhile, but where a socket
 * comes that may be connected before this is over.
 */
static int dup_plain_to(int fd, int fd2, int flags)
{
    struct replacement replacement;
    int round = 0, copy = -1;
    const uint32_t id = unconnected_copied(fd);
    const bool passes = id == 0 && !fd_is_sealed(fd);
    const int target = passes ? -1 : keep_open(fd2);
    if (replace(fd2, passes, &replacement)) {
        const uint64_t head = (uint64_t)replacement.generation << FD_WORD_ID_SHIFT;
        do
            copy = flags == 0 ? real_libc()->dup2(fd, fd2) : real_libc()->dup3(fd, fd2, flags);
        while (copy < 0 && is_to_be_tried_again(-errno, &round));
        const uint64_t record =
            copy >= 0 && replacement.generation != 0 && fd_is_inspected(fd) ? inspect_share(fd) : 0;
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
    if (fd != fd2 && !is_hopeless(fd, fd2)) {
        if (fd_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, false);
            if (copy != FD_FOREIGN)
                return copy;
        }
        return dup_plain_to(fd, fd2, 0);
    }
    return real_libc()->dup2(fd, fd2); /* nothing changes */
}
PFSWRAP_ALIAS(__dup2, dup2);

PFSWRAP_EXPORT int dup3(int fd, int fd2, int flags)
{
    if (fd_is_own(fd)) {
        errno = EBADF;
        return -1;
    }
    if (fd != fd2 && (flags & ~O_CLOEXEC) == 0 && !is_hopeless(fd, fd2)) {
        if (fd_is_sealed(fd)) {
            int copy = dup_sealed_to(fd, fd2, (flags & O_CLOEXEC) != 0);
            if (copy != FD_FOREIGN)
                return copy;
        }
        return dup_plain_to(fd, fd2, flags);
    }
    return real_libc()->dup3(fd, fd2, flags);
}
