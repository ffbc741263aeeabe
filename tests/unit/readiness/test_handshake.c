/* What poll and epoll report of a sealed connection during its handshake and right after it. */
#include "../suite.h"
#include "events.h"

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

int main(void)
{
    TCase *cases = tcase_create("handshake");
    tcase_add_checked_fixture(cases, start_policy, end_policy);
    tcase_add_test(cases, nothing_is_reported_until_the_handshake_is_complete);
    tcase_add_test(cases, an_edge_is_reported_once_after_the_handshake);
    tcase_add_test(cases, one_shot_is_one_event_after_the_handshake);
    tcase_add_test(cases, an_event_older_than_the_handshake_is_dropped);
    tcase_add_test(cases, poll_waits_for_what_the_handshake_needs);
    tcase_add_test(cases, after_its_timeout_the_buffer_takes_what_the_program_sends_until_it_is_full);
    tcase_add_test(cases, an_accepted_connection_is_writable_at_once_and_its_edge_reported_once);
    tcase_add_test(cases, an_edge_follows_the_handshake_if_the_buffer_was_full);
    tcase_add_test(cases, an_event_whose_bytes_another_call_has_read_is_not_reported);
    tcase_add_test(cases, a_handshake_that_takes_too_long_is_a_hang_up);
    tcase_add_test(cases, due_events_are_found_again_after_a_sweep);
    return run_suite(cases, "readiness/handshake");
}
