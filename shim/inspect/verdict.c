/*
 * What follows from the reader's verdict: log the connection, cut it, or end the inspection. Before a verdict
 * counts, the kernel is asked whether all bytes of the connection have been read.
 */
#include "inspect/record.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "audit/audit.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "base/workspace.h"
#include "config/init.h"

/* Whether the bytes of this call begin like a TLS record. */
static bool is_at_record(const struct record *record)
{
    const uint8_t *head = record->head;
    bool is_record = record->head_count > 0 && head[0] >= 20 && head[0] <= 23;
    return is_record && (record->head_count < 2 || head[1] == 3) && (record->head_count < 3 || head[2] <= 4);
}

/*
 * Whether the reader has had all bytes of the connection. A connection that another process has begun, or whose
 * bytes go through stdio, too, would look like plaintext, or like a ServerHello without a ClientHello. The kernel
 * counts SYN and FIN as bytes.
 */
static bool has_seen_all(const struct record *record, int fd, enum wire_direction direction, uint64_t now)
{
    enum { SYN_AND_FIN = 2 };
    struct tcp_info info;
    socklen_t length = sizeof info;
    int unread = 0, unacknowledged = 0;
    memset(&info, 0, sizeof info);
    if (raw_syscall(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return true;
    (void)raw_syscall(SYS_ioctl, fd, FIONREAD, &unread);
    (void)raw_syscall(SYS_ioctl, fd, SIOCOUTQ, &unacknowledged);
    uint64_t in = record->fed[WIRE_IN], out = record->fed[WIRE_OUT] - record->ahead;
    if (direction == WIRE_OUT)
        out -= now; /* they are not sent yet */
    uint64_t received = info.tcpi_bytes_received, acknowledged = info.tcpi_bytes_acked;
    return received <= in + (uint64_t)unread + SYN_AND_FIN &&
           acknowledged + (uint64_t)unacknowledged <= out + SYN_AND_FIN;
}

/*
 * Whether the verdict is certain. Bytes that are not like a TLS record are plaintext, whatever has passed before.
 * Bytes that are like one may belong to a TLS connection that another process has begun.
 */
static bool is_proven(const struct record *record, int fd, enum wire_direction direction, uint64_t now)
{
    bool is_plaintext = record->wire.verdict == WIRE_PLAINTEXT || record->wire.verdict == WIRE_UNDECIDED;
    return (is_plaintext && !is_at_record(record)) || process_sandboxed || has_seen_all(record, fd, direction, now);
}

static enum decision decide_tls(const struct record *record)
{
    if (record->policy->wire.tls == POLICY_WIRE_OFF)
        return DECISION_PASS;
    if (record->wire.verdict == WIRE_PFS)
        return DECISION_PASS;
    if (record->policy->wire.tls == POLICY_WIRE_LOG)
        return DECISION_LOG;
    return record->policy->mode == POLICY_ENFORCE ? DECISION_REFUSE : DECISION_WOULD;
}

static enum decision decide_plaintext(const struct record *record)
{
    switch (record->plaintext) {
    case POLICY_PLAINTEXT_REFUSE:
    case POLICY_PLAINTEXT_STARTTLS:
        return record->policy->mode == POLICY_ENFORCE ? DECISION_REFUSE : DECISION_WOULD;
    case POLICY_PLAINTEXT_LOG:
        return DECISION_LOG;
    case POLICY_PLAINTEXT_ALLOW:
    case POLICY_PLAINTEXT_UNSET:
        break;
    }
    return DECISION_PASS;
}

static enum decision decide(const struct record *record)
{
    switch (record->wire.verdict) {
    case WIRE_UNDECIDED:
        return record->policy->wire.tls == POLICY_WIRE_OFF && wire_is_tls(&record->wire) ? DECISION_PASS
                                                                                         : DECISION_NONE;
    case WIRE_PLAINTEXT:
        return decide_plaintext(record);
    case WIRE_PFS:
    case WIRE_WEAK:
        break;
    }
    return decide_tls(record);
}

/* A copy for the log, in a workspace. NULL: no memory, and audit_lose() has reported it. */
static struct record *record_copy(const struct record *record)
{
    struct record *copy = workspace_take();
    if (copy != NULL)
        memcpy(copy, record, sizeof *copy);
    else
        audit_lose();
    return copy;
}

/*
 * Acts on a decision other than DECISION_NONE. `now`: bytes of this call. Called locked; unlocked on return.
 * Returns whether the connection is cut.
 */
static __attribute__((noinline)) bool record_conclude(struct record *record, uint32_t entry, int fd,
                                                      enum wire_direction direction, uint64_t now,
                                                      enum decision decision)
{
    if (!process_sandboxed && record->cookie != socket_cookie(fd, SO_COOKIE)) {
        record_forget(record, entry); /* closed without an interposed call, and the number is another file now */
        return false;
    }
    bool is_verdict = decision == DECISION_REFUSE || decision == DECISION_WOULD || decision == DECISION_LOG;
    if (is_verdict && !is_proven(record, fd, direction, now))
        decision = DECISION_UNKNOWN;
    struct record *copy = record_copy(record);
    if (decision == DECISION_REFUSE) {
        record->is_cut = true;
        record_unlock(record);
    } else {
        record_forget(record, entry);
    }
    if (copy != NULL)
        record_report(copy, fd, decision); /* before shutdown(2), after which there is no peer's address */
    workspace_give(copy);
    if (decision == DECISION_REFUSE && !process_sandboxed)
        (void)raw_syscall(SYS_shutdown, fd, SHUT_RDWR);
    return decision == DECISION_REFUSE;
}

bool record_decide(struct record *record, uint32_t entry, int fd, enum wire_direction direction, uint64_t now)
{
    enum decision decision = decide(record);
    bool says_plain = record->plaintext == POLICY_PLAINTEXT_LOG && !record->is_plain_logged &&
                      wire_is_plain(&record->wire) && decision != DECISION_LOG;
    const bool is_logged = says_plain || decision == DECISION_LOG || decision == DECISION_UNKNOWN ||
                           (decision == DECISION_PASS && record->wire.verdict == WIRE_PFS);
    if (is_logged && pfswrap_enforces() && audit_refusal() != NULL)
        return record_conclude(record, entry, fd, direction, now, DECISION_REFUSE);
    if (decision == DECISION_NONE && says_plain && !is_proven(record, fd, direction, now))
        decision = DECISION_UNKNOWN;
    if (__builtin_expect(decision != DECISION_NONE, false))
        return record_conclude(record, entry, fd, direction, now, decision);
    if (!says_plain || (!process_sandboxed && record->cookie != socket_cookie(fd, SO_COOKIE))) {
        record_unlock(record);
        return false;
    }
    record->is_plain_logged = true;
    struct record *copy = record_copy(record);
    record_unlock(record);
    if (copy != NULL)
        record_report_plain(copy, fd);
    workspace_give(copy);
    return false;
}
