/*
 * Events carry nothing but the program's data, which need not be unique, so an event is dropped only if a
 * connection accounts for it: bytes came, or its handshake went on. Watches of connections that need attention are
 * found by epoll instance and data in a table without locks, in one cache line each.
 */
#include "readiness/registration.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/raw_syscall.h"
#include "base/transport.h"
#include "readiness/readiness.h"
#include "readiness/registration_internal.h"

enum {
    HELD_BACK = EPOLLIN | EPOLLOUT,                           /* with EPOLLET: all that a handshake can wait for */
    EXCLUSIVE_MAY = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, /* beside EPOLLEXCLUSIVE, EPOLLET and EPOLLWAKEUP */
};

/* --- what the kernel is given --- */

/* An epoll that is told nothing of an interest would report it unjudged, so only one that is found holds back. */
static uint32_t suitable_events(const struct connection *connection, const struct registration *registration)
{
    if (!handshake_is_under_way(connection) || !registration->indexed)
        return registration->event.events;
    if (connection->read_shut) /* the background goes on with it: the kernel would call it readable for ever */
        return registration->event.events & ~(handshake_buffers_sends(connection) ? 0 : (uint32_t)WRITABLE);
    if (handshake_buffers_sends(connection) && (registration->event.events & WRITABLE) != 0)
        return registration->event.events | EPOLLIN;
    return HELD_BACK | EPOLLET;
}

static int control(const struct registration *registration, int operation, uint32_t events)
{
    struct epoll_event event = registration->event;
    event.events = events;
    return (int)raw_syscall(SYS_epoll_ctl, registration->epoll - 1, operation, registration->fd, &event);
}

/* The kernel's events for an interest that is registered; EPOLLEXCLUSIVE can only be added (epoll_ctl(2)). */
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
 * The handshake is over, and the kernel would report anew what the program has been told already: that it can
 * write, and nothing else.
 */
static bool is_no_news(const struct connection *connection, const struct registration *registration)
{
    return registration->reported_writable && !connection->prehandshake_full && !connection->final_received &&
           connection->phase == CONNECTION_OPEN && span_length(connection->rx_plain) == 0 &&
           span_length(connection->rx_cipher) == 0 && transport_is_quiet(registration->fd);
}

static _Atomic uint64_t epochs;

uint64_t registration_epoch(void)
{
    return atomic_load(&epochs);
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
            (events != registration->registered || (again && !is_no_news(connection, registration)))) {
            /* First, since another thread may have what the kernel reports then before this one goes on. */
            endpoint->epoch = atomic_fetch_add(&epochs, 1) + 1;
            (void)registration_set_events(registration, events);
        }
        registration->reported_writable = registration->reported_writable && handshake_is_under_way(connection);
        if (!needed)
            registration_index_remove(endpoint, registration);
    }
}

void registration_restore(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++) {
        struct registration *registration = &endpoint->registrations[i];
        if (registration->epoll != 0 && !registration->fired &&
            registration->registered != registration->event.events)
            (void)registration_set_events(registration, registration->event.events);
    }
}

/* --- what the program does --- */

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

/* The kernel would refuse it, if it were given these events. */
static bool is_invalid(const struct epoll_event *event)
{
    const uint32_t beside = event->events & ~((uint32_t)EPOLLEXCLUSIVE | (uint32_t)EPOLLET | (uint32_t)EPOLLWAKEUP);
    return (event->events & EPOLLEXCLUSIVE) != 0 && (beside & ~(uint32_t)EXCLUSIVE_MAY) != 0;
}

static int add(struct endpoint *endpoint, const struct connection *connection, int epoll, int fd,
               const struct epoll_event *event)
{
    struct registration *known = find(endpoint, epoll, fd); /* if the kernel takes it, it had forgotten the other */
    struct registration *place = known != NULL ? known : find_free(endpoint);
    if (place == NULL)
        return (int)raw_syscall(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, event);
    struct registration registration = {.epoll = epoll + 1,
                                        .fd = fd,
                                        .event = *event,
                                        .expects_writable = true,
                                        .seen = (uint32_t)connection->rx_total,
                                        .held_back = handshake_is_under_way(connection)};
    if (is_invalid(event))
        return -EINVAL;
    /* Found as soon as there is an event: whoever waits will then wait for the lock. */
    struct registration before = *place;
    if (known != NULL)
        registration_index_remove(endpoint, place);
    *place = registration;
    if (atomic_load(&endpoint->filter) != FILTER_NONE)
        (void)registration_index_add(endpoint, place);
    place->registered = suitable_events(connection, place);
    int result = control(place, EPOLL_CTL_ADD, place->registered);
    if (result != 0) {
        registration_index_remove(endpoint, place);
        const bool was_indexed = before.indexed;
        before.indexed = false;
        *place = before;
        if (was_indexed)
            (void)registration_index_add(endpoint, place);
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
        clear(endpoint, registration); /* not registered there (any more) */
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

/* --- before a descriptor is sealed --- */

enum { NOTES = 1024 };

static struct {
    atomic_flag busy;
    int epoll; /* its number + 1 */
    int fd;
    struct epoll_event event;
} notes[NOTES]; /* by descriptor, the last one only */

void registration_note(int epoll, int operation, int fd, const struct epoll_event *event)
{
    const unsigned place = (unsigned)fd % NOTES;
    if (atomic_flag_test_and_set(&notes[place].busy))
        return;
    if (operation != EPOLL_CTL_DEL) {
        notes[place].epoll = epoll + 1;
        notes[place].fd = fd;
        notes[place].event = *event;
    } else if (notes[place].fd == fd) {
        notes[place].epoll = 0;
    }
    atomic_flag_clear(&notes[place].busy);
}

void registration_adopt(struct endpoint *endpoint, const struct connection *connection, int fd)
{
    const unsigned place = (unsigned)fd % NOTES;
    if (atomic_flag_test_and_set(&notes[place].busy))
        return;
    const int epoll = notes[place].fd == fd ? notes[place].epoll : 0;
    const struct epoll_event event = notes[place].event;
    atomic_flag_clear(&notes[place].busy);
    if (epoll != 0) /* the kernel refuses what no longer holds */
        (void)modify(endpoint, connection, epoll - 1, fd, &event);
}

/* --- its end --- */

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

void registration_remove(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        if (endpoint->registrations[i].epoll != 0)
            (void)control(&endpoint->registrations[i], EPOLL_CTL_DEL, 0);
    registration_forget(endpoint);
}

void registration_forget(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++)
        clear(endpoint, &endpoint->registrations[i]);
}

/* The connection has changed: the kernel gets the events that suit it, and waiting threads look at it in time. */
static void connection_changed(struct endpoint *endpoint, const struct connection *connection, bool completed)
{
    registration_update(endpoint, connection, completed);
    if (atomic_load(&endpoint->filter) == FILTER_HANDSHAKE) {
        readiness_schedule(connection);
        readiness_note(endpoint);
    }
}

const struct endpoint_observer registration_endpoint_observer = {.changed = connection_changed,
                                                                 .number_closing = registration_leave,
                                                                 .closing = registration_remove,
                                                                 .abandoned = registration_restore,
                                                                 .freed = registration_forget,
                                                                 .waiting = readiness_drive};
