/*
 * See resolve.h.
 */
#include "resolve.h"

#include <arpa/inet.h>
#include <string.h>

#include "child.h"

/* Names of hosts (RFC 1123, 2.1), and "_": nothing that getent(1) could take for an option. */
static bool is_name(const char *name)
{
    static const char characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    return name[0] != '\0' && name[0] != '-' && name[strspn(name, characters)] == '\0';
}

bool resolve_name(struct sockaddr_in6 *address, const char *name)
{
    enum { OUTPUT = 4096, TIMEOUT_MS = 15000 };
    char output[OUTPUT];
    char *const argv[] = {(char *)"getent", (char *)"ahosts", (char *)name, NULL};
    if (!is_name(name) || child_run(argv, TIMEOUT_MS, NULL, output, sizeof output) != 0)
        return false;
    output[strcspn(output, " \t\n%")] = '\0'; /* "127.0.0.1       STREAM localhost" */
    memset(&address->sin6_addr, 0, sizeof address->sin6_addr);
    if (inet_pton(AF_INET6, output, &address->sin6_addr) == 1)
        return true;
    address->sin6_addr.s6_addr[10] = address->sin6_addr.s6_addr[11] = 0xff;
    return inet_pton(AF_INET, output, &address->sin6_addr.s6_addr[12]) == 1;
}
