/*
 * To the kernel, the program's end of a relayed connection is one of a pair of Unix sockets. The name of the other end
 * contains the addresses of the TCP connection (relay_name.c), so a process that received the descriptor can read
 * them as well.
 */
#include "transfer/relay_address.h"

#include "config/init.h"
#include "transfer/relay.h"

static bool resolve(int fd, enum program_socket_end end, struct sockaddr_in6 *address)
{
    const bool is_local = end == PROGRAM_SOCKET_LOCAL;
    return pfswrap_seals() && relay_name_read(fd, is_local ? address : NULL, is_local ? NULL : address);
}

const struct address_resolver relay_address_resolver = {.resolve = resolve};
