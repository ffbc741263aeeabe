/*
 * Writes socket addresses as text. Allocates nothing. See address.h.
 */
#include "audit/address.h"

#include <netinet/in.h>
#include <stdio.h>

/* Writes a byte or a port in decimal and returns its end. */
static char *decimal_write(char *at, unsigned value)
{
    const unsigned digits = value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10000 ? 4 : 5;
    for (unsigned i = digits; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

/* Not with inet_ntop() and snprintf(), which take a microsecond: every connection logs two addresses. */
static void address_format_ipv4(char text[AUDIT_ADDRESS_TEXT], const struct sockaddr_in *address)
{
    const unsigned char *bytes = (const unsigned char *)&address->sin_addr;
    char *at = text;
    for (size_t i = 0; i < sizeof address->sin_addr; i++) {
        at = decimal_write(at, bytes[i]);
        *at++ = i + 1 < sizeof address->sin_addr ? '.' : ':';
    }
    *decimal_write(at, ntohs(address->sin_port)) = '\0';
}

void audit_address_format(char text[AUDIT_ADDRESS_TEXT], const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN];
    text[0] = '\0';
    if (address->sa_family == AF_INET) {
        address_format_ipv4(text, (const struct sockaddr_in *)(const void *)address);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)address;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        (void)snprintf(text, AUDIT_ADDRESS_TEXT, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else if (address->sa_family == AF_UNIX) {
        (void)snprintf(text, AUDIT_ADDRESS_TEXT, "unix");
    }
}
