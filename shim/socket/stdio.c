/*
 * Functions of libc that write to a descriptor without interposed calls: stdio streams and dprintf. For a
 * stream, a connection that a plane has taken over is relayed. (A stream of fopencookie(3) would need no relay, but
 * has no wide characters, freopen or fileno.) dprintf needs no relay. For a stream on a socket that is not
 * connected yet, see connect.c.
 */
#include <errno.h>
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
#include "socket/stdio.h"
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

int stdio_put(int fd, char *text, int length)
{
    if (length < 0)
        return length;
    int done = 0;
    while (done < length) {
        const ssize_t count = write(fd, text + done, (size_t)(length - done));
        if (count < 0)
            break;
        done += (int)count;
    }
    const int saved = errno;
    free(text);
    errno = saved;
    return done == length ? length : -1;
}

PFSWRAP_EXPORT int vdprintf(int fd, const char *format, va_list list)
{
    char *text = NULL;
    if (!fd_has_operations(fd))
        return real_libc()->vdprintf(fd, format, list);
    const int length = vasprintf(&text, format, list);
    return stdio_put(fd, text, length);
}

PFSWRAP_EXPORT int dprintf(int fd, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    const int length = vdprintf(fd, format, list);
    va_end(list);
    return length;
}
