/* The table of descriptors: what a word says about its number, and which changes of a word are possible. */
#include "../suite.h"
#include "numbers.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

const struct plane *const planes[] = {&takes_over, &records, &records_too, NULL};
const struct process_observer *const process_observers[] = {NULL};

/* --- words --- */

START_TEST(a_number_is_foreign_until_a_word_is_stored)
{
    ck_assert(!fd_is_known(NUMBER) && !fd_is_sealed(NUMBER) && !fd_has_record(NUMBER));
    ck_assert(!fd_is_hidden(NUMBER) && !fd_is_closing(NUMBER) && !fd_is_own(NUMBER));
    ck_assert_ptr_null(fd_operations_of(NUMBER));
    ck_assert_uint_eq(fd_table_put(NUMBER, sealed(GENERATION)), 0);
    ck_assert(fd_is_known(NUMBER) && fd_is_sealed(NUMBER));
}
END_TEST

START_TEST(numbers_outside_of_the_table_are_always_foreign)
{
    static const int numbers[] = {-1, FD_TABLE_SIZE, INT_MAX, INT_MIN};
    uint64_t before;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        ck_assert_uint_eq(fd_word(numbers[i]), 0);
        ck_assert(!fd_is_sealed(numbers[i]));
        ck_assert(!fd_set_flag(numbers[i], FD_WORD_LINGER, true));
        ck_assert(!plane_add_record(&records, numbers[i], RECORD));
        ck_assert(!plane_remove_record(&records, numbers[i], RECORD));
        ck_assert(!fd_claim(numbers[i], GENERATION, false, &before));
        ck_assert(!fd_vacate_as(numbers[i], GENERATION, 0));
        fd_note(numbers[i], 1, 0);
        fd_forget(numbers[i]);
    }
    ck_assert_int_eq(fd_next_known(0), -1);
}
END_TEST

/* Each kind with all the questions that it answers with yes. */
enum { IS_SEALED = 1, IS_HIDDEN = 2, IS_CLOSING = 4, IS_OWN = 8, IS_RECORDED = 16, IS_FOREIGN = 32 };

static const struct {
    uint64_t word;
    int is;
} kinds[] = {
    {0, IS_FOREIGN},
    {1, IS_SEALED},
    {1 | FD_WORD_CLOEXEC, IS_SEALED},
    {FD_WORD_HIDDEN, IS_SEALED | IS_HIDDEN},
    {FD_WORD_HIDDEN | 1, IS_SEALED | IS_HIDDEN},
    {FD_WORD_CLOSING, IS_CLOSING},
    {FD_WORD_FOREIGN | FD_WORD_NOTED, IS_FOREIGN},
    {FD_WORD_FOREIGN | FD_WORD_LINGER, IS_FOREIGN},
    {FD_WORD_FOREIGN | FD_WORD_CLAIMED, IS_FOREIGN},
    {FD_WORD_FOREIGN | FD_WORD_OWN, IS_FOREIGN | IS_OWN},
    {FD_WORD_FOREIGN | (uint64_t)1 << FD_WORD_PLANE_SHIFT | 1 << FD_WORD_RECORD_SHIFT, IS_FOREIGN | IS_RECORDED},
    {FD_WORD_FOREIGN | (uint64_t)1 << FD_WORD_PLANE_SHIFT | FD_WORD_RECORD | FD_WORD_STREAM,
     IS_FOREIGN | IS_RECORDED},
};

START_TEST(a_word_says_of_which_kind_its_number_is)
{
    const int is = kinds[_i].is;
    (void)fd_table_put(NUMBER, kinds[_i].word);
    if ((is & IS_CLOSING) == 0) /* it would wait */
        ck_assert_int_eq(fd_is_sealed(NUMBER), (is & IS_SEALED) != 0);
    ck_assert_int_eq(fd_is_hidden(NUMBER), (is & IS_HIDDEN) != 0);
    ck_assert_int_eq(fd_is_closing(NUMBER), (is & IS_CLOSING) != 0);
    ck_assert_int_eq(fd_is_own(NUMBER), (is & IS_OWN) != 0);
    ck_assert_int_eq(fd_has_record(NUMBER), (is & IS_RECORDED) != 0);
    ck_assert_int_eq(fd_word_is_foreign(kinds[_i].word), (is & IS_FOREIGN) != 0);
    if ((is & IS_CLOSING) == 0)
        ck_assert_ptr_eq(fd_operations_of(NUMBER), (is & IS_SEALED) != 0     ? &takes_over.operations
                                                   : (is & IS_RECORDED) != 0 ? &records.operations
                                                                             : NULL);
}
END_TEST

