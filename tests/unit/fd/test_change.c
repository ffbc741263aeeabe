/* How numbers change hands: claimed, closing and vacated, after a fork, and how their planes learn of it. */
#include "../suite.h"
#include "numbers.h"

const struct plane *const planes[] = {&takes_over, &records, &records_too, NULL};
const struct process_observer *const process_observers[] = {NULL};

/* --- closing --- */

START_TEST(a_claimed_number_is_closing_or_passes_and_the_word_before_is_returned)
{
    uint64_t before;
    (void)fd_table_put(NUMBER, FD_WORD_FOREIGN | FD_WORD_LINGER);
    (void)fd_table_put(OTHER, recorded(RECORD));
    ck_assert(fd_claim(NUMBER, GENERATION, false, &before));
    ck_assert_uint_eq(before, FD_WORD_FOREIGN | FD_WORD_LINGER);
    ck_assert(fd_is_closing(NUMBER));
    ck_assert(fd_claim(OTHER, GENERATION, true, &before));
    ck_assert_uint_eq(before, recorded(RECORD));
    ck_assert(!fd_is_closing(OTHER) && !fd_is_sealed(OTHER) && !fd_has_record(OTHER));
    ck_assert(!fd_claim(NUMBER, GENERATION, true, &before));
    ck_assert(!fd_claim(OTHER, GENERATION, true, &before));
}
END_TEST

START_TEST(a_claim_takes_over_a_temporary_number_but_no_sealed_or_hidden_one)
{
    uint64_t before;
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    ck_assert(!fd_claim(NUMBER, GENERATION, false, &before));
    (void)fd_table_put(NUMBER, FD_WORD_HIDDEN);
    ck_assert(!fd_claim(NUMBER, GENERATION, false, &before));
    (void)fd_table_put(NUMBER, FD_WORD_HIDDEN | FD_WORD_TEMPORARY);
    ck_assert(fd_claim(NUMBER, GENERATION, false, &before));
    ck_assert(fd_is_closing(NUMBER));
}
END_TEST

START_TEST(only_the_call_that_made_it_closing_makes_a_number_foreign)
{
    uint64_t before;
    const uint64_t note = fd_note_word(9, FD_WORD_STREAM);
    ck_assert(fd_claim(NUMBER, GENERATION, false, &before));
    ck_assert(fd_claim(OTHER, GENERATION, true, &before));
    ck_assert(!fd_vacate_as(NUMBER, GENERATION + 1, note));
    ck_assert(!fd_vacate_as(OTHER, GENERATION + 1, note));
    ck_assert(fd_vacate_as(NUMBER, GENERATION, note));
    ck_assert(fd_vacate_as(OTHER, GENERATION, note));
    ck_assert_uint_eq(fd_word(NUMBER), note);
    ck_assert_uint_eq(fd_word(OTHER), note);
    ck_assert(!fd_vacate_as(NUMBER, GENERATION, 0)); /* it is foreign already */
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    fd_vacate(NUMBER, GENERATION);
    ck_assert(fd_is_sealed(NUMBER)); /* a connection of that generation is not a closing call */
}
END_TEST

START_TEST(a_range_is_vacated_for_one_generation_and_closed_if_the_kernel_has_not)
{
    const int first = open_null(), second = open_null(), third = open_null();
    (void)fd_table_put(first, fd_word_closing(GENERATION));
    (void)fd_table_put(second, fd_word_closing(GENERATION + 1));
    (void)fd_table_put(third, fd_word_closing(GENERATION));
    fd_vacate_range((unsigned)first, (unsigned)second, GENERATION, true);
    ck_assert(!is_open(first) && fd_word(first) == 0);
    ck_assert(is_open(second) && fd_is_closing(second));
    ck_assert(is_open(third) && fd_is_closing(third));
    fd_vacate_range((unsigned)third, (unsigned)third, GENERATION, false);
    ck_assert(is_open(third) && fd_word(third) == 0);
}
END_TEST

static int asked;

static bool close_first_one(int fd)
{
    (void)fd;
    return asked++ == 0;
}

