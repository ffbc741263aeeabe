/* The bytes of inspected connections: what reaches the reader, and that refused bytes do not leave. */
#include "../suite.h"
#include "../wire/conversation.h"
#include "inspected.h"

/* A send as the interposed calls make it, of which the kernel takes at most `most` bytes. Returns what they return.
 */
static ssize_t send_some_of(int fd, const void *bytes, size_t size, size_t most)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    uint32_t ticket;
    if (inspect_plane.operations.before_send(fd, &vector, 1, NULL, &ticket) != 0)
        return -1;
    const ssize_t sent = send(fd, bytes, size < most ? size : most, MSG_NOSIGNAL);
    inspect_plane.operations.sent(fd, &vector, 1, sent, ticket);
    return sent;
}

static ssize_t send_all(int fd, const void *bytes, size_t size)
{
    return send_some_of(fd, bytes, size, size);
}

/* A receive as the interposed calls make it. */
static ssize_t receive(int fd, void *bytes, size_t size, int flags)
{
    const struct iovec vector = {.iov_base = bytes, .iov_len = size};
    link_await(fd);
    return inspect_plane.operations.received(fd, &vector, 1, recv(fd, bytes, size, flags), flags, NULL);
}

/* The call before this one has failed, as on a connection that is cut. */
static void expect_cut(ssize_t result)
{
    ck_assert_int_eq(errno, ECONNRESET);
    ck_assert_int_eq(result, -1);
}

static struct bytes client_hello(void)
{
    static const uint16_t versions[] = {0x0304, 0};
    struct bytes message = {.length = 0}, records = {.length = 0};
    put_client_hello(&message, (struct client_hello){.versions = versions});
    put_records(&records, 22, &message, 16384);
    return records;
}

static struct bytes server_hello(void)
{
    struct bytes message = {.length = 0}, records = {.length = 0};
    put_server_hello(&message, (struct server_hello){.version = 0x0304, .suite = 0x1302, .group = 29});
    put_records(&records, 22, &message, 16384);
    return records;
}

START_TEST(refused_plaintext_does_not_leave_and_the_connection_is_cut)
{
    char byte;
    const struct pair pair = inspected();
    expect_cut(send_all(pair.client, "GET / HTTP/1.0\r\n", 16));
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, &byte, 1, 0), 0); /* not a byte, and then the end */
    ck_assert(fd_has_record(pair.client));
    errno = 0;
    expect_cut(send_all(pair.client, "x", 1));
    errno = 0;
    expect_cut(inspect_plane.operations.received(pair.client, NULL, 0, 0, 0, NULL));
    ck_assert(log_has("\"refused\"") && log_has("plaintext is refused by the policy"));
}
END_TEST

START_TEST(refused_plaintext_that_was_received_does_not_reach_the_program)
{
    char bytes[16];
    const struct pair pair = inspected();
    ck_assert_int_eq(send(pair.server, "220 hello\r\n", 11, 0), 11);
    expect_cut(receive(pair.client, bytes, sizeof bytes, 0));
}
END_TEST

START_TEST(a_handshake_that_the_policy_allows_ends_the_inspection)
{
    char bytes[4096];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    ck_assert_int_eq(send_all(pair.client, hello.at, hello.length), (ssize_t)hello.length);
    ck_assert(fd_has_record(pair.client));
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, bytes, sizeof bytes, 0), (ssize_t)hello.length);
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"observed\""));
}
END_TEST

/* The verdict of a conversation whose client sends in pieces, of which the kernel takes only a part each time. */
START_TEST(after_short_writes_the_reader_has_what_was_sent)
{
    enum { PIECE = 40, TAKEN = 7 };
    char bytes[4096];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    for (size_t done = 0; done < hello.length;) {
        const size_t left = hello.length - done;
        const ssize_t sent = send_some_of(pair.client, hello.at + done, left < PIECE ? left : PIECE, TAKEN);
        ck_assert_int_gt(sent, 0);
        done += (size_t)sent;
        ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], done);
    }
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"observed\"") && !log_has("\"refused\""));
}
END_TEST

START_TEST(a_send_that_failed_is_as_if_it_had_not_been_made)
{
    const struct pair pair = inspected();
    const struct bytes hello = client_hello();
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)hello.at, .iov_len = 20};
    uint32_t ticket;
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, &vector, 1, NULL, &ticket), 0);
    inspect_plane.operations.sent(pair.client, &vector, 1, -1, ticket);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 0);
    ck_assert(!wire_is_tls(&record_of(pair.client)->wire));
}
END_TEST

