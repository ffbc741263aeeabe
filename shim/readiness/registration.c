/*
 * Events carry nothing but the program's data, which need not be unique, so an event is dropped only if a
 * connection accounts for it: bytes came, or its handshake went on. Watches of connections that need attention are
 * found by epoll instance and data in a table without locks, in one cache line each.
 */
#include "readiness/registration.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/transport.h"
#include "readiness/readiness.h"
#include "connection/receive.h"
#include "base/raw_syscall.h"

enum {
    HELD_BACK = EPOLLIN | EPOLLOUT, /* with EPOLLET: all that a handshake can wait for */
    READABLE = EPOLLIN | EPOLLRDNORM,
    WRITABLE = EPOLLOUT | EPOLLWRNORM,
    EXCLUSIVE_MAY = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, /* beside EPOLLEXCLUSIVE, EPOLLET and EPOLLWAKEUP */
};

/* --- the table: endpoint's index * ENDPOINT_REGISTRATIONS + interest's place + 1, in one of the lines --- */

enum { LINES = 8192, LINE = 16 };

static _Alignas(64) _Atomic uint32_t table[LINES][LINE];

static _Atomic uint32_t *line_of(int epoll, uint64_t data)
{
    uint64_t hash = (data ^ ((uint64_t)(unsigned)epoll << 40)) * 0x9e3779b97f4a7c15U;
    return table[(hash >> 32) % LINES];
}

static uint32_t table_value(const struct endpoint *endpoint, const struct registration *registration)
{
    return endpoint->index * ENDPOINT_REGISTRATIONS + (uint32_t)(registration - endpoint->registrations) + 1;
}

/* Makes the interest one that registration_judge() finds. False: too many have its data. */
static bool index_add(const struct endpoint *endpoint, struct registration *registration)
{
    _Atomic uint32_t *line = line_of(registration->epoll - 1, registration->event.data.u64);
    for (int i = 0; i < LINE && !registration->indexed; i++) {
        uint32_t free = 0;
        registration->indexed =
            atomic_compare_exchange_strong(&line[i], &free, table_value(endpoint, registration));
    }
    return registration->indexed;
}

static void index_remove(const struct endpoint *endpoint, struct registration *registration)
{
    _Atomic uint32_t *line = line_of(registration->epoll - 1, registration->event.data.u64);
    for (int i = 0; i < LINE && registration->indexed; i++) {
        uint32_t value = table_value(endpoint, registration);
        registration->indexed = !atomic_compare_exchange_strong(&line[i], &value, 0);
    }
    registration->indexed = false;
}

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
static int set_events(struct registration *registration, uint32_t events)
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
            (void)index_add(endpoint, registration);
        const uint32_t events = suitable_events(connection, registration);
        if (!registration->fired &&
            (events != registration->registered || (again && !is_no_news(connection, registration)))) {
            /* First, since another thread may have what the kernel reports then before this one goes on. */
            endpoint->epoch = atomic_fetch_add(&epochs, 1) + 1;
            (void)set_events(registration, events);
        }
        registration->reported_writable = registration->reported_writable && handshake_is_under_way(connection);
        if (!needed)
            index_remove(endpoint, registration);
    }
}

