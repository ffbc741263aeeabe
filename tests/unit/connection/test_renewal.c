/*
 * New keys for a sealed connection whose programs use it in one direction only, and its end if the peer does not
 * agree on new keys. The test sets the clock.
 */
#include "../clock.h"
#include "../suite.h"

#include "connection/release.h"
#include "link.h"
#include "seal/channel.h"

enum { HOUR = 3600, DAY = 86400 };

static char directory[] = "/tmp/pfswrap-renewal-XXXXXX";

static void setup(void)
{
    memcpy(directory + sizeof directory - 7, "XXXXXX", 6);
    link_start_policy(directory);
}

static void teardown(void)
{
    link_end_policy(directory);
}

/* A copy of what the channel of a descriptor says; changes `seconds`, its age of the keys, unless it is 0. */
static struct pfswrap_seal_info look(int fd, uint32_t seconds)
{
    struct pfswrap_seal_info info;
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(fd, &endpoint, &connection), ENDPOINT_ENTERED);
    if (seconds != 0)
        connection->channel.rehandshake_seconds = seconds;
    ck_assert_int_eq(channel_describe(&connection->channel, &info), 0);
    ck_assert(connection->exchange == 0 || channel_is_exchanging(&connection->channel));
    endpoint_leave(connection);
    return info;
}

static uint32_t renewed(int fd)
{
    return look(fd, 0).rehandshakes;
}

static void move_both(const struct link *link)
{
    while (link_is_readable(link->client_wire) && link_move(link->client_wire, link->server_wire, 65536) > 0)
        continue;
    while (link_is_readable(link->server_wire) && link_move(link->server_wire, link->client_wire, 65536) > 0)
        continue;
}

/* Moves what `from` has sent until `to` is readable. */
static void deliver(const struct link *link, int to)
{
    struct pollfd poll_fd = {.fd = to, .events = POLLIN};
    do
        move_both(link);
    while (poll(&poll_fd, 1, 1) == 0);
}

/* One byte from `from`, which never receives, to `to`, which never sends. */
static void pass(const struct link *link, int from, int to)
{
    char byte = 'x';
    ssize_t count;
    ck_assert_int_eq(link_send(from, &byte, 1), 1);
    do {
        deliver(link, to);
        count = link_receive(to, &byte, 1, 0);
    } while (count < 0 && errno == EAGAIN);
    ck_assert_int_eq(count, 1);
    move_both(link);
}

/* Lets the bytes that are under way cross the loopback: passes bytes, a second each, until both ends agree. */
static void pass_until_renewed(const struct link *link, int from, int to, uint32_t count)
{
    for (int i = 0; i < 1000 && (renewed(from) != count || renewed(to) != count); i++) {
        clock_ahead++;
        pass(link, from, to);
    }
    ck_assert_uint_eq(renewed(from), count);
    ck_assert_uint_eq(renewed(to), count);
}

START_TEST(keys_are_renewed_if_one_program_only_sends_and_the_other_only_receives)
{
    struct link link = link_open(65536);
    const int from = _i % 2 == 0 ? link.client : link.server, to = _i % 2 == 0 ? link.server : link.client;
    if (_i >= 2)
        ck_assert_int_eq(release_shutdown(from, SHUT_RD), 0);
    pass(&link, from, to);
    for (uint32_t hours = 1; hours <= 3; hours++) {
        ck_assert_uint_eq(renewed(from), hours - 1);
        clock_ahead += HOUR;
        pass_until_renewed(&link, from, to, hours);
    }
}
END_TEST

START_TEST(data_that_a_program_never_reads_does_not_keep_the_keys_old)
{
    static char unread[30000], got[sizeof unread];
    struct link link = link_open(65536);
    const int from = _i == 0 ? link.client : link.server, to = _i == 0 ? link.server : link.client;
    memset(unread, 'u', sizeof unread);
    ck_assert_int_eq(link_send(to, unread, sizeof unread), sizeof unread);
    clock_ahead += HOUR;
    pass_until_renewed(&link, from, to, 1);
    ck_assert(link_is_readable(from));
    for (size_t done = 0; done < sizeof got;) {
        ssize_t count = link_receive(from, got + done, sizeof got - done, 0);
        ck_assert_int_gt(count, 0);
        done += (size_t)count;
    }
    ck_assert_mem_eq(unread, got, sizeof got);
    ck_assert_int_eq(link_receive(from, got, 1, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert(!link_is_readable(from));
    pass(&link, from, to);
}
END_TEST

START_TEST(unread_data_stays_in_the_kernel_while_the_keys_are_new)
{
    struct link link = link_open(65536);
    struct endpoint *endpoint;
    struct connection *connection;
    char byte;
    ck_assert_int_eq(link_send(link.client, "unread", 6), 6);
    deliver(&link, link.server);
    for (int i = 0; i < 5; i++) {
        clock_ahead++;
        pass(&link, link.server, link.client);
    }
    ck_assert_int_eq(endpoint_enter(link.server, &endpoint, &connection), ENDPOINT_ENTERED);
    ck_assert_uint_eq(span_length(connection->rx_plain) + span_length(connection->rx_cipher), 0);
    endpoint_leave(connection);
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), 1);
    ck_assert_int_eq(byte, 'u');
}
END_TEST

START_TEST(a_connection_that_was_idle_for_a_month_continues_with_new_keys)
{
    struct link link = link_open(65536);
    const int from = _i == 0 ? link.client : link.server, to = _i == 0 ? link.server : link.client;
    clock_ahead += 30 * DAY;
    pass_until_renewed(&link, from, to, 1);
}
END_TEST

START_TEST(a_peer_that_does_not_agree_on_new_keys_loses_the_connection_and_the_log_says_why)
{
    struct link link = link_open(65536);
    char byte = 'x', *log;
    (void)look(link.client, UINT32_MAX); /* this client never asks */
    for (int hours = 0; hours < 24; hours++) {
        clock_ahead += HOUR;
        pass(&link, _i == 0 ? link.client : link.server, _i == 0 ? link.server : link.client);
    }
    clock_ahead += HOUR;
    if (_i == 0) {
        ck_assert_int_eq(link_send(link.client, &byte, 1), 1);
        deliver(&link, link.server);
        while (link_receive(link.server, &byte, 1, 0) == -1 && errno == EAGAIN)
            move_both(&link);
    } else {
        ck_assert_int_eq(link_send(link.server, &byte, 1), -1);
    }
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(link_receive(link.server, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    log = link_read_log(directory);
    ck_assert_ptr_nonnull(strstr(log,
                                 "\"end\":\"error\",\"reason\":\"the keys are too old: the peer has not agreed on "
                                 "new ones\""));
    free(log);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("renewal");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, keys_are_renewed_if_one_program_only_sends_and_the_other_only_receives, 0, 4);
    tcase_add_loop_test(tc, data_that_a_program_never_reads_does_not_keep_the_keys_old, 0, 2);
    tcase_add_test(tc, unread_data_stays_in_the_kernel_while_the_keys_are_new);
    tcase_add_loop_test(tc, a_connection_that_was_idle_for_a_month_continues_with_new_keys, 0, 2);
    tcase_add_loop_test(tc, a_peer_that_does_not_agree_on_new_keys_loses_the_connection_and_the_log_says_why, 0, 2);
    return run_suite(tc, "renewal");
}