START_TEST(peeked_bytes_are_read_once)
{
    char bytes[8];
    const struct pair pair = inspected();
    const struct bytes hello = client_hello();
    ck_assert_int_eq(send(pair.server, hello.at, hello.length, 0), (ssize_t)hello.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, MSG_PEEK), (ssize_t)sizeof bytes);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_IN], 0);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_IN], sizeof bytes);
}
END_TEST

START_TEST(a_vector_that_the_kernel_refuses_is_not_read)
{
    const struct iovec bad[] = {
        {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1},
        {.iov_base = (void *)(INTPTR_MAX > INT32_MAX ? INTPTR_MIN : -1), .iov_len = 1}}; /* the kernel's */
    uint32_t ticket = 1;
    const struct pair pair = inspected();
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, bad, 2, NULL, &ticket), 0);
    ck_assert_uint_eq(ticket, 0);
    ck_assert_int_eq(inspect_plane.operations.before_send(pair.client, NULL, 1, NULL, &ticket), 0);
    ck_assert_uint_eq(record_of(pair.client)->fed[WIRE_OUT], 0);
}
END_TEST

START_TEST(what_lies_before_a_bad_buffer_is_read)
{
    const struct iovec partly[] = {{.iov_base = (void *)(uintptr_t) "x", .iov_len = 1},
                                   {.iov_base = NULL, .iov_len = 1}};
    uint32_t ticket = 1;
    const struct pair pair = inspected();
    expect_cut(inspect_plane.operations.before_send(pair.client, partly, 2, NULL, &ticket));
}
END_TEST

START_TEST(a_file_counts_as_plaintext_before_tls_and_is_not_checked_after_it)
{
    const struct pair plain = inspected(), tls = inspected();
    const struct bytes hello = client_hello();
    ck_assert(inspect_plane.operations.refuses_unseen(plain.client));
    ck_assert_int_eq(send_all(tls.client, hello.at, hello.length), (ssize_t)hello.length);
    ck_assert_int_eq(inspect_before_stream(tls.client, NULL), 0);
    expect_cut(inspect_plane.operations.before_unseen(plain.client, NULL));
}
END_TEST

START_TEST(a_stdio_stream_is_refused_where_plaintext_is)
{
    const struct pair pair = inspected();
    expect_cut(inspect_before_stream(pair.client, NULL));
}
END_TEST

START_TEST(a_number_that_is_another_file_now_is_not_inspected_any_more)
{
    const struct pair pair = inspected();
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(dup2(ends[0], pair.client), pair.client);
    ck_assert_int_eq(send_all(pair.client, "plaintext", 9), 9);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

START_TEST(bytes_that_passed_without_a_call_make_the_verdict_unknown)
{
    const struct pair pair = inspected();
    const struct bytes hello = client_hello(), answer = server_hello();
    char bytes[4096];
    ck_assert_int_eq(send(pair.client, hello.at, hello.length, 0), (ssize_t)hello.length); /* not interposed */
    link_await(pair.server);
    ck_assert_int_eq(recv(pair.server, bytes, sizeof bytes, 0), (ssize_t)hello.length);
    ck_assert_int_eq(send(pair.server, answer.at, answer.length, 0), (ssize_t)answer.length);
    ck_assert_int_eq(receive(pair.client, bytes, sizeof bytes, 0), (ssize_t)answer.length);
    ck_assert(!fd_has_record(pair.client));
    ck_assert(log_has("\"unjudged\"") && !log_has("\"refused\""));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("bytes");
    tcase_add_checked_fixture(cases, start_inspecting, end_inspecting);
    tcase_add_test(cases, refused_plaintext_does_not_leave_and_the_connection_is_cut);
    tcase_add_test(cases, refused_plaintext_that_was_received_does_not_reach_the_program);
    tcase_add_test(cases, a_handshake_that_the_policy_allows_ends_the_inspection);
    tcase_add_test(cases, after_short_writes_the_reader_has_what_was_sent);
    tcase_add_test(cases, a_send_that_failed_is_as_if_it_had_not_been_made);
    tcase_add_test(cases, peeked_bytes_are_read_once);
    tcase_add_test(cases, a_vector_that_the_kernel_refuses_is_not_read);
    tcase_add_test(cases, what_lies_before_a_bad_buffer_is_read);
    tcase_add_test(cases, a_file_counts_as_plaintext_before_tls_and_is_not_checked_after_it);
    tcase_add_test(cases, a_stdio_stream_is_refused_where_plaintext_is);
    tcase_add_test(cases, a_number_that_is_another_file_now_is_not_inspected_any_more);
    tcase_add_test(cases, bytes_that_passed_without_a_call_make_the_verdict_unknown);
    return run_suite(cases, "inspect/bytes");
}
