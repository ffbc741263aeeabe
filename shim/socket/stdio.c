/*
 * Functions of libc that write to a descriptor without interposed calls: stdio streams, dprintf and others. For a
 * stream, a sealed connection is relayed. (A stream of fopencookie(3) would need no relay, but has no wide
 * characters, freopen or fileno.) dprintf needs no relay. For a stream on a socket that is not connected yet, see
 * connect.c.
 */
#include <errno.h>
#include <execinfo.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "socket/data_call.h"
#include "socket/unconnected.h"

/*
 * The note comes first: a thread that connects the socket meanwhile either reads it, or is noticed by the check
 * below.
 */
PFSWRAP_EXPORT FILE *fdopen(int fd, const char *mode)
{
    unconnected_streamed(fd);
    atomic_thread_fence(memory_order_seq_cst);
    if (mode[0] != '\0' && strchr("rwa", mode[0]) != NULL && fd_before_stream(fd, CALLER) != 0)
        return NULL;
    return real_libc()->fdopen(fd, mode);
}
PFSWRAP_ALIAS(_IO_fdopen, fdopen);

/* Writes the whole text. Returns its length, or -1. */
static int put(int fd, const char *text, int length)
{
    for (int done = 0; done < length;) {
        ssize_t count = write(fd, text + done, (size_t)(length - done));
        if (count < 0)
            return -1;
        done += (int)count;
    }
    return length;
}

/* `flag`: the argument of a fortified program's call; 0 for other programs. */
__attribute__((format(printf, 3, 0))) static int print(int fd, int flag, const char *format, va_list list)
{
    char *text = NULL;
    int length = flag != 0 ? __vasprintf_chk(&text, flag, format, list) : vasprintf(&text, format, list);
    if (length < 0)
        return length;
    length = put(fd, text, length);
    const int saved = errno;
    free(text);
    errno = saved;
    return length;
}

PFSWRAP_EXPORT int vdprintf(int fd, const char *format, va_list list)
{
    return fd_has_operations(fd) ? print(fd, 0, format, list) : real_libc()->vdprintf(fd, format, list);
}

PFSWRAP_EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vdprintf(fd, format, list);
    va_end(list);
    return length;
}

PFSWRAP_EXPORT int __vdprintf_chk(int fd, int flag, const char *format, va_list list)
{
    return fd_has_operations(fd) ? print(fd, flag, format, list)
                                 : real_libc()->__vdprintf_chk(fd, flag, format, list);
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
