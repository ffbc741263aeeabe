/*
 * fcntl and ioctl: a plane may answer instead of the kernel: about duplicates, the close-on-exec flag, the blocking
 * mode, and how many bytes can be read.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "socket/data_call.h"
#include "socket/dup.h"

/* `real`: the real function of that name. On i386 they differ in the structure that a lock has. */
static inline __attribute__((always_inline)) int fcntl_as(int (*real)(int, int, ...), int fd, int command,
                                                          long argument)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->fcntl != NULL) {
        const int result = operations->fcntl(fd, command, argument);
        if (result != FD_FOREIGN)
            return result;
    }
    const int result = real(fd, command, argument);
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? dup_finish(fd, result) : result;
}

PFSWRAP_EXPORT int fcntl(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    const long argument = va_arg(list, long);
    va_end(list);
    return fcntl_as(real_libc()->fcntl, fd, command, argument);
}
PFSWRAP_ALIAS(__fcntl, fcntl);

#if defined(__i386__)
PFSWRAP_EXPORT int fcntl64(int fd, int command, ...)
{
    va_list list;
    va_start(list, command);
    const long argument = va_arg(list, long);
    va_end(list);
    /* glibc before 2.28 has fcntl() only, with either structure */
    return fcntl_as(real_libc()->fcntl64 != NULL ? real_libc()->fcntl64 : real_libc()->fcntl, fd, command,
                    argument);
}
PFSWRAP_ALIAS(__libc_fcntl64, fcntl64);
PFSWRAP_ALIAS(__fcntl_time64, fcntl64);
#else
PFSWRAP_ALIAS(fcntl64, fcntl);
PFSWRAP_ALIAS(__libc_fcntl64, fcntl);
#endif

PFSWRAP_EXPORT int ioctl(int fd, ioctl_request request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->ioctl != NULL) {
        const int result = operations->ioctl(fd, (unsigned long)request, argument);
        if (result != FD_FOREIGN)
            return result;
    }
    return real_libc()->ioctl(fd, request, argument);
}
