/*
 * Events carry nothing but the program's data, which need not be unique, so an event is dropped only if a
 * connection accounts for it: bytes came, or its handshake went on. Watches of connections that need attention are
 * found by epoll instance and data in a table without locks, in one cache line each.
 */
#include "connection/interest.h"

#include <errno.h>
#include <stdatomic.h>

#include "connection/carrier.h"
#include "connection/readiness.h"
#include "connection/receive.h"
#include "real/kernel.h"

enum {
    HELD_BACK = EPOLLIN | EPOLLOUT, /* with EPOLLET: all that a handshake can wait for */
    READABLE = EPOLLIN | EPOLLRDNORM,
    WRITABLE = EPOLLOUT | EPOLLWRNORM,
    EXCLUSIVE_MAY = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP, /* beside EPOLLEXCLUSIVE, EPOLLET and EPOLLWAKEUP */
};

/* --- the table: endpoint's index * ENDPOINT_INTERESTS + interest's place + 1, in one of the lines --- */

enum { LINES = 8192, LINE = 16 };

static _Alignas(64) _Atomic uint32_t table[LINES][LINE];

static _Atomic uint32_t *line_of(int epoll, uint64_t data)
{
    uint64_t hash = (data ^ ((uint64_t)(unsigned)epoll << 40)) * 0x9e3779b97f4a7c15U;
    return table[(hash >> 32) % LINES];
}

static uint32_t table_value(const struct endpoint *endpoint, const struct interest *interest)
{
    return endpoint->index * ENDPOINT_INTERESTS + (uint32_t)(interest - endpoint->interests) + 1;
}

/* Makes the interest one that interest_judge() finds. False: too many have its data. */
static bool index_add(const struct endpoint *endpoint, struct interest *interest)
{
    _Atomic uint32_t *line = line_of(interest->epoll - 1, interest->event.data.u64);
    for (int i = 0; i < LINE && !interest->indexed; i++) {
        uint32_t free = 0;
        interest->indexed = atomic_compare_exchange_strong(&line[i], &free, table_value(endpoint, interest));
    }
    return interest->indexed;
}

static void index_remove(const struct endpoint *endpoint, struct interest *interest)
{
    _Atomic uint32_t *line = line_of(interest->epoll - 1, interest->event.data.u64);
    for (int i = 0; i < LINE && interest->indexed; i++) {
        uint32_t value = table_value(endpoint, interest);
        interest->indexed = !atomic_compare_exchange_strong(&line[i], &value, 0);
    }
    interest->indexed = false;
}

/* --- what the kernel is given --- */

/* An epoll that is told nothing of an interest would report it unjudged, so only one that is found holds back. */
static uint32_t suitable_events(const struct connection *connection, const struct interest *interest)
{
    if (!handshake_is_under_way(connection) || !interest->indexed)
        return interest->event.events;
    if (connection->read_shut) /* the background goes on with it: the kernel would call it readable for ever */
        return interest->event.events & ~(handshake_takes_early(connection) ? 0 : (uint32_t)WRITABLE);
    if (handshake_takes_early(connection) && (interest->event.events & WRITABLE) != 0)
        return interest->event.events | EPOLLIN;
    return HELD_BACK | EPOLLET;
}

static int control(const struct interest *interest, int operation, uint32_t events)
{
    struct epoll_event event = interest->event;
    event.events = events;
    return (int)KERNEL_4(SYS_epoll_ctl, interest->epoll - 1, operation, interest->fd, &event);
}

/* The kernel's events for an interest that is registered; EPOLLEXCLUSIVE can only be added (epoll_ctl(2)). */
static int set_events(struct interest *interest, uint32_t events)
{
    int result;
    if ((events | interest->registered) & EPOLLEXCLUSIVE) {
        result = control(interest, EPOLL_CTL_DEL, 0);
        if (result == 0)
            result = control(interest, EPOLL_CTL_ADD, events);
    } else {
        result = control(interest, EPOLL_CTL_MOD, events);
    }
    interest->registered = events;
    interest->expects_writable = true;
    return result;
}

