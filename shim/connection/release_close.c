/*
 * Closing a number of a connection: close(2), close_range(2), and what a close of a foreign number has to look at.
 */
#include "connection/release.h"

#include <errno.h>
#include <pthread.h>

#include "base/libc.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "base/transport.h"
#include "connection/background.h"
#include "connection/holders.h"
#include "connection/release_internal.h"
#include "fd/own.h"

/*
 * This thread holds the lock already: a signal handler closes what the call that it has interrupted is using, or
 * has left by siglongjmp() in the middle of. A hidden duplicate goes on with the connection once the lock is free.
 */
static bool release_unlocked(int fd, uint32_t generation)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return false;
    const int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    if (endpoint_remove(endpoint, fd, generation) > 0) {
        if (hidden >= 0)
            fd_unreserve(hidden, true);
        return true;
    }
    atomic_store(&endpoint->fd, hidden);
    if (hidden >= 0)
        endpoint_hide(endpoint, hidden);
    background_add(endpoint);
    return true;
}

/*
 * Everything about closing `fd` but the system call: the number is closing in this generation afterwards. False: it
 * is not sealed, or hidden.
 */
bool release_number(int fd, uint32_t generation)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR && errno != EBADF)
        return release_unlocked(fd, generation);
    if (entered != ENDPOINT_ENTERED)
        return false;
    transport_call = TRANSPORT_PLAIN;
    if (endpoint_remove(endpoint, fd, generation) > 0) {
        ENDPOINT_RAISE(number_closing, endpoint, fd);
        endpoint_leave(connection);
    } else if (!release_last_number(endpoint, connection, fd)) {
        background_add(endpoint);
    }
    return true;
}

/*
 * The system call. Where a filter does not allow it the number stays open, and must not pass for a foreign one.
 */
long release_close_number(int fd, uint32_t generation)
{
    const long result = raw_syscall(SYS_close, fd);
    fd_vacate_as(fd, generation, result == -EPERM || result == -EACCES || result == -ENOSYS ? FD_WORD_HIDDEN : 0);
    return result;
}

/* The number is closing in this generation; or foreign, with nothing noted of it any more: false. */
static bool take_for_close(int fd, uint32_t generation)
{
    enum { TIMEOUT_MS = 1000 }; /* a dup2() onto the number may be on its way */
    for (int round = 0; fd_is_known(fd); round++) {
        if (release_number(fd, generation))
            return true;
        fd_forget(fd);
        if (fd_is_known(fd) && !fd_wait(round, TIMEOUT_MS))
            break;
    }
    return false;
}

int release_close(int fd)
{
    if (fd_is_hidden(fd)) {
        errno = EBADF;
        return -1;
    }
    if (process_is_vfork_child())
        return real_libc()->close(fd);
    const int saved = errno;
    const uint32_t generation = fd_next_generation();
    pthread_testcancel(); /* close(2) is a cancellation point; behind this one the number must be closed */
    signals_pin();
    const bool taken = take_for_close(fd, generation);
    const long result = taken ? release_close_number(fd, generation) : 0;
    signals_unpin();
    errno = result < 0 ? (int)-result : saved;
    return !taken ? FD_FOREIGN : result < 0 ? -1 : 0;
}

void release_after_close(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const int saved = errno;
    if (process_is_vfork_child() || fd_is_hidden(fd))
        return;
    signals_pin();
    if (fd_is_sealed(fd) && endpoint_enter(fd, &endpoint, &connection) == ENDPOINT_ENTERED) {
        const uint32_t generation = fd_next_generation();
        const bool is_gone = !endpoint_has_socket(endpoint, fd);
        if (is_gone && endpoint_remove(endpoint, fd, generation) == 0) {
            connection_fail(connection, -1, ECONNRESET, "another thread closed it while it was being connected");
            (void)holders_release(connection);
            endpoint_free(endpoint, connection);
        } else {
            endpoint_leave(connection);
        }
        if (is_gone)
            fd_vacate(fd, generation);
    }
    signals_unpin();
    errno = saved;
}

uint32_t release_before_close_range(unsigned first, unsigned last)
{
    if (process_is_vfork_child())
        return 0;
    const int saved = errno;
    const uint32_t generation = fd_next_generation();
    for (int fd = fd_next(first); fd >= 0 && (unsigned)fd <= last; fd = fd_next((unsigned)fd + 1))
        if (!fd_is_hidden(fd))
            (void)release_number(fd, generation);
    fd_forget_range(first, last);
    errno = saved;
    return generation;
}
