/*
 * epoll_ctl, and the calls that wait. Events of descriptors that a plane has taken over are checked before the
 * program gets them, and handshakes continue while the program waits (fd/events.h). If an epoll instance is waited
 * for in another way (by poll(2), by another epoll instance, by a process without pfswrap), the program gets
 * spurious events at worst (readiness/registration.h).
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>

#include "base/address_check.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/process.h"
#include "fd/events.h"
#include "fd/plane.h"
#include "reload/watch.h"
#include "socket/timeout.h"
#include "socket/wait_loop.h"

PFSWRAP_EXPORT int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    if (operations != NULL && operations->epoll_control != NULL) {
        const int result = operations->epoll_control(epoll, operation, fd, event);
        if (result != FD_FOREIGN)
            return result;
    }
    const int outcome = real_libc()->epoll_ctl(epoll, operation, fd, event);
    if (outcome == 0)
        PLANES_EACH(plane, epoll_noted)
    plane->epoll_noted(epoll, operation, fd, event);
    return outcome;
}

enum call { EPOLL_WAIT, EPOLL_PWAIT, EPOLL_PWAIT2 };

struct request {
    enum call call;
    int epoll;
    struct epoll_event *events;
    int room;
    const sigset_t *mask;
    int count;      /* how many events the real call has returned already; -1: it has not been made */
    uint64_t epoch; /* at which it returned them */
};

static int real_wait(const struct request *request, uint64_t slice)
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

/* The kernel has the registrations. A handshake that delays one is due at a time that events_due_ms() knows. */
static bool ask(void *call, bool *held_back)
{
    (void)call;
    (void)held_back;
    return true;
}

static int wait_once(void *call, uint64_t slice)
{
    struct request *request = call;
    const int first = request->count;
    request->count = -1;
    if (first >= 0)
        return first;
    const int reported = real_wait(request, slice);
    request->epoch = events_epoch();
    return reported;
}

static int answer(void *call, int reported)
{
    const struct request *request = call;
    return events_of_epoll(request->epoll, request->events, reported, request->epoch);
}

static const struct wait_steps steps = {.ask = ask, .wait = wait_once, .answer = answer};

/* Waits with checks. `count`: as in struct request. */
static int wait_on(struct request *request, uint64_t allowed, int count)
{
    const struct deadline deadline = deadline_after(allowed);
    request->count = count;
    request->epoch = events_epoch();
    process_check();
    return wait_loop(&steps, request, &deadline);
}

/*
 * The body of the calls. The second check of events_are_filtered() is for a thread that began to wait before the
 * process had such a descriptor, and that is woken by the first event of one. Its timeout begins anew then.
 */
#define WAIT(request, allowed, real_call)                                                                          \
    do {                                                                                                           \
        int count_ = -1;                                                                                           \
        if (!events_are_filtered()) {                                                                              \
            count_ = (real_call);                                                                                  \
            if (count_ <= 0 || !events_are_filtered())                                                             \
                return count_;                                                                                     \
        }                                                                                                          \
        watch_check_inherited();                                                                                   \
        return wait_on((request), (allowed), count_);                                                              \
    } while (0)

PFSWRAP_EXPORT int epoll_wait(int epoll, struct epoll_event *events, int room, int timeout)
{
    struct request request = {.call = EPOLL_WAIT, .epoll = epoll, .events = events, .room = room};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_wait(epoll, events, room, timeout));
}

PFSWRAP_EXPORT int epoll_pwait(int epoll, struct epoll_event *events, int room, int timeout, const sigset_t *mask)
{
    struct request request = {.call = EPOLL_PWAIT, .epoll = epoll, .events = events, .room = room, .mask = mask};
    WAIT(&request, timeout_from_ms(timeout), real_libc()->epoll_pwait(epoll, events, room, timeout, mask));
}

PFSWRAP_EXPORT int epoll_pwait2(int epoll, struct epoll_event *events, int room, const struct timespec *timeout,
                                const sigset_t *mask)
{
    struct request request = {.call = EPOLL_PWAIT2, .epoll = epoll, .events = events, .room = room, .mask = mask};
    if (!timeout_is_valid(timeout))
        return real_libc()->epoll_pwait2(epoll, events, room, timeout, mask);
    WAIT(&request, timeout_from(timeout), real_libc()->epoll_pwait2(epoll, events, room, timeout, mask));
}
