/* See events.h. */
#include "events.h"

static char directory[] = "/tmp/pfswrap-readiness-XXXXXX";

void start_policy(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

void end_policy(void)
{
    link_end_policy(directory);
}

struct link begin(bool nonblocking)
{
    struct link link;
    link_pair(&link.client, &link.client_wire);
    link_pair(&link.server, &link.server_wire);
    link_seal(link.client, 1, true, true);
    link_seal(link.server, 0, false, nonblocking);
    return link;
}

struct link begin_accepted(void)
{
    struct endpoint *endpoint;
    struct link link = begin(true);
    struct connection *connection = enter(link.server, &endpoint);
    connection->buffering = true;
    endpoint_update(link.server, connection);
    endpoint_leave(connection);
    return link;
}

struct link open_registered(int epoll, uint32_t events, bool nonblocking)
{
    struct endpoint *endpoint;
    struct link link = link_open(65536);
    ck_assert_int_eq(fcntl(link.server, F_SETFL, nonblocking ? O_NONBLOCK : 0), 0);
    struct connection *connection = enter(link.server, &endpoint);
    atomic_store(&connection->nonblocking, nonblocking);
    endpoint_update(link.server, connection);
    endpoint_leave(connection);
    ck_assert(readiness_concerns(link.server));
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, events, 7), 0);
    return link;
}

struct connection *enter(int fd, struct endpoint **endpoint)
{
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, endpoint, &connection), ENDPOINT_ENTERED);
    return connection;
}

int control(int epoll, int operation, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    struct endpoint *endpoint;
    struct connection *connection = enter(fd, &endpoint);
    int result = registration_control(endpoint, connection, epoll, operation, fd, &event);
    endpoint_leave(connection);
    return result;
}

int new_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_ge(epoll, 0);
    return epoll;
}

uint32_t filtered(int epoll, const struct epoll_event *event, uint64_t epoch)
{
    struct epoll_event left = *event;
    return registration_filter(epoll, &left, 1, epoch) == 1 ? left.events : 0;
}

uint32_t reported(int epoll, uint64_t data)
{
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, 0);
    ck_assert_int_ge(count, 0);
    if (count == 0)
        return 0;
    ck_assert_uint_eq(event.data.u64, data);
    return filtered(epoll, &event, events_epoch());
}

bool beside_background;

uint32_t step(const struct link *link, int epoll, uint64_t data)
{
    char byte;
    for (int i = 0; i < 2; i++) {
        if (link_move(link->client_wire, link->server_wire, 1) > 0 && !beside_background)
            link_await(link->server);
        if (link_move(link->server_wire, link->client_wire, 1) > 0)
            link_await(link->client);
    }
    ck_assert_int_eq(link_receive(link->client, &byte, 1, 0), -1);
    return reported(epoll, data);
}

uint32_t shake_hands(const struct link *link, int epoll, uint64_t data)
{
    for (int i = 0; i < 5000; i++) {
        uint32_t events = step(link, epoll, data);
        if (link_is_open(link->server))
            return events | reported(epoll, data);
        ck_assert_uint_eq(events, 0);
    }
    ck_abort_msg("no end to the handshake");
}

void let_time_pass(int fd, bool deadline)
{
    struct endpoint *endpoint;
    struct connection *connection = enter(fd, &endpoint);
    if (deadline)
        connection->deadline_ms = clock_ms();
    else
        connection->buffer_at_ms = clock_ms();
    readiness_schedule(connection);
    endpoint_leave(connection);
    ck_assert_uint_le(events_due_ms(), clock_ms());
    events_before_wait();
}