/*
 * The handshake is over, and the kernel would report anew what the program has been told already: that it can
 * write, and nothing else.
 */
static bool is_no_news(const struct connection *connection, const struct interest *interest)
{
    return interest->told_writable && !connection->refused_early && !connection->final_received &&
           connection->phase == CONNECTION_OPEN && span_length(connection->rx_plain) == 0 &&
           span_length(connection->rx_cipher) == 0 && carrier_is_quiet(interest->fd);
}

static _Atomic uint64_t turns;

uint64_t interest_turn(void)
{
    return atomic_load(&turns);
}

void interest_settle(struct endpoint *endpoint, const struct connection *connection, bool again)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++) {
        struct interest *interest = &endpoint->interests[i];
        if (interest->epoll == 0)
            continue;
        const bool needed = atomic_load(&endpoint->attention) != ATTENTION_NONE;
        if (needed && !interest->indexed)
            (void)index_add(endpoint, interest);
        const uint32_t events = suitable_events(connection, interest);
        if (!interest->fired && (events != interest->registered || (again && !is_no_news(connection, interest)))) {
            /* First, since another thread may have what the kernel reports then before this one goes on. */
            endpoint->turn = atomic_fetch_add(&turns, 1) + 1;
            (void)set_events(interest, events);
        }
        interest->told_writable = interest->told_writable && handshake_is_under_way(connection);
        if (!needed)
            index_remove(endpoint, interest);
    }
}

void interest_restore(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++) {
        struct interest *interest = &endpoint->interests[i];
        if (interest->epoll != 0 && !interest->fired && interest->registered != interest->event.events)
            (void)set_events(interest, interest->event.events);
    }
}

/* --- what the program does --- */

static struct interest *find(struct endpoint *endpoint, int epoll, int fd)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++)
        if (endpoint->interests[i].epoll == epoll + 1 && endpoint->interests[i].fd == fd)
            return &endpoint->interests[i];
    return NULL;
}

static struct interest *find_free(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++)
        if (endpoint->interests[i].epoll == 0)
            return &endpoint->interests[i];
    return NULL;
}

static void clear(const struct endpoint *endpoint, struct interest *interest)
{
    if (interest->epoll != 0)
        index_remove(endpoint, interest);
    *interest = (struct interest){0};
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
    struct interest *known = find(endpoint, epoll, fd); /* if the kernel takes it, it had forgotten the other */
    struct interest *place = known != NULL ? known : find_free(endpoint);
    if (place == NULL)
        return (int)KERNEL_4(SYS_epoll_ctl, epoll, EPOLL_CTL_ADD, fd, event);
    struct interest interest = {.epoll = epoll + 1,
                                .fd = fd,
                                .event = *event,
                                .expects_writable = true,
                                .seen = (uint32_t)connection->rx_total,
                                .held_back = handshake_is_under_way(connection)};
    if (is_invalid(event))
        return -EINVAL;
    /* Found as soon as there is an event: whoever waits will then wait for the lock. */
    struct interest before = *place;
    if (known != NULL)
        index_remove(endpoint, place);
    *place = interest;
    if (atomic_load(&endpoint->attention) != ATTENTION_NONE)
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
    struct interest *interest = find(endpoint, epoll, fd);
    if (interest == NULL && (interest = find_free(endpoint)) == NULL)
        return (int)KERNEL_4(SYS_epoll_ctl, epoll, EPOLL_CTL_MOD, fd, event);
    const struct interest before = *interest;
    if ((event->events & EPOLLEXCLUSIVE) != 0 || (before.epoll != 0 && (before.event.events & EPOLLEXCLUSIVE) != 0))
        return -EINVAL;
    if (before.epoll != 0)
        index_remove(endpoint, interest);
    *interest = (struct interest){.epoll = epoll + 1,
                                  .fd = fd,
                                  .event = *event,
                                  .seen = (uint32_t)connection->rx_total,
                                  .held_back = before.held_back || handshake_is_under_way(connection)};
    if (atomic_load(&endpoint->attention) != ATTENTION_NONE)
        (void)index_add(endpoint, interest);
    int result = set_events(interest, suitable_events(connection, interest));
    if (result != 0)
        clear(endpoint, interest); /* not registered there (any more) */
    return result;
}

