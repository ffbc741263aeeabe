/*
 * The registrations of epoll_ctl(2) on a sealed connection: what the program asked for, who is notified, and what
 * is left when the connection is closed or becomes plain.
 */
#include "../suite.h"
#include "events.h"

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
    TCase *cases = tcase_create("registration");
    tcase_add_checked_fixture(cases, start_policy, end_policy);
    tcase_add_test(cases, exclusive_stays_what_the_program_requested);
    tcase_add_test(cases, modified_during_the_handshake_the_new_events_and_data_apply);
    tcase_add_test(cases, deleted_during_the_handshake_it_stays_deleted);
    tcase_add_test(cases, two_epolls_are_notified_and_a_third_never_misses_an_event);
    tcase_add_test(cases, another_descriptor_with_the_same_data_loses_no_event);
    tcase_add_test(cases, another_descriptor_with_the_same_data_is_writable);
    tcase_add_test(cases, many_with_the_same_data_are_all_notified);
    tcase_add_test(cases, a_closed_number_leaves_its_registration_as_the_kernel_would);
    tcase_add_test(cases, a_connection_that_is_plain_gets_its_events_back);
    tcase_add_test(cases, a_connection_that_must_be_sealed_fails_and_is_not_plain);
    tcase_add_test(cases, registered_before_it_was_sealed_it_is_held_back_like_others);
    tcase_add_test(cases, an_outdated_registration_changes_nothing);
    return run_suite(cases, "readiness/registration");
}
