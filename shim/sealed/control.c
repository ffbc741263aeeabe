/*
 * fcntl(2) and ioctl(2) on a sealed descriptor: duplicates, the close-on-exec flag, the blocking mode, and how many
 * bytes can be read. All other commands go to the kernel.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>

#include "base/address_check.h"
#include "base/aliases.h"
#include "base/libc.h"
#include "base/process.h"
#include "connection/endpoint.h"
#include "connection/stream.h"
#include "transfer/export.h"

/* The kernel's blocking mode of the socket has changed. */
static void set_nonblocking(int fd, bool nonblocking)
{
    struct endpoint *endpoint;
    struct connection *connection;
    if (endpoint_enter(fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return;
    atomic_store(&connection->nonblocking, nonblocking);
    endpoint_update(fd, connection);
    endpoint_leave(connection);
}

/*
 * The child does not want the descriptor to survive the exec. Its parent's flag in the table may say that it does.
 */
static int close_on_exec(int fd)
{
    if (!fd_cloexec(fd))
        (void)export_as_handoff(fd);
    return FD_FOREIGN;
}

/*
 * A child of vfork() cannot change the table, which is its parent's. If it wants a descriptor to survive the exec,
 * or to be duplicated, the descriptor becomes a handoff socket, or else a relay's end. Then the kernel's flag
 * counts.
 */
static int fcntl_in_vfork_child(int fd, int command, long argument)
{
    if (command == F_SETFD)
        return (argument & FD_CLOEXEC) != 0 ? close_on_exec(fd) : sealed_make_handoff(fd);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? sealed_make_handoff(fd) : FD_FOREIGN;
}

static int not_open(void)
{
    errno = EBADF;
    return -1;
}

/* Sets the program's flag. FD_FOREIGN: the number has become foreign, and the kernel has its flag. */
static int set_cloexec(int fd, bool cloexec)
{
    while (!fd_set_cloexec(fd, cloexec)) {
        const uint64_t word = fd_settled_word(fd);
        if (word == 0 || (word & FD_WORD_FOREIGN) != 0)
            return FD_FOREIGN;
        if ((word & (FD_WORD_CLOSING | FD_WORD_HIDDEN)) != 0)
            return not_open();
    }
    return 0;
}

static int get_cloexec(int fd)
{
    const uint64_t word = fd_settled_word(fd);
    if (word == 0 || (word & FD_WORD_FOREIGN) != 0)
        return FD_FOREIGN;
    return (word & (FD_WORD_CLOSING | FD_WORD_HIDDEN)) != 0 ? not_open() : fd_word_cloexec(word) ? FD_CLOEXEC : 0;
}

int sealed_fcntl(int fd, int command, long argument)
{
    if (fd_is_hidden(fd))
        return not_open();
    if (process_is_vfork_child())
        return fcntl_in_vfork_child(fd, command, argument);
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        return sealed_dup(fd, (int)argument, command == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return get_cloexec(fd);
    case F_SETFD:
        return set_cloexec(fd, (argument & FD_CLOEXEC) != 0);
    case F_SETFL: {
        int result = real_libc()->fcntl(fd, command, argument);
        if (result == 0)
            set_nonblocking(fd, (argument & O_NONBLOCK) != 0);
        return result;
    }
    default:
        return FD_FOREIGN;
    }
}

int sealed_ioctl(int fd, unsigned long request, void *argument)
{
    if (fd_is_hidden(fd))
        return not_open();
    if (process_is_vfork_child())
        return request == FIONCLEX ? sealed_make_handoff(fd) : request == FIOCLEX ? close_on_exec(fd) : FD_FOREIGN;
    if (address_is_bad(argument) && (request == FIONREAD || request == FIONBIO))
        return FD_FOREIGN; /* the kernel refuses */
    switch (request) {
    case FIONREAD: {
        ssize_t available = stream_available(fd);
        if (available < 0)
            return (int)available;
        *(int *)argument = available < INT_MAX ? (int)available : INT_MAX;
        return 0;
    }
    case FIONBIO: {
        int result = real_libc()->ioctl(fd, (ioctl_request)request, argument);
        if (result == 0)
            set_nonblocking(fd, *(const int *)argument != 0);
        return result;
    }
    case FIOCLEX:
    case FIONCLEX:
        return set_cloexec(fd, request == FIOCLEX);
    default:
        return FD_FOREIGN;
    }
}
