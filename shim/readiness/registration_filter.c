/*
 * Which events the program gets (registration.h). An event contains only the program's data, which need not be
 * unique: it may belong to another descriptor. So an event is dropped only if a connection explains it: bytes came,
 * or its handshake continued.
 */
#include "readiness/registration.h"

#include "readiness/readiness.h"
#include "readiness/registration_internal.h"

enum verdict {
    VERDICT_UNEXPLAINED, /* nothing has happened to this connection that explains the event */
    VERDICT_EXPLAINED,   /* the event belongs to this connection, and the program does not get it */
    VERDICT_REPORT,      /* the program gets *bits */
};

/* During a handshake. The program gets EPOLLOUT only if the pre-handshake buffer takes bytes. */
static enum verdict filter_handshake(struct connection *connection, struct registration *registration,
                                     bool progress, uint32_t *bits)
{
    const bool writable_only = (*bits & WRITABLE) != 0 && (*bits & ~(uint32_t)WRITABLE) == 0;
    const bool is_programs = (*bits & registration->registered & registration->event.events & WRITABLE) != 0;
    const bool expected = writable_only && registration->expects_writable;
    registration->expects_writable = false;
    registration->held_back = true;
    if (connection->phase == CONNECTION_CONNECTING && !connection->dialled)
        return VERDICT_EXPLAINED; /* before connect(2), the kernel reports EPOLLHUP */
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
            return VERDICT_EXPLAINED; /* the buffer is full, or the program has this edge already */
    }
    return progress || expected ? VERDICT_EXPLAINED : VERDICT_UNEXPLAINED;
}

/* On an open connection: drops spurious events. `shared`: other processes have the connection, too. */
static enum verdict filter_open(struct connection *connection, struct registration *registration, bool shared,
                                uint32_t *bits)
{
    const uint64_t before = connection->rx_total;
    const uint32_t pending = span_length(connection->tx);
    /*
     * The event may come from the handshake's events, if another thread has completed it. With `shared`, another
     * process may have changed the kernel's events, so all bits may be the program's.
     */
    if (!shared)
        *bits &= registration->event.events | EPOLLERR | EPOLLHUP;
    if (*bits == 0)
        return VERDICT_EXPLAINED;
    const uint32_t spurious = readiness_spurious(connection, registration->fd, *bits);
    const bool was_held_back = registration->held_back;
    if ((*bits & READABLE) != 0)
        registration->held_back = false;
    /* If the event belonged to this connection, bytes would have been moved. None were. */
    if (((spurious & READABLE) != 0 && connection->rx_total == before && !was_held_back) ||
        ((spurious & WRITABLE) != 0 && span_length(connection->tx) == pending))
        return VERDICT_UNEXPLAINED;
    *bits &= ~spurious;
    return *bits != 0 ? VERDICT_REPORT : VERDICT_EXPLAINED;
}

/*
 * Whether the event only says that a new registration is writable, of a connection that was accepted and has
 * nothing to send. So nothing has come, either. (The event is useful: a thread that began to wait before there was
 * such a connection begins to count its time.)
 */
static bool is_first_event(const struct connection *connection, const struct registration *registration,
                           uint32_t bits)
{
    return registration->expects_writable && (bits & ~(uint32_t)WRITABLE) == 0 && !connection->initiator &&
           span_length(connection->tx) == 0 && connection->phase == CONNECTION_HANDSHAKE;
}

/* The verdict for one registration. Called locked; unlocked on return. */
static enum verdict filter_one(struct endpoint *endpoint, struct connection *connection,
                               struct registration *registration, uint32_t *bits, uint64_t epoch)
{
    enum verdict verdict;
    const uint32_t registered = registration->registered;
    const bool was_fired = registration->fired;
    if (!handshake_is_under_way(connection) && endpoint->epoch > epoch) {
        /* Another thread has completed the handshake meanwhile, so the kernel reports again what is there. */
        endpoint_leave(connection);
        return VERDICT_EXPLAINED;
    }
    if (handshake_is_under_way(connection)) {
        const uint8_t phase = connection->phase;
        if (!is_first_event(connection, registration, *bits))
            handshake_advance(connection, registration->fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            return VERDICT_EXPLAINED;
        }
        /* Progress here, or in another thread's call between the event and this one. */
        const bool progress = (uint32_t)connection->rx_total != registration->seen || connection->phase != phase ||
                              atomic_load(&endpoint->background) != BACKGROUND_NONE; /* perhaps there */
        registration->seen = (uint32_t)connection->rx_total;
        verdict = filter_handshake(connection, registration, progress, bits);
        if (handshake_is_under_way(connection))
            registration_update(endpoint, connection, false);
    } else {
        if (atomic_load(&endpoint->filter) == FILTER_HANDSHAKE)
            endpoint_update(registration->fd, connection); /* another process has completed it */
        verdict = filter_open(connection, registration, endpoint->segment != NULL, bits);
    }
    if ((registered & EPOLLONESHOT) != 0) {
        if (verdict == VERDICT_EXPLAINED &&
            (!was_fired || endpoint->segment != NULL)) /* else the event belongs to another descriptor */
            (void)registration_set_events(registration, registration->registered);
        else
            registration->fired = true;
    }
    endpoint_leave(connection);
    return verdict;
}

/* Returns the bits of the event that the program gets; 0: it does not get the event. */
static uint32_t filter(int epoll, const struct epoll_event *event, uint64_t epoch)
{
    _Atomic uint32_t *line = registration_line(epoll, event->data.u64);
    bool explained = false;
    uint32_t reported = 0;
    for (int i = 0; i < REGISTRATION_LINE; i++) {
        const uint32_t value = atomic_load(&line[i]);
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
        const enum verdict verdict = filter_one(endpoint, connection, registration, &bits, epoch);
        explained |= verdict == VERDICT_EXPLAINED;
        reported |= verdict == VERDICT_REPORT ? bits : 0;
    }
    return explained || reported != 0 ? reported : event->events;
}

int registration_filter(int epoll, struct epoll_event *events, int count, uint64_t epoch)
{
    int left = 0;
    for (int i = 0; i < count; i++) {
        struct epoll_event event = events[i];
        event.events = filter(epoll, &event, epoch);
        if (event.events != 0)
            events[left++] = event;
    }
    return left;
}
