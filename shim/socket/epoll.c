/*
 * epoll_ctl on a sealed descriptor, and the calls that wait: events are looked at before the program gets them, and
 * handshakes go on here. Where epoll instances are waited for otherwise (by poll, by another epoll, by a process
 * without us) the program is woken without need at most: connection/interest.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "connection/process.h"
#include "connection/readiness.h"
#include "connection/share.h"
#include "connection/interest.h"
#include "interposed.h"
#include "keys.h"
#include "real/aliases.h"
#include "real/libc.h"
#include "socket/patience.h"
#include "socket/sealed_call.h"

PFSWRAP_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = ENDPOINT_NONE;
    if (endpoint_is_sealed(fd) && (operation == EPOLL_CTL_DEL || !pointer_is_nowhere(event)))
        entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR && errno == EBADF)
        return -1;
    if (entered != ENDPOINT_ENTERED) { /* or a handler in the middle of a call: spurious events at most */
        int outcome = real_libc()->epoll_ctl(epoll, operation, fd, event);
        if (outcome == 0 && keys_in_use())
            interest_note(epoll, operation, fd, event);
        return outcome;
    }
    int result = interest_control(endpoint, connection, epoll, operation, fd, event);
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
        return real->epoll_wait(request->epoll, request->events, request->room, patience_to_ms(piece));
    case BY_PWAIT:
        break;
    case BY_PWAIT2:
        return real->epoll_pwait2(request->epoll, request->events, request->room, patience_to(piece, &time),
                                  request->mask);
    }
    return real->epoll_pwait(request->epoll, request->events, request->room, patience_to_ms(piece), request->mask);
}

/* Leaves the program's events of `count`, which were reported at `turn`, and returns how many they are. */
static int judge_all(const struct request *request, int count, uint64_t turn)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        struct epoll_event event = request->events[i];
        event.events = interest_judge(request->epoll, &event, turn);
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
    const struct patience patience = patience_of(allowed);
    const int saved = errno;
    uint64_t turn = interest_turn();
    if (process_is_unknown())
        share_after_fork_child();
    for (bool last = false;;) {
        readiness_sweep();
        readiness_drive();
        int reported = count;
        if (reported < 0) {
            reported = wait_once(request, patience_piece(&patience, false));
            turn = interest_turn();
        }
        if (reported < 0)
            return reported;
        count = judge_all(request, reported, turn);
        const bool over = count == 0 && patience_left(&patience) == 0;
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
    WAIT(&request, patience_from_ms(timeout), real_libc()->epoll_wait(epoll, events, room, timeout));
}

PFSWRAP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout, const sigset_t *mask)
{
    const struct request request = {BY_PWAIT, epoll, events, room, mask};
    WAIT(&request, patience_from_ms(timeout), real_libc()->epoll_pwait(epoll, events, room, timeout, mask));
}

PFSWRAP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                                const sigset_t *mask)
{
    const struct request request = {BY_PWAIT2, epoll, events, room, mask};
    if (real_libc()->epoll_pwait2 == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (!patience_is_valid(timeout))
        return real_libc()->epoll_pwait2(epoll, events, room, timeout, mask);
    WAIT(&request, patience_from(timeout), real_libc()->epoll_pwait2(epoll, events, room, timeout, mask));
}
