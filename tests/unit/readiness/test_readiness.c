/* What poll and epoll report of a sealed connection, for each byte of its handshake and of its frames. */
#include "../suite.h"

#include <sys/epoll.h>

#include "../connection/link.h"
#include "connection/release.h"
#include "fd/events.h"
#include "readiness/readiness.h"
#include "readiness/registration.h"

static char directory[] = "/tmp/pfswrap-readiness-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* Two sealed ends that have not exchanged a byte yet. */
static struct link begin(bool nonblocking)
{
    struct link link;
    link_pair(&link.client, &link.client_wire);
    link_pair(&link.server, &link.server_wire);
    link_seal(link.client, 1, true, true);
    link_seal(link.server, 0, false, nonblocking);
    return link;
}

static struct connection *enter(int fd, struct endpoint **endpoint)
{
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, endpoint, &connection), ENDPOINT_ENTERED);
    return connection;
}

static int control(int epoll, int operation, int fd, uint32_t events, uint64_t data)
{
    struct epoll_event event = {.events = events, .data.u64 = data};
    struct endpoint *endpoint;
    struct connection *connection = enter(fd, &endpoint);
    int result = registration_control(endpoint, connection, epoll, operation, fd, &event);
    endpoint_leave(connection);
    return result;
}

/* What the shim lets the program see of one event. */
static uint32_t filtered(int epoll, const struct epoll_event *event, uint64_t epoch)
{
    struct epoll_event left = *event;
    return registration_filter(epoll, &left, 1, epoch) == 1 ? left.events : 0;
}

/* The event that the kernel reports of the only descriptor in `epoll`, and what the shim lets the program see of
 * it. */
static uint32_t reported(int epoll, uint64_t data)
{
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, 0);
    ck_assert_int_ge(count, 0);
    if (count == 0)
        return 0;
    ck_assert_uint_eq(event.data.u64, data);
    return filtered(epoll, &event, events_epoch());
}

static bool beside_background; /* its thread may read what has crossed before this test sees it */

/* Moves one byte each way and lets both ends continue; the server by epoll only. Returns what its program gets. */
static uint32_t step(const struct link *link, int epoll, uint64_t data)
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

/* The handshake, in which the program gets no event. Returns the events after it. */
static uint32_t shake_hands(const struct link *link, int epoll, uint64_t data)
{
    for (int i = 0; i < 5000; i++) {
        uint32_t events = step(link, epoll, data);
        if (link_is_open(link->server))
            return events | reported(epoll, data);
        ck_assert_uint_eq(events, 0);
    }
    ck_abort_msg("no end to the handshake");
}

static int new_epoll(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_ge(epoll, 0);
    return epoll;
}

START_TEST(nothing_is_reported_until_the_handshake_is_complete)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT, 7), 0);
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);     /* level-triggered */
    ck_assert_int_eq(atomic_load(&planes_filtering), 2); /* parts of frames are looked for at both ends */
}
END_TEST

START_TEST(an_edge_is_reported_once_after_the_handshake)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT | EPOLLET, 7), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_int_eq(link_send(link.client, "x", 1), 1);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    link_await(link.server);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLIN | EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), 0);
}
END_TEST

START_TEST(one_shot_is_one_event_after_the_handshake)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT | EPOLLONESHOT, 7), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_MOD, link.server, EPOLLOUT | EPOLLONESHOT, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), 0);
}
END_TEST

START_TEST(exclusive_stays_what_the_program_requested)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    struct epoll_event event = {.events = EPOLLIN};
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE, 7),
                     -EINVAL);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT | EPOLLEXCLUSIVE, 7), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT | EPOLLEXCLUSIVE, 7), -EEXIST);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_MOD, link.server, EPOLLIN, 7), -EINVAL);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_MOD, link.server, &event), -1); /* the kernel has it as exclusive */
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(modified_during_the_handshake_the_new_events_and_data_apply)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_MOD, link.server, EPOLLIN, 7), -ENOENT);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN, 7), 0);
    for (int i = 0; i < 60; i++)
        ck_assert_uint_eq(step(&link, epoll, 7), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_MOD, link.server, EPOLLOUT, 8), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 8), EPOLLOUT);
}
END_TEST

START_TEST(deleted_during_the_handshake_it_stays_deleted)
{
    struct link link = begin(true);
    int epoll = new_epoll(), other = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT, 7), 0);
    ck_assert_int_eq(control(other, EPOLL_CTL_ADD, link.server, EPOLLOUT, 8), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_DEL, link.server, 0, 0), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_DEL, link.server, 0, 0), -ENOENT);
    ck_assert_uint_eq(shake_hands(&link, other, 8), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), 0);
}
END_TEST

