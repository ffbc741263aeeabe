/*
 * From a socket to the rule of the policy that applies to it. For the unspecified address, see ip(7),
 * ipv6(7) and Linux's net/ipv4/route.c and net/ipv6/tcp_ipv6.c. See rules.h.
 */
#include "rules/rules.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "base/socket_kind.h"

bool rule_seals_socket(const struct policy_rule *rule)
{
    return rule != NULL && rule->seal != POLICY_SEAL_OFF && rule->layer == POLICY_LAYER_SOCKET;
}

bool rules_require(const struct policy *policy, enum policy_direction direction)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].direction == direction && policy->rules[i].seal == POLICY_SEAL_REQUIRE &&
            policy->rules[i].layer == POLICY_LAYER_SOCKET)
            return true;
    return false;
}

/* Whether there is a rule of the direction beside `known`, which may be NULL. */
static bool has_rules_beside(const struct policy *policy, enum policy_direction direction,
                             const struct policy_rule *known)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].direction == direction && &policy->rules[i] != known)
            return true;
    return false;
}

static bool has_rules(const struct policy *policy, enum policy_direction direction)
{
    return has_rules_beside(policy, direction, NULL);
}

/* Whether a call that asks for an address failed because there is none. After any other error it is unknown. */
static bool has_no_address(long result)
{
    return result == -EBADF || result == -ENOTSOCK || result == -ENOTCONN;
}

/* The answer for the rule that was found by an address, or NULL. Only then is the protocol worth a system call. */
static enum rule_answer answer(int fd, const struct policy_rule *found, const struct policy_rule **rule)
{
    if (found == NULL || !socket_may_be_tcp(fd))
        return RULE_NONE;
    *rule = found;
    return RULE_FOUND;
}

enum resolved {
    RESOLVED_SAME,    /* the address is not the unspecified one */
    RESOLVED_OTHER,   /* it has been replaced */
    RESOLVED_UNKNOWN, /* the address that the socket is bound to cannot be found out */
};

static bool is_mapped_any(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address) && address->s6_addr32[3] == 0;
}

static enum resolved resolve_4(int fd, struct sockaddr_in *address)
{
    struct sockaddr_in local = {0};
    socklen_t length = sizeof local;
    if (address->sin_addr.s_addr != htonl(INADDR_ANY))
        return RESOLVED_SAME;
    const long result = raw_syscall(SYS_getsockname, fd, &local, &length);
    if (result != 0 && !has_no_address(result))
        return RESOLVED_UNKNOWN;
    const bool is_bound = local.sin_family == AF_INET && local.sin_addr.s_addr != htonl(INADDR_ANY);
    address->sin_addr.s_addr = is_bound ? local.sin_addr.s_addr : htonl(INADDR_LOOPBACK);
    return RESOLVED_OTHER;
}

static enum resolved resolve_6(int fd, struct sockaddr_in6 *address)
{
    static const struct in6_addr mapped_loopback = {
        .s6_addr = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}}; /* ::ffff:127.0.0.1 */
    struct sockaddr_in6 local = {0};
    socklen_t length = sizeof local;
    const bool is_mapped = is_mapped_any(&address->sin6_addr);
    if (!is_mapped && !IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr))
        return RESOLVED_SAME;
    const long result = raw_syscall(SYS_getsockname, fd, &local, &length);
    if (result != 0 && !has_no_address(result))
        return RESOLVED_UNKNOWN;
    const bool is_bound_to_4 = local.sin6_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&local.sin6_addr);
    if (is_mapped && is_bound_to_4 && !is_mapped_any(&local.sin6_addr))
        address->sin6_addr = local.sin6_addr;
    else
        address->sin6_addr = is_mapped || is_bound_to_4 ? mapped_loopback : in6addr_loopback;
    return RESOLVED_OTHER;
}

static enum resolved resolve(int fd, struct sockaddr *address, socklen_t length)
{
    if (length >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET)
        return resolve_4(fd, (struct sockaddr_in *)(void *)address);
    if (length >= offsetof(struct sockaddr_in6, sin6_scope_id) && address->sa_family == AF_INET6)
        return resolve_6(fd, (struct sockaddr_in6 *)(void *)address);
    return RESOLVED_SAME;
}

enum rule_answer rule_for_connect(const struct policy *policy, int fd, const struct sockaddr *address,
                                  socklen_t length, const struct policy_rule **rule)
{
    struct sockaddr_in6 copy = {0};
    const struct policy_rule *found = NULL;
    *rule = NULL;
    if (address == NULL || !has_rules(policy, POLICY_CONNECT))
        return RULE_NONE;
    memcpy(&copy, address, length < sizeof copy ? length : sizeof copy);
    const enum resolved resolved = resolve(fd, (struct sockaddr *)&copy, length);
    if (resolved == RESOLVED_UNKNOWN)
        return socket_may_be_tcp(fd) ? RULE_UNKNOWN : RULE_NONE;
    if (resolved == RESOLVED_OTHER)
        found = policy_match(policy, POLICY_CONNECT, (const struct sockaddr *)&copy, sizeof copy);
    if (found == NULL) /* a rule may also name the unspecified address itself */
        found = policy_match(policy, POLICY_CONNECT, address, length);
    return answer(fd, found, rule);
}

