/*
 * poll, ppoll. For a descriptor in its handshake, the kernel is asked for the events that the handshake needs.
 * Events of descriptors that a plane has taken over are checked before the program gets them. Without such a
 * descriptor the real call is made. The kernel gets a copy of the program's array, since other threads may be
 * reading the original.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>

#include "base/address_check.h"
#include "base/aliases.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "fd/table.h"
#include "fd/events.h"
#include "reload/watch.h"
#include "socket/timeout.h"
#include "socket/wait_loop.h"
#include "socket/scratch.h"

enum {
    COPY_FEW = 64,             /* entries that are copied to the stack */
    COPY_MOST = FD_TABLE_SIZE, /* there are no more numbers in the table */
};

struct request {
    struct pollfd *fds;   /* the program's array */
    struct pollfd *asked; /* the kernel's, of the same length */
    nfds_t count;
    uint64_t allowed;
    bool masks; /* ppoll, with `mask` */
    const sigset_t *mask;
};

/*
 * Whether the array needs the checks here. While a handshake has a deadline, every array does: an epoll instance in
 * it may have the handshake's descriptor.
 */
static inline bool needs_checks(const struct pollfd *fds, nfds_t count)
{
    if (address_is_bad(fds))
        return false; /* the kernel refuses */
    if (events_due_ms() != UINT64_MAX)
        return true;
    for (nfds_t i = 0; i < count; i++)
        if (events_concern(fds[i].fd))
            return true;
    return false;
}

static bool ask(void *call, bool *held_back)
{
    const struct request *request = call;
    for (nfds_t i = 0; i < request->count; i++) {
        struct pollfd *asked = &request->asked[i];
        *asked = request->fds[i];
        if (!events_concern(asked->fd))
            continue;
        if (fd_is_hidden(asked->fd))
            asked->fd = INT_MAX; /* not open, like this one for the program */
        else
            asked->events = events_ask(asked->fd, asked->events, held_back);
    }
    return true;
}

static int wait_once(void *call, uint64_t slice)
{
    const struct request *request = call;
    struct timespec time;
    if (request->masks)
        return real_libc()->ppoll(request->asked, request->count, timeout_to(slice, &time), request->mask);
    return real_libc()->poll(request->asked, request->count, timeout_to_ms(slice));
}

static int answer(void *call, int reported)
{
    const struct request *request = call;
    int ready = 0;
    (void)reported;
    for (nfds_t i = 0; i < request->count; i++) {
        const struct pollfd *wish = &request->fds[i];
        struct pollfd *asked = &request->asked[i];
        if (asked->revents != 0 && asked->fd == wish->fd)
            asked->revents = events_answer(wish->fd, wish->events, asked->revents);
        ready += asked->revents != 0;
    }
    return ready;
}

static const struct wait_steps steps = {.ask = ask, .wait = wait_once, .answer = answer};

/* The call, with room for a copy of the array. */
static int poll_with(struct request *request, struct pollfd *asked)
{
    const struct deadline deadline = deadline_after(request->allowed);
    request->asked = asked;
    const int ready = wait_loop(&steps, request, &deadline);
    for (nfds_t i = 0; ready >= 0 && i < request->count; i++)
        request->fds[i].revents = request->asked[i].revents;
    return ready;
}

static int poll_many(struct request *request)
{
    int result;
    struct scratch scratch = scratch_take(request->count * sizeof(struct pollfd));
    if (scratch.at == NULL)
        return -1; /* ENOMEM, which is an error of poll(2), too */
    pthread_cleanup_push(scratch_give, &scratch);
    result = poll_with(request, scratch.at);
    pthread_cleanup_pop(1);
    return result;
}

/* `allowed`: the timeout (timeout.h). `masks`: ppoll, with `mask`. */
static __attribute__((noinline)) int poll_checked(struct pollfd *fds, nfds_t count, uint64_t allowed, bool masks,
                                                  const sigset_t *mask)
{
    struct request request = {.fds = fds, .count = count, .allowed = allowed, .masks = masks, .mask = mask};
    struct pollfd few[COPY_FEW];
    watch_check_inherited();
    return count <= COPY_FEW ? poll_with(&request, few) : poll_many(&request);
}

/* The calls in a process in which events are filtered. In any other process the real call is the only one. */
static __attribute__((noinline)) int poll_filtered(struct pollfd *fds, nfds_t count, int timeout)
{
    if (count > COPY_MOST || !needs_checks(fds, count))
        return real_libc()->poll(fds, count, timeout);
    return poll_checked(fds, count, timeout_from_ms(timeout), false, NULL);
}

static __attribute__((noinline)) int ppoll_filtered(struct pollfd *fds, nfds_t count,
                                                    const struct timespec *timeout, const sigset_t *mask)
{
    if (count > COPY_MOST || !timeout_is_valid(timeout) || !needs_checks(fds, count))
        return real_libc()->ppoll(fds, count, timeout, mask);
    return poll_checked(fds, count, timeout_from(timeout), true, mask);
}

PFSWRAP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return events_are_filtered() ? poll_filtered(fds, count, timeout) : real_libc()->poll(fds, count, timeout);
}
PFSWRAP_ALIAS(__poll, poll);

PFSWRAP_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return events_are_filtered() ? ppoll_filtered(fds, count, timeout, mask)
                                 : real_libc()->ppoll(fds, count, timeout, mask);
}