START_TEST(a_record_index_fits_between_the_flags_and_the_kind)
{
    const uint32_t largest = FD_WORD_RECORD >> FD_WORD_RECORD_SHIFT;
    (void)fd_table_put(NUMBER, FD_WORD_FOREIGN | FD_WORD_LINGER | FD_WORD_OWN);
    ck_assert(!plane_add_record(&records, NUMBER, largest + 1));
    ck_assert(plane_add_record(&records, NUMBER, largest));
    ck_assert_uint_eq(fd_word_record(fd_word(NUMBER)), largest);
    ck_assert_uint_eq(fd_word(NUMBER) & ~(FD_WORD_RECORD | FD_WORD_PLANE),
                      FD_WORD_FOREIGN | FD_WORD_LINGER | FD_WORD_OWN);
    ck_assert_uint_eq(fd_word_record(sealed(GENERATION) | FD_WORD_INDEX), 0); /* that is an endpoint's index */
}
END_TEST

START_TEST(generations_are_never_zero_and_differ)
{
    uint32_t before = 0;
    for (int i = 0; i < 1000; i++) {
        const uint32_t generation = fd_next_generation();
        ck_assert_uint_ne(generation, 0);
        ck_assert_uint_ne(generation, before);
        before = generation;
    }
}
END_TEST

/* --- changes --- */

START_TEST(only_a_foreign_number_that_no_call_has_claimed_can_be_taken)
{
    static const struct {
        uint64_t word;
        bool is_free;
    } words[] = {
        {0, true},
        {FD_WORD_FOREIGN | FD_WORD_NOTED | FD_WORD_STREAM, true},
        {FD_WORD_FOREIGN | FD_WORD_RECORD, true},
        {FD_WORD_FOREIGN | FD_WORD_CLAIMED, false},
        {1, false},
        {FD_WORD_HIDDEN, false},
        {FD_WORD_CLOSING, false},
    };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint64_t before = UINT64_MAX;
        (void)fd_table_put(NUMBER, words[i].word);
        ck_assert_int_eq(fd_table_try(NUMBER, sealed(GENERATION), &before), words[i].is_free);
        ck_assert_uint_eq(before, words[i].word);
        ck_assert_uint_eq(fd_word(NUMBER), words[i].is_free ? sealed(GENERATION) : words[i].word);
    }
}
END_TEST

START_TEST(a_word_changes_only_from_the_expected_one)
{
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    ck_assert(!fd_table_exchange(NUMBER, sealed(GENERATION + 1), 0));
    ck_assert_uint_eq(fd_table_swap(NUMBER, sealed(GENERATION + 1), 0), sealed(GENERATION));
    ck_assert_uint_eq(fd_word(NUMBER), sealed(GENERATION));
    ck_assert(fd_table_exchange(NUMBER, sealed(GENERATION), 0));
    ck_assert_uint_eq(fd_word(NUMBER), 0);
}
END_TEST

START_TEST(the_close_on_exec_flag_of_a_sealed_number_does_not_hinder_a_change)
{
    (void)fd_table_put(NUMBER, sealed(GENERATION) | FD_WORD_CLOEXEC);
    ck_assert_uint_eq(fd_table_swap(NUMBER, sealed(GENERATION), 0), sealed(GENERATION) | FD_WORD_CLOEXEC);
    ck_assert(fd_is_sealed(NUMBER)); /* fd_table_swap() compares the whole word */
    ck_assert(fd_table_exchange(NUMBER, sealed(GENERATION), 0));
    ck_assert_uint_eq(fd_word(NUMBER), 0);
}
END_TEST

