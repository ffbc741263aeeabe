/*
 * accept, accept4: the planes are asked for each new connection (fd/plane.h). One of them takes it over, sees its
 * bytes from now on, or refuses it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/data_call.h"

/* Where the program gets the peer's address, and how many bytes have room there. */
struct asked {
    const struct sockaddr *address;
    const socklen_t *length;
    socklen_t room;
};

static struct asked ask(const struct sockaddr *address, const socklen_t *length)
{
    const bool is_asked = address != NULL && !address_is_bad(length);
    return (struct asked){address, length, is_asked ? *length : 0};
}

/* The kernel has just written the peer's address there. AF_UNSPEC: the program did not ask for all of it. */
static struct sockaddr_in6 peer_of(const struct asked *asked)
{
    struct sockaddr_in6 peer = {.sin6_family = AF_UNSPEC};
    const socklen_t length = asked->room > 0 ? *asked->length : 0;
    if (length >= sizeof(struct sockaddr_in) && length <= asked->room && length <= sizeof peer)
        memcpy(&peer, asked->address, length);
    return peer;
}

/* `fd` has just been accepted from `listener`, with `more` flags than the program's. Returns what accept(2) does.
 */
static int finish(int fd, int listener, int flags, int more, const struct asked *asked)
{
    const struct sockaddr_in6 peer = peer_of(asked);
    const int result = planes_accepted(fd, listener, flags, &peer);
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
    const struct asked asked = ask(address, length);
    int accepted = real_libc()->accept4(fd, address, length, flags | more);
    while (accepted < 0 && errno == EMFILE && planes_make_room())
        accepted = real_libc()->accept4(fd, address, length, flags | more);
    return accepted < 0 ? accepted : finish(accepted, fd, flags, more, &asked);
}

PFSWRAP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    watch_check();
    if (planes_accept_flags() != 0)
        return accept4(fd, address, length, 0);
    const struct asked asked = ask(address, length);
    const int accepted = real_libc()->accept(fd, address, length);
    return accepted < 0 ? accepted : finish(accepted, fd, 0, 0, &asked);
}
