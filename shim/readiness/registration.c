/*
 * What the program's epoll_ctl(2) calls on sealed descriptors do, and which events the kernel gets for them. The
 * program's arguments are kept in the endpoint; the kernel gets the events that the connection's phase needs.
 * registration_filter.c handles the events that the kernel reports.
 */
#include "readiness/registration.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/large.h"
#include "base/mutex.h"
#include "base/raw_syscall.h"
#include "base/transport.h"
#include "fd/events.h"
#include "readiness/readiness.h"
#include "readiness/registration_internal.h"

enum {
    HANDSHAKE = EPOLLIN | EPOLLOUT,                            /* all that a handshake waits for; with EPOLLET */
    WITH_EXCLUSIVE = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, /* what EPOLLEXCLUSIVE allows (epoll_ctl(2)) */
};

/* --- the events that the kernel gets --- */

/*
 * The events for the connection's phase. A registration that is not in the table gets the program's events, since
 * registration_filter() would not find it, and the program would get the handshake's events.
 */
static uint32_t suitable_events(const struct connection *connection, const struct registration *registration)
{
    if (!handshake_is_under_way(connection) || !registration->indexed)
        return registration->event.events;
    if (connection->read_shut) /* always readable; the background thread continues the handshake */
        return registration->event.events & ~(handshake_buffers_sends(connection) ? 0 : (uint32_t)WRITABLE);
    if (handshake_buffers_sends(connection) && (registration->event.events & WRITABLE) != 0)
        return registration->event.events | EPOLLIN;
    return HANDSHAKE | EPOLLET;
}

/* epoll_ctl(2) with the program's data. Returns 0 or a negative errno value. */
static int control(const struct registration *registration, int operation, uint32_t events)
{
    struct epoll_event event = registration->event;
    event.events = events;
    return (int)raw_syscall(SYS_epoll_ctl, registration->epoll - 1, operation, registration->fd, &event);
}

int registration_set_events(struct registration *registration, uint32_t events)
{
    int result;
    if ((events | registration->registered) & EPOLLEXCLUSIVE) {
        result = control(registration, EPOLL_CTL_DEL, 0);
        if (result == 0)
            result = control(registration, EPOLL_CTL_ADD, events);
    } else {
        result = control(registration, EPOLL_CTL_MOD, events);
    }
    registration->registered = events;
    registration->expects_writable = true;
    return result;
}

/*
 * After the handshake: whether the kernel could only report again what the program has got already, that the
 * descriptor is writable.
 */
static bool repeats_only(const struct connection *connection, const struct registration *registration)
{
    return registration->reported_writable && !connection->prehandshake_full && !connection->final_received &&
           connection->phase == CONNECTION_OPEN && span_length(connection->rx_plain) == 0 &&
           span_length(connection->rx_cipher) == 0 && transport_is_quiet(registration->fd);
}

void registration_update(struct endpoint *endpoint, const struct connection *connection, bool again)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++) {
        struct registration *registration = &endpoint->registrations[i];
        if (registration->epoll == 0)
            continue;
        const bool needed = atomic_load(&endpoint->filter) != FILTER_NONE;
        if (needed && !registration->indexed)
            (void)registration_index_add(endpoint, registration);
        const uint32_t events = suitable_events(connection, registration);
        if (!registration->fired &&
            (events != registration->registered || (again && !repeats_only(connection, registration)))) {
            /* The epoch increases first: another thread may get the new events before this one continues. */
            endpoint->epoch = events_next_epoch();
            (void)registration_set_events(registration, events);
        }
        registration->reported_writable = registration->reported_writable && handshake_is_under_way(connection);
        if (!needed)
            registration_index_remove(endpoint, registration);
    }
}

/* The descriptor is not sealed: gives the kernel the program's own events. */
static void registration_restore(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++) {
        struct registration *registration = &endpoint->registrations[i];
        if (registration->epoll != 0 && !registration->fired &&
            registration->registered != registration->event.events)
            (void)registration_set_events(registration, registration->event.events);
    }
}

/* --- the program's calls --- */

static struct registration *find(struct endpoint *endpoint, int epoll, int fd)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (endpoint->registrations[i].epoll == epoll + 1 && endpoint->registrations[i].fd == fd)
            return &endpoint->registrations[i];
    return NULL;
}

static struct registration *find_free(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (endpoint->registrations[i].epoll == 0)
            return &endpoint->registrations[i];
    return NULL;
}

static void clear(const struct endpoint *endpoint, struct registration *registration)
{
    if (registration->epoll != 0)
        registration_index_remove(endpoint, registration);
    *registration = (struct registration){0};
}

/* Whether the kernel would refuse the program's events. It gets others, so the check is made here. */
static bool is_invalid(const struct epoll_event *event)
{
    const uint32_t flags = (uint32_t)EPOLLEXCLUSIVE | (uint32_t)EPOLLET | (uint32_t)EPOLLWAKEUP;
    return (event->events & EPOLLEXCLUSIVE) != 0 && (event->events & ~(flags | (uint32_t)WITH_EXCLUSIVE)) != 0;
}

