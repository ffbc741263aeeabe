/*
 * preadv2 and pwritev2 on a descriptor that a plane has taken over refuse the flags that the kernel refuses for a
 * socket, and in its order.
 */
#include "../suite.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd/change.h"
#include "socket/position.h"

enum { TAKEN = 100, FOREIGN = 101, UNKNOWN_FLAG = 1 << 30 };

static ssize_t receive(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call)
{
    (void)fd, (void)vectors, (void)count, (void)flags, (void)call;
    return 0;
}

static const struct plane takes_over = {.operations = {.receive = receive}};
const struct plane *const planes[] = {&takes_over, NULL};
const struct process_observer *const process_observers[] = {NULL};

static const struct iovec one = {.iov_base = (void *)(uintptr_t) "x", .iov_len = 1};
static const struct iovec empty[] = {{.iov_base = (void *)(uintptr_t) "x", .iov_len = 0}, {.iov_base = NULL}};
static const struct iovec negative = {.iov_base = (void *)(uintptr_t) "x", .iov_len = SIZE_MAX};

static void start(void)
{
    (void)fd_table_put(TAKEN, 1);
    errno = 0;
}

START_TEST(flags_that_a_socket_has_are_not_refused)
{
    ck_assert(!position_is_refused(TAKEN, &one, 1, 0));
    ck_assert(!position_is_refused(TAKEN, &one, 1, RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND));
    ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(other_flags_are_refused_for_sealed_descriptors_only)
{
    ck_assert(!position_is_refused(FOREIGN, &one, 1, UNKNOWN_FLAG));
    ck_assert_int_eq(errno, 0);
    ck_assert(position_is_refused(TAKEN, &one, 1, RWF_NOWAIT | UNKNOWN_FLAG));
    ck_assert_int_eq(errno, EOPNOTSUPP);
}
END_TEST

START_TEST(without_bytes_no_flag_is_refused)
{
    ck_assert(!position_is_refused(TAKEN, &one, 0, UNKNOWN_FLAG));
    ck_assert(!position_is_refused(TAKEN, empty, 2, UNKNOWN_FLAG));
    ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(an_invalid_vector_is_not_refused_for_its_flags)
{
    ck_assert(!position_is_refused(TAKEN, NULL, 1, UNKNOWN_FLAG));
    ck_assert(!position_is_refused(TAKEN, &one, -1, UNKNOWN_FLAG));
    ck_assert(!position_is_refused(TAKEN, &negative, 1, UNKNOWN_FLAG));
    ck_assert_int_eq(errno, 0);
}
END_TEST

/* Each call above, made on a bare socket. */
START_TEST(the_kernel_does_the_same)
{
    int ends[2];
    const struct iovec *volatile nowhere = NULL;
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(pwritev2(ends[0], &one, 1, -1, UNKNOWN_FLAG), -1);
    ck_assert_int_eq(errno, EOPNOTSUPP);
    ck_assert_int_eq(pwritev2(ends[0], empty, 2, -1, UNKNOWN_FLAG), 0);
    ck_assert_int_eq(pwritev2(ends[0], nowhere, 1, -1, UNKNOWN_FLAG), -1);
    ck_assert_int_eq(errno, EFAULT);
    ck_assert_int_eq(pwritev2(ends[0], &negative, 1, -1, UNKNOWN_FLAG), -1);
    ck_assert_int_eq(errno, EINVAL);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("position");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, flags_that_a_socket_has_are_not_refused);
    tcase_add_test(cases, other_flags_are_refused_for_sealed_descriptors_only);
    tcase_add_test(cases, without_bytes_no_flag_is_refused);
    tcase_add_test(cases, an_invalid_vector_is_not_refused_for_its_flags);
    tcase_add_test(cases, the_kernel_does_the_same);
    return run_suite(cases, "position");
}
