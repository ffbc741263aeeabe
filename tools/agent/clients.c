/*
 * The agent's connections: a fixed number of places. Who may use an identity has most of them, each user at most
 * half. Strangers, who may use none, have a few, since they are told so: the oldest makes room for the next one.
 */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../message.h"

enum { OTHER_FILES = 32 }; /* descriptors that are no clients */

int agent_clients_start(struct agent *agent)
{
    struct rlimit limit;
    agent->clients = calloc(AGENT_CLIENTS_MAX, sizeof *agent->clients);
    if (agent->clients == NULL) {
        message("agent: not enough memory");
        return -1;
    }
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
        agent->clients[i].fd = -1;
    agent->client_limit = AGENT_CLIENTS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < AGENT_CLIENTS_MAX + OTHER_FILES)
        agent->client_limit =
            limit.rlim_cur > 2UL * OTHER_FILES ? (size_t)limit.rlim_cur - OTHER_FILES : OTHER_FILES;
    return 0;
}

static bool is_stranger(const struct agent *agent, const struct agent_user *user)
{
    for (size_t i = 0; i < agent->settings->identity_count; i++)
        if (agent_is_allowed(&agent->settings->identities[i], user))
            return false;
    return true;
}

/* The kernel's answer about the other end. False: there is none, and so no permission. */
static bool find_user(int fd, struct agent_user *user)
{
    struct ucred peer;
    socklen_t length = sizeof peer, groups = sizeof user->groups;
    memset(user, 0, sizeof *user);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0 || length != sizeof peer)
        return false;
    user->pid = peer.pid;
    user->uid = peer.uid;
    user->gid = peer.gid;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, user->groups, &groups) == 0) /* ERANGE: more; then none counts */
        user->group_count = groups / sizeof user->groups[0];
    return true;
}

void agent_client_drop(struct agent *agent, struct agent_client *client)
{
    if (client->fd < 0)
        return;
    (void)close(client->fd);
    client->fd = -1;
    agent->client_count--;
    agent->stranger_count -= client->is_stranger;
}

static void drop_oldest_stranger(struct agent *agent)
{
    struct agent_client *oldest = NULL;
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct agent_client *client = &agent->clients[i];
        if (client->fd >= 0 && client->is_stranger && (oldest == NULL || client->since < oldest->since))
            oldest = client;
    }
    if (oldest != NULL)
        agent_client_drop(agent, oldest);
}

static size_t count_of_user(const struct agent *agent, uid_t uid)
{
    size_t count = 0;
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
        count += agent->clients[i].fd >= 0 && agent->clients[i].user.uid == uid;
    return count;
}

/* A place for a client of this user; NULL: it has too many, or there is none. */
static struct agent_client *find_place(struct agent *agent, const struct agent_user *user, bool stranger)
{
    if (stranger && agent->stranger_count >= AGENT_STRANGERS_MAX)
        drop_oldest_stranger(agent);
    if (agent->client_count >= agent->client_limit ||
        (user->uid != 0 && agent->client_count >= agent->client_limit / 2 &&
         count_of_user(agent, user->uid) >= agent->client_limit / 2))
        return NULL;
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++)
        if (agent->clients[i].fd < 0)
            return &agent->clients[i];
    return NULL;
}

/* Takes the descriptor. */
static void add(struct agent *agent, int fd, const struct agent_user *user)
{
    const bool stranger = is_stranger(agent, user);
    struct agent_client *client = find_place(agent, user, stranger);
    if (client == NULL) {
        agent_log("agent: too many connections: refused one of user %u (process %ld)", (unsigned)user->uid,
                  (long)user->pid);
        (void)close(fd);
        return;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        (void)close(fd);
        return;
    }
    *client =
        (struct agent_client){.fd = fd, .is_stranger = stranger, .since = ++agent->client_number, .user = *user};
    agent->client_count++;
    agent->stranger_count += stranger;
}

void agent_client_accept(struct agent *agent)
{
    struct agent_user user;
    /* cppcheck-suppress nullPointer; accept(2) allows it */
    const int fd = accept4(agent->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (find_user(fd, &user))
        add(agent, fd, &user);
    else
        (void)close(fd);
}

void agent_client_join(struct agent *agent, const struct agent_client *like, int fd)
{
    int type = 0, family = 0;
    socklen_t length = sizeof type;
    const struct agent_user user = like->user;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_SEQPACKET ||
        getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &length) != 0 || family != AF_UNIX)
        (void)close(fd);
    else
        add(agent, fd, &user);
}

void agent_clients_sort(struct agent *agent)
{
    for (size_t i = 0; i < AGENT_CLIENTS_MAX; i++) {
        struct agent_client *client = &agent->clients[i];
        if (client->fd < 0)
            continue;
        agent->stranger_count -= client->is_stranger;
        client->is_stranger = is_stranger(agent, &client->user);
        agent->stranger_count += client->is_stranger;
    }
}
