/*
 * connect: a plane makes the connection, or else the kernel (fd/plane.h). A plane that only has to see the bytes
 * learns of the connection after the kernel's call, and with it of all numbers that the program has for the socket.
 */
#include "socket/connect.h"

#include <errno.h>

#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/trace.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/data_call.h"
#include "socket/unconnected.h"

/*
 * `fd` is or will be connected to `address` by the kernel: the planes see it, and all its numbers, from now on.
 * Returns 0; or -1 with errno: the connection was cut, and the call must fail.
 */
static int connect_finish(int fd, const struct sockaddr *address, socklen_t length)
{
    const int saved = errno;
    int next = 0;
    if (planes_connected(fd, address, length) == -1)
        return -1;
    const uint64_t word = fd_word(fd);
    if (fd_word_record(word) == 0)
        return 0;
    for (int copy = unconnected_next(fd, &next); copy >= 0; copy = unconnected_next(fd, &next))
        if (plane_with_current_record(copy) == NULL)
            plane_copied(plane_of_word(word), fd, copy);
    if (unconnected_has_stream(fd) && fd_before_stream(fd, NULL) != 0)
        return -1;
    errno = saved;
    return 0;
}

PFSWRAP_EXPORT int connect(int fd, const struct sockaddr *address, socklen_t length)
{
    watch_check();
    const int made = planes_connect(fd, address, length);
    if (made != FD_FOREIGN)
        return made;
    const int result = real_libc()->connect(fd, address, length);
    TRACE_CALL("connect", fd, result);
    if ((result == 0 || errno == EINPROGRESS || errno == EINTR) && connect_finish(fd, address, length) != 0)
        return -1;
    return result;
}
PFSWRAP_ALIAS(__connect, connect);

int connect_before_fast(int fd, const struct sockaddr *address, socklen_t length, int *flags)
{
    const int made = fd_has_own_stream(fd) ? 0 : planes_connect(fd, address, length);
    if (made == FD_FOREIGN)
        return connect_finish(fd, address, length);
    if (made == 0)
        *flags &= ~MSG_FASTOPEN;
    return made;
}
