/*
 * getpeername, getsockname, and the options of a TCP socket, on the program's end of a relayed connection. Without
 * a table: the other end's name says it all (relay_name.c), in whatever process the descriptor has come to.
 */
#include "socket/address.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "config/init.h"
#include "transfer/relay_name.h"

enum { ORIGINAL_DST = 80 }; /* SO_ORIGINAL_DST of linux/netfilter_ipv4.h, which libc's headers do not go with */

bool address_is_relayed(int fd)
{
    return relay_name_read(fd, NULL, NULL);
}

/* As the kernel gives an address: as much as there is `room` for, and its whole length. */
static void give(const struct sockaddr_in6 *from, struct sockaddr *address, socklen_t *length, socklen_t room)
{
    const socklen_t size = relay_name_length(from);
    memcpy(address, from, size < room ? size : room);
    *length = size;
}

/* Whether the kernel's answer is a Unix socket's, which may stand for TCP. */
static bool may_be_relayed(const struct sockaddr *address, socklen_t room)
{
    return room >= sizeof address->sa_family && address->sa_family == AF_UNIX && pfswrap_seals();
}

PFSWRAP_EXPORT int getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
    const socklen_t room = length != NULL && address != NULL ? *length : 0;
    struct sockaddr_in6 peer;
    int result = real_libc()->getpeername(fd, address, length);
    if (result == 0 && may_be_relayed(address, room) && relay_name_read(fd, NULL, &peer))
        give(&peer, address, length, room);
    return result;
}

PFSWRAP_EXPORT int getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
    const socklen_t room = length != NULL && address != NULL ? *length : 0;
    struct sockaddr_in6 self;
    int result = real_libc()->getsockname(fd, address, length);
    if (result == 0 && may_be_relayed(address, room) && relay_name_read(fd, &self, NULL))
        give(&self, address, length, room);
    return result;
}

/* Options of packets: a connection that has none says so by their length, and sshd refuses any that has some. */
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
    if ((level != IPPROTO_TCP && level != IPPROTO_IP && level != IPPROTO_IPV6) || !pfswrap_seals() ||
        !address_is_relayed(fd))
        return false;
    if (level == IPPROTO_IP && option == ORIGINAL_DST)
        return false; /* where a connection went before a firewall sent it here: to no other place that we know of
                       */
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
    if (length != sizeof number || !pfswrap_seals())
        return;
    memcpy(&number, value, sizeof number);
    if (option == SO_DOMAIN && number == AF_UNIX && relay_name_read(fd, &self, NULL))
        number = self.sin6_family;
    else if (option == SO_PROTOCOL && number == 0 && address_is_relayed(fd))
        number = IPPROTO_TCP;
    memcpy(value, &number, sizeof number);
}
