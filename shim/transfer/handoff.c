/*
 * A handoff socket is recognised by its name in the abstract namespace (connection/handoff_name.h). Name and
 * message have no secrets; the keys are in the shared segment.
 */
#include "transfer/handoff.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/process.h"
#include "base/raw_syscall.h"
#include "base/socket_cookie.h"
#include "config/init.h"
#include "connection/handoff_name.h"
#include "seal/channel.h"
#include "transfer/segment.h"

enum {
    DIGEST_BYTES = 16,
    TRIES = 4, /* of a random name */
};

/* The message. `text` is for a person who reads it in a program without pfswrap. */
struct content {
    char text[64];
    uint8_t digest[DIGEST_BYTES];
    uint64_t cookie, at;
    struct holder name;
};

static const char text[sizeof(((struct content *)0)->text)] =
    "pfswrap: a sealed connection for a program under pfswrap\n";

enum { DESCRIPTORS = 2 };

/*
 * A digest of what must be the same in both programs: the build, and the connection's rule without its addresses.
 * The rest of the two policies may differ, since one of them may have been read later.
 */
static void compute_digest(uint8_t digest[DIGEST_BYTES], const struct policy_rule *rule)
{
    const uint32_t numbers[] = {sizeof(struct connection),
                                CHANNEL_LAYOUT,
                                CONNECTION_BUFFER_BYTES,
                                rule->direction,
                                rule->seal,
                                rule->layer,
                                rule->clients_any,
                                (uint32_t)rule->peer_count};
    crypto_generichash_state state;
    (void)crypto_generichash_init(&state, NULL, 0, DIGEST_BYTES);
    (void)crypto_generichash_update(&state, (const uint8_t *)PFSWRAP_VERSION, sizeof PFSWRAP_VERSION);
    (void)crypto_generichash_update(&state, (const uint8_t *)numbers, sizeof numbers);
    (void)crypto_generichash_update(&state, (const uint8_t *)rule->name, strlen(rule->name) + 1);
    (void)crypto_generichash_update(&state, (const uint8_t *)rule->service, strlen(rule->service) + 1);
    for (size_t i = 0; i < rule->peer_count; i++)
        (void)crypto_generichash_update(&state, (const uint8_t *)rule->peers[i], strlen(rule->peers[i]) + 1);
    (void)crypto_generichash_final(&state, digest, DIGEST_BYTES);
}

/* The rule of this process's policy that has the digest; NULL: none. */
static const struct policy_rule *rule_with(const uint8_t digest[DIGEST_BYTES])
{
    const struct policy *policy = pfswrap_policy();
    for (size_t i = 0; i < policy->rule_count; i++) {
        uint8_t other[DIGEST_BYTES];
        compute_digest(other, &policy->rules[i]);
        if (memcmp(digest, other, sizeof other) == 0)
            return &policy->rules[i];
    }
    return NULL;
}

static struct holder random_name(int fd)
{
    uint32_t random[2] = {0};
    (void)raw_syscall(SYS_getrandom, random, sizeof random, GRND_NONBLOCK);
    return (struct holder){-1 - (int32_t)(random[0] >> 1),
                           handoff_name_namespace(fd) << HANDOFF_NAMESPACE_SHIFT | (random[1] & 0xff)};
}

