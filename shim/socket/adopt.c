/*
 * Whoever passed the connection on was no program of ours, since those pass on relayed ones. So nothing is known
 * but its addresses, and its handshake begins here; it fails if somebody has spoken on the connection before, or if
 * it is not the other end's first word. A connection that cannot be adopted is shut down, never left plain.
 */
#include "socket/adopt.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "connection/endpoint.h"
#include "connection/relay.h"
#include "init.h"
#include "real/descriptor.h"
#include "real/kernel.h"
#include "socket/open.h"
#include "watch/watch.h"

/* The rule of that direction for an address of `fd`, or NULL. */
static const struct policy_rule *rule_by(enum policy_direction direction, const struct sockaddr_in6 *address)
{
    const struct policy_rule *rule =
        policy_match(pfswrap_policy(), direction, (const struct sockaddr *)address, sizeof *address);
    return rule != NULL && rule->seal != POLICY_SEAL_OFF && rule->layer == POLICY_LAYER_SOCKET ? rule : NULL;
}

/* The sealing rule for a TCP connection, or NULL: it is none, or is not connected. */
static const struct policy_rule *rule_for(int fd)
{
    struct sockaddr_in6 self = {0}, peer = {0};
    socklen_t self_length = sizeof self, peer_length = sizeof peer;
    if (!open_is_tcp(fd) || KERNEL_3(SYS_getpeername, fd, &peer, &peer_length) != 0 ||
        KERNEL_3(SYS_getsockname, fd, &self, &self_length) != 0)
        return NULL;
    const struct policy_rule *rule = rule_by(POLICY_LISTEN, &self);
    return rule != NULL ? rule : rule_by(POLICY_CONNECT, &peer);
}

/* What the kernel calls the socket behind `fd` (SO_COOKIE, socket(7)), whatever its number. */
static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    (void)KERNEL_5(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &length);
    return cookie;
}

/* Another number for a connection that has been adopted already. Returns whether it was. */
static bool join(int fd, bool cloexec)
{
    const uint64_t cookie = cookie_of(fd);
    for (int other = endpoint_next(0); other >= 0; other = endpoint_next((unsigned)other + 1)) {
        struct endpoint *endpoint;
        struct connection *connection;
        if (cookie_of(other) != cookie || endpoint_enter(other, &endpoint, &connection) != ENDPOINT_ENTERED)
            continue;
        (void)KERNEL_3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
        endpoint_add(endpoint, fd, cloexec);
        endpoint_leave(connection);
        return true;
    }
    return false;
}

static void adopt(int fd)
{
    struct endpoint *endpoint;
    const struct policy_rule *rule = rule_for(fd);
    if (rule == NULL || endpoint_is_sealed(fd))
        return;
    const long flags = KERNEL_3(SYS_fcntl, fd, F_GETFD, 0), modes = KERNEL_3(SYS_fcntl, fd, F_GETFL, 0);
    const bool cloexec = (flags & FD_CLOEXEC) != 0;
    if (join(fd, cloexec))
        return;
    struct connection *connection =
        endpoint_open(fd, (uint16_t)(rule - pfswrap_policy()->rules), rule->direction == POLICY_CONNECT,
                      (modes & O_NONBLOCK) != 0, cloexec, &endpoint);
    if (connection == NULL) {
        (void)KERNEL_2(SYS_shutdown, fd, SHUT_RDWR);
        return;
    }
    (void)KERNEL_3(SYS_fcntl, fd, F_SETFD, FD_CLOEXEC);
    handshake_begin(connection, fd);
    endpoint_settle(fd, connection);
    endpoint_leave(connection);
}

/* Those that have come to stand at 0, 1 or 2. */
static void relay_where_needed(int fd)
{
    if (endpoint_is_sealed(fd) && relay_is_needed(fd) && relay_start(fd) != 0)
        (void)KERNEL_2(SYS_shutdown, fd, SHUT_RDWR);
}

/* One that was given: sealed if a rule says so, else the wire plane's. */
static void take(int fd)
{
    if (pfswrap_seals())
        adopt(fd);
    if (!endpoint_is_sealed(fd))
        watch_inherited(fd);
}

/* The kernel's list, without opendir(3): what is looked at must not change by looking. */
static void adopt_listed(int list)
{
    struct entry { /* getdents64(2) */
        uint64_t inode;
        int64_t offset;
        uint16_t length;
        uint8_t type;
        char name[];
    };
    uint64_t buffer[512] = {0};
    long size;
    while ((size = KERNEL_3(SYS_getdents64, list, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < size;) {
            const struct entry *entry = (const void *)((const char *)buffer + at);
            int fd = 0;
            const char *digit = entry->name;
            for (; *digit >= '0' && *digit <= '9'; digit++)
                fd = fd * 10 + (*digit - '0');
            if (*digit == '\0' && fd != list && !descriptor_is_own(fd))
                take(fd);
            at += entry->length;
        }
}

void adopt_inherited(void)
{
    enum { WITHOUT_PROC = 1024, STANDARD_LAST = 2 };
    const int saved = errno;
    const long list = KERNEL_4(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (list >= 0) {
        adopt_listed((int)list);
        (void)KERNEL_1(SYS_close, list);
    }
    for (int fd = 0; list < 0 && fd < WITHOUT_PROC; fd++)
        if (!descriptor_is_own(fd))
            take(fd);
    for (int fd = 0; fd <= STANDARD_LAST; fd++)
        relay_where_needed(fd);
    errno = saved;
}

void adopt_received(const struct msghdr *message)
{
    const int saved = errno;
    struct msghdr *controls = (void *)(uintptr_t)message;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(controls); control != NULL;
         control = CMSG_NXTHDR(controls, control)) {
        if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t count = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(control) + i * sizeof fd, sizeof fd);
            if (pfswrap_seals())
                adopt(fd);
            if (!endpoint_is_sealed(fd))
                watch_received_descriptor(fd);
            relay_where_needed(fd);
        }
    }
    errno = saved;
}
