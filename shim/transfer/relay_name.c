/*
 * How a name is written and read. Nothing in it is trusted beyond addresses to show.
 */
#include "transfer/relay_name.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/random.h>
#include <sys/un.h>

#include "base/raw_syscall.h"
#include "config/init.h"

/* All values are in hexadecimal digits, since the kernel prints names as they are (/proc/net/unix). */
struct name {
    char zero; /* marks an abstract name */
    char prefix[8];
    char family; /* '4' or '6' */
    char scope[8];
    char self_address[32], self_port[4];
    char peer_address[32], peer_port[4];
    char unique[8]; /* random, since a connection may have more than one relay */
};

static const char prefix[8] = "pfswrap:";

enum { NAME_LENGTH = offsetof(struct sockaddr_un, sun_path) + sizeof(struct name) };
_Static_assert(sizeof(struct name) <= sizeof(((struct sockaddr_un *)0)->sun_path), "a name fits");

static void to_digits(char *digits, const void *bytes, size_t length)
{
    static const char alphabet[] = "0123456789abcdef";
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = ((const uint8_t *)bytes)[i];
        digits[2 * i] = alphabet[byte >> 4];
        digits[2 * i + 1] = alphabet[byte & 15];
    }
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool from_digits(void *bytes, const char *digits, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        int high = digit_value(digits[2 * i]), low = digit_value(digits[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ((uint8_t *)bytes)[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static void put_address(char address[32], char port[4], const struct sockaddr_in6 *from)
{
    const struct sockaddr_in *in = (const void *)from;
    struct in6_addr bytes = {0};
    if (from->sin6_family == AF_INET)
        memcpy(&bytes, &in->sin_addr, sizeof in->sin_addr);
    else
        bytes = from->sin6_addr;
    to_digits(address, &bytes, sizeof bytes);
    to_digits(port, &from->sin6_port, sizeof from->sin6_port); /* sin_port is at the same offset */
}

static bool get_address(const struct name *name, const char address[32], const char port[4],
                        struct sockaddr_in6 *to)
{
    struct sockaddr_in *in = (void *)to;
    struct in6_addr bytes;
    in_port_t number;
    *to = (struct sockaddr_in6){.sin6_family = name->family == '4' ? AF_INET : AF_INET6};
    if (!from_digits(&bytes, address, sizeof bytes) || !from_digits(&number, port, sizeof number))
        return false;
    to->sin6_port = number;
    if (name->family == '4') {
        memcpy(&in->sin_addr, &bytes, sizeof in->sin_addr);
        return true;
    }
    to->sin6_addr = bytes;
    return from_digits(&to->sin6_scope_id, name->scope, sizeof to->sin6_scope_id);
}

int relay_name_bind(int end, const struct connection *connection)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct name *name = (void *)address.sun_path;
    uint32_t unique = 0;
    (void)raw_syscall(SYS_getrandom, &unique, sizeof unique, GRND_NONBLOCK);
    memcpy(name->prefix, prefix, sizeof prefix);
    name->family = connection->peer.sin6_family == AF_INET ? '4' : '6';
    to_digits(name->scope, &connection->peer.sin6_scope_id, sizeof connection->peer.sin6_scope_id);
    put_address(name->self_address, name->self_port, &connection->self);
    put_address(name->peer_address, name->peer_port, &connection->peer);
    to_digits(name->unique, &unique, sizeof unique);
    return (int)raw_syscall(SYS_bind, end, &address, NAME_LENGTH);
}

/* Reads the name that getpeername(2) returned. False: it is not a relay's. */
static bool parse(const struct sockaddr_un *address, socklen_t length, struct sockaddr_in6 *self,
                  struct sockaddr_in6 *peer)
{
    struct sockaddr_in6 unused;
    if (length != NAME_LENGTH || address->sun_family != AF_UNIX)
        return false;
    const struct name *name = (const void *)address->sun_path;
    return name->zero == '\0' && memcmp(name->prefix, prefix, sizeof prefix) == 0 &&
           get_address(name, name->self_address, name->self_port, self != NULL ? self : &unused) &&
           get_address(name, name->peer_address, name->peer_port, peer != NULL ? peer : &unused);
}

bool relay_name_read(int fd, struct sockaddr_in6 *self, struct sockaddr_in6 *peer)
{
    struct sockaddr_un own, other;
    socklen_t own_length = sizeof own, other_length = sizeof other;
    /*
     * The own end has no name. A socket that was accepted has its listener's, so it cannot pass for a relay's end.
     */
    return raw_syscall(SYS_getpeername, fd, &other, &other_length) == 0 && other_length == NAME_LENGTH &&
           raw_syscall(SYS_getsockname, fd, &own, &own_length) == 0 && own_length == sizeof own.sun_family &&
           parse(&other, other_length, self, peer);
}

static bool resolve(int fd, enum program_socket_end end, struct sockaddr_in6 *address)
{
    const bool is_local = end == PROGRAM_SOCKET_LOCAL;
    return pfswrap_seals() && relay_name_read(fd, is_local ? address : NULL, is_local ? NULL : address);
}

const struct address_resolver relay_address_resolver = {.resolve = resolve};
