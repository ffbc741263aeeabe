/*
 * The table of real functions: what stands in it before it is filled. This program is linked without the interposed
 * calls, so the "real" functions are those of libc, and nothing fills the table before the test does.
 */
#include "../suite.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/libc.h"

static int ends[2];

static void open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert(!real_libc_is_ready());
}

static void close_pair(void)
{
    close(ends[0]);
    close(ends[1]);
}

/* Each case is a process of its own, in which its call is the first one. */
START_TEST(a_write_before_the_table_is_filled_writes_and_fills_it)
{
    char got[8] = "";
    ck_assert_int_eq(real_libc_table.write(ends[0], "early", 5), 5);
    ck_assert(real_libc_is_ready());
    ck_assert_int_eq(real_libc_table.read(ends[1], got, sizeof got), 5);
    ck_assert_str_eq(got, "early");
}
END_TEST

START_TEST(a_message_before_the_table_is_filled_arrives_as_a_whole)
{
    char got[8] = "";
    struct iovec vectors[] = {{.iov_base = "one", .iov_len = 3}, {.iov_base = "two", .iov_len = 3}};
    const struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    ck_assert_int_eq(real_libc_table.sendmsg(ends[0], &message, MSG_NOSIGNAL), 6);
    ck_assert_int_eq(real_libc_table.recv(ends[1], got, sizeof got, 0), 6);
    ck_assert_str_eq(got, "onetwo");
}
END_TEST

START_TEST(an_error_before_the_table_is_filled_is_the_kernels)
{
    char byte;
    ck_assert_int_eq(real_libc_table.shutdown(ends[1], SHUT_RD), 0);
    ck_assert_int_eq(real_libc_table.recvfrom(ends[1], &byte, 1, 0, NULL, NULL), 0);
    ck_assert_int_eq(real_libc_table.send(-1, "x", 1, 0), -1);
    ck_assert_int_eq(errno, EBADF);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("libc");
    tcase_add_checked_fixture(cases, open_pair, close_pair);
    tcase_add_test(cases, a_write_before_the_table_is_filled_writes_and_fills_it);
    tcase_add_test(cases, a_message_before_the_table_is_filled_arrives_as_a_whole);
    tcase_add_test(cases, an_error_before_the_table_is_filled_is_the_kernels);
    return run_suite(cases, "libc");
}
