/*
 * A few connections, so that threads need not wait for each other. Each is used by one thread at a time, for one
 * question and its answer. They are taken without a lock, so a signal handler that interrupts a question takes
 * another one.
 *
 * Where a connection comes from: at the start of the program, by connect(2). Later, from another one: the process
 * makes a pair of sockets and gives one end to the agent over a connection that it has (AGENT_JOIN). This works
 * behind chroot(2), and the new connection has the rights of the old one. So a child of a fork, which must not read
 * its parent's answers, uses what it has inherited for this one message only. After the agent has ended, connect(2)
 * is what remains, with the rights of the user that the process has by then.
 *
 * Under the lock of a connection (base/lock.h): waits are limited, and no other lock is taken.
 */
#include "config/agent.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/filter.h"
#include "base/fork.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "config/agent_ask.h"
#include "config/agent_cache.h"
#include "config/init.h"
#include "fd/own.h"

enum {
    LINKS = 4,
    SHORT_WAIT_MS = 50,     /* for an answer, when the agent has been away for too long */
    ATTEMPT_EVERY_MS = 100, /* and how often it is tried then */
};

/* The owner of `busy` alone uses the others, but a descriptor may also be read to join over it. */
struct link {
    _Atomic(struct descriptor *) descriptor; /* NULL: not connected */
    const char *path;                        /* the agent's socket */
    unsigned timeout_ms;
    atomic_bool busy;
};

static struct link links[LINKS];
static _Atomic(struct descriptor *) inherited; /* from the parent of a fork: new connections may come from it */

static _Atomic uint64_t away_since, attempted_at; /* clock_ms(); away_since is 0 while the agent answers */

static void drop(struct link *link)
{
    own_close(atomic_exchange(&link->descriptor, NULL));
}

/* Gives the agent the other end of a new pair, over a connection that is there. A descriptor, or a negative errno.
 */
static int join(int over, unsigned timeout_ms)
{
    struct agent_request request = {.magic = AGENT_MAGIC, .operation = AGENT_JOIN};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec bytes = {&request, sizeof request};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    int pair[2] = {-1, -1};
    if (!filter_allows(SYS_socketpair) || !filter_allows(SYS_sendmsg) || !filter_allows(SYS_setsockopt))
        return -EACCES;
    long result = raw_syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair);
    if (result < 0)
        return (int)result;
    memcpy(CMSG_DATA(&control.header), &pair[1], sizeof pair[1]);
    agent_set_timeout(pair[0], timeout_ms);
    result = raw_syscall(SYS_sendmsg, over, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)raw_syscall(SYS_close, pair[1]);
    if (result == sizeof request)
        return pair[0];
    (void)raw_syscall(SYS_close, pair[0]);
    return result < 0 ? (int)result : -EPIPE;
}

/* The same over what the process has. -ENOENT: it has nothing. */
static int join_over(_Atomic(struct descriptor *) *source, unsigned timeout_ms)
{
    struct descriptor *descriptor = atomic_load(source);
    if (descriptor == NULL)
        return -ENOENT;
    const int over = own_acquire(descriptor);
    const int fd = over >= 0 ? join(over, timeout_ms) : -ENOENT;
    own_release(descriptor);
    return fd;
}

static int join_any(unsigned timeout_ms)
{
    int fd = join_over(&inherited, timeout_ms);
    for (int i = 0; i < LINKS && fd < 0; i++)
        fd = join_over(&links[i].descriptor, timeout_ms);
    own_close(atomic_exchange(&inherited, NULL)); /* it has served, or its agent is gone */
    return fd;
}

/* Connects a link that this thread has. 0, or a negative errno value. In a child of vfork() nothing changes: its
 * parent would take the number for one of its own. */
static int connect_link(struct link *link, const char *path, unsigned timeout_ms)
{
    if (process_is_vfork_child())
        return -ENOENT;
    int fd = join_any(timeout_ms);
    if (fd < 0)
        fd = agent_connect(path, timeout_ms);
    if (fd < 0)
        return fd;
    struct descriptor *descriptor = NULL;
    const int error = own_take(fd, &descriptor);
    if (error != 0)
        return error;
    link->path = path;
    link->timeout_ms = timeout_ms;
    atomic_store(&link->descriptor, descriptor);
    return 0;
}

/* A link for this thread alone, if possible a connected one; NULL: all are in use. */
static struct link *take_link(void)
{
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < LINKS; i++) {
            if (pass == 0 && atomic_load(&links[i].descriptor) == NULL)
                continue;
            if (!atomic_exchange(&links[i].busy, true))
                return &links[i];
        }
    return NULL;
}

/* A link that has waited less than usual waits as long as usual again. */
static void lengthen(struct link *link, int fd, unsigned limit_ms)
{
    if (link->timeout_ms >= limit_ms)
        return;
    agent_set_timeout(fd, limit_ms);
    link->timeout_ms = limit_ms;
}

/* One attempt on a link. `wait_ms`: for a new connection; `limit_ms`: for one that has answered. */
static int ask_over(struct link *link, struct agent_request *request, struct agent_answer *answer, unsigned wait_ms,
                    unsigned limit_ms)
{
    const char *path = policy_agent_path(pfswrap_policy());
    if (link->path != NULL && link->path != path && strcmp(link->path, path) != 0)
        drop(link); /* a reload has named another agent */
    int result = atomic_load(&link->descriptor) != NULL ? 0 : connect_link(link, path, wait_ms);
    if (result != 0)
        return result;
    struct descriptor *descriptor = atomic_load(&link->descriptor);
    const int fd = own_acquire(descriptor);
    result = fd >= 0 ? agent_exchange(fd, request, answer) : -EPIPE;
    if (result >= 0)
        lengthen(link, fd, limit_ms);
    own_release(descriptor);
    if (result < 0)
        drop(link);
    return result;
}