START_TEST(two_epolls_are_notified_and_a_third_never_misses_an_event)
{
    struct link link = begin(true);
    int epoll[3];
    for (int i = 0; i < 3; i++) {
        epoll[i] = new_epoll();
        ck_assert_int_eq(control(epoll[i], EPOLL_CTL_ADD, link.server, EPOLLOUT, 7), 0);
    }
    ck_assert_uint_eq(reported(epoll[0], 7), 0);
    ck_assert_uint_eq(reported(epoll[1], 7), 0);
    ck_assert_uint_eq(reported(epoll[2], 7), EPOLLOUT); /* spurious, since it is not recorded */
    ck_assert_uint_eq(shake_hands(&link, epoll[0], 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll[1], 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll[2], 7), EPOLLOUT);
}
END_TEST

/* An open connection whose server end is registered with `epoll`. */
static struct link open_registered(int epoll, uint32_t events, bool nonblocking)
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

START_TEST(another_descriptor_with_the_same_data_loses_no_event)
{
    struct link link = begin(true);
    int epoll = new_epoll(), ends[2];
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN, 7), 0);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0); /* the first event of the connection in its handshake */
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLIN);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLIN);
}
END_TEST

/* A frame of which the kernel took a part keeps one of them from being writable, and not the other. */
START_TEST(another_descriptor_with_the_same_data_is_writable)
{
    struct link link = open_registered(new_epoll(), EPOLLIN, true);
    static char bytes[65536];
    int epoll = new_epoll(), ends[2];
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.u64 = 7};
    struct endpoint *endpoint;
    while (link_send(link.server, bytes, sizeof bytes) > 0)
        continue;
    struct connection *connection = enter(link.server, &endpoint);
    ck_assert_uint_gt(span_length(connection->tx), 0);
    endpoint_leave(connection);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event), 0);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
}
END_TEST

/* The event of the last bytes of a handshake, which another thread's call completed before the event was handled.
 */
START_TEST(an_event_older_than_the_handshake_is_dropped)
{
    static const uint32_t modes[] = {0, EPOLLET, EPOLLONESHOT};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        struct link link = begin(true);
        int epoll = new_epoll();
        char bytes[8];
        ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | modes[i], 7), 0);
        while (!link_is_open(link.server)) {
            struct epoll_event event = {0};
            (void)link_move(link.client_wire, link.server_wire, 65536);
            (void)link_move(link.server_wire, link.client_wire, 65536);
            ck_assert_int_eq(link_receive(link.client, bytes, 1, 0), -1);
            const int count = epoll_wait(epoll, &event, 1, 10);
            const uint64_t epoch = events_epoch();
            ck_assert_int_eq(link_receive(link.server, bytes, 1, 0), -1);
            if (count == 1)
                ck_assert_uint_eq(filtered(epoll, &event, epoch), 0);
        }
        ck_assert_uint_eq(reported(epoll, 7), 0);
        ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
        link_deliver(&link, 65536);
        link_await(link.server);
        ck_assert_uint_eq(reported(epoll, 7), EPOLLIN);
        ck_assert_uint_eq(reported(epoll, 7), modes[i] == 0 ? EPOLLIN : 0);
    }
}
END_TEST

START_TEST(many_with_the_same_data_are_all_notified)
{
    enum { MANY = 40 };
    struct link links[MANY];
    int epoll = new_epoll(), open = 0;
    for (int i = 0; i < MANY; i++) {
        links[i] = begin(true);
        ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, links[i].server, EPOLLIN, 7), 0);
    }
    for (int round = 0; round < 200 && open < MANY; round++) {
        struct epoll_event events[MANY];
        char byte;
        open = 0;
        for (int i = 0; i < MANY; i++) {
            (void)link_move(links[i].client_wire, links[i].server_wire, 65536);
            (void)link_move(links[i].server_wire, links[i].client_wire, 65536);
            (void)link_receive(links[i].client, &byte, 1, 0);
        }
        int count = epoll_wait(epoll, events, MANY, 10);
        for (int i = 0; i < count; i++)
            /* Too many have the same data: the program tries them all. */
            if (filtered(epoll, &events[i], events_epoch()) != 0)
                for (int k = 0; k < MANY; k++)
                    (void)link_receive(links[k].server, &byte, 1, 0);
        for (int i = 0; i < MANY; i++)
            open += link_is_open(links[i].server);
    }
    ck_assert_int_eq(open, MANY);
}
END_TEST

