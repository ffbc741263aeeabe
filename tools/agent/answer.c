/*
 * Requests and answers (config/agent_message.h). A client has at most one request under way, so nothing is queued
 * here: an answer that the client's socket does not take ends the connection. What a client may do is looked up for
 * each request.
 */
#include "agent.h"

#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../message.h"
#include "config/agent_ask.h"
#include "seal/wipe.h"

void agent_log(const char *format, ...)
{
    enum { LINES = 20, SECONDS = 10 };
    static time_t begun;
    static unsigned lines, left_out;
    char text[512];
    va_list arguments;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec - begun >= SECONDS) {
        if (left_out > 0)
            message("agent: left out %u lines", left_out);
        begun = now.tv_sec;
        lines = left_out = 0;
    }
    if (lines == LINES) {
        left_out++;
        return;
    }
    lines++;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    message("%s", text);
}

static void refuse(struct agent_identity *identity, const struct agent_client *client, const char *what)
{
    if (identity != NULL)
        identity->refused++;
    agent_log("agent: refused %s %s to user %u (process %ld): %s",
              identity != NULL ? agent_kind(identity) : "a key", identity != NULL ? identity->name : "",
              (unsigned)client->user.uid, (long)client->user.pid, what);
}

/* The key with this number of an identity or a psk. */
static enum agent_status describe(const struct agent_identity *identity, size_t number, struct agent_answer *answer)
{
    const struct pfswrap_keyring *keyring = identity->keyring;
    if (number >= agent_key_count(identity))
        return AGENT_NO_MORE;
    if (identity->is_psk)
        memcpy(answer->key, keyring->psks[number].secret.id, sizeof keyring->psks[number].secret.id);
    else
        memcpy(answer->key, keyring->identities[number].public_key, sizeof answer->key);
    answer->created =
        identity->is_psk ? keyring->psks[number].period.created : keyring->identities[number].period.created;
    return AGENT_OK;
}

static enum agent_status identify(const struct agent *agent, const struct agent_client *client,
                                  const struct agent_request *request, struct agent_answer *answer)
{
    const size_t length = strnlen(request->name, sizeof request->name);
    const bool is_psk = request->operation == AGENT_IDENTIFY_PSK;
    if (!keyring_name_is_valid(request->name, length))
        return AGENT_MALFORMED;
    for (size_t i = 0; i < agent->settings->identity_count; i++) {
        struct agent_identity *identity = &agent->settings->identities[i];
        if (identity->is_psk != is_psk || strcmp(identity->name, request->name) != 0)
            continue;
        if (!agent_is_allowed(identity, &client->user)) {
            refuse(identity, client, "not among its users and groups");
            return AGENT_REFUSED;
        }
        return describe(identity, request->peer[0], answer);
    }
    agent_log("agent: user %u (process %ld) asked for %s %s, which does not exist", (unsigned)client->user.uid,
              (long)client->user.pid, is_psk ? "psk" : "identity", request->name);
    return AGENT_REFUSED;
}

/* The secret of a public key, or of the id of a psk; NULL: it has no such key. */
static const uint8_t *secret_of(const struct agent_identity *identity, const uint8_t own[AGENT_KEY_BYTES])
{
    if (identity->is_psk) {
        const struct keyring_psk *psk = keyring_find_psk(identity->keyring, own);
        return psk != NULL ? psk->secret.key : NULL;
    }
    const struct keyring_identity *key = keyring_find_identity(identity->keyring, own);
    return key != NULL ? key->secret : NULL;
}

/* Several names may have one key: one of them that the user may use is enough. */
static const uint8_t *find_key(const struct agent *agent, const struct agent_client *client,
                               const struct agent_request *request, struct agent_identity **found)
{
    const uint8_t *key = NULL;
    *found = NULL;
    for (size_t i = 0; i < agent->settings->identity_count && key == NULL; i++) {
        struct agent_identity *identity = &agent->settings->identities[i];
        const bool is_kind = identity->is_psk == (request->operation == AGENT_PSK);
        const uint8_t *one = is_kind ? secret_of(identity, request->own) : NULL;
        if (one == NULL)
            continue;
        *found = identity;
        key = agent_is_allowed(identity, &client->user) ? one : NULL;
    }
    return key;
}

static enum agent_status compute(const struct agent *agent, const struct agent_client *client,
                                 const struct agent_request *request, struct agent_answer *answer)
{
    struct agent_identity *identity;
    const uint8_t *key = find_key(agent, client, request, &identity);
    if (key == NULL) {
        refuse(identity, client, identity != NULL ? "not among its users and groups" : "no such key");
        return AGENT_REFUSED;
    }
    bool is_good = true;
    if (identity->is_psk)
        noise_extract(request->peer, key, answer->key);
    else
        is_good = crypto_scalarmult(answer->key, key, request->peer) == 0 &&
                  !sodium_is_zero(answer->key, sizeof answer->key);
    dead_stack_wipe(DEAD_STACK_HANDSHAKE);
    if (!is_good) {
        sodium_memzero(answer->key, sizeof answer->key);
        refuse(identity, client, "a public key of small order");
        return AGENT_BAD_KEY;
    }
    identity->answered++;
    return AGENT_OK;
}