static int ask_once(struct agent_request *request, struct agent_answer *answer, unsigned wait_ms, unsigned limit_ms)
{
    struct link *link = take_link();
    if (link == NULL)
        return -EBUSY;
    const int result = ask_over(link, request, answer, wait_ms, limit_ms);
    atomic_store(&link->busy, false);
    return result;
}

static unsigned least(uint64_t one, uint64_t other)
{
    return (unsigned)(one < other ? one : other);
}

/*
 * Asks until there is an answer, or the time is over. Time: from the first failure on, so that a program with many
 * handshakes waits once for an agent that is away, and not once for each.
 */
static int ask(struct agent_request *request, struct agent_answer *answer)
{
    const unsigned limit = least(AGENT_WAIT_MS, pfswrap_policy()->seal.handshake_timeout_ms);
    const uint64_t begin = clock_ms(), since = atomic_load(&away_since);
    const uint64_t until = (since != 0 ? since : begin) + limit;
    if (begin >= until && begin - atomic_load(&attempted_at) < ATTEMPT_EVERY_MS)
        return -ETIMEDOUT;
    for (uint64_t now = begin;; now = clock_ms()) {
        const unsigned left = now < until ? (unsigned)(until - now) : 0;
        const int result = ask_once(request, answer, left > SHORT_WAIT_MS ? left : SHORT_WAIT_MS, limit);
        uint64_t expected = 0;
        if (result >= 0)
            atomic_store(&away_since, 0);
        if (!agent_is_away(result) && result != -EBUSY && result != -ETIMEDOUT)
            return result;
        if (result != -EBUSY)
            (void)atomic_compare_exchange_strong(&away_since, &expected, begin);
        atomic_store(&attempted_at, clock_ms());
        if (atomic_load(&attempted_at) >= until)
            return result;
        agent_pause();
    }
}

int agent_dh(const uint8_t own[NOISE_KEY_BYTES], const uint8_t peer[NOISE_KEY_BYTES], bool is_lasting,
             uint8_t shared[NOISE_KEY_BYTES])
{
    const int saved = errno;
    if (is_lasting && agent_cache_find(own, peer, shared))
        return 0;
    struct agent_request request = {.operation = AGENT_DH};
    struct agent_answer answer;
    memcpy(request.own, own, sizeof request.own);
    memcpy(request.peer, peer, sizeof request.peer);
    const int result = ask(&request, &answer);
    if (result == AGENT_OK)
        memcpy(shared, answer.key, sizeof answer.key);
    else if (result == AGENT_BAD_KEY)
        memset(shared, 0, NOISE_KEY_BYTES);
    if (result == AGENT_OK && is_lasting)
        agent_cache_keep(own, peer, shared);
    sodium_memzero(&answer, sizeof answer);
    errno = saved;
    return result == AGENT_OK || result == AGENT_BAD_KEY ? 0 : -1;
}

int agent_psk(const uint8_t id[NOISE_PSK_ID_BYTES], const uint8_t ck[NOISE_KEY_BYTES],
              uint8_t extracted[NOISE_KEY_BYTES])
{
    const int saved = errno;
    struct agent_request request = {.operation = AGENT_PSK};
    struct agent_answer answer;
    memcpy(request.own, id, NOISE_PSK_ID_BYTES);
    memcpy(request.peer, ck, sizeof request.peer);
    const int result = ask(&request, &answer);
    if (result == AGENT_OK)
        memcpy(extracted, answer.key, sizeof answer.key);
    sodium_memzero(&request, sizeof request); /* the chaining key is secret */
    sodium_memzero(&answer, sizeof answer);
    errno = saved;
    return result == AGENT_OK ? 0 : -1;
}

static void connect_one(const char *path)
{
    struct link *link = take_link();
    if (link == NULL)
        return;
    if (atomic_load(&link->descriptor) == NULL)
        (void)connect_link(link, path, AGENT_WAIT_MS);
    atomic_store(&link->busy, false);
}

void agent_start(const struct policy *policy)
{
    const struct policy_seal_keys *seal = &policy->seal;
    bool has_identity = false, has_psk = false;
    for (size_t i = 0; i < seal->identity_count; i++)
        has_identity = has_identity || policy_agent_name(seal->identities[i]) != NULL;
    for (size_t i = 0; i < seal->psk_count; i++)
        has_psk = has_psk || policy_agent_name(seal->psks[i]) != NULL;
    if (has_identity)
        agent_cache_start();
    if (has_identity || has_psk)
        connect_one(policy_agent_path(policy));
}

/* The threads that were asking are the parent's, and so are their answers. */
static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    for (int i = 0; i < LINKS; i++) {
        struct descriptor *descriptor = atomic_exchange(&links[i].descriptor, NULL), *none = NULL;
        atomic_store(&links[i].busy, false);
        if (descriptor != NULL && !atomic_compare_exchange_strong(&inherited, &none, descriptor))
            own_close(descriptor);
    }
}

const struct process_observer agent_process_observer = {.after_fork_in_child = after_fork_in_child};
