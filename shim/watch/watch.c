/*
 * The records of watched connections, by descriptor; feeding them; what follows from a verdict. No call here blocks
 * or allocates from malloc: they run in signal handlers and in children of vfork(), which change nothing.
 */
#include "watch/watch.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <linux/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "connection/endpoint.h"
#include "connection/memory.h"
#include "init.h"
#include "real/kernel.h"
#include "watch/record.h"

_Atomic uint32_t watch_table[WATCH_FDS];

static struct memory_pool records = {.piece = RECORD_BYTES, .per_chunk = 64};
static atomic_int watched;      /* numbers in the table */
static atomic_int highest = -1; /* no number above has ever been in it */

/* Without plaintext before TLS; and with what a STARTTLS negotiation may take. */
static struct wire_config at_once, after_plaintext;
static const struct policy *in_force; /* NULL: nothing is wanted */

enum { STARTTLS_BYTES = 4096 };

bool watch_is_wanted(void)
{
    return in_force != NULL;
}

static bool may_refuse(enum policy_plaintext plaintext)
{
    return plaintext == POLICY_PLAINTEXT_REFUSE || plaintext == POLICY_PLAINTEXT_STARTTLS;
}

bool watch_enforces(void)
{
    if (in_force == NULL || in_force->mode != POLICY_ENFORCE)
        return false;
    bool refuses = in_force->wire.tls == POLICY_WIRE_PFS || may_refuse(in_force->wire.plaintext);
    for (size_t i = 0; i < in_force->rule_count && !refuses; i++)
        refuses = may_refuse(in_force->rules[i].plaintext);
    return refuses;
}

/* --- whose memory this is --- */

/* A page that fork() wipes and vfork() shares: the process it belongs to (MADV_WIPEONFORK, madvise(2)). */
static _Atomic pid_t *owner_page;

static void process_take(void)
{
    atomic_store(owner_page, (pid_t)KERNEL_0(SYS_getpid));
}

static bool is_vfork_child(void)
{
    pid_t self = (pid_t)KERNEL_0(SYS_getpid), owner = atomic_load(owner_page);
    if (owner == 0)
        process_take(); /* a fork that no handler of pthread_atfork(3) saw */
    return owner != 0 && owner != self;
}

/* --- records --- */

static struct record *record_at(uint32_t entry)
{
    return memory_at(&records, (int32_t)entry - 1);
}

/*
 * The lock is held for a few microseconds. One that does not come free belongs to a thread that a fork has left
 * behind, or to the frame below this signal handler: then this call is not seen.
 */
static __thread char self __attribute__((tls_model("initial-exec")));

static bool record_lock(struct record *record)
{
    enum { PATIENCE = 1000 };
    for (int i = 0; i < PATIENCE; i++) {
        const void *owner = NULL;
        if (atomic_compare_exchange_strong(&record->owner, &owner, &self))
            return true;
        if (owner == &self)
            return false;
        if (i > PATIENCE / 2)
            (void)KERNEL_0(SYS_sched_yield);
    }
    return false;
}

static void record_unlock(struct record *record)
{
    atomic_store(&record->owner, NULL);
}

/* The record behind `fd`, locked; NULL: there is none (any more), or it is not to be had. */
static struct record *record_enter(int fd, uint32_t *entry)
{
    *entry = atomic_load_explicit(&watch_table[fd], memory_order_acquire);
    if (*entry == 0)
        return NULL;
    struct record *record = record_at(*entry);
    if (!record_lock(record))
        return NULL;
    if (atomic_load(&watch_table[fd]) == *entry && record->descriptors > 0)
        return record;
    record_unlock(record);
    return NULL;
}

/* Enters a number; its place is not taken. */
static void table_put(int fd, uint32_t entry)
{
    int seen = atomic_load(&highest);
    while (seen < fd && !atomic_compare_exchange_weak(&highest, &seen, fd))
        ;
    atomic_fetch_add(&watched, 1);
    atomic_store_explicit(&watch_table[fd], entry, memory_order_release);
}

