/*
 * Reads the addresses as the program sees them, which for a relayed connection is not what the kernel answers.
 */
#include "audit/addresses.h"

#include "fd/program_socket.h"

static void end_format(char text[AUDIT_ADDRESS_TEXT], int fd, enum program_socket_end end)
{
    struct sockaddr_storage address;
    socklen_t length;
    text[0] = '\0';
    if (fd >= 0 && program_socket_address(fd, end, &address, &length))
        audit_address_format(text, (const struct sockaddr *)&address);
}

void audit_addresses_read(struct audit_addresses *addresses, int fd)
{
    end_format(addresses->local, fd, PROGRAM_SOCKET_LOCAL);
    end_format(addresses->peer, fd, PROGRAM_SOCKET_PEER);
}
