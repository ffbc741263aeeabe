/* A sealed connection behaves as TCP does, whatever happens to its frames: split anywhere, delayed, read in parts.
 */
#include "../suite.h"

#include <pthread.h>

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

START_TEST(handshake_survives_any_split_of_the_wire)
{
    static const size_t pieces[] = {1, 2, 3, 7, 45, 65536};
    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct link link = link_open(pieces[i]);
        char text[6] = "";
        ck_assert_int_eq(link_send(link.client, "hello", 5), 5);
        link_await(link.client_wire);
        link_deliver(&link, pieces[i]);
        link_await(link.server);
        ssize_t count = 0;
        while (count < 5) {
            ssize_t part = link_receive(link.server, text + count, 5 - (size_t)count, 0);
            if (part > 0)
                count += part;
            else
                ck_assert_int_eq(errno, EAGAIN);
        }
        ck_assert_str_eq(text, "hello");
    }
}
END_TEST

/* xorshift: the same bytes at both ends without storing them. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

START_TEST(a_full_socket_loses_and_repeats_nothing)
{
    enum { TOTAL = 5000000, LARGEST = 70000 };
    struct link link = link_open(65536);
    int small = 16384;
    (void)setsockopt(link.client, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    char *sent = malloc(TOTAL), *got = malloc(TOTAL);
    uint32_t random = 12345;
    for (size_t i = 0; i < TOTAL; i++)
        sent[i] = (char)next_random(&random);
    size_t out = 0, in = 0, held_up = 0;
    while (in < TOTAL) {
        if (out < TOTAL) {
            size_t size = 1 + next_random(&random) % (random % 3 == 0 ? 5 : LARGEST);
            size = size < TOTAL - out ? size : TOTAL - out;
            ssize_t count = link_send(link.client, sent + out, size);
            ck_assert_int_ne(count, 0);
            if (count < 0)
                ck_assert_int_eq(errno, EAGAIN);
            held_up += count < (ssize_t)size;
            out += count > 0 ? (size_t)count : 0;
        } else {
            /* What is left is pending; any call continues with it, as the background thread does after a close. */
            struct endpoint *endpoint;
            struct connection *connection;
            ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
            (void)send_flush(connection, link.client);
            endpoint_leave(connection);
        }
        (void)link_move(link.client_wire, link.server_wire, 1 + next_random(&random) % 30000);
        ssize_t count = link_receive(link.server, got + in, 1 + next_random(&random) % (TOTAL - in), 0);
        ck_assert_int_ne(count, 0);
        in += count > 0 ? (size_t)count : 0;
    }
    ck_assert_uint_gt(held_up, 10);
    ck_assert_int_eq(memcmp(sent, got, TOTAL), 0);
    free(sent);
    free(got);
}
END_TEST

START_TEST(after_a_short_write_a_program_may_send_something_else)
{
    struct link link = link_open(65536);
    static char bytes[65536], got[65536];
    ssize_t count, sent = 0;
    memset(bytes, 'a', sizeof bytes);
    while ((count = link_send(link.client, bytes, sizeof bytes)) == (ssize_t)sizeof bytes)
        sent += count;
    sent += count > 0 ? count : 0;
    ssize_t received = 0, others = 0;
    while (received < sent + 1) {
        (void)link_move(link.client_wire, link.server_wire, sizeof bytes);
        if (others == 0 && link_send(link.client, "b", 1) == 1)
            others = 1;
        count = link_receive(link.server, got, sizeof got, 0);
        ssize_t wrong = 0; /* counted, since each assertion of Check is a system call */
        for (ssize_t i = 0; i < count; i++)
            wrong += got[i] != (received + i < sent ? 'a' : 'b');
        ck_assert_int_eq(wrong, 0);
        received += count > 0 ? count : 0;
    }
    ck_assert_int_eq(received, sent + 1);
}
END_TEST

