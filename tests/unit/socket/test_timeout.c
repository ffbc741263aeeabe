/*
 * Timeouts of calls that wait: conversions between the forms of the calls, and how long to wait at once.
 */
#include "../suite.h"

#include "socket/timeout.h"

START_TEST(a_negative_number_of_milliseconds_is_endless)
{
    ck_assert_uint_eq(timeout_from_ms(-1), TIMEOUT_NEVER);
    ck_assert_uint_eq(timeout_from_ms(INT_MIN), TIMEOUT_NEVER);
    ck_assert_uint_eq(timeout_from_ms(0), 0);
    ck_assert_uint_eq(timeout_from_ms(1), NS_PER_MS);
    ck_assert_uint_eq(timeout_from_ms(INT_MAX), (uint64_t)INT_MAX * NS_PER_MS);
}
END_TEST

START_TEST(milliseconds_are_rounded_up_so_that_no_wait_is_too_short)
{
    ck_assert_int_eq(timeout_to_ms(0), 0);
    ck_assert_int_eq(timeout_to_ms(1), 1);
    ck_assert_int_eq(timeout_to_ms(NS_PER_MS), 1);
    ck_assert_int_eq(timeout_to_ms(NS_PER_MS + 1), 2);
    ck_assert_int_eq(timeout_to_ms(TIMEOUT_NEVER), -1);
    ck_assert_int_eq(timeout_to_ms(TIMEOUT_NEVER - NS_PER_SECOND), INT_MAX);
}
END_TEST

START_TEST(a_timespec_that_the_kernel_refuses_is_not_valid)
{
    static const struct timespec valid[] = {{0, 0}, {1, 999999999}},
                                 invalid[] = {{-1, 0}, {0, -1}, {0, 1000000000}};
    ck_assert(timeout_is_valid(NULL));
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        ck_assert(timeout_is_valid(&valid[i]));
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        ck_assert(!timeout_is_valid(&invalid[i]));
}
END_TEST

START_TEST(a_timespec_goes_there_and_back)
{
    const struct timespec time = {5, 7};
    struct timespec room = {0};
    ck_assert_uint_eq(timeout_from(&time), 5 * (uint64_t)NS_PER_SECOND + 7);
    ck_assert_ptr_eq(timeout_to(timeout_from(&time), &room), &room);
    ck_assert_int_eq(room.tv_sec, 5);
    ck_assert_int_eq(room.tv_nsec, 7);
}
END_TEST

START_TEST(no_timespec_and_one_that_is_too_long_are_endless)
{
    const struct timespec longest = {(time_t)INT64_MAX, 0};
    struct timespec room;
    ck_assert_uint_eq(timeout_from(NULL), TIMEOUT_NEVER);
    if (sizeof longest.tv_sec == sizeof(int64_t)) /* a 32-bit time_t has none that is too long */
        ck_assert_uint_eq(timeout_from(&longest), TIMEOUT_NEVER);
    ck_assert_ptr_null(timeout_to(TIMEOUT_NEVER, &room));
}
END_TEST

START_TEST(a_deadline_comes_closer_and_never_passes_below_zero)
{
    const struct deadline soon = deadline_after(1), later = deadline_after((uint64_t)3600 * NS_PER_SECOND);
    while (deadline_left(&soon) > 0)
        continue;
    const uint64_t left = deadline_left(&later);
    ck_assert_uint_le(left, (uint64_t)3600 * NS_PER_SECOND);
    ck_assert_uint_gt(left, 0);
    ck_assert_uint_le(deadline_left(&later), left);
    ck_assert_uint_eq(deadline_left(&soon), 0);
}
END_TEST

START_TEST(no_time_and_endless_time_stay_what_they_are)
{
    const struct deadline none = deadline_after(0), never = deadline_after(TIMEOUT_NEVER),
                          overflow = deadline_after(TIMEOUT_NEVER - 1);
    ck_assert_uint_eq(deadline_left(&none), 0);
    ck_assert_uint_eq(deadline_left(&never), TIMEOUT_NEVER);
    ck_assert_uint_eq(deadline_left(&overflow), TIMEOUT_NEVER);
}
END_TEST

START_TEST(a_wait_for_a_handshake_is_cut_into_slices)
{
    const struct deadline never = deadline_after(TIMEOUT_NEVER), soon = deadline_after(NS_PER_MS);
    ck_assert_uint_eq(deadline_slice(&never, false), TIMEOUT_NEVER);
    ck_assert_uint_eq(deadline_slice(&never, true), TIMEOUT_SLICE);
    ck_assert_uint_le(deadline_slice(&soon, true), NS_PER_MS);
}
END_TEST

START_TEST(no_wait_is_longer_than_until_a_handshake_is_due)
{
    const struct deadline never = deadline_after(TIMEOUT_NEVER), none = deadline_after(0);
    const uint64_t now_ms = deadline_now() / NS_PER_MS;
    events_next_due_ms = now_ms + 3600000;
    const uint64_t slice = deadline_slice(&never, false);
    ck_assert_uint_le(slice, (uint64_t)3600 * NS_PER_SECOND);
    ck_assert_uint_gt(slice, 0);
    events_next_due_ms = now_ms;
    ck_assert_uint_eq(deadline_slice(&never, false), 0);
    events_next_due_ms = now_ms + 3600000;
    ck_assert_uint_eq(deadline_slice(&none, true), 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("timeout");
    tcase_add_test(cases, a_negative_number_of_milliseconds_is_endless);
    tcase_add_test(cases, milliseconds_are_rounded_up_so_that_no_wait_is_too_short);
    tcase_add_test(cases, a_timespec_that_the_kernel_refuses_is_not_valid);
    tcase_add_test(cases, a_timespec_goes_there_and_back);
    tcase_add_test(cases, no_timespec_and_one_that_is_too_long_are_endless);
    tcase_add_test(cases, a_deadline_comes_closer_and_never_passes_below_zero);
    tcase_add_test(cases, no_time_and_endless_time_stay_what_they_are);
    tcase_add_test(cases, a_wait_for_a_handshake_is_cut_into_slices);
    tcase_add_test(cases, no_wait_is_longer_than_until_a_handshake_is_due);
    return run_suite(cases, "timeout");
}
