/*
 * getpeername, getsockname, and the options of a TCP socket, on the program's end of a relayed connection. That end
 * stands for the TCP connection in every process that has it (fd/program_socket.h).
 */
#include "socket/address.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "fd/plane.h"
#include "fd/program_socket.h"

/* SO_ORIGINAL_DST of linux/netfilter_ipv4.h, which cannot be included together with libc's headers. */
enum { ORIGINAL_DST = 80 };

bool address_is_relayed(int fd)
{
    struct sockaddr_in6 peer;
    return program_socket_tcp_address(fd, PROGRAM_SOCKET_PEER, &peer);
}

/* Stores an address like the kernel: at most `room` bytes of it, and its whole length. */
static void store(const struct sockaddr_in6 *from, struct sockaddr *address, socklen_t *length, socklen_t room)
{
    const socklen_t size = program_socket_tcp_length(from);
    memcpy(address, from, size < room ? size : room);
    *length = size;
}

/* Whether the kernel has returned the address of a Unix socket, which may be a relay's. */
static bool may_be_relayed(const struct sockaddr *address, socklen_t room)
{
    return room >= sizeof address->sa_family && address->sa_family == AF_UNIX && planes_take_over();
}

PFSWRAP_EXPORT int getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    const socklen_t room = length != NULL && address != NULL ? *length : 0;
    struct sockaddr_in6 peer;
    int result = real_libc()->getpeername(fd, address, length);
    if (result == 0 && may_be_relayed(address, room) && program_socket_tcp_address(fd, PROGRAM_SOCKET_PEER, &peer))
        store(&peer, address, length, room);
    return result;
}

PFSWRAP_EXPORT int getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    const socklen_t room = length != NULL && address != NULL ? *length : 0;
    struct sockaddr_in6 self;
    int result = real_libc()->getsockname(fd, address, length);
    if (result == 0 && may_be_relayed(address, room) && program_socket_tcp_address(fd, PROGRAM_SOCKET_LOCAL, &self))
        store(&self, address, length, room);
    return result;
}

/* Options of IP packets. If a connection has none, their length is 0. sshd refuses connections that have some. */
static bool has_no_value(int level, int option)
{
    if (level == IPPROTO_IP)
        return option == IP_OPTIONS;
    return level == IPPROTO_IPV6 &&
           (option == IPV6_HOPOPTS || option == IPV6_RTHDRDSTOPTS || option == IPV6_RTHDR ||
            option == IPV6_DSTOPTS || option == IPV6_2292PKTOPTIONS);
}

bool address_option_refused(int fd, int level, int option, void *value, socklen_t *length)
{
    if ((level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6) || !planes_take_over() ||
        !address_is_relayed(fd))
        return false;
    if (level == IPPROTO_IP && option == ORIGINAL_DST)
        return false; /* the address before a firewall's redirection, which is not known */
    if (value != NULL && has_no_value(level, option))
        *length = 0;
    if (value != NULL)
        memset(value, 0, *length);
    if (value != NULL && level == IPPROTO_TCP && option == TCP_INFO && *length > 0)
        *(unsigned char *)value = TCP_ESTABLISHED; /* tcpi_state */
    return true;
}

void address_option_answered(int fd, int option, void *value, socklen_t length)
{
    struct sockaddr_in6 self;
    int number;
    if (length != sizeof number || !planes_take_over())
        return;
    memcpy(&number, value, sizeof number);
    if (option == SO_DOMAIN && number == AF_UNIX && program_socket_tcp_address(fd, PROGRAM_SOCKET_LOCAL, &self))
        number = self.sin6_family;
    else if (option == SO_PROTOCOL && number == 0 && address_is_relayed(fd))
        number = IPPROTO_TCP;
    memcpy(value, &number, sizeof number);
}