/* Takes every number of the record out of the table and frees it. Locked; the lock is gone afterwards. */
static void record_forget(struct record *record, uint32_t entry, int fd)
{
    if (atomic_load(&watch_table[fd]) == entry) {
        atomic_store(&watch_table[fd], 0);
        atomic_fetch_sub(&watched, 1);
        record->descriptors--;
    }
    for (int i = 0; i <= atomic_load(&highest) && record->descriptors > 0; i++)
        if (atomic_load_explicit(&watch_table[i], memory_order_relaxed) == entry) {
            atomic_store(&watch_table[i], 0);
            atomic_fetch_sub(&watched, 1);
            record->descriptors--;
        }
    record->descriptors = 0;
    record_unlock(record);
    memory_give(&records, (int32_t)entry - 1);
}

static uint64_t socket_cookie(int fd)
{
    uint64_t cookie = 0;
    socklen_t length = sizeof cookie;
    return KERNEL_5(SYS_getsockopt, fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t length = sizeof protocol;
    return KERNEL_5(SYS_getsockopt, fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length) == 0 &&
           (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

static void watch_begin(int fd, enum policy_direction direction, const struct sockaddr *address, socklen_t length)
{
    if ((unsigned)fd >= WATCH_FDS || endpoint_is_sealed(fd) || !is_tcp(fd))
        return;
    uint64_t cookie = socket_cookie(fd);
    if (watch_is_on(fd)) {
        /* connect(2) may be called again to see how it ended; another socket's number was closed unseen. */
        if (record_at(atomic_load(&watch_table[fd]))->cookie == cookie)
            return;
        watch_end(fd);
    }
    const struct policy_rule *rule =
        in_force->rule_count > 0 ? policy_match(in_force, direction, address, length) : NULL;
    enum policy_plaintext plaintext =
        rule != NULL && rule->plaintext != POLICY_PLAINTEXT_UNSET ? rule->plaintext : in_force->wire.plaintext;
    if (in_force->wire.tls == POLICY_WIRE_OFF && plaintext == POLICY_PLAINTEXT_ALLOW)
        return;
    int32_t index = memory_take(&records);
    if (index < 0)
        return;
    struct record *record = memory_at(&records, index);
    memset(record, 0, sizeof *record);
    record->descriptors = 1;
    record->is_server = direction == POLICY_LISTEN;
    record->rule = rule != NULL ? (int16_t)(rule - in_force->rules) : RECORD_NO_RULE;
    record->plaintext = plaintext;
    record->cookie = cookie;
    /* Where TLS is of no interest the first byte says it all. */
    record->config =
        plaintext == POLICY_PLAINTEXT_REFUSE || in_force->wire.tls == POLICY_WIRE_OFF ? &at_once : &after_plaintext;
    wire_init(&record->wire);
    table_put(fd, (uint32_t)index + 1);
}

void watch_connected(int fd, const struct sockaddr *address, socklen_t length)
{
    if (in_force != NULL)
        watch_begin(fd, POLICY_CONNECT, address, length);
}

void watch_accepted(int fd)
{
    struct sockaddr_storage local = {0};
    socklen_t length = sizeof local;
    if (in_force == NULL)
        return;
    if (in_force->rule_count > 0 && KERNEL_3(SYS_getsockname, fd, &local, &length) != 0)
        length = 0;
    watch_begin(fd, POLICY_LISTEN, (const struct sockaddr *)&local, length);
}

void watch_end(int fd)
{
    uint32_t entry;
    if (is_vfork_child())
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    if (record->descriptors == 1) {
        record_forget(record, entry, fd);
        return;
    }
    atomic_store(&watch_table[fd], 0);
    atomic_fetch_sub(&watched, 1);
    record->descriptors--;
    record_unlock(record);
}

void watch_end_range(unsigned first, unsigned last)
{
    if (atomic_load_explicit(&watched, memory_order_relaxed) == 0)
        return;
    unsigned end = (unsigned)(atomic_load(&highest) + 1);
    for (unsigned fd = first; fd <= last && fd < end; fd++)
        if (watch_is_on((int)fd))
            watch_end((int)fd);
}

void watch_copied(int fd, int copy)
{
    uint32_t entry;
    if (fd == copy || (unsigned)copy >= WATCH_FDS || is_vfork_child())
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    record->descriptors++;
    table_put(copy, entry);
    record_unlock(record);
}

/* --- verdicts --- */

/*
 * Whether what was fed is all that has passed. A connection that came here from another process in the middle, or
 * whose bytes also go through stdio, would look like plaintext, or like an answer without a question. TCP counts
 * its SYN and FIN as bytes.
 */
static bool has_seen_all(const struct record *record, int fd, enum wire_direction direction, uint64_t now)
{
    enum { SYN_AND_FIN = 2 };
    struct tcp_info info;
    socklen_t length = sizeof info;
    int unread = 0, unacknowledged = 0;
    memset(&info, 0, sizeof info);
    if (KERNEL_5(SYS_getsockopt, fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received)
        return true;
    (void)KERNEL_3(SYS_ioctl, fd, FIONREAD, &unread);
    (void)KERNEL_3(SYS_ioctl, fd, SIOCOUTQ, &unacknowledged);
    uint64_t in = record->fed[WIRE_IN], out = record->fed[WIRE_OUT] - record->ahead;
    if (direction == WIRE_OUT)
        out -= now; /* they are not sent yet */
    uint64_t received = info.tcpi_bytes_received, acknowledged = info.tcpi_bytes_acked;
    return received <= in + (uint64_t)unread + SYN_AND_FIN &&
           acknowledged + (uint64_t)unacknowledged <= out + SYN_AND_FIN;
}

static enum decision decide_tls(const struct record *record)
{
    if (in_force->wire.tls == POLICY_WIRE_OFF)
        return DECISION_PASS;
    if (record->wire.verdict == WIRE_PFS)
        return DECISION_PASS;
    if (in_force->wire.tls == POLICY_WIRE_LOG)
        return DECISION_LOG;
    return in_force->mode == POLICY_ENFORCE ? DECISION_REFUSE : DECISION_WOULD;
}

static enum decision decide_plaintext(const struct record *record)
{
    switch (record->plaintext) {
    case POLICY_PLAINTEXT_REFUSE:
    case POLICY_PLAINTEXT_STARTTLS:
        return in_force->mode == POLICY_ENFORCE ? DECISION_REFUSE : DECISION_WOULD;
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
        return in_force->wire.tls == POLICY_WIRE_OFF && wire_is_tls(&record->wire) ? DECISION_PASS : DECISION_NONE;
    case WIRE_PLAINTEXT:
        return decide_plaintext(record);
    case WIRE_PFS:
    case WIRE_WEAK:
        break;
    }
    return decide_tls(record);
}

/*
 * Acts on a decision other than DECISION_NONE. Locked; the lock is gone afterwards. `now`: bytes of this call.
 * Returns whether the connection is cut.
 */
static __attribute__((noinline)) bool record_conclude(struct record *record, uint32_t entry, int fd,
                                                      enum wire_direction direction, uint64_t now,
                                                      enum decision decision)
{
    if (record->cookie != socket_cookie(fd)) {
        record_forget(record, entry, fd); /* closed where nobody saw it, and the number is another's */
        return false;
    }
    bool is_verdict = decision == DECISION_REFUSE || decision == DECISION_WOULD || decision == DECISION_LOG;
    if (is_verdict && !has_seen_all(record, fd, direction, now))
        decision = DECISION_UNKNOWN;
    struct record copy = *record;
    if (decision == DECISION_REFUSE) {
        record->is_cut = true;
        record_unlock(record);
    } else {
        record_forget(record, entry, fd);
    }
    record_report(&copy, fd, decision); /* while the kernel still knows the peer */
    if (decision == DECISION_REFUSE)
        (void)KERNEL_2(SYS_shutdown, fd, SHUT_RDWR);
    return decision == DECISION_REFUSE;
}

/* After feeding. Locked; the lock is gone afterwards. Returns whether the connection is cut. */
static bool record_decide(struct record *record, uint32_t entry, int fd, enum wire_direction direction,
                          uint64_t now)
{
    enum decision decision = decide(record);
    bool says_plain = record->plaintext == POLICY_PLAINTEXT_LOG && !record->is_plain_logged &&
                      wire_is_plain(&record->wire) && decision != DECISION_LOG;
    if (__builtin_expect(decision != DECISION_NONE, false))
        return record_conclude(record, entry, fd, direction, now, decision);
    if (!says_plain || record->cookie != socket_cookie(fd) || !has_seen_all(record, fd, direction, now)) {
        record_unlock(record);
        return false;
    }
    record->is_plain_logged = true;
    struct record copy = *record;
    record_unlock(record);
    record_report_plain(&copy, fd);
    return false;
}

/* Feeds what lies in `vectors` behind `skip` bytes, `limit` bytes of it. */
static uint64_t record_feed(struct record *record, enum wire_direction direction, const struct iovec *vectors,
                            size_t count, uint64_t skip, uint64_t limit)
{
    uint64_t fed = 0;
    size_t passes;
    for (size_t i = 0; i < count && fed < limit; i++) {
        const uint8_t *bytes = vectors[i].iov_base;
        uint64_t length = vectors[i].iov_len;
        uint64_t passed = skip < length ? skip : length;
        skip -= passed;
        length -= passed;
        if (length > limit - fed)
            length = limit - fed;
        if (length > 0 && record->wire.verdict == WIRE_UNDECIDED)
            wire_feed(&record->wire, record->config, direction, bytes + passed, length, &passes);
        fed += length;
    }
    record->fed[direction] += fed;
    record->turn++;
    return fed;
}

static int cut(void)
{
    errno = ECONNRESET;
    return -1;
}

int watch_before_send(int fd, const struct iovec *vectors, size_t count, const void *caller, uint32_t *turn)
{
    uint32_t entry;
    int saved = errno;
    struct record *record = record_enter(fd, &entry);
    *turn = 0;
    if (record == NULL)
        return 0;
    if (record->is_cut) {
        record_unlock(record);
        return cut();
    }
    record->caller = caller;
    record->before = record->wire;
    record->before_fed = record->fed[WIRE_OUT];
    record->before_ahead = record->ahead;
    record->may_be_taken_back = true;
    record->ahead = 0;
    uint64_t fed = record_feed(record, WIRE_OUT, vectors, count, record->before_ahead, UINT64_MAX);
    *turn = record->turn;
    if (record_decide(record, entry, fd, WIRE_OUT, fed))
        return cut();
    errno = saved;
    return 0;
}

void watch_sent(int fd, const struct iovec *vectors, size_t count, ssize_t sent, uint32_t turn)
{
    uint32_t entry;
    int saved = errno;
    uint64_t offered = 0, taken = sent > 0 ? (uint64_t)sent : 0;
    for (size_t i = 0; i < count; i++)
        offered += vectors[i].iov_len;
    if (turn == 0 || taken == offered || !watch_is_on(fd))
        return;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return;
    if (record->turn == turn && record->may_be_taken_back) {
        /* Nothing has come in between: as if the program had offered only what the kernel took. */
        uint64_t again = record->before_ahead < taken ? record->before_ahead : taken;
        record->wire = record->before;
        record->fed[WIRE_OUT] = record->before_fed;
        record->ahead = record->before_ahead - again;
        (void)record_feed(record, WIRE_OUT, vectors, count, again, taken - again);
    } else {
        record->ahead += offered - taken;
    }
    record->may_be_taken_back = false;
    record_unlock(record);
    errno = saved;
}

ssize_t watch_received(int fd, const struct iovec *vectors, size_t count, ssize_t got, int flags,
                       const void *caller)
{
    uint32_t entry;
    int saved = errno;
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return got;
    if (record->is_cut) {
        record_unlock(record);
        return cut();
    }
    if (got <= 0 || (flags & (MSG_PEEK | MSG_ERRQUEUE | MSG_OOB)) != 0) {
        record_unlock(record);
        return got;
    }
    record->caller = caller;
    record->may_be_taken_back = false;
    /* With MSG_TRUNC they were thrown away unseen (tcp(7)), which the kernel's count will tell. */
    uint64_t fed = (flags & MSG_TRUNC) != 0 ? 0 : record_feed(record, WIRE_IN, vectors, count, 0, (uint64_t)got);
    if (record_decide(record, entry, fd, WIRE_IN, fed))
        return cut();
    errno = saved;
    return got;
}

int watch_before_file(int fd, const void *caller)
{
    /* One byte that begins no record: what a file has is no hello, whatever its bytes look like. */
    static const uint8_t byte = 0;
    uint32_t turn;
    uint32_t entry;
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)&byte, .iov_len = sizeof byte};
    struct record *record = record_enter(fd, &entry);
    if (record == NULL)
        return 0;
    bool is_handshake = wire_is_tls(&record->wire);
    bool is_refused = record->is_cut;
    if (!is_handshake && !is_refused)
        record->wire.streams[WIRE_OUT].plain = record->config->plaintext_max;
    record_unlock(record);
    return is_refused ? cut() : watch_before_send(fd, &vector, 1, caller, &turn);
}

bool watch_refuses_pipes(int fd)
{
    return watch_is_on(fd);
}

/* --- the beginning --- */

static void config_fill(struct wire_config *config, const struct policy_tls *tls, uint16_t plaintext_max)
{
    _Static_assert((int)WIRE_LIST_MAX >= (int)POLICY_LIST_MAX, "a policy's lists fit");
    config->min_version = tls->min_version;
    config->group_count = tls->group_count;
    config->ciphersuite_count = tls->ciphersuite_count;
    memcpy(config->groups, tls->groups, sizeof tls->groups);
    memcpy(config->ciphersuites, tls->ciphersuites, sizeof tls->ciphersuites);
    config->refuse_resumption = tls->session_tickets == POLICY_TICKETS_REFUSE;
    config->plaintext_max = plaintext_max;
}

static bool policy_wants(const struct policy *policy)
{
    if (policy->wire.tls != POLICY_WIRE_OFF || policy->wire.plaintext != POLICY_PLAINTEXT_ALLOW)
        return true;
    for (size_t i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].plaintext != POLICY_PLAINTEXT_UNSET &&
            policy->rules[i].plaintext != POLICY_PLAINTEXT_ALLOW)
            return true;
    return false;
}

/* A connection that inetd and its like have left on stdin, and that nobody has used yet. */
static void adopt_inherited(void)
{
    enum { ESTABLISHED = 1 }; /* of libc's netinet/tcp.h, which does not go with the kernel's */
    struct tcp_info info;
    socklen_t length = sizeof info;
    int unread = 0;
    memset(&info, 0, sizeof info);
    if (!is_tcp(0) || KERNEL_5(SYS_getsockopt, 0, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        info.tcpi_state != ESTABLISHED || KERNEL_3(SYS_ioctl, 0, FIONREAD, &unread) != 0)
        return;
    if (info.tcpi_bytes_received > (uint64_t)unread + 1 || info.tcpi_bytes_acked > 1 || info.tcpi_unacked > 0)
        return;
    watch_accepted(0);
    for (int fd = 1; fd <= 2; fd++)
        if (watch_is_on(0) && is_tcp(fd) && socket_cookie(fd) == socket_cookie(0))
            watch_copied(0, fd);
}

void watch_start(const struct policy *policy)
{
    enum { PAGE = 4096 };
    if (!policy_wants(policy))
        return;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || madvise(page, PAGE, MADV_WIPEONFORK) != 0 ||
        pthread_atfork(NULL, NULL, process_take) != 0)
        pfswrap_die(
            "cannot prepare to watch connections: the kernel refused memory that a fork wipes (Linux 4.14)");
    owner_page = page;
    process_take();
    config_fill(&at_once, &policy->tls, 0);
    config_fill(&after_plaintext, &policy->tls, STARTTLS_BYTES);
    in_force = policy;
    adopt_inherited();
}