START_TEST(poll_waits_for_what_the_handshake_needs)
{
    struct link link = begin(true);
    bool held_back = false;
    char byte;
    ck_assert(readiness_concerns(link.server));
    for (int i = 0; i < 5000 && !link_is_open(link.server); i++) {
        held_back = false;
        ck_assert_int_eq(readiness_ask(link.server, POLLIN | POLLOUT | POLLPRI, &held_back), POLLIN);
        ck_assert(held_back);
        if (link_move(link.client_wire, link.server_wire, 1) > 0) {
            link_await(link.server);
            ck_assert_int_eq(readiness_answer(link.server, POLLIN | POLLOUT, POLLIN), 0);
        }
        (void)link_move(link.server_wire, link.client_wire, 1);
        ck_assert_int_eq(link_receive(link.client, &byte, 1, 0), -1);
    }
    held_back = false;
    ck_assert_int_eq(readiness_ask(link.server, POLLIN | POLLOUT | POLLPRI, &held_back),
                     POLLIN | POLLOUT | POLLPRI);
    ck_assert(!held_back);
    ck_assert_int_eq(readiness_answer(link.server, POLLIN | POLLOUT, POLLIN | POLLOUT | POLLPRI | POLLERR),
                     POLLOUT | POLLERR); /* there is nothing to read */
}
END_TEST

/*
 * First alone, then together with all but the last byte: the part is taken out of the kernel, or filtered where it
 * is.
 */
START_TEST(a_part_of_a_frame_is_not_readable)
{
    static const uint32_t modes[] = {0, EPOLLET, EPOLLONESHOT};
    const size_t whole = 5 + PFSWRAP_SEAL_OVERHEAD - 1; /* except for the trailing byte */
    for (int i = 0; i < 12; i++) {
        int epoll = new_epoll();
        struct link link = open_registered(epoll, EPOLLIN | modes[i % 3], i < 6);
        const size_t first = i % 2 == 0 ? 1 : whole - 1;
        char bytes[8];
        size_t moved = 0;
        ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
        link_await(link.client_wire);
        for (uint32_t events = 0; events == 0;) {
            const size_t step = moved == 0 ? first : 1;
            ck_assert_int_eq(link_move(link.client_wire, link.server_wire, step), (long)step);
            moved += step;
            link_await(link.server);
            events = reported(epoll, 7);
            ck_assert(events == 0 || events == EPOLLIN);
            ck_assert_int_eq(readiness_answer(link.server, POLLIN, POLLIN), (short)events);
        }
        ck_assert_uint_eq(moved, whole);
        link_deliver(&link, 65536);
        ck_assert_int_eq(link_receive(link.server, bytes, sizeof bytes, 0), 5);
    }
}
END_TEST

START_TEST(the_rest_of_a_frame_stays_readable)
{
    int epoll = new_epoll();
    struct link link = open_registered(epoll, EPOLLIN | EPOLLOUT, false);
    char byte;
    ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    link_await(link.server);
    for (int i = 0; i < 5; i++) {
        ck_assert_uint_eq(reported(epoll, 7), EPOLLIN | EPOLLOUT);
        ck_assert_int_eq(readiness_answer(link.server, POLLIN, POLLIN), POLLIN);
        ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 1);
    }
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
}
END_TEST

/* Sets the time at which buffering begins to now, and sweeps. `deadline`: the time at which the handshake fails. */
static void let_time_pass(int fd, bool deadline)
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

START_TEST(after_its_timeout_the_buffer_takes_what_the_program_sends_until_it_is_full)
{
    static char bytes[CONNECTION_PREHANDSHAKE_MAX];
    struct link link = begin(true);
    int epoll = new_epoll();
    bool held_back = false;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    let_time_pass(link.server, false);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
    beside_background = true;
    ck_assert_int_eq(link_send(link.server, bytes, 1000), 1000);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT); /* level-triggered */
    ck_assert_int_eq(readiness_ask(link.server, POLLIN | POLLOUT, &held_back), POLLIN | POLLOUT);
    ck_assert_int_eq(readiness_answer(link.server, POLLIN | POLLOUT, POLLOUT), POLLOUT);
    ck_assert_int_eq(link_send(link.server, bytes, sizeof bytes), (ssize_t)sizeof bytes - 1000);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_int_eq(readiness_ask(link.server, POLLIN | POLLOUT, &held_back), POLLIN);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
}
END_TEST

