/*
 * What programs of glibc call that were compiled with _FORTIFY_SOURCE (feature_test_macros(7)), and
 * backtrace_symbols_fd(3). If a check fails, the real call ends the program.
 */
#include <execinfo.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "socket/data_call.h"
#include "socket/stdio.h"

PFSWRAP_EXPORT ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room)
{
    return size > room ? real_libc()->__read_chk(fd, bytes, size, room) : read(fd, bytes, size);
}

PFSWRAP_EXPORT ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags)
{
    return size > room ? real_libc()->__recv_chk(fd, bytes, size, room, flags) : recv(fd, bytes, size, flags);
}

PFSWRAP_EXPORT ssize_t __recvfrom_chk(int fd, void *bytes, size_t size, size_t room, int flags,
                                      struct sockaddr *address, socklen_t *length)
{
    return size > room ? real_libc()->__recvfrom_chk(fd, bytes, size, room, flags, address, length)
                       : recvfrom(fd, bytes, size, flags, address, length);
}

PFSWRAP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    if (room / sizeof *fds < count)
        return real_libc()->__poll_chk(fds, count, timeout, room);
    return poll(fds, count, timeout);
}

PFSWRAP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                               const sigset_t *mask, size_t room)
{
    if (room / sizeof *fds < count)
        return real_libc()->__ppoll_chk(fds, count, timeout, mask, room);
    return ppoll(fds, count, timeout, mask);
}

PFSWRAP_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list list)
{
    char *text = NULL;
    if (!fd_has_operations(fd))
        return real_libc()->__vdprintf_chk(fd, flag, format, list);
    const int length = __vasprintf_chk(&text, flag, format, list);
    return stdio_put(fd, text, length);
}

PFSWRAP_EXPORT int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = __vdprintf_chk(fd, flag, format, list);
    va_end(list);
    return length;
}

/* Programs call it in signal handlers, so nothing is allocated. */
PFSWRAP_EXPORT void backtrace_symbols_fd(void *const *frames, int count, int fd)
{
    if (fd_before_unseen(fd, CALLER) == 0)
        real_libc()->backtrace_symbols_fd(frames, count, fd);
}
PFSWRAP_ALIAS(__backtrace_symbols_fd, backtrace_symbols_fd);