/* A thread that takes a number as soon as it is foreign. */
static void *take(void *taken)
{
    uint64_t before = UINT64_MAX;
    *(bool *)taken = fd_table_take(NUMBER, sealed(GENERATION), &before) && before == 0;
    return NULL;
}

START_TEST(a_call_waits_until_a_closing_or_claimed_number_is_foreign)
{
    enum { ROUNDS = 100 };
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        uint64_t before;
        bool taken = false;
        const uint32_t generation = fd_next_generation();
        (void)fd_table_put(NUMBER, 0);
        ck_assert(fd_claim(NUMBER, generation, i % 2 == 0, &before));
        ck_assert_int_eq(pthread_create(&thread, NULL, take, &taken), 0);
        (void)sched_yield(); /* most likely the thread waits now */
        fd_vacate(NUMBER, generation);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert(taken);
    }
}
END_TEST

static void *ask(void *answer)
{
    *(bool *)answer = fd_is_sealed(NUMBER);
    return NULL;
}

START_TEST(whether_a_closing_number_is_sealed_is_known_afterwards)
{
    enum { ROUNDS = 100 };
    for (int i = 0; i < ROUNDS; i++) {
        pthread_t thread;
        bool is_sealed = true;
        (void)fd_table_put(NUMBER, fd_word_closing(GENERATION));
        ck_assert_int_eq(pthread_create(&thread, NULL, ask, &is_sealed), 0);
        (void)sched_yield();
        fd_vacate(NUMBER, GENERATION);
        ck_assert_int_eq(pthread_join(thread, NULL), 0);
        ck_assert(!is_sealed);
    }
}
END_TEST

/* --- searching --- */

START_TEST(the_next_number_that_is_not_foreign_or_is_known_is_found)
{
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, true));
    (void)fd_table_put(NUMBER + 5, sealed(GENERATION));
    ck_assert_int_eq(fd_next(0), NUMBER + 5);
    ck_assert_int_eq(fd_next_known(0), NUMBER);
    ck_assert_int_eq(fd_next_known(NUMBER + 1), NUMBER + 5);
    ck_assert_int_eq(fd_next(NUMBER + 6), -1);
    ck_assert_int_eq(fd_next(FD_TABLE_SIZE), -1);
    ck_assert_int_eq(fd_next(UINT_MAX), -1);
}
END_TEST

START_TEST(a_number_above_the_limit_that_was_never_known_is_beyond_it)
{
    struct rlimit limit;
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    ck_assert(!fd_is_beyond_limit(63));
    ck_assert(!fd_is_beyond_limit(NUMBER)); /* it may be sealed, and still open */
    ck_assert(fd_is_beyond_limit(NUMBER + 1));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("table");
    tcase_add_checked_fixture(cases, start_process, NULL);
    tcase_add_test(cases, a_number_is_foreign_until_a_word_is_stored);
    tcase_add_test(cases, numbers_outside_of_the_table_are_always_foreign);
    tcase_add_loop_test(cases, a_word_says_of_which_kind_its_number_is, 0, (int)(sizeof kinds / sizeof kinds[0]));
    tcase_add_test(cases, a_record_index_fits_between_the_flags_and_the_kind);
    tcase_add_test(cases, generations_are_never_zero_and_differ);
    tcase_add_test(cases, only_a_foreign_number_that_no_call_has_claimed_can_be_taken);
    tcase_add_test(cases, a_word_changes_only_from_the_expected_one);
    tcase_add_test(cases, the_close_on_exec_flag_of_a_sealed_number_does_not_hinder_a_change);
    tcase_add_test(cases, a_call_waits_until_a_closing_or_claimed_number_is_foreign);
    tcase_add_test(cases, whether_a_closing_number_is_sealed_is_known_afterwards);
    tcase_add_test(cases, the_next_number_that_is_not_foreign_or_is_known_is_found);
    tcase_add_test(cases, a_number_above_the_limit_that_was_never_known_is_beyond_it);
    return run_suite(cases, "fd/table");
}
