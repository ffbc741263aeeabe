/*
 * The address of a name. This program is linked statically, so it cannot load the modules of nsswitch.conf(5):
 * getent(1), which belongs to libc, asks them.
 */
#ifndef PFSWRAP_TOOLS_SCAN_RESOLVE_H
#define PFSWRAP_TOOLS_SCAN_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>

enum { RESOLVE_NAME_MAX = 254 }; /* with its terminator: a name of DNS has at most 253 characters (RFC 1035) */

/* Writes the first address of the name to address->sin6_addr, IPv4 as IPv4-mapped IPv6. False: there is none. */
bool resolve_name(struct sockaddr_in6 *address, const char *name);

#endif
