/*
 * poll, ppoll. For a descriptor in its handshake, the kernel is asked for the events that the handshake needs.
 * Events of sealed descriptors are checked before the program gets them. Without such a descriptor the real call is
 * made. The kernel gets a copy of the program's array, since other threads may be reading the original.
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
#include "readiness/readiness.h"
#include "readiness/timeout.h"
#include "socket/scratch.h"

enum {
    COPY_FEW = 128,            /* entries that are copied to the stack */
    COPY_MOST = FD_TABLE_SIZE, /* there are no more sealed descriptors */
};

struct request {
    struct pollfd *fds;
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
    if (readiness_due_ms() != UINT64_MAX)
        return true;
    for (nfds_t i = 0; i < count; i++)
        if (readiness_concerns(fds[i].fd))
            return true;
    return false;
}

/* Fills in the kernel's array. Returns whether a handshake delays a descriptor. */
static bool ask(const struct request *request, struct pollfd *asked)
{
    bool held_back = false;
    for (nfds_t i = 0; i < request->count; i++) {
        asked[i] = request->fds[i];
        if (!readiness_concerns(asked[i].fd))
            continue;
        if (fd_is_hidden(asked[i].fd))
            asked[i].fd = INT_MAX; /* not open, like this one for the program */
        else
            asked[i].events = readiness_ask(asked[i].fd, asked[i].events, &held_back);
    }
    return held_back;
}

/* Removes spurious events. Returns how many descriptors have events. */
static int answer(const struct request *request, struct pollfd *asked)
{
    int ready = 0;
    for (nfds_t i = 0; i < request->count; i++) {
        const struct pollfd *wish = &request->fds[i];
        if (asked[i].revents != 0 && asked[i].fd == wish->fd && fd_is_sealed(wish->fd))
            asked[i].revents = readiness_answer(wish->fd, wish->events, asked[i].revents);
        ready += asked[i].revents != 0;
    }
    return ready;
}

static int wait_once(const struct request *request, struct pollfd *asked, uint64_t slice)
{
    struct timespec time;
    if (request->masks)
        return real_libc()->ppoll(asked, request->count, timeout_to(slice, &time), request->mask);
    return real_libc()->poll(asked, request->count, timeout_to_ms(slice));
}

/* The call, with room for a copy of the array. */
static int poll_with(const struct request *request, struct pollfd *asked)
{
    const struct deadline deadline = deadline_after(request->allowed);
    const int saved = errno;
    for (bool last = false;;) {
        readiness_sweep();
        readiness_drive();
        const bool held_back = ask(request, asked);
        const int reported = wait_once(request, asked, deadline_slice(&deadline, held_back));
        if (reported < 0)
            return reported;
        const int ready = reported > 0 ? answer(request, asked) : 0;
        const bool over = ready == 0 && deadline_left(&deadline) == 0;
        if (ready > 0 || (over && (reported == 0 || last))) {
            for (nfds_t i = 0; i < request->count; i++)
                request->fds[i].revents = asked[i].revents;
            errno = saved;
            return ready;
        }
        last = over; /* once more: a handshake that has continued may have made a descriptor ready */
    }
}

static int poll_many(const struct request *request)
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

static int poll_sealed(const struct request *request)
{
    struct pollfd few[COPY_FEW];
    return request->count <= COPY_FEW ? poll_with(request, few) : poll_many(request);
}

PFSWRAP_EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    if (!readiness_matters() || count > COPY_MOST || !needs_checks(fds, count))
        return real_libc()->poll(fds, count, timeout);
    const struct request request = {.fds = fds, .count = count, .allowed = timeout_from_ms(timeout)};
    return poll_sealed(&request);
}
PFSWRAP_ALIAS(__poll, poll);

PFSWRAP_EXPORT int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    if (!readiness_matters() || count > COPY_MOST || !timeout_is_valid(timeout) || !needs_checks(fds, count))
        return real_libc()->ppoll(fds, count, timeout, mask);
    const struct request request = {
        .fds = fds, .count = count, .allowed = timeout_from(timeout), .masks = true, .mask = mask};
    return poll_sealed(&request);
}

PFSWRAP_EXPORT int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room)
{
    if (room / sizeof *fds < count)
        return real_libc()->__poll_chk(fds, count, timeout, room);
    return poll(fds, count, timeout);
}

PFSWRAP_EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout,
                               const sigset_t *mask, size_t room)
{
    if (room / sizeof *fds < count)
        return real_libc()->__ppoll_chk(fds, count, timeout, mask, room);
    return ppoll(fds, count, timeout, mask);
}
