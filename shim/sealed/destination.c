/*
 * An address is read after the kernel has said that it can be read (base/readable.h).
 */
#include "sealed/destination.h"

#include <string.h>

#include "base/readable.h"
#include "config/init.h"

bool destination_copy(struct sockaddr_in6 *copy, const struct sockaddr *address, socklen_t length)
{
    memset(copy, 0, sizeof *copy);
    if (length < sizeof(struct sockaddr_in) || address == NULL)
        return false;
    const size_t size = length < sizeof *copy ? length : sizeof *copy;
    if (!readable(address, size))
        return false;
    memcpy(copy, address, size);
    return copy->sin6_family == AF_INET || copy->sin6_family == AF_INET6;
}

bool destination_disconnects(const struct sockaddr *address, socklen_t length)
{
    sa_family_t family = AF_UNIX;
    if (length < sizeof family || !readable(address, sizeof family))
        return false;
    memcpy(&family, address, sizeof family);
    return family == AF_UNSPEC;
}

enum rule_answer destination_rule(int fd, const struct sockaddr *address, socklen_t length,
                                  const struct policy_rule **rule)
{
    struct sockaddr_in6 copy;
    if (!destination_copy(&copy, address, length))
        return RULE_NONE;
    const struct policy *policy = pfswrap_policy();
    const enum rule_answer answer = rule_for_connect(policy, fd, (const struct sockaddr *)&copy, sizeof copy, rule);
    if (answer == RULE_UNKNOWN)
        return rules_require(policy, POLICY_CONNECT) ? RULE_UNKNOWN : RULE_NONE;
    return rule_seals_socket(*rule) ? answer : RULE_NONE;
}
