/* The ends of a stream that are errors: without FINAL, in a frame, by a forged byte, by a peer that does not seal.
 */
#include "../suite.h"

#include "connection/release.h"
#include "fd/close.h"
#include "link.h"

static char directory[] = "/tmp/pfswrap-stream-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

START_TEST(an_end_without_final_is_an_error_after_the_earlier_bytes)
{
    struct link link = link_open(65536);
    char text[8];
    ck_assert_int_eq(link_send(link.client, "abc", 3), 3);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    ck_assert_int_eq(shutdown(link.server_wire, SHUT_WR), 0);
    link_await(link.server);
    ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), 3);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), -1);
        ck_assert_int_eq(errno, ECONNRESET);
    }
    char *log = link_read_log(directory);
    ck_assert_ptr_nonnull(strstr(log, "\"end\":\"truncated\""));
    free(log);
}
END_TEST

START_TEST(an_end_behind_half_a_frame_is_reported_by_the_first_receive)
{
    struct link link = link_open(65536);
    char frame[PFSWRAP_SEAL_OVERHEAD + 5], text[8];
    ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
    ck_assert_int_eq(recv(link.client_wire, frame, sizeof frame, MSG_WAITALL), sizeof frame);
    ck_assert_int_eq(send(link.server_wire, frame, sizeof frame / 2, 0), sizeof frame / 2);
    ck_assert_int_eq(shutdown(link.server_wire, SHUT_WR), 0);
    struct pollfd end = {.fd = link.server, .events = POLLRDHUP};
    ck_assert_int_eq(poll(&end, 1, -1), 1); /* edge-triggered epoll reports data and end at once, and only once */
    ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(a_forged_byte_anywhere_in_a_frame_is_an_error)
{
    enum { FRAME = 5 + PFSWRAP_SEAL_OVERHEAD };
    for (int at = 0; at < FRAME; at++) {
        struct link link = link_open(65536);
        char frame[FRAME], text[8];
        ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
        ck_assert_int_eq(recv(link.client_wire, frame, sizeof frame, MSG_WAITALL), FRAME);
        frame[at] = (char)(frame[at] ^ 0x40);
        ck_assert_int_eq(send(link.server_wire, frame, sizeof frame, 0), FRAME);
        ck_assert_int_eq(shutdown(link.server_wire, SHUT_WR), 0);
        ssize_t count;
        link_await(link.server);
        while ((count = link_receive(link.server, text, sizeof text, 0)) == -1 && errno == EAGAIN)
            link_await(link.server);
        if (at == FRAME - 1 && count == 5) /* the trailing byte is not part of what is sealed */
            count = link_receive(link.server, text, sizeof text, 0);
        ck_assert_int_eq(count, -1);
        ck_assert_int_eq(errno, ECONNRESET);
        (void)close(link.client_wire);
        (void)close(link.server_wire);
    }
}
END_TEST

START_TEST(a_peer_with_another_protocol_is_refused)
{
    int sealed, peer;
    char byte;
    link_pair(&sealed, &peer);
    link_seal(sealed, 0, false, true);
    ck_assert_int_eq(send(peer, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
    link_await(sealed);
    ck_assert_int_eq(link_receive(sealed, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(recv(peer, &byte, 1, 0), 0);
    char *log = link_read_log(directory);
    ck_assert_ptr_nonnull(strstr(log, "\"event\":\"refused\""));
    free(log);
}
END_TEST

START_TEST(a_silent_peer_is_refused_after_the_timeout)
{
    int sealed, peer;
    char byte;
    link_pair(&sealed, &peer);
    link_seal(sealed, 0, false, false);
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(sealed, &endpoint, &connection), ENDPOINT_ENTERED);
    connection->deadline_ms = clock_ms() + 50;
    endpoint_leave(connection);
    ck_assert_int_eq(link_receive(sealed, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    char *log = link_read_log(directory);
    ck_assert_ptr_nonnull(strstr(log, "handshake-timeout"));
    free(log);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("stream_end");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, an_end_without_final_is_an_error_after_the_earlier_bytes);
    tcase_add_test(cases, an_end_behind_half_a_frame_is_reported_by_the_first_receive);
    tcase_add_test(cases, a_forged_byte_anywhere_in_a_frame_is_an_error);
    tcase_add_test(cases, a_peer_with_another_protocol_is_refused);
    tcase_add_test(cases, a_silent_peer_is_refused_after_the_timeout);
    return run_suite(cases, "stream_end");
}
