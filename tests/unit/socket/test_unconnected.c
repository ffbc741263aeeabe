/*
 * Notes about sockets that are not connected yet: which sockets have them, and that all numbers of a socket are
 * found.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/change.h"
#include "fd/plane.h"
#include "socket/unconnected.h"

static bool takes = true, records = true;

static bool takes_over(void)
{
    return takes;
}

static bool makes_records(void)
{
    return records;
}

static const struct plane taking = {.is_wanted = takes_over}, recording = {.is_wanted = makes_records};
const struct plane *const planes[] = {&taking, &recording, NULL};
const struct process_observer *const process_observers[] = {NULL};

static int open_tcp(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

/* A duplicate as the interposed calls make it. */
static int copy_of(int fd)
{
    const int copy = dup(fd);
    const uint32_t id = unconnected_copied(fd);
    ck_assert_int_ge(copy, 0);
    ck_assert_uint_ne(id, 0);
    fd_note(copy, id, 0);
    return copy;
}

START_TEST(a_duplicated_tcp_socket_is_noted_with_its_id)
{
    const int tcp = open_tcp();
    const uint32_t id = unconnected_copied(tcp);
    ck_assert_uint_eq(id, fd_socket_id(tcp));
    ck_assert_uint_eq(fd_word(tcp), fd_note_word(id, 0));
}
END_TEST

START_TEST(nothing_is_noted_about_other_files)
{
    const int udp = socket(AF_INET, SOCK_DGRAM, 0), file = open("/dev/null", O_WRONLY);
    ck_assert_uint_eq(unconnected_copied(udp), 0);
    ck_assert_uint_eq(unconnected_copied(file), 0);
    unconnected_streamed(udp);
    unconnected_streamed(file);
    ck_assert_uint_eq(fd_word(udp) | fd_word(file), 0);
}
END_TEST

START_TEST(nothing_is_noted_without_a_policy_for_connections)
{
    const int tcp = open_tcp();
    takes = records = false;
    ck_assert_uint_eq(unconnected_copied(tcp), 0);
    unconnected_streamed(tcp);
    ck_assert_uint_eq(fd_word(tcp), 0);
    records = true;
    ck_assert_uint_ne(unconnected_copied(tcp), 0);
    takes = true;
    records = false;
    ck_assert_uint_ne(unconnected_copied(open_tcp()), 0);
}
END_TEST

START_TEST(a_number_of_a_plane_needs_no_note)
{
    const int taken = open_tcp(), recorded = open_tcp();
    (void)fd_table_put(taken, 1);
    ck_assert(plane_add_record(&recording, recorded, 1));
    ck_assert_uint_eq(unconnected_copied(taken), 0);
    ck_assert_uint_eq(unconnected_copied(recorded), 0);
    ck_assert_uint_eq(fd_word(taken), 1);
    ck_assert_uint_eq(fd_note_of(recorded), 0);
}
END_TEST

START_TEST(from_each_number_of_a_socket_the_others_are_found)
{
    const int first = open_tcp(), stranger = copy_of(open_tcp());
    const int numbers[] = {first, copy_of(first), copy_of(first)};
    ck_assert_int_ne(stranger, -1);
    for (int i = 0; i < 3; i++) {
        int next = 0, found = 0;
        for (int fd = unconnected_next(numbers[i], &next); fd >= 0; fd = unconnected_next(numbers[i], &next)) {
            ck_assert_int_ne(fd, numbers[i]);
            ck_assert(fd == numbers[0] || fd == numbers[1] || fd == numbers[2]);
            found++;
        }
        ck_assert_int_eq(found, 2);
    }
}
END_TEST

START_TEST(a_socket_without_a_note_has_no_other_numbers)
{
    int next = 0;
    const int tcp = open_tcp();
    ck_assert_int_eq(unconnected_next(tcp, &next), -1);
    ck_assert(!unconnected_has_stream(tcp));
}
END_TEST

START_TEST(a_note_about_another_socket_at_the_number_does_not_count)
{
    int next = 0;
    const int tcp = open_tcp(), copy = copy_of(tcp), other = open_tcp();
    unconnected_streamed(copy);
    ck_assert_int_eq(dup2(other, tcp), tcp); /* as libc would close it */
    ck_assert_int_eq(unconnected_next(tcp, &next), -1);
    ck_assert(!unconnected_has_stream(tcp));
    ck_assert(unconnected_has_stream(copy));
}
END_TEST

START_TEST(a_stream_on_one_number_is_a_stream_of_the_socket)
{
    const int tcp = open_tcp(), copy = copy_of(tcp), other = open_tcp();
    unconnected_streamed(other);
    ck_assert(!unconnected_has_stream(tcp));
    unconnected_streamed(copy);
    ck_assert(unconnected_has_stream(tcp) && unconnected_has_stream(copy));
}
END_TEST

START_TEST(notes_keep_errno)
{
    errno = EXDEV;
    (void)unconnected_copied(open("/dev/null", O_WRONLY));
    unconnected_streamed(-1);
    ck_assert_int_eq(errno, EXDEV);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("unconnected");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, a_duplicated_tcp_socket_is_noted_with_its_id);
    tcase_add_test(cases, nothing_is_noted_about_other_files);
    tcase_add_test(cases, nothing_is_noted_without_a_policy_for_connections);
    tcase_add_test(cases, a_number_of_a_plane_needs_no_note);
    tcase_add_test(cases, from_each_number_of_a_socket_the_others_are_found);
    tcase_add_test(cases, a_socket_without_a_note_has_no_other_numbers);
    tcase_add_test(cases, a_note_about_another_socket_at_the_number_does_not_count);
    tcase_add_test(cases, a_stream_on_one_number_is_a_stream_of_the_socket);
    tcase_add_test(cases, notes_keep_errno);
    return run_suite(cases, "unconnected");
}