int interest_control(struct endpoint *endpoint, const struct connection *connection, int epoll, int operation,
                     int fd, const struct epoll_event *event)
{
    if (event != NULL && operation == EPOLL_CTL_ADD)
        return add(endpoint, connection, epoll, fd, event);
    if (event != NULL && operation == EPOLL_CTL_MOD)
        return modify(endpoint, connection, epoll, fd, event);
    int result = (int)KERNEL_4(SYS_epoll_ctl, epoll, operation, fd, event);
    struct interest *interest = find(endpoint, epoll, fd);
    if (operation == EPOLL_CTL_DEL && interest != NULL && (result == 0 || result == -ENOENT))
        clear(endpoint, interest);
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

void interest_note(int epoll, int operation, int fd, const struct epoll_event *event)
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

void interest_adopt(struct endpoint *endpoint, const struct connection *connection, int fd)
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

void interest_leave(struct endpoint *endpoint, int fd)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++) {
        struct interest *interest = &endpoint->interests[i];
        if (interest->epoll == 0 || interest->fd != fd)
            continue;
        if (!interest->fired && interest->registered != interest->event.events)
            (void)set_events(interest, interest->event.events);
        clear(endpoint, interest);
    }
}

void interest_remove(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++)
        if (endpoint->interests[i].epoll != 0)
            (void)control(&endpoint->interests[i], EPOLL_CTL_DEL, 0);
    interest_forget(endpoint);
}

void interest_forget(struct endpoint *endpoint)
{
    for (int i = 0; i < ENDPOINT_INTERESTS; i++)
        clear(endpoint, &endpoint->interests[i]);
}

/* --- what the kernel reports --- */

enum verdict {
    VERDICT_UNEXPLAINED, /* not this connection's, as far as it can tell */
    VERDICT_EXPLAINED,   /* this connection's, and nothing for the program */
    VERDICT_TOLD,        /* the program gets *bits */
};

/* Before data. The kernel's writable is the program's only where what it sends would be taken early. */
static enum verdict judge_handshake(struct connection *connection, struct interest *interest, bool progress,
                                    uint32_t *bits)
{
    const bool writable_only = (*bits & WRITABLE) != 0 && (*bits & ~(uint32_t)WRITABLE) == 0;
    const bool is_programs = (*bits & interest->registered & interest->event.events & WRITABLE) != 0;
    const bool expected = writable_only && interest->expects_writable;
    interest->expects_writable = false;
    interest->held_back = true;
    if (connection->phase == CONNECTION_CONNECTING && !connection->dialled)
        return VERDICT_EXPLAINED; /* a socket that connect() has not come to looks like one that is gone */
    if (handshake_is_under_way(connection) && connection->read_shut) {
        *bits &= interest->event.events &
                 (READABLE | EPOLLRDHUP | (handshake_takes_early(connection) ? (uint32_t)WRITABLE : 0));
        return *bits != 0 ? VERDICT_TOLD : VERDICT_EXPLAINED;
    }
    if (handshake_is_under_way(connection) && connection->queueing && is_programs) {
        if (handshake_takes_early(connection) && !interest->told_writable) {
            *bits &= WRITABLE & interest->event.events;
            interest->told_writable = (interest->event.events & EPOLLET) != 0;
            return VERDICT_TOLD;
        }
        if (writable_only)
            return VERDICT_EXPLAINED; /* there is no room any more */
    }
    return progress || expected ? VERDICT_EXPLAINED : VERDICT_UNEXPLAINED;
}