const struct policy_rule *rule_for_new_socket(const struct policy *policy, const struct sockaddr_in *address)
{
    struct sockaddr_in copy = *address;
    if (copy.sin_addr.s_addr == htonl(INADDR_ANY))
        copy.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return policy_match(policy, POLICY_CONNECT, (const struct sockaddr *)&copy, sizeof copy);
}

static bool is_unspecified(const struct sockaddr_in6 *address)
{
    if (address->sin6_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
    return IN6_IS_ADDR_UNSPECIFIED(&address->sin6_addr) || is_mapped_any(&address->sin6_addr);
}

/* Whether both are the same address; an IPv6 socket has an IPv4 address as a mapped one. The port is not compared.
 */
static bool is_same_host(const struct sockaddr_in6 *one, const struct sockaddr_in6 *other)
{
    if (one->sin6_family != other->sin6_family)
        return false;
    if (one->sin6_family == AF_INET)
        return ((const struct sockaddr_in *)(const void *)one)->sin_addr.s_addr ==
               ((const struct sockaddr_in *)(const void *)other)->sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&one->sin6_addr, &other->sin6_addr);
}

/*
 * Where the connection would have arrived without a diversion: the listener's address, or its port at `local` if it
 * is bound to every address. Returns whether that differs from `local`. The port is at the same place in both
 * families.
 */
static bool undivert(const struct sockaddr_in6 *local, const struct sockaddr_in6 *listener,
                     struct sockaddr_in6 *where)
{
    if (!is_unspecified(listener)) {
        *where = *listener;
        return !is_same_host(local, listener) || local->sin6_port != listener->sin6_port;
    }
    *where = *local;
    where->sin6_port = listener->sin6_port;
    return local->sin6_port != listener->sin6_port;
}

enum rule_answer rule_for_accept(const struct policy *policy, int fd, int listener, const struct policy_rule **rule,
                                 struct sockaddr_in6 *self)
{
    struct sockaddr_in6 local = {0}, bound = {0}, where = {0};
    socklen_t length = sizeof local, bound_length = sizeof bound;
    const struct policy_rule *found = NULL;
    *rule = NULL;
    if (!has_rules(policy, POLICY_LISTEN))
        return RULE_NONE;
    const long result = raw_syscall(SYS_getsockname, fd, &local, &length);
    if (result != 0)
        return !has_no_address(result) && socket_may_be_internet(fd) && socket_may_be_tcp(fd) ? RULE_UNKNOWN
                                                                                              : RULE_NONE;
    const bool is_internet = local.sin6_family == AF_INET || local.sin6_family == AF_INET6;
    const struct policy_rule *const here =
        policy_match(policy, POLICY_LISTEN, (const struct sockaddr *)&local, sizeof local);
    /* If it is the only rule, the listener's address could lead to the same one, or to none. */
    const bool is_decided = here != NULL && !has_rules_beside(policy, POLICY_LISTEN, here);
    if (is_internet && listener >= 0 && !is_decided &&
        raw_syscall(SYS_getsockname, listener, &bound, &bound_length) == 0 && undivert(&local, &bound, &where))
        found = policy_match(policy, POLICY_LISTEN, (const struct sockaddr *)&where, sizeof where);
    if (found == NULL)
        found = here;
    if (self != NULL)
        *self = local;
    return answer(fd, found, rule);
}

enum rule_answer rule_for_open(const struct policy *policy, int fd, const struct policy_rule **rule)
{
    struct sockaddr_in6 self = {0}, peer = {0};
    socklen_t self_length = sizeof self, peer_length = sizeof peer;
    *rule = NULL;
    if (!socket_may_be_tcp(fd))
        return RULE_NONE;
    long result = raw_syscall(SYS_getpeername, fd, &peer, &peer_length);
    if (result == 0)
        result = raw_syscall(SYS_getsockname, fd, &self, &self_length);
    if (result != 0)
        return has_no_address(result) || !socket_may_be_internet(fd) ? RULE_NONE : RULE_UNKNOWN;
    const struct policy_rule *found =
        policy_match(policy, POLICY_LISTEN, (const struct sockaddr *)&self, sizeof self);
    if (!rule_seals_socket(found))
        found = policy_match(policy, POLICY_CONNECT, (const struct sockaddr *)&peer, sizeof peer);
    if (!rule_seals_socket(found))
        return RULE_NONE;
    *rule = found;
    return RULE_FOUND;
}
