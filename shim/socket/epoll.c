/*
 * epoll_ctl on a sealed descriptor, and the calls that wait. Events are checked before the program gets them, and
 * handshakes continue while the program waits. If an epoll instance is waited for in another way (by poll(2), by
 * another epoll instance, by a process without pfswrap), the program gets spurious events at worst
 * (readiness/registration.h).
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "config/keys.h"
#include "readiness/readiness.h"
#include "readiness/registration.h"
#include "readiness/timeout.h"

PFSWRAP_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    struct endpoint *endpoint;
    struct connection *connection;
    enum endpoint_result entered = ENDPOINT_NONE;
    if (fd_is_sealed(fd) && (operation == EPOLL_CTL_DEL || !address_is_bad(event)))
        entered = endpoint_enter(fd, &endpoint, &connection);
    if (entered == ENDPOINT_ERROR && errno == EBADF)
        return -1;
    if (entered != ENDPOINT_ENTERED) { /* foreign; or a signal handler inside a call: spurious events at worst */
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

enum call { EPOLL_WAIT, EPOLL_PWAIT, EPOLL_PWAIT2 };

struct request {
    enum call call;
    int epoll;
    struct epoll_event *events;
    int room;
    const sigset_t *mask;
};

static int wait_once(const struct request *request, uint64_t slice)
{
    const struct real_libc *real = real_libc();
    struct timespec time;
    switch (request->call) {
    case EPOLL_WAIT:
        return real->epoll_wait(request->epoll, request->events, request->room, timeout_to_ms(slice));
    case EPOLL_PWAIT:
        break;
    case EPOLL_PWAIT2:
        return real->epoll_pwait2(request->epoll, request->events, request->room, timeout_to(slice, &time),
                                  request->mask);
    }
    return real->epoll_pwait(request->epoll, request->events, request->room, timeout_to_ms(slice), request->mask);
}

/* Removes spurious events from the `count` that were reported at `epoch`. Returns how many are left. */
static int filter(const struct request *request, int count, uint64_t epoch)
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

/* Waits with checks. `count`: how many events the real call has returned already; -1: it has not been made. */
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
        count = filter(request, reported, epoch);
        const bool over = count == 0 && deadline_left(&deadline) == 0;
        if (count > 0 || (over && (reported == 0 || last))) {
            errno = saved;
            return count;
        }
        last = over; /* once more: a handshake that has continued may have made a descriptor ready */
        count = -1;
    }
}

/*
 * The body of the calls. The second check of readiness_matters() is for a thread that began to wait before the
 * process had a sealed connection, and that is woken by the first event of one. Its timeout begins anew then.
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
    const struct request request = {.call = EPOLL_WAIT, .epoll = epoll, .events = events, .room = room};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_wait(epoll, events, room, timeout));
}

PFSWRAP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout, const sigset_t *mask)
{
    const struct request request = {EPOLL_PWAIT, epoll, events, room, mask};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_pwait(epoll, events, room, timeout, mask));
}

PFSWRAP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                                const sigset_t *mask)
{
    const struct request request = {EPOLL_PWAIT2, epoll, events, room, mask};
    if (real_libc()->epoll_pwait2 == NULL) {
        errno = ENOSYS;
        return -1;
    }
    if (!timeout_is_valid(timeout))
        return real_libc()->epoll_pwait2(epoll, events, room, timeout, mask);
    WAIT(&request, timeout_from(timeout), real_libc()->epoll_pwait2(epoll, events, room, timeout, mask));
}
