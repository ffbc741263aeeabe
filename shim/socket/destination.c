/*
 * An address is read with process_vm_readv(2), which reports an invalid pointer as an error. If a sandbox forbids
 * that call, the address is read directly.
 */
#include "socket/destination.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/init.h"

bool destination_copy(struct sockaddr_in6 *copy, const struct sockaddr *address, socklen_t length)
{
    memset(copy, 0, sizeof *copy);
    if (length < sizeof(struct sockaddr_in) || address == NULL)
        return false;
    const size_t size = length < sizeof *copy ? length : sizeof *copy;
    const struct iovec here = {.iov_base = copy, .iov_len = size};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    const long count = raw_syscall(SYS_process_vm_readv, process_running_id(), &here, 1, &there, 1, 0);
    if (count == -EFAULT)
        return false;
    if (count < 0)
        memcpy(copy, address, size);
    return copy->sin6_family == AF_INET || copy->sin6_family == AF_INET6;
}

bool destination_disconnects(const struct sockaddr *address, socklen_t length)
{
    sa_family_t family = AF_UNIX;
    const struct iovec here = {.iov_base = &family, .iov_len = sizeof family};
    const struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = sizeof family};
    if (address == NULL || length < sizeof family)
        return false;
    const long count = raw_syscall(SYS_process_vm_readv, process_running_id(), &here, 1, &there, 1, 0);
    if (count != -EFAULT && count != (long)sizeof family)
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