void registration_restore(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_REGISTRATIONS; i++) {
        struct registration *registration = &endpoint->registrations[i];
        if (registration->epoll != 0 && !registration->fired &&
            registration->registered != registration->event.events)
            (void)set_events(registration, registration->event.events);
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
        index_remove(endpoint, registration);
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
        index_remove(endpoint, place);
    *place = registration;
    if (atomic_load(&endpoint->filter) != FILTER_NONE)
        (void)index_add(endpoint, place);
    place->registered = suitable_events(connection, place);
    int result = control(place, EPOLL_CTL_ADD, place->registered);
    if (result != 0) {
        index_remove(endpoint, place);
        const bool was_indexed = before.indexed;
        before.indexed = false;
        *place = before;
        if (was_indexed)
            (void)index_add(endpoint, place);
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
        index_remove(endpoint, registration);
    *registration = (struct registration){.epoll = epoll + 1,
                                          .fd = fd,
                                          .event = *event,
                                          .seen = (uint32_t)connection->rx_total,
                                          .held_back = before.held_back || handshake_is_under_way(connection)};
    if (atomic_load(&endpoint->filter) != FILTER_NONE)
        (void)index_add(endpoint, registration);
    int result = set_events(registration, suitable_events(connection, registration));
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
            (void)set_events(registration, registration->event.events);
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

/* --- what the kernel reports --- */

enum verdict {
    VERDICT_UNEXPLAINED, /* not this connection's, as far as it can tell */
    VERDICT_EXPLAINED,   /* this connection's, and nothing for the program */
    VERDICT_REPORT,      /* the program gets *bits */
};

/* Before data. The kernel's writable is the program's only where what it sends would be taken early. */
static enum verdict judge_handshake(struct connection *connection, struct registration *registration, bool progress,
                                    uint32_t *bits)
{
    const bool writable_only = (*bits & WRITABLE) != 0 && (*bits & ~(uint32_t)WRITABLE) == 0;
    const bool is_programs = (*bits & registration->registered & registration->event.events & WRITABLE) != 0;
    const bool expected = writable_only && registration->expects_writable;
    registration->expects_writable = false;
    registration->held_back = true;
    if (connection->phase == CONNECTION_CONNECTING && !connection->dialled)
        return VERDICT_EXPLAINED; /* a socket that connect() has not come to looks like one that is gone */
    if (handshake_is_under_way(connection) && connection->read_shut) {
        *bits &= registration->event.events &
                 (READABLE | EPOLLRDHUP | (handshake_buffers_sends(connection) ? (uint32_t)WRITABLE : 0));
        return *bits != 0 ? VERDICT_REPORT : VERDICT_EXPLAINED;
    }
    if (handshake_is_under_way(connection) && connection->buffering && is_programs) {
        if (handshake_buffers_sends(connection) && !registration->reported_writable) {
            *bits &= WRITABLE & registration->event.events;
            registration->reported_writable = (registration->event.events & EPOLLET) != 0;
            return VERDICT_REPORT;
        }
        if (writable_only)
            return VERDICT_EXPLAINED; /* there is no room any more */
    }
    return progress || expected ? VERDICT_EXPLAINED : VERDICT_UNEXPLAINED;
}

/* A part of a frame is nothing to read, and while the rest of one has to go out there is no room for another. */
static enum verdict judge_open(struct connection *connection, struct registration *registration, bool shared,
                               uint32_t *bits)
{
    const uint64_t before = connection->rx_total;
    const uint32_t pending = span_length(connection->tx);
    /* It may be news of a handshake that another thread has completed. Another process may have asked anew. */
    if (!shared)
        *bits &= registration->event.events | EPOLLERR | EPOLLHUP;
    if (*bits == 0)
        return VERDICT_EXPLAINED;
    const uint32_t spurious = readiness_spurious(connection, registration->fd, *bits);
    const bool was_held_back = registration->held_back;
    if ((*bits & READABLE) != 0)
        registration->held_back = false;
    /* The kernel says it of this connection only if bytes can be moved, and none were. */
    if (((spurious & READABLE) != 0 && connection->rx_total == before && !was_held_back) ||
        ((spurious & WRITABLE) != 0 && span_length(connection->tx) == pending))
        return VERDICT_UNEXPLAINED;
    *bits &= ~spurious;
    return *bits != 0 ? VERDICT_REPORT : VERDICT_EXPLAINED;
}

/* The verdict of one connection, which is locked and unlocked here. */
static enum verdict judge(struct endpoint *endpoint, struct connection *connection,
                          struct registration *registration, uint32_t *bits, uint64_t epoch)
{
    enum verdict verdict;
    const uint32_t registered = registration->registered;
    const bool was_fired = registration->fired;
    if (!handshake_is_under_way(connection) && endpoint->epoch > epoch) {
        /* Another thread has completed the handshake since; the kernel reports anew what there is. */
        endpoint_leave(connection);
        return VERDICT_EXPLAINED;
    }
    if (handshake_is_under_way(connection)) {
        const uint8_t phase = connection->phase;
        handshake_advance(connection, registration->fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            return VERDICT_EXPLAINED;
        }
        /* Here, or by another thread's call before this one came to the event. */
        const bool progress =
            (uint32_t)connection->rx_total != registration->seen || connection->phase != phase ||
            atomic_load(&endpoint->background) != BACKGROUND_NONE; /* it may just have been made there */
        registration->seen = (uint32_t)connection->rx_total;
        verdict = judge_handshake(connection, registration, progress, bits);
        if (handshake_is_under_way(connection))
            registration_update(endpoint, connection, false);
    } else {
        if (atomic_load(&endpoint->filter) == FILTER_HANDSHAKE)
            endpoint_update(registration->fd, connection); /* another process has completed it */
        verdict = judge_open(connection, registration, endpoint->segment != NULL, bits);
    }
    if ((registered & EPOLLONESHOT) != 0) {
        if (verdict == VERDICT_EXPLAINED &&
            (!was_fired || endpoint->segment != NULL)) /* else it was not this one's */
            (void)set_events(registration, registration->registered);
        else
            registration->fired = true;
    }
    endpoint_leave(connection);
    return verdict;
}

uint32_t registration_judge(int epoll, const struct epoll_event *event, uint64_t epoch)
{
    _Atomic uint32_t *line = line_of(epoll, event->data.u64);
    bool explained = false;
    uint32_t told = 0;
    for (int i = 0; i < LINE; i++) {
        const uint32_t value = atomic_load_explicit(&line[i], memory_order_relaxed);
        struct connection *connection;
        struct endpoint *endpoint = value != 0 ? endpoint_at((value - 1) / ENDPOINT_REGISTRATIONS) : NULL;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        struct registration *registration = &endpoint->registrations[(value - 1) % ENDPOINT_REGISTRATIONS];
        if (registration->epoll != epoll + 1 || registration->event.data.u64 != event->data.u64) {
            endpoint_leave(connection);
            continue;
        }
        uint32_t bits = event->events;
        const enum verdict verdict = judge(endpoint, connection, registration, &bits, epoch);
        explained |= verdict == VERDICT_EXPLAINED;
        told |= verdict == VERDICT_REPORT ? bits : 0;
    }
    return explained || told != 0 ? told : event->events;
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
