/*
 * To wait for received bytes, the shim calls recv(2) with MSG_PEEK. It consumes nothing, so a signal, a
 * siglongjmp(3) or a cancellation loses nothing. All other waits use ppoll(2), which is never restarted after a
 * signal handler (signal(7)).
 */
#include "connection/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "connection/connection.h"
#include "base/filter.h"
#include "base/raw_syscall.h"
#include "base/signals.h"
#include "base/libc.h"

/* The program's timeout in milliseconds; UINT64_MAX: none. */
static uint64_t program_timeout(int fd, int option)
{
    struct timeval timeout = {0};
    socklen_t length = sizeof timeout;
    if (!filter_allows(SYS_getsockopt) || real_libc()->getsockopt(fd, SOL_SOCKET, option, &timeout, &length) != 0 ||
        (timeout.tv_sec == 0 && timeout.tv_usec == 0))
        return UINT64_MAX;
    return (uint64_t)timeout.tv_sec * 1000 + ((uint64_t)timeout.tv_usec + 999) / 1000;
}

/*
 * Whether a call continues after a signal handler has interrupted it: all of the program's handlers have
 * SA_RESTART. It cannot be known which handler ran. A program with different handlers gets EINTR, which it must
 * expect anyway.
 */
static bool restarts(void)
{
    if (!filter_allows(SYS_rt_sigaction))
        return true;
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN &&
            !(action.sa_flags & SA_RESTART))
            return false;
    }
    return true;
}

/* As ppoll(2). *mask: the thread's signal mask for the wait; NULL: as it is. A filter may allow only poll(2), or
 * neither: then only a wait for bytes is possible, without a limit. */
static int wait_once(struct pollfd *poll, const struct timespec *pause, const sigset_t *mask)
{
    char byte;
    if (filter_allows(SYS_ppoll))
        return real_libc()->ppoll(poll, 1, pause, mask);
#ifdef SYS_poll
    if (filter_allows(SYS_poll))
        return real_libc()->poll(poll, 1,
                                 pause != NULL ? (int)(pause->tv_sec * 1000 + pause->tv_nsec / 1000000) : -1);
#endif
    if ((poll->events & POLLIN) == 0 || !filter_allows(SYS_recvfrom))
        return 1;
    return real_libc()->recv(poll->fd, &byte, sizeof byte, MSG_PEEK) >= 0 || errno != EINTR ? 1 : -1;
}

/* After so many signals, the caller tries again: a filter may answer every wait with EINTR. */
enum { INTERRUPTED_MAX = 100 };

/*
 * The kernel counts the program's timeout in its ticks, of up to 10 ms, and rounds it up. So for this time from the
 * beginning of the call, the timeout need not be known. Most waits for a peer nearby are over by then.
 */
enum { TICK_MS = 5 };

static int wait_masked(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms,
                       const sigset_t *mask)
{
    uint64_t allowed = UINT64_MAX, program_until = UINT64_MAX;
    bool is_asked = false;
    for (int interrupted = 0;;) {
        struct pollfd poll = {.fd = fd, .events = events};
        const uint64_t now = clock_ms();
        if (!is_asked && now >= began_ms + TICK_MS) {
            allowed = program_timeout(fd, timeout_option);
            program_until = allowed == UINT64_MAX ? UINT64_MAX : began_ms + allowed;
            is_asked = true;
        }
        if (now >= program_until)
            return -EAGAIN;
        if (now >= until_ms)
            return 0;
        const uint64_t unasked_until = is_asked ? UINT64_MAX : began_ms + TICK_MS;
        const uint64_t first = program_until < until_ms ? program_until : until_ms;
        const uint64_t end = unasked_until < first ? unasked_until : first;
        const uint64_t left = end == UINT64_MAX ? 0 : end - now;
        const struct timespec pause = {.tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000};
        int count = wait_once(&poll, end == UINT64_MAX ? NULL : &pause, mask);
        if (count > 0)
            return 0;
        if (count < 0 && errno == EINTR && !is_asked)
            allowed = program_timeout(fd, timeout_option);
        if (count < 0 && errno != EINTR)
            return 0; /* the caller's next call on `fd` finds the error */
        if (count < 0 && (allowed != UINT64_MAX || !restarts()))
            return -EINTR;
        if (++interrupted >= INTERRUPTED_MAX)
            return 0;
    }
}

int wait_for(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms)
{
    return wait_masked(fd, events, until_ms, timeout_option, began_ms, NULL);
}

int wait_pinned(int fd, short events, uint64_t until_ms, int timeout_option, uint64_t began_ms)
{
    struct signals_wait wait;
    sigset_t mask;
    if (!filter_allows(SYS_ppoll) || !signals_begin_wait(&wait)) {
        signals_unpin();
        const int result = wait_for(fd, events, until_ms, timeout_option, began_ms);
        signals_pin();
        return result;
    }
    memset(&mask, 0, sizeof mask);
    memcpy(&mask, &wait.mask,
           sizeof wait.mask); /* the kernel reads the first bytes of libc's larger type (ppoll(2)) */
    const int result = wait_masked(fd, events, until_ms, timeout_option, began_ms, &mask);
    signals_end_wait(&wait);
    return result;
}

int wait_readable(int fd)
{
    char byte;
    if (real_libc()->recv(fd, &byte, sizeof byte, MSG_PEEK) >= 0)
        return 0;
    return errno == EINTR || errno == EAGAIN ? -errno : 0;
}

int wait_readable_again(int fd, uint64_t began_ms)
{
    return program_timeout(fd, SO_RCVTIMEO) == UINT64_MAX ? wait_readable(fd)
                                                          : wait_for(fd, POLLIN, UINT64_MAX, SO_RCVTIMEO, began_ms);
}
