/*
 * Connections that the program was given: before it started, or in a message (SCM_RIGHTS, unix(7)). A program with
 * the shim passes on relayed connections and handoff sockets (import.h). A bare socket comes from a program without
 * the shim. Only its addresses are known, and its handshake begins here. The handshake fails if bytes have passed
 * on the connection before, or if the first bytes of the peer are not a handshake. Or the socket comes from a
 * parent with the shim that connected it after it had made this process. Then the parent uses the connection, and
 * this process must leave it alone (connection/handshake.c). A connection that cannot be adopted is shut down,
 * never left plain.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <fcntl.h>

#include "base/raw_syscall.h"
#include "config/init.h"
#include "connection/endpoint.h"
#include "rules/rules.h"
#include "transfer/import.h"
#include "transfer/relay.h"

/* A bare socket, if a rule seals it. Returns -ESTALE if the policy was replaced in between, else 0. */
static int adopt_bare(int fd)
{
    struct endpoint *endpoint;
    struct connection *connection;
    const struct policy *policy = pfswrap_policy();
    const struct policy_rule *rule;
    const enum rule_answer answer = rule_for_open(policy, fd, &rule);
    if (answer == RULE_NONE || fd_is_sealed(fd))
        return 0;
    if (answer == RULE_UNKNOWN) {
        if (rules_require(policy, POLICY_LISTEN) || rules_require(policy, POLICY_CONNECT))
            (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
        return 0;
    }
    const long flags = raw_syscall(RAW_FCNTL, fd, F_GETFD, 0), modes = raw_syscall(RAW_FCNTL, fd, F_GETFL, 0);
    const bool cloexec = (flags & FD_CLOEXEC) != 0;
    if (import_join(fd, fd, cloexec))
        return 0;
    const int error = endpoint_open(fd, rule, rule->direction == POLICY_CONNECT, (modes & O_NONBLOCK) != 0, cloexec,
                                    &endpoint, &connection);
    if (error == -ESTALE)
        return error;
    if (error != 0) {
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
        return 0;
    }
    (void)raw_syscall(RAW_FCNTL, fd, F_SETFD, FD_CLOEXEC);
    connection->inherited = connection->initiator;
    handshake_begin(connection, fd);
    endpoint_update(fd, connection);
    endpoint_leave(connection);
    return 0;
}

static void adopt(int fd)
{
    if (import_take(fd))
        return;
    while (adopt_bare(fd) == -ESTALE)
        ;
}

/* At 0, 1 and 2 a sealed connection is relayed. */
static void relay_where_needed(int fd)
{
    if (fd_is_sealed(fd) && relay_is_needed(fd) && relay_require(fd) != 0)
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
}

bool sealed_inherited(int fd)
{
    const int saved = errno;
    if (pfswrap_seals())
        adopt(fd);
    errno = saved;
    return fd_is_sealed(fd);
}

/* Only now, since a connection is relayed with all its numbers. */
void sealed_inherited_all(void)
{
    enum { STANDARD_LAST = 2 };
    for (int fd = 0; fd <= STANDARD_LAST; fd++)
        relay_where_needed(fd);
}

bool sealed_imported(int fd)
{
    const bool is_sealed = sealed_inherited(fd);
    relay_where_needed(fd);
    return is_sealed;
}
