/*
 * Duplicates of sealed numbers: dup(2), dup2(2), dup3(2), and fcntl(2) with F_DUPFD. The kernel's close-on-exec
 * flag is always set for them; the table of descriptors has the program's flag. These calls may come before any
 * constructor, in signal handlers, and in children of vfork(), so nothing here allocates memory.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "connection/endpoint.h"
#include "fd/close.h"
#include "readiness/registration.h"
#include "transfer/export.h"
#include "transfer/relay.h"

enum { STANDARD_LAST = 2 };

/*
 * Relays the connection. FD_FOREIGN: the number is foreign now, and the caller makes the real call. -1: with errno.
 */
static int relay(int fd)
{
    const int error = relay_require(fd);
    return error == 0 ? FD_FOREIGN : fd_call_result(error);
}

int sealed_make_handoff(int fd)
{
    return export_as_handoff(fd) ? FD_FOREIGN : relay(fd);
}

/*
 * Another thread has connected the socket by its number `fd`, and may have missed the copy. `word` is the copy's
 * word in the table.
 */
void sealed_copied(int fd, int copy, uint64_t word)
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

int sealed_dup(int fd, int lowest, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (process_is_vfork_child())
        return sealed_make_handoff(fd);
    process_block_forks();
    int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED) {
        process_unblock_forks();
        return endpoint_call_result(entered);
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
    int error = copy < 0 ? (int)copy : relay_is_needed((int)copy) ? relay_require((int)copy) : 0;
    if (error == 0)
        return (int)copy;
    if (copy >= 0)
        (void)fd_close((int)copy);
    return fd_call_result(error);
}

/*
 * Duplicates the connection's socket to `fd2`, with close-on-exec. Returns 0 or a negative errno value;
 * FD_FOREIGN: the connection is gone.
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
    while (fd_must_retry(copy, &round));
    if (copy >= 0)
        endpoint_add(endpoint, fd2, cloexec);
    endpoint_leave(connection);
    return copy >= 0 ? 0 : (int)copy;
}

int sealed_dup_to(int fd, int fd2, bool cloexec)
{
    struct endpoint *endpoint;
    struct connection *connection;
    struct fd_replacement replacement;
    if (fd2 < 0 || fd2 >= FD_TABLE_SIZE || fd_is_hidden(fd)) {
        errno = EBADF;
        return -1;
    }
    if (relay_is_needed(fd2))
        return fd2 > STANDARD_LAST ? sealed_make_handoff(fd) : relay(fd);
    const int entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered != ENDPOINT_ENTERED)
        return endpoint_call_result(entered);
    const uint32_t generation = atomic_load(&endpoint->generation);
    endpoint_leave(connection);
    const int target = fd_keep_lingering(fd2);
    int error = fd_begin_replace(fd2, false, &replacement);
    if (error == 0) {
        error = put_at(fd2, cloexec, endpoint, generation);
        fd_end_replace(&replacement, error == 0, 0);
    }
    if (target >= 0)
        fd_unreserve(target, true);
    if (error == FD_FOREIGN)
        return FD_FOREIGN;
    return error == 0 ? fd2 : fd_call_result(error);
}