static bool is_administrator(const struct agent_client *client)
{
    return client->user.uid == 0 || client->user.uid == geteuid();
}

__attribute__((format(printf, 3, 4))) static void put(char *text, size_t *used, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(text + *used, AGENT_STATUS_BYTES - *used, format, arguments);
    va_end(arguments);
    *used += length > 0 && (size_t)length < AGENT_STATUS_BYTES - *used ? (size_t)length : 0;
}

/* The text of `pfswrap agent --status`, in one message. */
static void report(const struct agent *agent, const struct agent_client *client)
{
    char *text = malloc(AGENT_STATUS_BYTES), key[PFSWRAP_KEY_TEXT_BYTES];
    size_t used = 0;
    if (text == NULL)
        return;
    if (!is_administrator(client)) {
        put(text, &used, "refused: expected root, or the agent's user\n");
    } else {
        put(text, &used, "process %ld, connections %zu of %zu\n", (long)getpid(), agent->client_count,
            agent->client_limit);
        for (size_t i = 0; i < agent->settings->identity_count; i++) {
            const struct agent_identity *identity = &agent->settings->identities[i];
            for (size_t k = 0; k < agent_key_count(identity); k++) {
                agent_key_text(key, identity, k);
                put(text, &used, "%s %s %s%s\n", agent_kind(identity), identity->name, key,
                    k == 0 ? "" : " (accepted, too)");
            }
            put(text, &used, "  answered %llu, refused %llu\n", (unsigned long long)identity->answered,
                (unsigned long long)identity->refused);
        }
    }
    (void)send(client->fd, text, used, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(text);
}

static enum agent_status reload(struct agent *agent, const struct agent_client *client)
{
    if (!is_administrator(client))
        return AGENT_REFUSED;
    return agent_reload(agent) ? AGENT_OK : AGENT_MISTAKE;
}

int agent_ask_reload(const char *socket)
{
    struct agent_request request = {.operation = AGENT_RELOAD};
    struct agent_answer answer;
    const int fd = agent_connect(socket, AGENT_WAIT_MS);
    if (fd < 0)
        return fd;
    const int result = agent_exchange(fd, &request, &answer);
    (void)close(fd);
    return result;
}

/* Receives a request, and the descriptor that may come with it. Returns its length, 0 at the end, -1 with errno. */
static ssize_t receive(int from, struct agent_request *request, int *passed)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec bytes = {request, sizeof *request};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const ssize_t length = recvmsg(from, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
    const struct cmsghdr *header = length >= 0 ? CMSG_FIRSTHDR(&message) : NULL;
    *passed = -1;
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof *passed))
        memcpy(passed, CMSG_DATA(header), sizeof *passed);
    return length;
}

/* Returns whether the connection goes on. */
static bool handle(struct agent *agent, struct agent_client *client, const struct agent_request *request)
{
    struct agent_answer answer = {.magic = AGENT_MAGIC, .id = request->id};
    switch (request->operation) {
    case AGENT_IDENTIFY:
    case AGENT_IDENTIFY_PSK:
        answer.status = identify(agent, client, request, &answer);
        break;
    case AGENT_DH:
    case AGENT_PSK:
        answer.status = compute(agent, client, request, &answer);
        break;
    case AGENT_RELOAD:
        answer.status = reload(agent, client);
        break;
    case AGENT_REPORT:
        report(agent, client);
        return false;
    default:
        answer.status = AGENT_MALFORMED;
        break;
    }
    const bool is_sent = send(client->fd, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL) == sizeof answer;
    sodium_memzero(&answer, sizeof answer);
    return is_sent && !client->is_stranger;
}

void agent_answer(struct agent *agent, struct agent_client *client)
{
    struct agent_request request = {0};
    int passed;
    const ssize_t length = receive(client->fd, &request, &passed);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    const bool is_request = length == sizeof request && request.magic == AGENT_MAGIC;
    const bool joins = is_request && request.operation == AGENT_JOIN && passed >= 0;
    if (joins && !client->is_stranger)
        agent_client_join(agent, client, passed);
    else if (passed >= 0)
        (void)close(passed);
    if (length > 0 && !is_request)
        agent_log("agent: user %u (process %ld) sent what is no request of this version",
                  (unsigned)client->user.uid, (long)client->user.pid);
    if (!is_request || (!joins && !handle(agent, client, &request)))
        agent_client_drop(agent, client);
}
