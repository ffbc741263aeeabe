/*
 * The agent's socket. Everybody may connect: the kernel says who it is, and the configuration says what they may
 * use. A socket of systemd (sd_listen_fds(3)) outlives the agent, so connections wait in it while the agent starts
 * again.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../message.h"

enum { QUEUE = 512, LISTEN_FDS_START = 3 };

static int option(int fd, int name)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

/* Returns the number of sockets that systemd has passed. */
static int activated(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != (long)getpid())
        return 0;
    return (int)strtol(count, NULL, 10);
}

static int take_activated(struct agent *agent, int count)
{
    const int fd = LISTEN_FDS_START;
    if (count != 1 || option(fd, SO_DOMAIN) != AF_UNIX || option(fd, SO_TYPE) != SOCK_SEQPACKET ||
        option(fd, SO_ACCEPTCONN) != 1) {
        message("agent: systemd has passed %d sockets, expected one with ListenSequentialPacket=", count);
        return -1;
    }
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    agent->listener = fd;
    agent->is_activated = true;
    return 0;
}

static void set_path(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strnlen(path, sizeof address->sun_path - 1));
}

/* Whether a process listens at the path. */
static bool is_taken(const char *path)
{
    struct sockaddr_un address;
    const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    set_path(&address, path);
    const int result = fd >= 0 ? connect(fd, (const struct sockaddr *)&address, sizeof address) : -1;
    const bool taken = result == 0 || (result < 0 && errno == EAGAIN);
    if (fd >= 0)
        (void)close(fd);
    return taken;
}

/* The folder of the socket, if only this one is missing: /run/pfswrap, after a start of the machine. */
static void make_folder(const char *path)
{
    char folder[AGENT_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (folder[0] != '\0')
        (void)mkdir(folder, 0755);
}

/* Under another name first: at the path there is always a socket that accepts connections, or none. */
static int make_socket(struct agent *agent, const char *path)
{
    struct sockaddr_un address;
    struct stat status;
    char name[AGENT_PATH_BYTES + 16];
    const int length = snprintf(name, sizeof name, "%s.%ld", path, (long)getpid());
    if (length >= AGENT_PATH_BYTES) {
        message("agent: the path of the socket is too long: %s", path);
        return -1;
    }
    set_path(&address, name);
    (void)unlink(name);
    agent->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (agent->listener < 0 || bind(agent->listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(name, 0666) != 0 || listen(agent->listener, QUEUE) != 0 || stat(name, &status) != 0 ||
        rename(name, path) != 0) {
        message("agent: cannot make the socket %s: %s", path, strerror(errno));
        (void)unlink(name);
        return -1;
    }
    agent->socket_device = status.st_dev;
    agent->socket_inode = status.st_ino;
    return 0;
}

int agent_listen(struct agent *agent)
{
    const char *path = agent->settings->socket;
    const int count = activated();
    if (count > 0)
        return take_activated(agent, count);
    if (is_taken(path)) {
        message("agent: another agent answers at %s", path);
        return -1;
    }
    make_folder(path);
    return make_socket(agent, path);
}

void agent_unlisten(const struct agent *agent)
{
    struct stat status;
    const char *path = agent->settings->socket;
    if (!agent->is_activated && stat(path, &status) == 0 && status.st_dev == agent->socket_device &&
        status.st_ino == agent->socket_inode)
        (void)unlink(path);
}

void agent_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof address.sun_path)
        return;
    set_path(&address, path);
    const socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, length);
    (void)close(fd);
}
