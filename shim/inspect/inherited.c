/*
 * Connections that this process has neither made nor accepted: it was started with them, for example by inetd, or
 * received them in a message (SCM_RIGHTS, unix(7)). They are inspected if no byte has passed on them yet. Otherwise
 * the inspection belongs to the process that has begun to use the connection, if it is under pfswrap.
 */
#include "inspect/inspect.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "base/socket_kind.h"
#include "config/init.h"
#include "inspect/record.h"

/* The TCP_* states of libc's netinet/tcp.h, which cannot be included together with linux/tcp.h. */
enum { ESTABLISHED = 1, SYN_SENT = 2, SYN_RECEIVED = 3, CLOSE_WAIT = 8 };

enum beginning { BEGINNING_GONE, BEGINNING_SERVER, BEGINNING_CLIENT };

/*
 * Which end this is of a connection without data so far. BEGINNING_GONE: data has passed, or there is no
 * connection. tcpi_bytes_acked includes the SYN of the end that connected, and tcpi_bytes_received includes the
 * peer's FIN.
 */
static enum beginning beginning_of(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    int unread = 0;
    memset(&info, 0, sizeof info);
    if (raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return BEGINNING_GONE;
    if (info.tcpi_state == SYN_SENT)
        return BEGINNING_CLIENT;
    const uint64_t fin = info.tcpi_state == CLOSE_WAIT;
    if ((info.tcpi_state != ESTABLISHED && info.tcpi_state != SYN_RECEIVED && info.tcpi_state != CLOSE_WAIT) ||
        raw_syscall(SYS_ioctl, fd, FIONREAD, &unread) != 0 || info.tcpi_bytes_received > (uint64_t)unread + fin ||
        info.tcpi_bytes_acked > 1 || info.tcpi_unacked > 0 || info.tcpi_data_segs_out > 0)
        return BEGINNING_GONE;
    return info.tcpi_bytes_acked == 1 ? BEGINNING_CLIENT : BEGINNING_SERVER;
}

/* Begins an inspection if that is possible. Returns whether there is one now. */
static bool begin(int fd, enum beginning *beginning)
{
    if (!inspect_is_wanted() || !socket_may_be_tcp(fd))
        return false;
    const uint64_t cookie = socket_cookie(fd, SO_COOKIE);
    const int other = record_find(cookie);
    if (other >= 0) {
        if (other != fd && !inspect_is_current(fd))
            inspect_copied(other, fd);
        return false;
    }
    *beginning = beginning_of(fd);
    if (*beginning == BEGINNING_SERVER) {
        (void)inspect_accepted(fd, -1);
    } else if (*beginning == BEGINNING_CLIENT) {
        struct sockaddr_storage peer = {0};
        socklen_t length = sizeof peer;
        if (raw_syscall(SYS_getpeername, fd, &peer, &length) != 0)
            length = 0;
        (void)inspect_connected(fd, (const struct sockaddr *)&peer, length);
    }
    return fd_has_record(fd);
}

void inspect_received_descriptor(int fd)
{
    enum beginning beginning;
    (void)begin(fd, &beginning);
}

/* Whether the bytes that the peer has sent are the beginning of TLS, or may still become it. */
static bool begins_as_tls(const struct wire_config *config, int fd)
{
    uint8_t bytes[64];
    size_t passes;
    struct wire wire;
    const long count = raw_syscall(SYS_recvfrom, fd, bytes, sizeof bytes, MSG_PEEK | MSG_DONTWAIT, NULL, NULL);
    if (count <= 0)
        return true; /* it is closed, so no data needs protection */
    wire_init(&wire);
    wire_feed(&wire, config, WIRE_IN, bytes, (size_t)count, &passes);
    return wire.verdict == WIRE_UNDECIDED;
}

/*
 * A program may read and write descriptors 0, 1 and 2 through stdio, which makes no interposed call. If plaintext
 * is refused, the client must begin with TLS. So the program is started only after the client has done so.
 */
static void wait_for_client(int fd)
{
    uint32_t entry;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    const bool waits = record->plaintext == POLICY_PLAINTEXT_REFUSE && pfswrap_policy()->mode == POLICY_ENFORCE;
    const struct wire_config *config = record->config;
    record_unlock(record);
    if (!waits)
        return;
    struct pollfd poll = {.fd = fd, .events = POLLIN};
    const uint32_t limit_ms = pfswrap_policy()->seal.handshake_timeout_ms;
    const struct timespec limit = {.tv_sec = (time_t)(limit_ms / 1000),
                                   .tv_nsec = (long)(limit_ms % 1000) * 1000000};
    if (raw_syscall(SYS_ppoll, &poll, 1, &limit, NULL, 0) == 0) {
        inspect_cut(fd, "the client has sent nothing within handshake-timeout");
        record = record_enter(fd, &entry);
        if (record != NULL) {
            record->is_cut = true;
            record_unlock(record);
        }
    } else if (!begins_as_tls(config, fd)) {
        (void)inspect_plane.operations.before_unseen(fd, NULL);
    }
}

void inspect_inherited(int fd)
{
    enum { STANDARD_LAST = 2 };
    enum beginning beginning;
    if (begin(fd, &beginning) && beginning == BEGINNING_SERVER && fd <= STANDARD_LAST)
        wait_for_client(fd);
}
