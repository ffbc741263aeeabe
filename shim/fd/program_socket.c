/*
 * The descriptor's kind decides first (fd/operations.h), and then the kernel. Makes system calls only.
 */
#include "fd/program_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/raw_syscall.h"
#include "fd/plane.h"

bool program_socket_tcp_address(int fd, enum program_socket_end end, struct sockaddr_in6 *address)
{
    const int saved = errno;
    bool is_tcp = false;
    for (const struct address_resolver *const *resolver = address_resolvers; *resolver != NULL && !is_tcp;
         resolver++)
        is_tcp = (*resolver)->resolve(fd, end, address);
    errno = saved;
    return is_tcp;
}

socklen_t program_socket_tcp_length(const struct sockaddr_in6 *address)
{
    return address->sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof *address;
}

bool program_socket_address(int fd, enum program_socket_end end, struct sockaddr_storage *address,
                            socklen_t *length)
{
    const int saved = errno;
    *address = (struct sockaddr_storage){0};
    *length = sizeof *address;
    if (raw_syscall(end == PROGRAM_SOCKET_LOCAL ? SYS_getsockname : SYS_getpeername, fd, address, length) != 0)
        return false;
    struct sockaddr_in6 tcp;
    if (address->ss_family == AF_UNIX && program_socket_tcp_address(fd, end, &tcp)) {
        *length = program_socket_tcp_length(&tcp);
        memcpy(address, &tcp, *length);
    }
    errno = saved;
    return true;
}

size_t program_socket_available(int fd)
{
    const int saved = errno;
    const struct fd_operations *operations = fd_operations_if_known(fd);
    ssize_t bytes = FD_FOREIGN;
    if (operations != NULL && operations->available != NULL)
        bytes = operations->available(fd);
    errno = saved;
    if (bytes == FD_FOREIGN) {
        int readable = 0;
        bytes = raw_syscall(SYS_ioctl, fd, FIONREAD, &readable) == 0 ? readable : 0;
    }
    return bytes > 0 ? (size_t)bytes : 0;
}

ssize_t program_socket_peek(int fd, void *bytes, size_t size)
{
    const int saved = errno;
    const struct fd_operations *operations = fd_operations_if_known(fd);
    const struct iovec vector = {.iov_base = bytes, .iov_len = size};
    ssize_t got = FD_FOREIGN;
    if (operations != NULL && operations->receive != NULL)
        got = operations->receive(fd, &vector, 1, MSG_PEEK | MSG_DONTWAIT, TRANSPORT_SOCKET);
    errno = saved;
    if (got == FD_FOREIGN)
        got = raw_syscall(SYS_recvfrom, fd, bytes, size, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    return got >= 0 ? got : -1;
}

void program_socket_shutdown(int fd, int how)
{
    const int saved = errno;
    const struct fd_operations *operations = fd_operations_if_known(fd);
    int result = FD_FOREIGN;
    if (operations != NULL && operations->shutdown != NULL)
        result = operations->shutdown(fd, how);
    errno = saved;
    if (result == FD_FOREIGN)
        (void)raw_syscall(SYS_shutdown, fd, how);
}

bool program_socket_blocks(int fd)
{
    const long flags = raw_syscall(RAW_FCNTL, fd, F_GETFL);
    return flags >= 0 && (flags & O_NONBLOCK) == 0;
}
