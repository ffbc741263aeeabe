/*
 * The destination of a connect(2): which rule applies to it. The address is the program's, and its pointer may be
 * invalid. Makes system calls only.
 */
#ifndef PFSWRAP_SEALED_DESTINATION_H
#define PFSWRAP_SEALED_DESTINATION_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "rules/rules.h"

/*
 * Copies an IPv4 or IPv6 address. False: it is neither, or the pointer is invalid, and the kernel will refuse it.
 */
bool destination_copy(struct sockaddr_in6 *copy, const struct sockaddr *address, socklen_t length);

/* Whether connect(2) with this address disconnects the socket (AF_UNSPEC). */
bool destination_disconnects(const struct sockaddr *address, socklen_t length);

/*
 * Whether a rule seals a connection of the socket `fd` to this address; *rule is that rule. RULE_UNKNOWN: it cannot
 * be found out, and the connection must be refused.
 */
enum rule_answer destination_rule(int fd, const struct sockaddr *address, socklen_t length,
                                  const struct policy_rule **rule);

#endif