/* As accept() makes the server's end: what the program sends is kept from the beginning. */
static struct link begin_accepted(void)
{
    struct endpoint *endpoint;
    struct link link = begin(true);
    struct connection *connection = enter(link.server, &endpoint);
    connection->buffering = true;
    endpoint_update(link.server, connection);
    endpoint_leave(connection);
    return link;
}

START_TEST(an_accepted_connection_is_writable_at_once_and_its_edge_reported_once)
{
    struct link link = begin_accepted();
    int epoll = new_epoll(), edges = new_epoll(), reads = new_epoll();
    bool held_back = false;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT, 7), 0);
    ck_assert_int_eq(control(edges, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT | EPOLLET, 8), 0);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT); /* level-triggered */
    ck_assert_uint_eq(reported(edges, 8), EPOLLOUT);
    ck_assert_uint_eq(reported(edges, 8), 0);
    ck_assert_int_eq(readiness_ask(link.server, POLLIN | POLLOUT, &held_back), POLLIN | POLLOUT);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_DEL, link.server, 0, 0), 0);
    ck_assert_int_eq(control(reads, EPOLL_CTL_ADD, link.server, EPOLLIN, 9), 0);
    ck_assert_uint_eq(reported(reads, 9), 0);
    ck_assert_uint_eq(shake_hands(&link, edges, 8), 0); /* the program has been notified */
    ck_assert_uint_eq(reported(edges, 8), 0);
    ck_assert_uint_eq(reported(reads, 9), 0);
}
END_TEST

START_TEST(an_edge_follows_the_handshake_if_the_buffer_was_full)
{
    static char bytes[CONNECTION_PREHANDSHAKE_MAX + 1];
    struct link link = begin_accepted();
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLOUT | EPOLLET, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
    beside_background = true;
    ck_assert_int_eq(link_send(link.server, bytes, sizeof bytes), CONNECTION_PREHANDSHAKE_MAX);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
}
END_TEST

START_TEST(an_event_whose_bytes_another_call_has_read_is_not_reported)
{
    struct link link = begin(true);
    const struct epoll_event event = {.events = EPOLLIN, .data.u64 = 7};
    int epoll = new_epoll();
    char byte;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN, 7), 0);
    while (!link_is_open(link.client) || !link_is_open(link.server)) { /* as the background thread would do it */
        (void)link_move(link.client_wire, link.server_wire, 65536);
        (void)link_move(link.server_wire, link.client_wire, 65536);
        ck_assert_int_eq(link_receive(link.client, &byte, 1, 0), -1);
        ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), -1);
    }
    ck_assert_uint_eq(filtered(epoll, &event, events_epoch()), 0);
    ck_assert_uint_eq(filtered(epoll, &event, events_epoch()), EPOLLIN); /* then it belongs to another descriptor */
}
END_TEST

/* The client sends FINAL and its FIN, but only the bytes reach the server, all but the last `kept` of them. */
static void send_final(const struct link *link, int kept)
{
    const int length = PFSWRAP_SEAL_OVERHEAD - kept;
    char bytes[64];
    ck_assert_int_eq(release_shutdown(link->client, SHUT_WR), 0);
    link_await(link->client_wire);
    ck_assert_int_eq(recv(link->client_wire, bytes, sizeof bytes, 0), PFSWRAP_SEAL_OVERHEAD);
    ck_assert_int_eq(send(link->server_wire, bytes, (size_t)length, 0), length);
    link_await(link->server);
}

/* As reported(), until the kernel has nothing more to report that the program does not get. */
static uint32_t reported_again(int epoll, uint64_t data)
{
    const uint32_t events = reported(epoll, data);
    return events != 0 ? events : reported(epoll, data);
}

