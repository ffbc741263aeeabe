/*
 * The names of handoff sockets (connection/handoff_name.h). Whether a name is free is found out by binding another
 * socket to it for a moment, in the same network namespace.
 */
#include "connection/handoff_name.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"

enum { NAME_LETTERS = 16 /* a struct holder in hexadecimal */ };

static const char prefix[] = "pfswrap-handoff:";

enum { NAME_LENGTH = offsetof(struct sockaddr_un, sun_path) + sizeof prefix + NAME_LETTERS };

uint32_t handoff_name_namespace(int fd)
{
    enum { NETNS_COOKIE = 71 }; /* SO_NETNS_COOKIE */
    return (uint32_t)socket_cookie(fd, NETNS_COOKIE) & HANDOFF_NAMESPACE_BITS;
}

static void write_name(struct sockaddr_un *address, struct holder name)
{
    static const char digits[] = "0123456789abcdef";
    const uint64_t number = (uint64_t)(uint32_t)name.pid << 32 | name.space;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(address->sun_path + 1, prefix, sizeof prefix - 1);
    for (int i = 0; i < NAME_LETTERS; i++)
        address->sun_path[sizeof prefix + (size_t)i] = digits[number >> (4 * (NAME_LETTERS - 1 - i)) & 15];
}

long handoff_name_bind(int fd, struct holder name)
{
    struct sockaddr_un address;
    write_name(&address, name);
    return raw_syscall(SYS_bind, fd, &address, NAME_LENGTH);
}

bool handoff_name_is(int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNSPEC};
    socklen_t length = sizeof address;
    return raw_syscall(SYS_getsockname, fd, &address, &length) == 0 && address.sun_family == AF_UNIX &&
           length == NAME_LENGTH && address.sun_path[0] == '\0' &&
           memcmp(address.sun_path + 1, prefix, sizeof prefix - 1) == 0;
}

bool handoff_name_is_free(struct holder name)
{
    const uint32_t expected = name.space >> HANDOFF_NAMESPACE_SHIFT;
    if (process_sandboxed || expected == 0)
        return false;
    const long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const bool is_free = handoff_name_namespace((int)fd) == expected && handoff_name_bind((int)fd, name) == 0;
    (void)raw_syscall(SYS_close, fd);
    return is_free;
}