START_TEST(reads_smaller_than_a_chunk_stay_readable_until_the_last_byte)
{
    struct link link = link_open(65536);
    static char bytes[10000];
    ck_assert_int_eq(link_send(link.client, bytes, sizeof bytes), sizeof bytes);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    link_await(link.server);
    for (size_t done = 0; done < sizeof bytes; done += 100) {
        ck_assert(link_is_readable(link.server));
        ck_assert_int_eq(link_receive(link.server, bytes, 100, 0), 100);
    }
    ck_assert(!link_is_readable(link.server));
    ck_assert_int_eq(link_receive(link.server, bytes, 100, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(one_read_takes_many_small_frames_from_the_kernel)
{
    enum { FRAMES = 30, SIZE = 100 };
    struct link link = link_open(65536);
    static char bytes[65536];
    for (int i = 0; i < FRAMES; i++)
        ck_assert_int_eq(link_send(link.client, bytes, SIZE), SIZE);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    for (int queued = 0; queued < FRAMES * (SIZE + PFSWRAP_SEAL_OVERHEAD);)
        ck_assert_int_eq(ioctl(link.server, FIONREAD, &queued), 0);
    ck_assert_int_eq(link_receive(link.server, bytes, 4096, 0), FRAMES * SIZE);
    ck_assert(!link_is_readable(link.server));
}
END_TEST

START_TEST(peeking_takes_nothing_and_sees_several_frames)
{
    struct link link = link_open(65536);
    char text[16] = "";
    ck_assert_int_eq(link_send(link.client, "one", 3), 3);
    ck_assert_int_eq(link_send(link.client, "two", 3), 3);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    for (int queued = 0; queued < 2 * (3 + PFSWRAP_SEAL_OVERHEAD);)
        ck_assert_int_eq(ioctl(link.server, FIONREAD, &queued), 0);
    for (int i = 0; i < 3; i++) {
        memset(text, 0, sizeof text);
        ck_assert_int_eq(link_receive(link.server, text, 5, MSG_PEEK), 5);
        ck_assert_str_eq(text, "onetw");
        ck_assert(link_is_readable(link.server));
        ck_assert_int_eq(stream_available(link.server), 6);
    }
    memset(text, 0, sizeof text);
    ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), 6);
    ck_assert_str_eq(text, "onetwo");
    ck_assert(!link_is_readable(link.server));
    ck_assert_int_eq(stream_available(link.server), 0);
}
END_TEST

/* Otherwise the kernel's buffer may be full of it, and no edge ever comes. */
START_TEST(reading_to_the_end_that_was_counted_leaves_no_part_of_a_frame_in_the_kernel)
{
    enum { PART = 10000, CHUNK = PFSWRAP_SEAL_CHUNK_MAX, FRAME = CHUNK + PFSWRAP_SEAL_OVERHEAD };
    static char bytes[2 * CHUNK], got[2 * CHUNK];
    for (int peeks = 0; peeks < 2; peeks++) {
        struct link link = link_open(65536);
        int queued = 0;
        size_t moved = 0;
        ck_assert_int_eq(link_send(link.client, bytes, sizeof bytes), sizeof bytes);
        while (moved < FRAME + PART) {
            const ssize_t count = link_move(link.client_wire, link.server_wire, FRAME + PART - moved);
            moved += count > 0 ? (size_t)count : 0;
        }
        while (queued < FRAME + PART)
            ck_assert_int_eq(ioctl(link.server, FIONREAD, &queued), 0);
        if (peeks == 0)
            ck_assert_int_eq(stream_available(link.server), CHUNK);
        else
            ck_assert_int_eq(link_receive(link.server, got, sizeof got, MSG_PEEK), CHUNK);
        ck_assert_int_eq(link_receive(link.server, got, CHUNK, 0), CHUNK);
        ck_assert_int_eq(ioctl(link.server, FIONREAD, &queued), 0);
        ck_assert_int_eq(queued, 0);
        (void)link_move(link.client_wire, link.server_wire, FRAME);
        link_await(link.server);
        ssize_t count = 0;
        while (count < CHUNK) {
            const ssize_t part = link_receive(link.server, got + count, sizeof got - (size_t)count, 0);
            count += part > 0 ? part : 0;
        }
        ck_assert_int_eq(count, CHUNK);
    }
}
END_TEST

START_TEST(a_receive_of_no_bytes_reports_a_complete_frame_and_takes_nothing)
{
    struct link link = link_open(65536);
    char text[8] = "";
    ck_assert_int_eq(link_receive(link.server, text, 0, 0), -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(link_send(link.client, "abc", 3), 3);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    for (int queued = 0; queued < 3 + PFSWRAP_SEAL_OVERHEAD;)
        ck_assert_int_eq(ioctl(link.server, FIONREAD, &queued), 0);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(link_receive(link.server, text, 0, 0), 0);
    ck_assert_int_eq(link_receive(link.server, text, sizeof text, 0), 3);
    ck_assert_str_eq(text, "abc");
}
END_TEST

START_TEST(discarding_counts_and_copies_nothing)
{
    struct link link = link_open(65536);
    char text[8] = "intact";
    ck_assert_int_eq(link_send(link.client, "abcdef", 6), 6);
    link_await(link.client_wire);
    link_deliver(&link, 65536);
    link_await(link.server);
    ck_assert_int_eq(link_receive(link.server, text, 4, MSG_TRUNC), 4);
    ck_assert_str_eq(text, "intact");
    ck_assert_int_eq(link_receive(link.server, text, 2, 0), 2);
    ck_assert_int_eq(memcmp(text, "ef", 2), 0);
}
END_TEST

START_TEST(a_handler_that_comes_in_between_gets_an_errno)
{
    struct link link = link_open(65536);
    struct endpoint *endpoint;
    struct connection *connection;
    ck_assert_int_eq(endpoint_enter(link.client, &endpoint, &connection), ENDPOINT_ENTERED);
    ck_assert_int_eq(link_send(link.client, "x", 1), -1);
    ck_assert_int_eq(errno, EAGAIN);
    atomic_store(&connection->nonblocking, 0);
    ck_assert_int_eq(link_send(link.client, "x", 1), -1);
    ck_assert_int_eq(errno, EDEADLK);
    endpoint_leave(connection);
    ck_assert_int_eq(link_send(link.client, "x", 1), 1);
}
END_TEST

struct slow {
    int fd, go_on[2], gone_on[2];
};

/* A call that holds the connection longer than others wait, and then writes to it as if nothing had happened. */
static void *call_slowly(void *argument)
{
    struct slow *slow = argument;
    struct endpoint *endpoint;
    struct connection *connection;
    char byte = 'x';
    if (endpoint_enter(slow->fd, &endpoint, &connection) != ENDPOINT_ENTERED)
        return NULL;
    (void)!write(slow->gone_on[1], &byte, 1);
    (void)!read(slow->go_on[0], &byte, 1);
    connection->phase = CONNECTION_OPEN;
    (void)!write(slow->gone_on[1], &byte, 1);
    (void)!read(slow->go_on[0], &byte, 1);
    endpoint_leave(connection);
    (void)!write(slow->gone_on[1], &byte, 1);
    return slow;
}

START_TEST(a_call_that_comes_back_too_late_revives_no_connection)
{
    static struct slow slow;
    struct link link = link_open(65536);
    pthread_t thread;
    void *done;
    char byte;
    slow.fd = link.client;
    ck_assert_int_eq(pipe(slow.go_on) | pipe(slow.gone_on), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, call_slowly, &slow), 0);
    ck_assert_int_eq(read(slow.gone_on[0], &byte, 1), 1);
    ck_assert_int_eq(link_send(link.client, "x", 1), -1);
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(write(slow.go_on[1], "x", 1), 1);
    ck_assert_int_eq(read(slow.gone_on[0], &byte, 1), 1);
    ck_assert_int_eq(link_send(link.client, "x", 1), -1);
    /* The thread may still use the number. It is closed for the program, and stays open until the thread is back.
     */
    ck_assert_int_eq(fd_close(link.client), 0);
    ck_assert(fd_is_hidden(link.client));
    ck_assert_int_eq(link_send(link.client, "x", 1), -1);
    ck_assert_int_eq(errno, EBADF);
    ck_assert_int_eq(write(slow.go_on[1], "x", 1), 1);
    ck_assert_int_eq(read(slow.gone_on[0], &byte, 1), 1);
    while (fd_is_hidden(link.client) || fd_is_closing(link.client))
        (void)poll(NULL, 0, 1);
    ck_assert_int_eq(fcntl(link.client, F_GETFD), -1);
    ck_assert_int_eq(pthread_join(thread, &done), 0);
    ck_assert_ptr_eq(done, &slow);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("stream");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, handshake_survives_any_split_of_the_wire);
    tcase_add_test(cases, a_full_socket_loses_and_repeats_nothing);
    tcase_add_test(cases, after_a_short_write_a_program_may_send_something_else);
    tcase_add_test(cases, reads_smaller_than_a_chunk_stay_readable_until_the_last_byte);
    tcase_add_test(cases, one_read_takes_many_small_frames_from_the_kernel);
    tcase_add_test(cases, peeking_takes_nothing_and_sees_several_frames);
    tcase_add_test(cases, reading_to_the_end_that_was_counted_leaves_no_part_of_a_frame_in_the_kernel);
    tcase_add_test(cases, a_receive_of_no_bytes_reports_a_complete_frame_and_takes_nothing);
    tcase_add_test(cases, discarding_counts_and_copies_nothing);
    tcase_add_test(cases, a_handler_that_comes_in_between_gets_an_errno);
    tcase_add_test(cases, a_call_that_comes_back_too_late_revives_no_connection);
    return run_suite(cases, "stream");
}
