/*
 * Finds the rule for an address. Makes no system call, allocates nothing and takes no lock, because it runs in
 * every connect() and accept().
 */
#include "policy/policy.h"

#include <string.h>

/*
 * Converts a socket address to 16 bytes (IPv4 as IPv4-mapped IPv6) and a port. Returns false for another family and
 * for an address that is too short.
 */
static bool address_normalise(const struct sockaddr *address, socklen_t length, uint8_t bytes[static 16],
                              uint16_t *port)
{
    if (address == NULL || length < (socklen_t)sizeof address->sa_family)
        return false;
    if (address->sa_family == AF_INET && length >= (socklen_t)sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        memset(bytes, 0, 10);
        bytes[10] = bytes[11] = 0xff;
        memcpy(bytes + 12, &in.sin_addr, 4);
        *port = ntohs(in.sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6 && length >= (socklen_t)offsetof(struct sockaddr_in6, sin6_scope_id)) {
        struct sockaddr_in6 in6 = {0};
        memcpy(&in6, address, offsetof(struct sockaddr_in6, sin6_scope_id));
        memcpy(bytes, &in6.sin6_addr, 16);
        *port = ntohs(in6.sin6_port);
        return true;
    }
    return false;
}

static bool address_covers(const struct policy_address *address, const uint8_t bytes[static 16], uint16_t port)
{
    size_t whole = address->prefix / 8;
    unsigned rest = address->prefix % 8;
    if (port < address->port_first || port > address->port_last)
        return false;
    if (memcmp(address->address, bytes, whole) != 0)
        return false;
    return rest == 0 || ((address->address[whole] ^ bytes[whole]) >> (8 - rest)) == 0;
}

bool policy_seals(const struct policy *policy)
{
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].seal != POLICY_SEAL_OFF)
            return true;
    return false;
}

const struct policy_rule *policy_match(const struct policy *policy, enum policy_direction direction,
                                       const struct sockaddr *address, socklen_t length)
{
    uint8_t bytes[16];
    uint16_t port;
    if (!address_normalise(address, length, bytes, &port))
        return NULL;
    for (size_t i = 0; i < policy->rule_count; i++) {
        const struct policy_rule *rule = &policy->rules[i];
        if (rule->direction != direction)
            continue;
        for (size_t j = rule->address_first; j < (size_t)rule->address_first + rule->address_count; j++)
            if (address_covers(&policy->addresses[j], bytes, port))
                return rule;
    }
    return NULL;
}
