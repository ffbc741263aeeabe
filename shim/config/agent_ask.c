/*
 * One exchange with the key agent. Makes system calls only: it runs in calls of the program, under the lock of a
 * connection. See agent_ask.h.
 */
#include "config/agent_ask.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/filter.h"
#include "base/raw_syscall.h"

void agent_set_timeout(int fd, unsigned milliseconds)
{
    enum { MS_PER_SECOND = 1000, US_PER_MS = 1000 };
    const struct timeval limit = {.tv_sec = (time_t)(milliseconds / MS_PER_SECOND),
                                  .tv_usec = (suseconds_t)(milliseconds % MS_PER_SECOND) * US_PER_MS};
    (void)raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    (void)raw_syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

int agent_connect(const char *path, unsigned timeout_ms)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!filter_allows(SYS_socket) || !filter_allows(SYS_connect) || !filter_allows(SYS_setsockopt))
        return -EACCES;
    const long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return (int)fd;
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    agent_set_timeout((int)fd, timeout_ms); /* connect(2) waits while the agent's queue is full */
    const long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    if (result == 0)
        return (int)fd;
    (void)raw_syscall(SYS_close, fd);
    return result == -EAGAIN ? -ETIMEDOUT : (int)result;
}

int agent_exchange(int fd, struct agent_request *request, struct agent_answer *answer)
{
    static _Atomic uint64_t last_id;
    int interrupted = 0;
    long result;
    if (!filter_allows(SYS_sendto) || !filter_allows(SYS_recvfrom))
        return -EACCES;
    request->magic = AGENT_MAGIC;
    request->id = atomic_fetch_add(&last_id, 1) + 1;
    do
        result = raw_syscall(SYS_sendto, fd, request, sizeof *request, MSG_NOSIGNAL, NULL, 0);
    while (raw_is_interrupted(result, &interrupted));
    if (result < 0)
        return result == -EAGAIN ? -ETIMEDOUT : (int)result;
    do /* MSG_TRUNC: the length of the message, also if it is longer */
        result = raw_syscall(SYS_recvfrom, fd, answer, sizeof *answer, MSG_TRUNC, NULL, NULL);
    while (raw_is_interrupted(result, &interrupted));
    if (result == 0)
        return -ECONNRESET;
    if (result < 0)
        return result == -EAGAIN ? -ETIMEDOUT : (int)result;
    if (result != sizeof *answer || answer->magic != AGENT_MAGIC || answer->id != request->id ||
        answer->status > AGENT_MISTAKE)
        return -EBADMSG;
    return (int)answer->status;
}

bool agent_is_away(int result)
{
    return result == -ECONNREFUSED || result == -ENOENT || result == -ECONNRESET || result == -EPIPE;
}

void agent_pause(void)
{
    const struct timespec pause = {.tv_nsec = AGENT_RETRY_MS * 1000000L};
    if (filter_allows(SYS_clock_nanosleep))
        (void)raw_syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
}

static int identify_once(const char *path, struct agent_request *request, struct agent_answer *answer)
{
    const int fd = agent_connect(path, AGENT_WAIT_MS);
    if (fd < 0)
        return fd;
    const int result = agent_exchange(fd, request, answer);
    (void)raw_syscall(SYS_close, fd);
    return result;
}

int agent_identify(const char *path, enum agent_operation operation, const char *name, unsigned number,
                   struct agent_answer *answer)
{
    struct agent_request request = {.operation = operation, .peer = {(uint8_t)number}};
    const uint64_t until = clock_ms() + AGENT_WAIT_MS;
    int result;
    memcpy(request.name, name, strnlen(name, sizeof request.name - 1));
    while (agent_is_away(result = identify_once(path, &request, answer)) && clock_ms() < until)
        agent_pause();
    return result;
}

const char *agent_result_text(int result)
{
    switch (result) {
    case AGENT_OK:
        return "no error";
    case AGENT_REFUSED:
        return "the agent has no such key, or this user may not use it";
    case AGENT_BAD_KEY:
        return "the agent found a point of small order";
    case AGENT_MISTAKE:
        return "its configuration has a mistake, see what it has printed";
    case AGENT_NO_MORE:
    case AGENT_MALFORMED:
    case -EBADMSG:
        return "the agent speaks another version, or it is no agent";
    case -ETIMEDOUT:
        return "the agent does not answer in time";
    case -ENOENT:
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EPIPE:
        return "no agent is running";
    default:
        return strerror(-result);
    }
}
