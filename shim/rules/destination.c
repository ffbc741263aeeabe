/*
 * To the kernel the unspecified address is this host (ip(7), ipv6(7)): 0.0.0.0 the socket's own address, if it is
 * bound to one, else 127.0.0.1; and [::] is [::1], or 127.0.0.1 for a socket that is bound to an IPv4 address.
 * Makes system calls, and nothing else.
 */
#include "rules/destination.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/raw_syscall.h"

static bool is_any_mapped(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr32[3] == 0;
}

/* Returns false for an address that is what it says. */
static bool resolve_4(int fd, struct sockaddr_in *address)
{
    struct sockaddr_in local = {0};
    socklen_t length = sizeof local;
    if (address->sin_addr.s_addr != 0)
        return false;
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (raw_syscall(SYS_getsockname, fd, &local, &length) == 0 && local.sin_family == AF_INET &&
        local.sin_addr.s_addr != 0)
        address->sin_addr = local.sin_addr;
    return true;
}

static bool resolve_6(int fd, struct sockaddr_in6 *address)
{
    struct sockaddr_in6 local = {0};
    socklen_t length = sizeof local;
    const bool mapped = is_any_mapped(&address->sin6_addr);
    if (!mapped && !IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr))
        return false;
    const bool is_bound = raw_syscall(SYS_getsockname, fd, &local, &length) == 0 && local.sin6_family == AF_INET6 &&
                          IN6_IS_ADDR_V4MAPPED(&local.sin6_addr);
    if (mapped && is_bound && !is_any_mapped(&local.sin6_addr))
        address->sin6_addr = local.sin6_addr;
    else if (mapped || is_bound)
        address->sin6_addr = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    else
        address->sin6_addr = in6addr_loopback;
    return true;
}

static bool resolve(int fd, struct sockaddr *address, socklen_t length)
{
    if (length >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET)
        return resolve_4(fd, (struct sockaddr_in *)(void *)address);
    return length >= offsetof(struct sockaddr_in6, sin6_scope_id) && address->sa_family == AF_INET6 &&
           resolve_6(fd, (struct sockaddr_in6 *)(void *)address);
}

const struct policy_rule *destination_rule(const struct policy *policy, int fd, const struct sockaddr *address,
                                           socklen_t length)
{
    struct sockaddr_in6 copy = {0};
    const struct policy_rule *rule = NULL;
    if (policy->rule_count == 0 || address == NULL)
        return NULL;
    memcpy(&copy, address, length < sizeof copy ? length : sizeof copy);
    if (resolve(fd, (struct sockaddr *)&copy, length))
        rule = policy_match(policy, POLICY_CONNECT, (const struct sockaddr *)&copy, sizeof copy);
    /* A policy may name the unspecified address, too. */
    return rule != NULL ? rule : policy_match(policy, POLICY_CONNECT, address, length);
}

static bool seals(const struct policy_rule *rule)
{
    return rule != NULL && rule->seal != POLICY_SEAL_OFF && rule->layer == POLICY_LAYER_SOCKET;
}

bool destination_is_sealed(const struct policy *policy, int fd)
{
    struct sockaddr_in6 self = {0}, peer = {0};
    socklen_t self_length = sizeof self, peer_length = sizeof peer;
    const long result = raw_syscall(SYS_getpeername, fd, &peer, &peer_length);
    if (result != 0)
        return result != -EBADF && result != -ENOTSOCK && result != -ENOTCONN;
    if (raw_syscall(SYS_getsockname, fd, &self, &self_length) != 0)
        return true;
    return seals(destination_rule(policy, fd, (const struct sockaddr *)&peer, peer_length)) ||
           seals(policy_match(policy, POLICY_LISTEN, (const struct sockaddr *)&self, self_length));
}