START_TEST(final_without_fin_is_what_a_fin_is)
{
    struct link link = link_open(65536);
    int level = new_epoll(), edge = new_epoll();
    char byte;
    ck_assert_int_eq(control(level, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLRDHUP, 7), 0);
    ck_assert_int_eq(control(edge, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLRDHUP | EPOLLET, 8), 0);
    send_final(&link, 0);
    ck_assert_uint_eq(reported_again(edge, 8), EPOLLIN | EPOLLRDHUP);
    ck_assert_uint_eq(reported_again(edge, 8), 0);
    for (int i = 0; i < 3; i++) {
        bool held_back = false;
        struct pollfd poll_fd = {.fd = link.server, .events = POLLIN | POLLRDHUP};
        ck_assert_uint_eq(reported(level, 7), EPOLLIN | EPOLLRDHUP);
        ck_assert_int_eq(readiness_ask(link.server, poll_fd.events, &held_back), poll_fd.events);
        ck_assert_int_eq(poll(&poll_fd, 1, 0), 1);
        ck_assert_int_eq(readiness_answer(link.server, poll_fd.events, poll_fd.revents), POLLIN | POLLRDHUP);
        ck_assert_int_eq(stream_available(link.server), 0);
        ck_assert_int_eq(link_receive(link.server, &byte, 1, MSG_PEEK), 0);
        ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 0);
    }
    ck_assert_int_eq(link_send(link.server, "still", 5), 5); /* the other direction is open */
}
END_TEST

START_TEST(final_without_its_last_byte_is_the_end_too)
{
    struct link link = link_open(65536);
    int epoll = new_epoll();
    char byte = 0;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLRDHUP, 7), 0);
    send_final(&link, 1);
    ck_assert_uint_eq(reported_again(epoll, 7), EPOLLIN | EPOLLRDHUP);
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 0);
    ck_assert_int_eq(send(link.server_wire, &byte, 1, 0), 1);
    ck_assert_uint_eq(reported_again(epoll, 7), EPOLLIN | EPOLLRDHUP);
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 0);
}
END_TEST

START_TEST(a_half_closed_end_gets_its_end_without_fin)
{
    struct link link = link_open(65536);
    int epoll = new_epoll();
    char byte;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN | EPOLLRDHUP, 7), 0);
    ck_assert_int_eq(release_shutdown(link.server, SHUT_WR), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    send_final(&link, 0);
    ck_assert_uint_eq(reported_again(epoll, 7), EPOLLIN | EPOLLRDHUP | EPOLLHUP); /* as when both have sent FIN */
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 0);
}
END_TEST

START_TEST(a_handshake_that_takes_too_long_is_a_hang_up)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLIN, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    let_time_pass(link.server, true);
    ck_assert_uint_eq(reported(epoll, 7) & (EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
    ck_assert(!readiness_concerns(link.server));
    char byte;
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(due_events_are_found_again_after_a_sweep)
{
    struct link link = begin(true);
    struct endpoint *endpoint;
    struct connection *connection = enter(link.client, &endpoint);
    const uint64_t later = connection->deadline_ms;
    endpoint_leave(connection);
    let_time_pass(link.server, true);
    ck_assert_uint_gt(events_due_ms(), clock_ms());
    ck_assert_uint_le(events_due_ms(), later);
}
END_TEST

START_TEST(a_closed_number_leaves_its_registration_as_the_kernel_would)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    struct endpoint *endpoint;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    struct connection *connection = enter(link.server, &endpoint);
    registration_leave(endpoint, link.server + 1000); /* another one */
    endpoint_leave(connection);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    connection = enter(link.server, &endpoint);
    registration_leave(endpoint, link.server);
    endpoint_leave(connection);
    ck_assert_uint_eq(reported(epoll, 7), EPOLLOUT);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT, 7), -EEXIST);
    connection = enter(link.server, &endpoint);
    registration_remove(endpoint); /* nothing is remembered */
    endpoint_leave(connection);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_MOD, link.server, EPOLLOUT, 8), 0);
    ck_assert_uint_eq(reported(epoll, 8), 0);
    connection = enter(link.server, &endpoint);
    registration_remove(endpoint);
    endpoint_leave(connection);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_DEL, link.server, 0, 0), -ENOENT);
}
END_TEST

START_TEST(a_connection_that_is_plain_gets_its_events_back)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    struct endpoint *endpoint;
    struct epoll_event event;
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT | EPOLLET, 7), 0);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    struct connection *connection = enter(link.server, &endpoint);
    endpoint->binding.rule = LINK_PREFER;
    endpoint_abandon(endpoint, connection);
    ck_assert(!fd_is_sealed(link.server));
    ck_assert_int_eq(epoll_wait(epoll, &event, 1, 0), 1);
    ck_assert_uint_eq(event.events, EPOLLOUT);
    ck_assert_uint_eq(filtered(epoll, &event, events_epoch()), EPOLLOUT);
}
END_TEST

