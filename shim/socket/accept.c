/*
 * accept, accept4: a connection to an address that a rule seals is a sealed one from the first byte. The handshake
 * waits for the program's first use of the descriptor, so that a silent peer holds nobody up.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "connection/background.h"
#include "connection/endpoint.h"
#include "base/process.h"
#include "transfer/relay.h"
#include "connection/release.h"
#include "config/init.h"
#include "rules/rules.h"
#include "base/interposed.h"
#include "base/raw_syscall.h"
#include "base/libc.h"
#include "base/trace.h"
#include "inspect/inspect.h"

enum verdict { PLAIN, SEAL, REFUSE };

/* What to do with `fd`, which has just been accepted; with SEAL, *rule says how. */
static enum verdict judge(int fd, const struct policy_rule **rule)
{
    const struct policy *policy = pfswrap_policy();
    const enum rule_answer answer = rule_for_accept(policy, fd, rule);
    if (answer == RULE_UNKNOWN && rules_require(policy, POLICY_LISTEN))
        return REFUSE;
    if (!rule_seals_socket(*rule))
        return PLAIN;
    return process_is_vfork_child() ? REFUSE : SEAL; /* its table of descriptors is its parent's */
}

static int refuse(int fd)
{
    connection_report_lost("an accepted connection cannot be sealed here, and must not be plain");
    (void)raw_syscall(SYS_close, fd);
    errno = ECONNABORTED;
    return -1;
}

/* `fd` has just been accepted, close-on-exec; the program asked for `flags`. Returns it, or -1 with errno. */
static int adopt(int fd, int flags)
{
    struct endpoint *endpoint;
    const bool cloexec = (flags & SOCK_CLOEXEC) != 0;
    const struct policy_rule *rule = NULL;
    const enum verdict verdict = judge(fd, &rule);
    TRACE(CALLS,
          verdict == SEAL    ? "accept, sealed"
          : verdict == PLAIN ? "accept"
                             : "accept, refused",
          fd, "flags", flags);
    if (verdict == REFUSE)
        return refuse(fd);
    if (verdict == PLAIN) {
        if (!cloexec)
            (void)raw_syscall(SYS_fcntl, fd, F_SETFD, 0);
        inspect_accepted(fd);
        return fd;
    }
    struct connection *connection = endpoint_open(fd, (uint16_t)(rule - pfswrap_policy()->rules), false,
                                                  (flags & SOCK_NONBLOCK) != 0, cloexec, &endpoint);
    if (connection == NULL) {
        int error = errno;
        (void)raw_syscall(SYS_close, fd);
        errno = error;
        return -1;
    }
    handshake_begin(connection, fd);
    endpoint_update(fd, connection);
    endpoint_leave(connection);
    const int error = relay_is_needed(fd) ? relay_start(fd) : 0;
    if (error == 0) {
        /* A program that waits for something else first must not keep its peer waiting for the handshake. */
        if ((flags & SOCK_NONBLOCK) == 0 && fd_is_sealed(fd))
            background_add(endpoint);
        return fd;
    }
    (void)release_close(fd);
    errno = error;
    return -1;
}

/* One that nothing seals is looked at, at its beginning. */
static int inspect(int fd)
{
    if (fd >= 0)
        inspect_accepted(fd);
    return fd;
}

PFSWRAP_EXPORT int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
    if (!pfswrap_seals())
        return inspect(real_libc()->accept4(fd, address, length, flags));
    int accepted = real_libc()->accept4(fd, address, length, flags | SOCK_CLOEXEC);
    return accepted < 0 ? accepted : adopt(accepted, flags);
}

PFSWRAP_EXPORT int accept(int fd, struct sockaddr *address, socklen_t *length)
{
    return pfswrap_seals() ? accept4(fd, address, length, 0) : inspect(real_libc()->accept(fd, address, length));
}