START_TEST(after_a_fork_nothing_is_closing_or_claimed)
{
    const int first = open_null(), second = open_null(), third = open_null();
    uint64_t before;
    (void)fd_table_put(first, fd_word_closing(GENERATION));
    (void)fd_table_put(second, fd_word_closing(GENERATION + 1));
    ck_assert(fd_claim(third, GENERATION, true, &before));
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    fd_end_closing(close_first_one);
    ck_assert_int_eq(asked, 2); /* a claimed number is the program's own */
    ck_assert(!is_open(first) && is_open(second) && is_open(third));
    ck_assert_uint_eq(fd_word(first) | fd_word(second) | fd_word(third), 0);
    ck_assert(fd_is_sealed(NUMBER));
}
END_TEST

/* --- forgetting --- */

START_TEST(only_a_number_of_a_plane_is_reported_to_one)
{
    fd_dropped(NUMBER, 0);
    fd_dropped(NUMBER, FD_WORD_HIDDEN | 1);
    fd_dropped(NUMBER, fd_word_closing(GENERATION));
    fd_dropped(NUMBER, fd_note_word(9, 0));
    ck_assert_int_eq(dropped_count, 0);
    fd_dropped(NUMBER, sealed(GENERATION));
    fd_dropped(NUMBER, recorded(RECORD));
    ck_assert_int_eq(dropped_count, 2);
}
END_TEST

START_TEST(observers_are_notified_of_a_word_but_not_of_an_empty_one)
{
    fd_dropped(NUMBER, 0);
    ck_assert_int_eq(dropped_count, 0);
    fd_dropped(NUMBER, recorded(RECORD));
    ck_assert_int_eq(dropped_count, 1);
    ck_assert_int_eq(dropped_fd, NUMBER);
    ck_assert_uint_eq(dropped_word, recorded(RECORD));
}
END_TEST

START_TEST(a_closed_foreign_number_is_forgotten_and_its_record_dropped)
{
    fd_note(NUMBER, 9, 0);
    ck_assert(plane_add_record(&records, NUMBER, RECORD));
    const uint64_t word = fd_word(NUMBER);
    fd_forget(NUMBER);
    ck_assert_uint_eq(fd_word(NUMBER), 0);
    ck_assert_int_eq(dropped_count, 1);
    ck_assert_uint_eq(dropped_word, word);
    fd_forget(NUMBER);
    ck_assert_int_eq(dropped_count, 1);
}
END_TEST

START_TEST(the_shims_own_file_is_not_forgotten)
{
    ck_assert(fd_set_flag(NUMBER, FD_WORD_OWN, true));
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, true));
    fd_forget(NUMBER);
    ck_assert_uint_eq(fd_word(NUMBER), FD_WORD_FOREIGN | FD_WORD_OWN);
}
END_TEST

START_TEST(a_range_forgets_the_foreign_numbers_in_it_and_nothing_else)
{
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    for (int fd = NUMBER - 1; fd <= NUMBER + 3; fd++)
        if (fd != NUMBER)
            ck_assert(plane_add_record(&records, fd, RECORD));
    fd_forget_range(NUMBER, NUMBER + 2);
    ck_assert(fd_is_sealed(NUMBER));
    ck_assert(fd_has_record(NUMBER - 1) && fd_has_record(NUMBER + 3));
    ck_assert_uint_eq(fd_word(NUMBER + 1) | fd_word(NUMBER + 2), 0);
    ck_assert_int_eq(dropped_count, 2);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("change");
    tcase_add_checked_fixture(cases, start_process, NULL);
    tcase_add_test(cases, a_claimed_number_is_closing_or_passes_and_the_word_before_is_returned);
    tcase_add_test(cases, a_claim_takes_over_a_temporary_number_but_no_sealed_or_hidden_one);
    tcase_add_test(cases, only_the_call_that_made_it_closing_makes_a_number_foreign);
    tcase_add_test(cases, a_range_is_vacated_for_one_generation_and_closed_if_the_kernel_has_not);
    tcase_add_test(cases, after_a_fork_nothing_is_closing_or_claimed);
    tcase_add_test(cases, only_a_number_of_a_plane_is_reported_to_one);
    tcase_add_test(cases, observers_are_notified_of_a_word_but_not_of_an_empty_one);
    tcase_add_test(cases, a_closed_foreign_number_is_forgotten_and_its_record_dropped);
    tcase_add_test(cases, the_shims_own_file_is_not_forgotten);
    tcase_add_test(cases, a_range_forgets_the_foreign_numbers_in_it_and_nothing_else);
    return run_suite(cases, "fd/change");
}
