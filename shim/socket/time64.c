/*
 * Second names of calls, for 32-bit programs that were built with a time_t of 64 bits (_TIME_BITS=64, glibc 2.34 on
 * i386). A timeout is converted for the call with 32 bits, which has the work: 68 years are as good as more. Where
 * a structure of another size goes to the kernel or comes from it, and nothing is recorded about the descriptor,
 * the real function of the same name is called.
 */
#if defined(__i386__)

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

#include "base/interposed.h"
#include "socket/data_call.h"

static time_t narrow(int64_t seconds)
{
    return seconds > LONG_MAX ? LONG_MAX : seconds < 0 ? -1 : (time_t)seconds;
}

/* Returns `to`, or NULL without a timeout. */
static struct timespec *narrow_timespec(struct timespec *to, const struct time64_timespec *from)
{
    if (from == NULL)
        return NULL;
    *to = (struct timespec){.tv_sec = narrow(from->tv_sec), .tv_nsec = from->tv_nsec};
    return to;
}

PFSWRAP_EXPORT int __select64(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                              struct time64_timeval *timeout)
{
    struct timeval left;
    if (timeout == NULL)
        return select(count, readable, writable, exceptional, NULL);
    left.tv_sec = narrow(timeout->tv_sec);
    left.tv_usec = timeout->tv_usec < 0 ? -1 : timeout->tv_usec > LONG_MAX ? LONG_MAX : (long)timeout->tv_usec;
    const int ready = select(count, readable, writable, exceptional, &left);
    if (ready >= 0 || errno == EINTR)
        *timeout = (struct time64_timeval){.tv_sec = left.tv_sec, .tv_usec = left.tv_usec};
    return ready;
}

PFSWRAP_EXPORT int __pselect64(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                               const struct time64_timespec *timeout, const sigset_t *mask)
{
    struct timespec short_one;
    return pselect(count, readable, writable, exceptional, narrow_timespec(&short_one, timeout), mask);
}

PFSWRAP_EXPORT int __ppoll64(struct pollfd *fds, nfds_t count, const struct time64_timespec *timeout,
                             const sigset_t *mask)
{
    struct timespec short_one;
    return ppoll(fds, count, narrow_timespec(&short_one, timeout), mask);
}

PFSWRAP_EXPORT int __epoll_pwait2_time64(int epoll, struct epoll_event *events, int room,
                                         const struct time64_timespec *timeout, const sigset_t *mask)
{
    struct timespec short_one;
    return epoll_pwait2(epoll, events, room, narrow_timespec(&short_one, timeout), mask);
}

PFSWRAP_EXPORT int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags,
                                struct time64_timespec *timeout)
{
    struct timespec left;
    if (!fd_is_known(fd))
        return real_libc()->__recvmmsg64(fd, messages, count, flags, timeout);
    const int received = recvmmsg(fd, messages, count, flags, narrow_timespec(&left, timeout));
    if (received >= 0 && timeout != NULL) {
        timeout->tv_sec = left.tv_sec;
        timeout->tv_nsec = (int32_t)left.tv_nsec;
    }
    return received;
}

PFSWRAP_EXPORT ssize_t __recvmsg64(int fd, struct msghdr *message, int flags)
{
    return !fd_is_known(fd) ? real_libc()->__recvmsg64(fd, message, flags) : recvmsg(fd, message, flags);
}

PFSWRAP_EXPORT ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags)
{
    return sendmsg(fd, message, flags);
}

PFSWRAP_EXPORT int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    return sendmmsg(fd, messages, count, flags);
}

PFSWRAP_EXPORT int __getsockopt64(int fd, int level, int option, void *value, socklen_t *length)
{
    return !fd_is_known(fd) ? real_libc()->__getsockopt64(fd, level, option, value, length)
                            : getsockopt(fd, level, option, value, length);
}

PFSWRAP_EXPORT int __setsockopt64(int fd, int level, int option, const void *value, socklen_t length)
{
    return setsockopt(fd, level, option, value, length);
}

PFSWRAP_EXPORT int __ioctl_time64(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *const argument = va_arg(list, void *);
    va_end(list);
    return !fd_is_known(fd) ? real_libc()->__ioctl_time64(fd, request, argument) : ioctl(fd, request, argument);
}

PFSWRAP_EXPORT int __prctl_time64(int option, ...)
{
    va_list list;
    va_start(list, option);
    const unsigned long a = va_arg(list, unsigned long), b = va_arg(list, unsigned long);
    const unsigned long c = va_arg(list, unsigned long), d = va_arg(list, unsigned long);
    va_end(list);
    return prctl(option, a, b, c, d);
}

#else

_Static_assert(sizeof(long) == 8, "only i386 has such names");

#endif
