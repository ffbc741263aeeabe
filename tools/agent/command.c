/*
 * pfswrap agent [--config FILE] [--check | --status | --reload]: holds identities and psks, and computes with them
 * for the programs of this machine (pfswrap-agent(8)). One thread, one loop. Its memory is not in core dumps,
 * cannot be read by other processes of its user, and the keys in it are not written to the swap area.
 */
#include "agent.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../arguments.h"
#include "../commands.h"
#include "../message.h"
#include "config/agent_ask.h"

enum { EVENTS = 64 };

static const char usage[] = "expected pfswrap agent [--config FILE] [--check | --status | --reload]";

static int set_option(void *options, const char *name, const char *value)
{
    if (strcmp(name, "--config") != 0)
        return 1;
    *(const char **)options = value;
    return 0;
}

/* Before a key is in memory. */
static void harden(void)
{
    static const struct rlimit none;
    char page[64];
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &none);
    if (mlock(page, sizeof page) != 0)
        message("agent: warning: keys may be written to the swap area: %s, expected LimitMEMLOCK of 1M",
                strerror(errno));
    (void)munlock(page, sizeof page);
}

static int check(const char *path)
{
    struct agent_settings *settings = agent_settings_load(path);
    if (settings == NULL)
        return 1;
    for (size_t i = 0; i < settings->identity_count; i++) {
        char key[PFSWRAP_KEY_TEXT_BYTES];
        const struct agent_identity *identity = &settings->identities[i];
        agent_key_text(key, identity, 0);
        out("%s%s %s\n", identity->is_psk ? "psk " : "", identity->name, key);
    }
    agent_settings_free(settings);
    return out_finish();
}

/* The socket's path is in the configuration, which also has to be read for --status. */
static int print_status(const char *path)
{
    struct agent_request request = {.magic = AGENT_MAGIC, .operation = AGENT_REPORT};
    struct agent_settings *settings = agent_settings_load(path);
    char *text = malloc(AGENT_STATUS_BYTES);
    ssize_t length = -1;
    if (settings != NULL && text != NULL) {
        const int fd = agent_connect(settings->socket, AGENT_WAIT_MS);
        if (fd < 0)
            errno = -fd;
        else if (send(fd, &request, sizeof request, MSG_NOSIGNAL) == sizeof request)
            length = recv(fd, text, AGENT_STATUS_BYTES, 0);
        if (length <= 0)
            message("agent: %s: %s", settings->socket, length == 0 ? "no answer" : agent_result_text(-errno));
        else
            out("%.*s", (int)length, text);
        if (fd >= 0)
            (void)close(fd);
    }
    agent_settings_free(settings);
    const bool is_refused = length > 0 && strncmp(text, "refused", sizeof "refused" - 1) == 0;
    free(text);
    const int written = out_finish();
    return length > 0 && !is_refused ? written : 1;
}

bool agent_reload(struct agent *agent)
{
    agent_notify("RELOADING=1");
    struct agent_settings *settings = agent_settings_load(agent->configuration);
    const bool is_read = settings != NULL;
    if (!is_read) {
        message("agent: the configuration has a mistake: the keys stay as they were");
    } else {
        if (strcmp(settings->socket, agent->settings->socket) != 0)
            message("agent: the socket stays %s until the agent starts again", agent->settings->socket);
        memcpy(settings->socket, agent->settings->socket, sizeof settings->socket);
        agent_settings_free(agent->settings);
        agent->settings = settings;
        agent_clients_sort(agent);
        message("agent: read %s again: %zu identities", agent->configuration, settings->identity_count);
    }
    agent_notify("READY=1");
    return is_read;
}

/* A signal has come. Returns whether the agent goes on. */
static bool handle_signal(struct agent *agent, int signals)
{
    struct signalfd_siginfo signal;
    if (read(signals, &signal, sizeof signal) != sizeof signal)
        return true;
    if (signal.ssi_signo != SIGHUP)
        return false;
    (void)agent_reload(agent);
    return true;
}

static bool watch(const struct agent *agent, int fd, void *mark)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = mark};
    return epoll_ctl(agent->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* One request of each client that has one; then the next round, so that none waits for one that asks much. */
static bool serve_round(struct agent *agent, int signals)
{
    struct epoll_event events[EVENTS];
    const int count = epoll_wait(agent->epoll, events, EVENTS, -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &agent->epoll) {
            if (!handle_signal(agent, signals))
                return false;
        } else if (events[i].data.ptr == &agent->listener) {
            agent_client_accept(agent);
        } else {
            struct agent_client *client = events[i].data.ptr;
            if (client->fd >= 0) /* a place that was given to another client in this round has nothing to read */
                agent_answer(agent, client);
        }
    }
    return count >= 0 || errno == EINTR;
}

static int serve(struct agent *agent)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    agent->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (signals < 0 || agent->epoll < 0 || !watch(agent, agent->listener, &agent->listener) ||
        !watch(agent, signals, &agent->epoll)) {
        message("agent: %s", strerror(errno));
        return STATUS_REFUSED;
    }
    message("agent: %zu identities at %s", agent->settings->identity_count,
            agent->is_activated ? "the socket of systemd" : agent->settings->socket);
    agent_notify("READY=1");
    while (serve_round(agent, signals))
        ;
    agent_unlisten(agent);
    return 0;
}

static int reload_running(const char *path)
{
    struct agent_settings *settings = agent_settings_load(path);
    if (settings == NULL)
        return 1;
    const int result = agent_ask_reload(settings->socket);
    if (result != AGENT_OK)
        message("agent: %s: %s", settings->socket,
                result == AGENT_REFUSED ? "refused, expected root or the agent's user" : agent_result_text(result));
    agent_settings_free(settings);
    return result == AGENT_OK ? 0 : 1;
}

int command_agent(int argc, char **argv)
{
    bool checks = false, shows = false, reloads = false;
    const char *path = AGENT_CONFIGURATION;
    const struct arguments_flag flags[] = {
        {"--check", &checks}, {"--status", &shows}, {"--reload", &reloads}, {NULL, NULL}};
    const struct arguments arguments = {"agent", usage, flags, &path, set_option};
    const int i = arguments_read(argc, argv, &arguments);
    if (i < 0 || i != argc || checks + shows + reloads > 1) {
        if (i >= 0)
            message("these arguments do not go together, %s", usage);
        return 2;
    }
    harden();
    if (reloads)
        return reload_running(path);
    if (checks || shows)
        return checks ? check(path) : print_status(path);
    struct agent agent = {.configuration = path, .settings = agent_settings_load(path)};
    int status = STATUS_REFUSED;
    if (agent.settings != NULL && agent_clients_start(&agent) == 0 && agent_listen(&agent) == 0)
        status = serve(&agent);
    agent_settings_free(agent.settings);
    free(agent.clients);
    return status;
}
