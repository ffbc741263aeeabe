/*
 * epoll_ctl on a sealed descriptor, and the calls that wait: events are looked at before the program gets them, and
 * handshakes go on here. Where epoll instances are waited for otherwise (by poll, by another epoll, by a process
 * without us) the program is woken without need at most: readiness/registration.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/process.h"
#include "readiness/readiness.h"
#include "readiness/registration.h"
#include "base/interposed.h"
#include "config/keys.h"
#include "base/aliases.h"
#include "base/libc.h"
#include "readiness/timeout.h"
#include "base/address_check.h"

PFSWRAP_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = ENDPOINT_NONE;
    if (fd_is_sealed(fd) && (operation == EPOLL_CTL_DEL || !address_is_bad(event)))
        entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR && errno == EBADF)
        return -1;
    if (entered != ENDPOINT_ENTERED) { /* or a handler in the middle of a call: spurious events at most */
        int outcome = real_libc()->epoll_ctl(epoll, operation, fd, event);
        if (outcome == 0 && keys_in_use())
            registration_note(epoll, operation, fd, event);
        return outcome;
    }
    int result = registration_control(endpoint, connection, epoll, operation, fd, event);
    endpoint_leave(connection);
    if (result == 0)
        return 0;
    errno = -result;
    return -1;
}

enum manner { BY_WAIT, BY_PWAIT, BY_PWAIT2 };

struct request {
    enum manner manner;
    int epoll;
    struct epoll_event *events;
    int room;
    const sigset_t *mask;
};

static int wait_once(const struct request *request, uint64_t piece)
{
    const struct real_libc *real = real_libc();
    struct timespec time;
    switch (request->manner) {
    case BY_WAIT:
        return real->epoll_wait(request->epoll, request->events, request->room, timeout_to_ms(piece));
    case BY_PWAIT:
        break;
    case BY_PWAIT2:
        return real->epoll_pwait2(request->epoll, request->events, request->room, timeout_to(piece, &time),
                                  request->mask);
    }
    return real->epoll_pwait(request->epoll, request->events, request->room, timeout_to_ms(piece), request->mask);
}

/* Leaves the program's events of `count`, which were reported at `epoch`, and returns how many they are. */
static int judge_all(const struct request *request, int count, uint64_t epoch)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        struct epoll_event event = request->events[i];
        event.events = registration_filter(request->epoll, &event, epoch);
        if (event.events != 0)
            request->events[left++] = event;
    }
    return left;
}

/*
 * The rest of a call that something in this process concerns: `count` is what the real call has given already, or
 * -1 if it has not been made.
 */
static int wait_on(const struct request *request, uint64_t allowed, int count)
{
    const struct deadline deadline = deadline_after(allowed);
    const int saved = errno;
    uint64_t epoch = registration_epoch();
    process_check();
    for (bool last = false;;) {
        readiness_sweep();
        readiness_drive();
        int reported = count;
        if (reported < 0) {
            reported = wait_once(request, deadline_slice(&deadline, false));
            epoch = registration_epoch();
        }
        if (reported < 0)
            return reported;
        count = judge_all(request, reported, epoch);
        const bool over = count == 0 && deadline_left(&deadline) == 0;
        if (count > 0 || (over && (reported == 0 || last))) {
            errno = saved;
            return count;
        }
        last = over; /* once more: a handshake that has gone on may leave something to tell */
        count = -1;
    }
}

/*
 * The body of the calls. A thread may have been waiting since before anything concerned it, and be the one whom the
 * first event of a handshake wakes: hence the second look. Its timeout begins anew then.
 */
#define WAIT(request, allowed, real_call)                                                                          \
    do {                                                                                                           \
        int count_ = -1;                                                                                           \
        if (!readiness_matters()) {                                                                                \
            count_ = (real_call);                                                                                  \
            if (count_ <= 0 || !readiness_matters())                                                               \
                return count_;                                                                                     \
        }                                                                                                          \
        return wait_on((request), (allowed), count_);                                                              \
    } while (0)

PFSWRAP_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout)
{
    const struct request request = {.manner = BY_WAIT, .epoll = epoll, .events = events, .room = room};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_wait(epoll, events, room, timeout));
}

PFSWRAP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout, const sigset_t *mask)
{
    const struct request request = {BY_PWAIT, epoll, events, room, mask};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_pwait(epoll, events, room, timeout, mask));
}

PFSWRAP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                                const sigset_t *mask)
{
    const struct request request = {BY_PWAIT2, epoll, events, room, mask};
    if (real_libc()->epoll_pwait2 == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (!timeout_is_valid(timeout))
        return real_libc()->epoll_pwait2(epoll, events, room, timeout, mask);
    WAIT(&request, timeout_from(timeout), real_libc()->epoll_pwait2(epoll, events, room, timeout, mask));
}