/* Space for the control message, with the alignment that it needs. */
union control {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

static struct msghdr message_of(struct iovec *vector, union control *control)
{
    return (struct msghdr){
        .msg_iov = vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof *control};
}

static long send_content(int end, struct content *content, int fd, int memory)
{
    union control control = {.header = {.cmsg_level = SOL_SOCKET,
                                        .cmsg_type = SCM_RIGHTS,
                                        .cmsg_len = CMSG_LEN(DESCRIPTORS * sizeof(int))}};
    const int descriptors[DESCRIPTORS] = {fd, memory};
    struct iovec vector = {.iov_base = content, .iov_len = sizeof *content};
    const struct msghdr message = message_of(&vector, &control);
    memcpy(CMSG_DATA(&control.header), descriptors, sizeof descriptors);
    const long sent = raw_syscall(SYS_sendmsg, end, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent == (long)sizeof *content ? 0 : sent < 0 ? sent : -ENOBUFS;
}

/*
 * ends[0] becomes the handoff socket. The other end is closed with one byte unread, so a read after the message
 * gets ECONNRESET, not an end of stream.
 */
static long fill(const int ends[2], struct content *content, int fd, int memory)
{
    long error = -EADDRINUSE;
    for (int i = 0; i < TRIES && error == -EADDRINUSE; i++) {
        content->name = random_name(ends[0]);
        error = handoff_name_bind(ends[0], content->name);
    }
    if (error == 0)
        error = send_content(ends[1], content, fd, memory);
    if (error == 0 && raw_syscall(SYS_sendto, ends[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0) != 1)
        error = -ENOBUFS;
    return error;
}

int handoff_make(const struct endpoint *endpoint, const struct connection *connection, int fd, struct holder *name)
{
    const int memory = endpoint->segment != NULL ? segment_descriptor(endpoint->segment) : -1;
    int ends[2] = {-1, -1};
    if (memory < 0 || process_sandboxed)
        return -ENOBUFS;
    struct content content = {.cookie = socket_cookie(fd, SO_COOKIE),
                              .at = segment_offset_of(endpoint->segment, connection->slot)};
    memcpy(content.text, text, sizeof text);
    compute_digest(content.digest, connection_rule(connection));
    long error = raw_syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
    if (error < 0)
        return (int)error;
    error = fill(ends, &content, fd, memory);
    (void)raw_syscall(SYS_close, ends[1]);
    if (error < 0) {
        (void)raw_syscall(SYS_close, ends[0]);
        return (int)error;
    }
    *name = content.name;
    return ends[0];
}

/*
 * Reads the message, and leaves it in the queue. Returns the number of descriptors, which the caller has to close.
 */
static size_t peek(int fd, struct content *content, int descriptors[DESCRIPTORS])
{
    union control control;
    struct iovec vector = {.iov_base = content, .iov_len = sizeof *content};
    struct msghdr message = message_of(&vector, &control);
    memset(&control, 0, sizeof control);
    const long count = raw_syscall(SYS_recvmsg, fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    size_t got = 0;
    if (count >= 0 && message.msg_controllen >= CMSG_LEN(0) && control.header.cmsg_level == SOL_SOCKET &&
        control.header.cmsg_type == SCM_RIGHTS)
        got = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
    got = got < DESCRIPTORS ? got : DESCRIPTORS;
    memcpy(descriptors, CMSG_DATA(&control.header), got * sizeof(int));
    if (count != (long)sizeof *content)
        memset(content, 0, sizeof *content);
    return got;
}

/* Why the content cannot be used; NULL: it can, under *rule. */
static const char *problem_of(const struct content *content, const int descriptors[DESCRIPTORS], size_t count,
                              const struct policy_rule **rule)
{
    *rule = NULL;
    if (memcmp(content->text, text, sizeof text) != 0)
        return connection_lost_reasons[CONNECTION_LOST_FOREIGN];
    if (count != DESCRIPTORS)
        return connection_lost_reasons[CONNECTION_LOST_NUMBERS];
    *rule = rule_with(content->digest);
    if (*rule == NULL)
        return connection_lost_reasons[CONNECTION_LOST_POLICY];
    if (content->cookie == 0 || socket_cookie(descriptors[0], SO_COOKIE) != content->cookie)
        return connection_lost_reasons[CONNECTION_LOST_FOREIGN];
    return NULL;
}

const char *handoff_open(int fd, struct handoff *handoff)
{
    struct content content;
    int descriptors[DESCRIPTORS];
    const size_t count = peek(fd, &content, descriptors);
    const struct policy_rule *rule;
    const char *problem = problem_of(&content, descriptors, count, &rule);
    if (problem == NULL) {
        *handoff = (struct handoff){descriptors[0], descriptors[1], (size_t)content.at, content.name, rule};
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        (void)raw_syscall(SYS_close, descriptors[i]);
    return problem;
}