static int add(struct endpoint *endpoint, const struct connection *connection, int epoll, int fd,
               const struct epoll_event *event)
{
    struct registration *known = find(endpoint, epoll, fd); /* out of date, if the kernel accepts this one */
    struct registration *entry = known != NULL ? known : find_free(endpoint);
    if (entry == NULL)
        return (int)raw_syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, event);
    struct registration registration = {.epoll = epoll + 1,
                                        .fd = fd,
                                        .event = *event,
                                        .expects_writable = true,
                                        .seen = (uint32_t)connection->rx_total,
                                        .held_back = handshake_is_under_way(connection)};
    if (is_invalid(event))
        return -EINVAL;
    /* In the table before the first event comes: a thread that gets the event then waits for the lock. */
    struct registration before = *entry;
    if (known != NULL)
        registration_index_remove(endpoint, entry);
    *entry = registration;
    if (atomic_load(&endpoint->filter) != FILTER_NONE)
        (void)registration_index_add(endpoint, entry);
    entry->registered = suitable_events(connection, entry);
    int result = control(entry, EPOLL_CTL_ADD, entry->registered);
    if (result != 0) {
        registration_index_remove(endpoint, entry);
        const bool was_indexed = before.indexed;
        before.indexed = false;
        *entry = before;
        if (was_indexed)
            (void)registration_index_add(endpoint, entry);
    }
    return result;
}

static int modify(struct endpoint *endpoint, const struct connection *connection, int epoll, int fd,
                  const struct epoll_event *event)
{
    struct registration *registration = find(endpoint, epoll, fd);
    if (registration == NULL && (registration = find_free(endpoint)) == NULL)
        return (int)raw_syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, event);
    const struct registration before = *registration;
    if ((event->events & EPOLLEXCLUSIVE) != 0 || (before.epoll != 0 && (before.event.events & EPOLLEXCLUSIVE) != 0))
        return -EINVAL;
    if (before.epoll != 0)
        registration_index_remove(endpoint, registration);
    *registration = (struct registration){.epoll = epoll + 1,
                                          .fd = fd,
                                          .event = *event,
                                          .seen = (uint32_t)connection->rx_total,
                                          .held_back = before.held_back || handshake_is_under_way(connection)};
    if (atomic_load(&endpoint->filter) != FILTER_NONE)
        (void)registration_index_add(endpoint, registration);
    int result = registration_set_events(registration, suitable_events(connection, registration));
    if (result != 0)
        clear(endpoint, registration); /* the kernel has no such registration */
    return result;
}

int registration_control(struct endpoint *endpoint, const struct connection *connection, int epoll, int operation,
                         int fd, const struct epoll_event *event)
{
    if (event != NULL && operation == EPOLL_CTL_ADD)
        return add(endpoint, connection, epoll, fd, event);
    if (event != NULL && operation == EPOLL_CTL_MOD)
        return modify(endpoint, connection, epoll, fd, event);
    int result = (int)raw_syscall(SYS_epoll_ctl, epoll, operation, fd, event);
    struct registration *registration = find(endpoint, epoll, fd);
    if (operation == EPOLL_CTL_DEL && registration != NULL && (result == 0 || result == -ENOENT))
        clear(endpoint, registration);
    return result;
}

/* --- calls before a descriptor is sealed --- */

enum { NOTES = 1024 };

LARGE static struct {
    struct mutex mutex;
    int epoll; /* its number + 1 */
    int fd;
    struct epoll_event event;
} notes[NOTES]; /* the last call for each fd % NOTES */

void registration_note(int epoll, int operation, int fd, const struct epoll_event *event)
{
    const unsigned index = (unsigned)fd % NOTES;
    if (!mutex_try(&notes[index].mutex))
        return;
    if (operation != EPOLL_CTL_DEL) {
        notes[index].epoll = epoll + 1;
        notes[index].fd = fd;
        notes[index].event = *event;
    } else if (notes[index].fd == fd) {
        notes[index].epoll = 0;
    }
    mutex_unlock(&notes[index].mutex);
}

void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd)
{
    const unsigned index = (unsigned)fd % NOTES;
    if (!mutex_try(&notes[index].mutex))
        return;
    const int epoll = notes[index].fd == fd ? notes[index].epoll : 0;
    const struct epoll_event event = notes[index].event;
    mutex_unlock(&notes[index].mutex);
    if (epoll != 0) /* if the note is out of date, the kernel refuses the call */
        (void)modify(endpoint, connection, epoll - 1, fd, &event);
}

/* --- the end of a registration --- */

void registration_leave(struct endpoint *endpoint, int fd)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++) {
        struct registration *registration = &endpoint->registrations[i];
        if (registration->epoll == 0 || registration->fd != fd)
            continue;
        if (!registration->fired && registration->registered != registration->event.events)
            (void)registration_set_events(registration, registration->event.events);
        clear(endpoint, registration);
    }
}

/* The endpoint is about to be freed: forgets its registrations. */
static void registration_forget(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        clear(endpoint, &endpoint->registrations[i]);
}

void registration_remove(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (endpoint->registrations[i].epoll != 0)
            (void)control(&endpoint->registrations[i], EPOLL_CTL_DEL, 0);
    registration_forget(endpoint);
}

/* --- the observer of endpoints --- */

static void connection_changed(struct endpoint *endpoint, const struct connection *connection, bool completed)
{
    registration_update(endpoint, connection, completed);
    if (atomic_load(&endpoint->filter) == FILTER_HANDSHAKE) {
        readiness_schedule(connection);
        readiness_note(endpoint, connection->initiator);
    }
}

const struct endpoint_observer registration_endpoint_observer = {.changed = connection_changed,
                                                                 .number_closing = registration_leave,
                                                                 .closing = registration_remove,
                                                                 .abandoned = registration_restore,
                                                                 .freed = registration_forget,
                                                                 .waiting = readiness_drive,
                                                                 .peer_sought = readiness_seek_peer};
