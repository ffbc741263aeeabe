/*
 * Standard I/O and what else of libc writes to a descriptor with calls of its own. A stream is made of a relayed
 * descriptor: libc's own streams, unlike cookies (fopencookie(3)), know wide characters, freopen and fileno. One
 * line printed to a descriptor needs no relay. A stream that is there before the connection is connect()'s affair.
 */
#include <errno.h>
#include <execinfo.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interposed.h"
#include "base/aliases.h"
#include "base/libc.h"
#include "socket/data_call.h"
#include "socket/unconnected.h"

/* The note comes first: a thread that connects the socket meanwhile either reads it, or is seen here. */
PFSWRAP_EXPORT FILE *fdopen(int fd, const char *mode)
{
    unconnected_streamed(fd);
    atomic_thread_fence(memory_order_seq_cst);
    if (mode[0] != '\0' && strchr("rwa", mode[0]) != NULL && fd_before_stream(fd, CALLER) != 0)
        return NULL;
    return real_libc()->fdopen(fd, mode);
}
PFSWRAP_ALIAS(_IO_fdopen, fdopen);

/* Writes all of a text that was formatted. Returns its length, or -1. */
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

/* `flag` is that of fortified programs; 0: of others. */
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

/* For handlers of signals, which cannot allocate. */
PFSWRAP_EXPORT void backtrace_symbols_fd(void *const *frames, int count, int fd)
{
    if (fd_before_unseen(fd, CALLER) == 0)
        real_libc()->backtrace_symbols_fd(frames, count, fd);
}
