/*
 * accept, accept4: the planes are asked for each new connection (fd/plane.h). One of them takes it over, sees its
 * bytes from now on, or refuses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/data_call.h"

/* How many bytes of the peer's address the program has room for. */
static socklen_t room_for(const struct sockaddr *address, const socklen_t *length)
{
    return address != NULL && !address_is_bad(length) ? *length : 0;
}

/* The address, which the kernel has just written there; NULL: the program did not ask for all of it. */
static const struct sockaddr *whole(const struct sockaddr *address, const socklen_t *length, socklen_t room)
{
    return room > 0 && *length <= room && *length <= sizeof(struct sockaddr_in6) ? address : NULL;
}

/* `fd` has just been accepted from `listener`, with `more` flags than the program's. Returns what accept(2) does.
 */
static int finish(int fd, int listener, int flags, int more, const struct sockaddr *peer)
{
    const int result = planes_accepted(fd, listener, flags, peer);
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
    const socklen_t room = room_for(address, length);
    int accepted = real_libc()->accept4(fd, address, length, flags | more);
    while (accepted < 0 && errno == EMFILE && planes_make_room())
        accepted = real_libc()->accept4(fd, address, length, flags | more);
    return accepted < 0 ? accepted : finish(accepted, fd, flags, more, whole(address, length, room));
}

PFSWRAP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    watch_check();
    if (planes_accept_flags() != 0)
        return accept4(fd, address, length, 0);
    const socklen_t room = room_for(address, length);
    const int accepted = real_libc()->accept(fd, address, length);
    return accepted < 0 ? accepted : finish(accepted, fd, 0, 0, whole(address, length, room));
}
