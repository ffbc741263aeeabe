/*
 * What poll and epoll report of an open connection: parts of frames, and the end of the stream with and without a
 * FIN.
 */
#include "../suite.h"
#include "connection/release.h"
#include "events.h"

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

int main(void)
{
    TCase *cases = tcase_create("frames");
    tcase_add_checked_fixture(cases, start_policy, end_policy);
    tcase_add_test(cases, a_part_of_a_frame_is_not_readable);
    tcase_add_test(cases, the_rest_of_a_frame_stays_readable);
    tcase_add_test(cases, final_without_fin_is_what_a_fin_is);
    tcase_add_test(cases, final_without_its_last_byte_is_the_end_too);
    tcase_add_test(cases, a_half_closed_end_gets_its_end_without_fin);
    return run_suite(cases, "readiness/frames");
}
