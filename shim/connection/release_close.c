/*
 * Closing a number: close(2), close_range(2), and the check after a foreign number was closed. fd/change.h has the
 * three steps of closing a number; release.c ends the connection if it was its last number.
 */
#include "connection/release.h"

#include <errno.h>
#include <pthread.h>

#include "base/fork_lock.h"
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
 * As release_number(), while this thread has the lock already: a signal handler closes a number that the
 * interrupted call is using, or that a call had used before siglongjmp(3) left it. A hidden duplicate keeps the
 * connection, and the background thread continues with it when the lock is free.
 */
static bool release_unlocked(int fd, uint32_t generation, bool is_replaced)
{
    struct endpoint *endpoint = endpoint_of(fd);
    if (endpoint == NULL)
        return false;
    int hidden = fd_reserve_duplicate(fd, OWN_FIRST);
    const int left = endpoint_remove(endpoint, fd, generation);
    if (left != 0) {
        if (hidden >= 0)
            fd_unreserve(hidden, true);
        return left > 0;
    }
    if (hidden < 0 && !is_replaced)
        hidden = fd;
    atomic_store(&endpoint->fd, hidden);
    if (hidden >= 0)
        endpoint_hide(endpoint, hidden);
    background_add_closed(endpoint, false);
    return true;
}

bool release_number(int fd, uint32_t generation, bool is_replaced)
{
    struct endpoint *endpoint;
    struct connection *connection;
    for (;;) {
        const enum endpoint_result entered = endpoint_enter(fd, &endpoint, &connection);
        if (entered == ENDPOINT_ERROR && errno != EBADF)
            return release_unlocked(fd, generation, is_replaced);
        if (entered != ENDPOINT_ENTERED)
            return false;
        transport_call = TRANSPORT_PLAIN;
        const bool may_wait = !atomic_load(&connection->nonblocking);
        const int left = endpoint_remove(endpoint, fd, generation);
        if (left == 0) {
            if (!release_last_number(endpoint, connection, fd, is_replaced))
                background_add_closed(endpoint, may_wait);
            return true;
        }
        if (left > 0)
            ENDPOINT_RAISE(number_closing, endpoint, fd);
        endpoint_leave(connection);
        if (left > 0)
            return true;
    }
}

long release_close_number(int fd, uint32_t generation)
{
    const long result = raw_syscall(SYS_close, fd);
    fd_vacate_as(fd, generation, result == -EPERM || result == -EACCES || result == -ENOSYS ? FD_WORD_HIDDEN : 0);
    return result;
}

/* A sealed number becomes closing in this generation. False: it is foreign, and nothing is recorded about it. */
static bool take_for_close(int fd, uint32_t generation)
{
    enum { TIMEOUT_MS = 1000 }; /* for another thread's dup2(2) onto the number */
    for (int round = 0; fd_is_known(fd); round++) {
        if (release_number(fd, generation, false))
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
    pthread_testcancel(); /* close(2) is a cancellation point. From here on, the number must be closed */
    signals_pin();
    process_block_forks();
    const bool taken = take_for_close(fd, generation);
    /* If it stays open for the shim, it is hidden now, or another call has closed it already. */
    const bool closes = taken && fd_word(fd) == fd_word_closing(generation);
    const long result = closes ? release_close_number(fd, generation) : 0;
    process_unblock_forks();
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
    process_block_forks();
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
    process_unblock_forks();
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
            (void)release_number(fd, generation, false);
    fd_forget_range(first, last);
    errno = saved;
    return generation;
}
