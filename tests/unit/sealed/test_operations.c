/*
 * The operations of sealed descriptors: plaintext for the program, ciphertext on the wire, and the kernel's errors
 * for arguments that the kernel refuses.
 */
#include "../suite.h"
#include "../connection/link.h"

#include <limits.h>
#include <sys/mman.h>

#include "sealed/operations.h"
#include "sealed/sealed.h"

static char directory[] = "/tmp/pfswrap-operations-XXXXXX";
static struct link wires;

#define KERNELS ((void *)(uintptr_t)-4096)

static ssize_t receive(const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    return sealed_receive(wires.server, vectors, count, flags, call);
}

static ssize_t send_vectors(const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    return sealed_send(wires.client, vectors, count, flags, call);
}

static void expect_error(ssize_t result, int error)
{
    ck_assert_int_eq(errno, error);
    ck_assert_int_eq(result, -1);
    errno = 0;
}

/* The client sends the text, and it has arrived at the server's socket. */
static void deliver(const char *text)
{
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    ck_assert_int_eq(send_vectors(&vector, 1, MSG_NOSIGNAL, TRANSPORT_SOCKET), (ssize_t)strlen(text));
    link_await(wires.client_wire);
    link_deliver(&wires, 65536);
    link_await(wires.server);
}

/* The next bytes that the server receives. */
static void expect(const char *text)
{
    char bytes[64] = "";
    const struct iovec vector = {.iov_base = bytes, .iov_len = sizeof bytes - 1};
    ck_assert_int_eq(receive(&vector, 1, 0, TRANSPORT_PLAIN), (ssize_t)strlen(text));
    ck_assert_str_eq(bytes, text);
}

START_TEST(the_program_has_plaintext_and_the_wire_has_not)
{
    static const char text[] = "a secret that nobody else reads";
    char wire[512];
    const struct iovec vector = {.iov_base = (void *)(uintptr_t)text, .iov_len = sizeof text - 1};
    ck_assert_int_eq(send_vectors(&vector, 1, MSG_NOSIGNAL, TRANSPORT_PLAIN), (ssize_t)sizeof text - 1);
    link_await(wires.client_wire);
    const ssize_t count = recv(wires.client_wire, wire, sizeof wire, MSG_PEEK);
    ck_assert_int_gt(count, (ssize_t)sizeof text);
    ck_assert_ptr_null(memmem(wire, (size_t)count, "secret", 6));
    link_deliver(&wires, 65536);
    link_await(wires.server);
    expect(text);
}
END_TEST

START_TEST(a_bad_pointer_to_vectors_is_left_to_the_kernel)
{
    ck_assert_int_eq(receive(NULL, 1, 0, TRANSPORT_VECTOR), FD_FOREIGN);
    ck_assert_int_eq(receive(KERNELS, 1, 0, TRANSPORT_VECTOR), FD_FOREIGN);
    ck_assert_int_eq(send_vectors(NULL, 1, MSG_NOSIGNAL, TRANSPORT_VECTOR), FD_FOREIGN);
    ck_assert_int_eq(send_vectors(KERNELS, 1, MSG_NOSIGNAL, TRANSPORT_VECTOR), FD_FOREIGN);
}
END_TEST

START_TEST(a_count_of_vectors_that_the_kernel_refuses_is_an_error)
{
    static struct iovec many[IOV_MAX + 1];
    static const long counts[] = {-1, IOV_MAX + 1};
    for (size_t i = 0; i < 2; i++) {
        expect_error(receive(many, counts[i], 0, TRANSPORT_VECTOR), EINVAL);
        expect_error(receive(many, counts[i], 0, TRANSPORT_MESSAGE), EMSGSIZE);
        expect_error(send_vectors(many, counts[i], MSG_NOSIGNAL, TRANSPORT_VECTOR), EINVAL);
        expect_error(send_vectors(many, counts[i], MSG_NOSIGNAL, TRANSPORT_MESSAGE), EMSGSIZE);
    }
}
END_TEST

START_TEST(lengths_that_overflow_are_an_error)
{
    char byte = 'x';
    const struct iovec vectors[] = {{.iov_base = &byte, .iov_len = 1}, {.iov_base = &byte, .iov_len = SSIZE_MAX}};
    expect_error(receive(vectors, 2, 0, TRANSPORT_VECTOR), EINVAL);
    expect_error(send_vectors(vectors, 2, MSG_NOSIGNAL, TRANSPORT_VECTOR), EINVAL);
}
END_TEST