START_TEST(a_connection_that_must_be_sealed_fails_and_is_not_plain)
{
    struct link link = begin(true);
    struct endpoint *endpoint;
    struct connection *connection = enter(link.server, &endpoint);
    connection->phase = CONNECTION_NONE; /* as another process with the same epoll may have left it */
    endpoint_abandon(endpoint, connection);
    ck_assert(fd_is_sealed(link.server));
    ck_assert_int_eq((int)link_send(link.server, "word", 4), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(registered_before_it_was_sealed_it_is_held_back_like_others)
{
    struct link link;
    int epoll = new_epoll();
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.u64 = 7};
    link_pair(&link.client, &link.client_wire);
    link_pair(&link.server, &link.server_wire);
    ck_assert_int_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, link.server, &event), 0);
    registration_note(epoll, EPOLL_CTL_ADD, link.server, &event);
    link_seal(link.client, 1, true, true);
    link_seal(link.server, 0, false, true);
    struct endpoint *endpoint;
    struct connection *connection = enter(link.server, &endpoint);
    registration_adopt(endpoint, connection, link.server);
    endpoint_leave(connection);
    ck_assert_uint_eq(reported(epoll, 7), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 7), EPOLLOUT);
}
END_TEST

START_TEST(an_outdated_registration_changes_nothing)
{
    struct link link = begin(true);
    int epoll = new_epoll();
    struct epoll_event event = {.events = EPOLLOUT, .data.u64 = 7};
    struct endpoint *endpoint;
    registration_note(epoll, EPOLL_CTL_ADD, link.server, &event); /* of a descriptor that had the number before */
    struct connection *connection = enter(link.server, &endpoint);
    registration_adopt(endpoint, connection, link.server);
    endpoint_leave(connection);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_DEL, link.server, 0, 0), -ENOENT);
    registration_note(epoll, EPOLL_CTL_DEL, link.server, &event);
    ck_assert_int_eq(control(epoll, EPOLL_CTL_ADD, link.server, EPOLLOUT, 9), 0);
    ck_assert_uint_eq(shake_hands(&link, epoll, 9), EPOLLOUT);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("readiness");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, nothing_is_reported_until_the_handshake_is_complete);
    tcase_add_test(cases, an_edge_is_reported_once_after_the_handshake);
    tcase_add_test(cases, one_shot_is_one_event_after_the_handshake);
    tcase_add_test(cases, exclusive_stays_what_the_program_requested);
    tcase_add_test(cases, modified_during_the_handshake_the_new_events_and_data_apply);
    tcase_add_test(cases, deleted_during_the_handshake_it_stays_deleted);
    tcase_add_test(cases, two_epolls_are_notified_and_a_third_never_misses_an_event);
    tcase_add_test(cases, another_descriptor_with_the_same_data_loses_no_event);
    tcase_add_test(cases, another_descriptor_with_the_same_data_is_writable);
    tcase_add_test(cases, an_event_older_than_the_handshake_is_dropped);
    tcase_add_test(cases, many_with_the_same_data_are_all_notified);
    tcase_add_test(cases, poll_waits_for_what_the_handshake_needs);
    tcase_add_test(cases, a_part_of_a_frame_is_not_readable);
    tcase_add_test(cases, the_rest_of_a_frame_stays_readable);
    tcase_add_test(cases, after_its_timeout_the_buffer_takes_what_the_program_sends_until_it_is_full);
    tcase_add_test(cases, an_accepted_connection_is_writable_at_once_and_its_edge_reported_once);
    tcase_add_test(cases, an_edge_follows_the_handshake_if_the_buffer_was_full);
    tcase_add_test(cases, an_event_whose_bytes_another_call_has_read_is_not_reported);
    tcase_add_test(cases, final_without_fin_is_what_a_fin_is);
    tcase_add_test(cases, final_without_its_last_byte_is_the_end_too);
    tcase_add_test(cases, a_half_closed_end_gets_its_end_without_fin);
    tcase_add_test(cases, a_handshake_that_takes_too_long_is_a_hang_up);
    tcase_add_test(cases, due_events_are_found_again_after_a_sweep);
    tcase_add_test(cases, a_closed_number_leaves_its_registration_as_the_kernel_would);
    tcase_add_test(cases, a_connection_that_is_plain_gets_its_events_back);
    tcase_add_test(cases, a_connection_that_must_be_sealed_fails_and_is_not_plain);
    tcase_add_test(cases, registered_before_it_was_sealed_it_is_held_back_like_others);
    tcase_add_test(cases, an_outdated_registration_changes_nothing);
    return run_suite(cases, "readiness");
}
