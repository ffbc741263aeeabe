/*
 * The rule of the policy for a connection that is being made: by the place connect(2) goes to, which is not always
 * the one it names.
 */
#ifndef PFSWRAP_RULES_DESTINATION_H
#define PFSWRAP_RULES_DESTINATION_H

#include <stdbool.h>
#include <sys/socket.h>

#include "policy/policy.h"

/* For `fd`, which is about to be connected to `address`, or has just been. NULL: none. */
const struct policy_rule *destination_rule(const struct policy *policy, int fd, const struct sockaddr *address,
                                           socklen_t length);

/* Whether the policy seals the TCP connection behind `fd`, by either of its ends. True where the kernel does not
 * say; false for everything else. */
bool destination_is_sealed(const struct policy *policy, int fd);

#endif