START_TEST(a_receive_into_a_bad_buffer_consumes_nothing)
{
    const struct iovec bad = {.iov_base = NULL, .iov_len = 5};
    expect_error(receive(&bad, 1, 0, TRANSPORT_SOCKET), EAGAIN); /* first there must be bytes */
    deliver("hello");
    expect_error(receive(&bad, 1, 0, TRANSPORT_SOCKET), EFAULT);
    expect("hello");
}
END_TEST

START_TEST(a_buffer_in_the_kernels_half_is_refused_at_once)
{
    const struct iovec bad = {.iov_base = KERNELS, .iov_len = 5};
    expect_error(receive(&bad, 1, 0, TRANSPORT_SOCKET), EFAULT);
    expect_error(send_vectors(&bad, 1, MSG_NOSIGNAL, TRANSPORT_SOCKET), EFAULT);
}
END_TEST

START_TEST(with_msg_trunc_bytes_are_thrown_away_and_no_buffer_is_needed)
{
    const struct iovec none = {.iov_base = NULL, .iov_len = 3};
    deliver("hello");
    ck_assert_int_eq(receive(&none, 1, MSG_TRUNC, TRANSPORT_SOCKET), 3);
    expect("lo");
}
END_TEST

START_TEST(a_send_from_a_bad_buffer_sends_nothing)
{
    const struct iovec bad[] = {{.iov_base = (void *)(uintptr_t) "x", .iov_len = 1},
                                {.iov_base = NULL, .iov_len = 1}};
    expect_error(send_vectors(bad, 2, MSG_NOSIGNAL, TRANSPORT_SOCKET), EFAULT);
    ck_assert(!link_is_readable(wires.client_wire));
    deliver("next");
    expect("next");
}
END_TEST

START_TEST(after_shutdown_the_error_is_of_the_connection_and_not_of_the_buffer)
{
    const struct iovec bad = {.iov_base = NULL, .iov_len = 1};
    ck_assert_int_eq(sealed_plane.operations.shutdown(wires.client, SHUT_WR), 0);
    expect_error(send_vectors(&bad, 1, MSG_NOSIGNAL, TRANSPORT_SOCKET), EPIPE);
}
END_TEST

START_TEST(a_shutdown_is_an_orderly_end_for_the_peer)
{
    char byte;
    const struct iovec vector = {.iov_base = &byte, .iov_len = 1};
    deliver("x");
    ck_assert_int_eq(sealed_plane.operations.shutdown(wires.client, SHUT_WR), 0);
    while (recv(wires.client_wire, &byte, 1, MSG_PEEK) > 0)
        ck_assert_int_gt(link_move(wires.client_wire, wires.server_wire, 65536), 0);
    ck_assert_int_eq(shutdown(wires.server_wire, SHUT_WR), 0);
    expect("x");
    link_await(wires.server);
    ck_assert_int_eq(receive(&vector, 1, 0, TRANSPORT_SOCKET), 0);
}
END_TEST

START_TEST(the_readable_bytes_are_counted_as_plaintext)
{
    ck_assert_int_eq(sealed_plane.operations.available(wires.server), 0);
    deliver("hello");
    ck_assert_int_eq(sealed_plane.operations.available(wires.server), 5);
}
END_TEST

START_TEST(calls_that_no_interposed_call_sees_are_refused)
{
    ck_assert(sealed_plane.operations.refuses_unseen(wires.client));
    ck_assert_ptr_null(sealed_plane.operations.received); /* the kernel never moves the program's bytes itself */
    ck_assert_ptr_null(sealed_plane.operations.before_send);
}
END_TEST

/* --- sendfile --- */

static int make_file(const void *bytes, size_t size)
{
    const int file = memfd_create("file", MFD_CLOEXEC);
    ck_assert_int_ge(file, 0);
    ck_assert_int_eq(write(file, bytes, size), (ssize_t)size);
    ck_assert_int_eq(lseek(file, 0, SEEK_SET), 0);
    return file;
}

