/*
 * accept, accept4: the planes are asked for each new connection (fd/plane.h). One of them takes it over, sees its
 * bytes from now on, or refuses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/data_call.h"

/* `fd` has just been accepted from `listener`, with `more` flags than the program's. Returns what accept(2) does.
 */
static int finish(int fd, int listener, int flags, int more)
{
    const int result = planes_accepted(fd, listener, flags);
    if (result == -1)
        return -1;
    /* The table has the program's flag of a number that a plane has taken over, and the kernel's stays set. */
    if ((more & SOCK_CLOEXEC) != 0 && (flags & SOCK_CLOEXEC) == 0 && !fd_has_own_stream(fd))
        (void)raw_syscall(RAW_FCNTL, fd, F_SETFD, 0);
    return fd;
}

PFSWRAP_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    watch_check();
    const int more = planes_accept_flags();
    int accepted = real_libc()->accept4(fd, address, length, flags | more);
    while (accepted < 0 && errno == EMFILE && planes_make_room())
        accepted = real_libc()->accept4(fd, address, length, flags | more);
    return accepted < 0 ? accepted : finish(accepted, fd, flags, more);
}

PFSWRAP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    watch_check();
    if (planes_accept_flags() != 0)
        return accept4(fd, address, length, 0);
    const int accepted = real_libc()->accept(fd, address, length);
    return accepted < 0 ? accepted : finish(accepted, fd, 0, 0);
}
