/*
 * accept(2): if a rule seals the address, the connection is sealed from its first byte. The handshake does not
 * happen here, so a silent peer cannot block a server: the program's first use of the descriptor runs it, or the
 * background thread.
 */
#include "sealed/operations.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/trace.h"
#include "config/init.h"
#include "connection/background.h"
#include "connection/endpoint.h"
#include "connection/unproved.h"
#include "fd/close.h"
#include "rules/rules.h"
#include "transfer/relay.h"

enum verdict { PLAIN, SEAL, REFUSE };

/* What to do with `fd`, which has just been accepted from `listener`. SEAL: under *rule, and *self is its address.
 */
static enum verdict decide(int fd, int listener, const struct policy_rule **rule, struct sockaddr_in6 *self)
{
    const struct policy *policy = pfswrap_policy();
    const enum rule_answer answer = rule_for_accept(policy, fd, listener, rule, self);
    if (answer == RULE_UNKNOWN && rules_require(policy, POLICY_LISTEN))
        return REFUSE;
    if (!rule_seals_socket(*rule))
        return PLAIN;
    return process_is_vfork_child() ? REFUSE : SEAL; /* such a child cannot change the table of descriptors */
}

static int refuse(int fd)
{
    connection_report_lost("an accepted connection must be sealed, and that is not possible in this process");
    (void)raw_syscall(SYS_close, fd);
    errno = ECONNABORTED;
    return -1;
}

/* `fd` has close-on-exec (struct plane, accept_flags). */
int sealed_accepted(int fd, int listener, int flags, const struct sockaddr *peer)
{
    if (!pfswrap_seals())
        return FD_FOREIGN;
    unproved_check(fd);
    struct endpoint *endpoint;
    const bool cloexec = (flags & SOCK_CLOEXEC) != 0;
    const struct policy_rule *rule = NULL;
    struct connection *connection = NULL;
    struct sockaddr_in6 self;
    enum verdict verdict;
    int opened;
    do { /* again, if the policy is replaced in between */
        verdict = decide(fd, listener, &rule, &self);
        opened = verdict == SEAL
                     ? endpoint_open(fd, rule, false, (flags & SOCK_NONBLOCK) != 0, cloexec, &endpoint, &connection)
                     : 0;
    } while (opened == -ESTALE);
    TRACE(CALLS,
          verdict == SEAL    ? "accept, sealed"
          : verdict == PLAIN ? "accept"
                             : "accept, refused",
          fd, "flags", flags);
    if (verdict == REFUSE)
        return refuse(fd);
    if (verdict == PLAIN)
        return FD_FOREIGN;
    if (opened != 0) {
        connection_report_lost("no memory or no descriptor for a sealed connection");
        (void)raw_syscall(SYS_close, fd);
        return fd_call_result(opened);
    }
    connection->self = self;
    if (peer != NULL)
        memcpy(&connection->peer, peer, self.sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof self);
    handshake_begin(connection, fd);
    endpoint_update(fd, connection);
    endpoint_leave(connection);
    const int error =
        relay_is_needed_at(fd) ? /* decide() has asked for a child of vfork() */ relay_require(fd) : 0;
    if (error == 0) {
        /* The program may wait for something else first. The peer must not wait for the handshake meanwhile. */
        if ((flags & SOCK_NONBLOCK) == 0 && fd_is_sealed(fd))
            background_add(endpoint);
        return fd;
    }
    (void)fd_close(fd);
    return fd_call_result(error);
}