/* A part of a frame is nothing to read, and while the rest of one has to go out there is no room for another. */
static enum verdict judge_open(struct connection *connection, struct interest *interest, bool shared,
                               uint32_t *bits)
{
    const uint64_t before = connection->rx_total;
    const uint32_t pending = span_length(connection->tx);
    /* It may be news of a handshake that another thread has completed. Another process may have asked anew. */
    if (!shared)
        *bits &= interest->event.events | EPOLLERR | EPOLLHUP;
    if (*bits == 0)
        return VERDICT_EXPLAINED;
    const uint32_t unfounded = readiness_unfounded(connection, interest->fd, *bits);
    const bool was_held_back = interest->held_back;
    if ((*bits & READABLE) != 0)
        interest->held_back = false;
    /* The kernel says it of this connection only if bytes can be moved, and none were. */
    if (((unfounded & READABLE) != 0 && connection->rx_total == before && !was_held_back) ||
        ((unfounded & WRITABLE) != 0 && span_length(connection->tx) == pending))
        return VERDICT_UNEXPLAINED;
    *bits &= ~unfounded;
    return *bits != 0 ? VERDICT_TOLD : VERDICT_EXPLAINED;
}

/* The verdict of one connection, which is locked and unlocked here. */
static enum verdict judge(struct endpoint *endpoint, struct connection *connection, struct interest *interest,
                          uint32_t *bits, uint64_t turn)
{
    enum verdict verdict;
    const uint32_t registered = interest->registered;
    const bool was_fired = interest->fired;
    if (!handshake_is_under_way(connection) && endpoint->turn > turn) {
        /* Another thread has completed the handshake since; the kernel reports anew what there is. */
        endpoint_leave(connection);
        return VERDICT_EXPLAINED;
    }
    if (handshake_is_under_way(connection)) {
        const uint8_t phase = connection->phase;
        handshake_advance(connection, interest->fd);
        if (connection->phase == CONNECTION_NONE) {
            endpoint_abandon(endpoint, connection);
            return VERDICT_EXPLAINED;
        }
        /* Here, or by another thread's call before this one came to the event. */
        const bool progress =
            (uint32_t)connection->rx_total != interest->seen || connection->phase != phase ||
            atomic_load(&endpoint->background) != BACKGROUND_NONE; /* it may just have been made there */
        interest->seen = (uint32_t)connection->rx_total;
        verdict = judge_handshake(connection, interest, progress, bits);
        if (handshake_is_under_way(connection))
            interest_settle(endpoint, connection, false);
    } else {
        if (atomic_load(&endpoint->attention) == ATTENTION_HANDSHAKE)
            endpoint_settle(interest->fd, connection); /* another process has completed it */
        verdict = judge_open(connection, interest, endpoint->region != NULL, bits);
    }
    if ((registered & EPOLLONESHOT) != 0) {
        if (verdict == VERDICT_EXPLAINED &&
            (!was_fired || endpoint->region != NULL)) /* else it was not this one's */
            (void)set_events(interest, interest->registered);
        else
            interest->fired = true;
    }
    endpoint_leave(connection);
    return verdict;
}

uint32_t interest_judge(int epoll, const struct epoll_event *event, uint64_t turn)
{
    _Atomic uint32_t *line = line_of(epoll, event->data.u64);
    bool explained = false;
    uint32_t told = 0;
    for (int i = 0; i < LINE; i++) {
        const uint32_t value = atomic_load_explicit(&line[i], memory_order_relaxed);
        struct connection *connection;
        struct endpoint *endpoint = value != 0 ? endpoint_at((value - 1) / ENDPOINT_INTERESTS) : NULL;
        if (endpoint == NULL || !endpoint_enter_at(endpoint, &connection))
            continue;
        struct interest *interest = &endpoint->interests[(value - 1) % ENDPOINT_INTERESTS];
        if (interest->epoll != epoll + 1 || interest->event.data.u64 != event->data.u64) {
            endpoint_leave(connection);
            continue;
        }
        uint32_t bits = event->events;
        const enum verdict verdict = judge(endpoint, connection, interest, &bits, turn);
        explained |= verdict == VERDICT_EXPLAINED;
        told |= verdict == VERDICT_TOLD ? bits : 0;
    }
    return explained || told != 0 ? told : event->events;
}
