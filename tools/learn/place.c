/*
 * See place.h. A hostile log must not get a wide rule into the policy: no prefix, no range, and no address that a
 * rule would take for every address.
 */
#include "place.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* A port from 1 to 65535, in decimal and without anything around it; 0: it is none. */
static unsigned port_of(const char *text)
{
    const size_t length = strspn(text, "0123456789");
    unsigned port = 0;
    if (length == 0 || length > 5 || text[length] != '\0' || text[0] == '0')
        return 0;
    for (size_t i = 0; i < length; i++)
        port = port * 10 + (unsigned)(text[i] - '0');
    return port <= UINT16_MAX ? port : 0;
}

static bool read_host(const char *text, size_t length, struct in6_addr *host)
{
    char copy[INET6_ADDRSTRLEN];
    struct in_addr ipv4;
    const bool is_bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    if (is_bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (is_bracketed)
        return inet_pton(AF_INET6, copy, host) == 1;
    if (inet_pton(AF_INET, copy, &ipv4) != 1)
        return false;
    *host = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&host->s6_addr[12], &ipv4, sizeof ipv4);
    return true;
}

enum place place_find(const struct policy *policy, enum policy_direction direction, const char *text,
                      bool becomes_tls, struct policy_address *address)
{
    static const uint8_t any_ipv4[16] = {[10] = 0xff, [11] = 0xff};
    const char *const colon = strrchr(text, ':');
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    const unsigned port = colon != NULL ? port_of(colon + 1) : 0;
    if (port == 0 || !read_host(text, (size_t)(colon - text), &name.sin6_addr) ||
        IN6_IS_ADDR_UNSPECIFIED(&name.sin6_addr) || memcmp(&name.sin6_addr, any_ipv4, sizeof any_ipv4) == 0 ||
        IN6_IS_ADDR_LINKLOCAL(&name.sin6_addr) || IN6_IS_ADDR_MULTICAST(&name.sin6_addr))
        return PLACE_UNKNOWN;
    name.sin6_port = htons((uint16_t)port);
    memset(address, 0, sizeof *address);
    memcpy(address->address, &name.sin6_addr, sizeof address->address);
    address->prefix = 128;
    address->port_first = address->port_last = (uint16_t)port;
    const struct policy_rule *const rule =
        policy_match(policy, direction, (const struct sockaddr *)(const void *)&name, sizeof name);
    if (rule != NULL && rule->seal != POLICY_SEAL_OFF)
        return PLACE_SEALED;
    const enum policy_plaintext plaintext =
        rule != NULL && rule->plaintext != POLICY_PLAINTEXT_UNSET ? rule->plaintext : policy->wire.plaintext;
    const bool is_allowed = plaintext == POLICY_PLAINTEXT_ALLOW || plaintext == POLICY_PLAINTEXT_LOG ||
                            (plaintext == POLICY_PLAINTEXT_STARTTLS && becomes_tls);
    return is_allowed ? PLACE_ALLOWED : PLACE_OPEN;
}