START_TEST(a_file_is_sent_from_its_own_offset_or_from_the_programs)
{
    off_t offset = 2;
    const int file = make_file("0123456789", 10);
    ck_assert_int_eq(sealed_plane.operations.send_file(wires.client, file, &offset, 3), 3);
    ck_assert_int_eq(offset, 5);
    ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 0);
    ck_assert_int_eq(sealed_plane.operations.send_file(wires.client, file, NULL, 2), 2);
    ck_assert_int_eq(lseek(file, 0, SEEK_CUR), 2);
    deliver("!");
    expect("23401!");
}
END_TEST

START_TEST(at_the_end_of_a_file_fewer_bytes_or_none_are_sent)
{
    off_t offset = 8;
    const int file = make_file("0123456789", 10);
    ck_assert_int_eq(sealed_plane.operations.send_file(wires.client, file, &offset, 100), 2);
    ck_assert_int_eq(sealed_plane.operations.send_file(wires.client, file, &offset, 100), 0);
    ck_assert_int_eq(offset, 10);
}
END_TEST

START_TEST(what_a_full_socket_does_not_take_stays_in_the_file)
{
    enum { SIZE = 8 * 1024 * 1024 };
    uint8_t *bytes = calloc(1, SIZE);
    const int file = make_file(bytes, SIZE);
    free(bytes);
    /* Nobody reads, so the socket gets full. The kernel may make room once more, as it moves what was sent. */
    ssize_t sent = 0;
    ssize_t more = 0;
    while ((more = sealed_plane.operations.send_file(wires.client, file, NULL, SIZE)) > 0) {
        sent += more;
        ck_assert_int_eq(lseek(file, 0, SEEK_CUR), sent);
    }
    ck_assert_int_eq(more, -1);
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_gt(sent, 0);
    ck_assert_int_lt(sent, SIZE);
    ck_assert_int_eq(lseek(file, 0, SEEK_CUR), sent);
}
END_TEST

START_TEST(a_pipe_or_a_closed_file_cannot_be_sent)
{
    int ends[2];
    off_t offset = 0;
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(write(ends[1], "x", 1), 1);
    expect_error(sealed_plane.operations.send_file(wires.client, ends[0], NULL, 1), EINVAL);
    ck_assert_int_eq(close(ends[0]), 0);
    expect_error(sealed_plane.operations.send_file(wires.client, ends[0], &offset, 1), EBADF);
    ck_assert(!link_is_readable(wires.client_wire));
}
END_TEST

static void start(void)
{
    link_start_policy(directory);
    wires = link_open(65536);
    errno = 0;
}

static void end(void)
{
    link_end_policy(directory);
}

int main(void)
{
    TCase *cases = tcase_create("sealed_operations");
    tcase_add_checked_fixture(cases, start, end);
    tcase_add_test(cases, the_program_has_plaintext_and_the_wire_has_not);
    tcase_add_test(cases, a_bad_pointer_to_vectors_is_left_to_the_kernel);
    tcase_add_test(cases, a_count_of_vectors_that_the_kernel_refuses_is_an_error);
    tcase_add_test(cases, lengths_that_overflow_are_an_error);
    tcase_add_test(cases, a_receive_into_a_bad_buffer_consumes_nothing);
    tcase_add_test(cases, a_buffer_in_the_kernels_half_is_refused_at_once);
    tcase_add_test(cases, with_msg_trunc_bytes_are_thrown_away_and_no_buffer_is_needed);
    tcase_add_test(cases, a_send_from_a_bad_buffer_sends_nothing);
    tcase_add_test(cases, after_shutdown_the_error_is_of_the_connection_and_not_of_the_buffer);
    tcase_add_test(cases, a_shutdown_is_an_orderly_end_for_the_peer);
    tcase_add_test(cases, the_readable_bytes_are_counted_as_plaintext);
    tcase_add_test(cases, calls_that_no_interposed_call_sees_are_refused);
    tcase_add_test(cases, a_file_is_sent_from_its_own_offset_or_from_the_programs);
    tcase_add_test(cases, at_the_end_of_a_file_fewer_bytes_or_none_are_sent);
    tcase_add_test(cases, what_a_full_socket_does_not_take_stays_in_the_file);
    tcase_add_test(cases, a_pipe_or_a_closed_file_cannot_be_sent);
    return run_suite(cases, "sealed_operations");
}
