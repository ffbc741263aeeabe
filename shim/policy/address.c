/*
 * Converts ADDRESS[/PREFIX]:PORT to struct policy_address. IPv6 addresses are in brackets; PORT is a number, a
 * range or
 * `*`. Host names are not allowed, because the meaning of a policy must not depend on a resolver. 0.0.0.0 and [::]
 * without a prefix mean every address, as in bind(2). [::] includes IPv4, because a socket that is bound to it
 * accepts IPv4 connections as well.
 */
#include "policy/parser.h"

#include <arpa/inet.h>
#include <string.h>

static const char form[] =
    "ADDRESS[/PREFIX]:PORT, such as 192.0.2.1:443, 10.0.0.0/8:* or [2001:db8::]/32:8000-8999";

/* Converts the decimal number from `text` to `end`, at most `most`. Returns 0, or -1. */
static int number_scan(const char *text, const char *end, uint32_t most, uint32_t *number)
{
    size_t length = (size_t)(end - text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") < length || (length > 1 && text[0] == '0'))
        return -1;
    *number = 0;
    for (size_t i = 0; i < length; i++)
        *number = *number * 10 + (uint32_t)(text[i] - '0');
    return *number <= most ? 0 : -1;
}

/* Converts `*`, PORT or PORT-PORT; ports are 1 to 65535. Returns 0, or -1. */
static int ports_scan(const char *text, struct policy_address *address)
{
    const char *end = text + strlen(text);
    if (strcmp(text, "*") == 0) {
        address->port_first = 0;
        address->port_last = UINT16_MAX;
        return 0;
    }
    const char *dash = strchr(text, '-');
    uint32_t first, last;
    if (number_scan(text, dash != NULL ? dash : end, UINT16_MAX, &first) < 0)
        return -1;
    if (dash == NULL)
        last = first;
    else if (number_scan(dash + 1, end, UINT16_MAX, &last) < 0)
        return -1;
    if (first == 0 || last < first)
        return -1;
    address->port_first = (uint16_t)first;
    address->port_last = (uint16_t)last;
    return 0;
}

/* Converts the address, `length` characters at `text`, to IPv6 (or IPv4-mapped IPv6). Returns 4, 6 or -1. */
static int host_scan(const char *text, size_t length, struct policy_address *address)
{
    char host[INET6_ADDRSTRLEN];
    bool bracketed = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    if (bracketed) {
        text++;
        length -= 2;
    }
    if (length >= sizeof host)
        return -1;
    memcpy(host, text, length);
    host[length] = '\0';
    memset(address->address, 0, sizeof address->address);
    if (bracketed)
        return inet_pton(AF_INET6, host, address->address) == 1 ? 6 : -1;
    address->address[10] = address->address[11] = 0xff;
    return inet_pton(AF_INET, host, address->address + 12) == 1 ? 4 : -1;
}

/* Whether a bit after the prefix is set. */
static bool has_host_bits(const struct policy_address *address)
{
    for (unsigned bit = address->prefix; bit < 128; bit++)
        if (address->address[bit / 8] & (0x80 >> bit % 8))
            return true;
    return false;
}

int policy_value_address(struct policy_parser *parser, const char *value, struct policy_address *address)
{
    const char *bracket = strchr(value, ']');
    const char *host_end = bracket != NULL ? bracket + 1 : value + strcspn(value, "/:");
    int family = host_scan(value, (size_t)(host_end - value), address);
    const char *colon = host_end;
    uint32_t bits = family == 4 ? 32 : 128;
    bool any = memcmp(address->address + 12, "\0\0\0\0", 4) == 0 &&
               (family == 4 || memcmp(address->address, address->address + 4, 12) == 0);

    if (family < 0)
        return policy_fail(parser, "address %s, expected %s", value, form);
    if (*host_end == '/') {
        uint32_t most = bits;
        colon = strchrnul(host_end, ':');
        if (number_scan(host_end + 1, colon, most, &bits) < 0)
            return policy_fail(parser, "address %s has no valid prefix, expected /0 to /%u", value, most);
    } else if (any) {
        bits = 0;
    }
    if (*colon != ':' || ports_scan(colon + 1, address) < 0)
        return policy_fail(parser, "address %s has no valid port, expected 1 to 65535, FIRST-LAST or *", value);
    address->prefix = (uint8_t)(family == 4 ? 96 + bits : bits);
    if (has_host_bits(address))
        return policy_fail(parser, "address %s has bits set after its prefix /%u, expected them to be zero", value,
                           bits);
    return 0;
}
