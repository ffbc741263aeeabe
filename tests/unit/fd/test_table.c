/*
 * The table of descriptors: what a word says about its number, and which changes of a word are possible.
 */
#include "../suite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/process.h"
#include "fd/change.h"
#include "fd/hidden.h"
#include "fd/plane.h"

enum { NUMBER = 100, OTHER = 101, GENERATION = 7, RECORD = 3 };

/* A plane that remembers the last word. */
static int dropped_fd, dropped_count;
static uint64_t dropped_word;

static void remember_dropped(int fd, uint64_t word)
{
    dropped_fd = fd;
    dropped_word = word;
    dropped_count++;
}

/* Another thread closes the number right after the question whether its record is current. */
static bool close_behind(int fd)
{
    fd_forget(fd);
    return true;
}

static const struct plane takes_over = {.dropped = remember_dropped}, records = {.dropped = remember_dropped},
                          records_too = {.operations = {.is_current = close_behind}};
const struct plane *const planes[] = {&takes_over, &records, &records_too, NULL};
const struct process_observer *const process_observers[] = {NULL};

static uint64_t sealed(uint32_t generation)
{
    return (uint64_t)generation << FD_WORD_ID_SHIFT | 1;
}

static uint64_t recorded(uint32_t record)
{
    return plane_record_word(&records, record);
}

static int open_null(void)
{
    const int fd = open("/dev/null", O_WRONLY);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static int open_socket(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

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

/* --- records and flags --- */

START_TEST(a_record_is_added_to_a_foreign_number_that_has_none)
{
    ck_assert(plane_add_record(&records, NUMBER, RECORD));
    ck_assert(fd_has_record(NUMBER));
    ck_assert(!plane_add_record(&records, NUMBER, RECORD + 1));
    ck_assert_uint_eq(fd_word_record(fd_word(NUMBER)), RECORD);
    (void)fd_table_put(OTHER, sealed(GENERATION));
    ck_assert(!plane_add_record(&records, OTHER, RECORD));
}
END_TEST

START_TEST(a_record_is_removed_only_by_its_own_index)
{
    ck_assert(plane_add_record(&records, NUMBER, RECORD));
    ck_assert(!plane_remove_record(&records, NUMBER, RECORD + 1));
    ck_assert(!plane_remove_record(&records, NUMBER, 0));
    ck_assert(fd_has_record(NUMBER));
    ck_assert(plane_remove_record(&records, NUMBER, RECORD));
    ck_assert_uint_eq(fd_word(NUMBER), 0);
    ck_assert(!plane_remove_record(&records, NUMBER, RECORD));
}
END_TEST

START_TEST(a_record_belongs_to_the_plane_that_has_added_it)
{
    ck_assert(plane_add_record(&records_too, NUMBER, RECORD));
    ck_assert(!plane_add_record(&records, NUMBER, RECORD));
    ck_assert(!plane_remove_record(&records, NUMBER, RECORD));
    ck_assert_uint_eq(plane_record(&records_too, fd_word(NUMBER)), RECORD);
    ck_assert_uint_eq(plane_record(&records, fd_word(NUMBER)), 0);
    ck_assert_ptr_eq(plane_of_word(fd_word(NUMBER)), &records_too);
    ck_assert_ptr_eq(fd_operations_of(NUMBER), &records_too.operations);
    fd_forget(NUMBER);
    ck_assert_int_eq(dropped_count, 0); /* the other plane has none */
    ck_assert(plane_add_record(&records_too, NUMBER, RECORD));
    ck_assert(plane_remove_record(&records_too, NUMBER, RECORD));
    ck_assert_uint_eq(fd_word(NUMBER), 0);
}
END_TEST

START_TEST(a_number_may_lose_its_record_while_it_is_duplicated)
{
    ck_assert_ptr_null(plane_with_current_record(NUMBER));
    ck_assert(plane_add_record(&records, NUMBER, RECORD));
    ck_assert_ptr_eq(plane_with_current_record(NUMBER), &records);
    ck_assert(plane_remove_record(&records, NUMBER, RECORD));
    ck_assert(plane_add_record(&records_too, NUMBER, RECORD));
    const struct plane *plane = plane_with_current_record(NUMBER);
    ck_assert_ptr_eq(plane, &records_too);
    ck_assert_ptr_null(fd_operations_of(NUMBER));
    plane_copied(plane, NUMBER, OTHER); /* this plane does not need to know */
    ck_assert_uint_eq(plane_share(plane, NUMBER), 0);
}
END_TEST

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

START_TEST(flags_records_and_notes_of_a_number_are_independent)
{
    fd_note(NUMBER, 9, FD_WORD_STREAM);
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, true));
    ck_assert(fd_set_flag(NUMBER, FD_WORD_OWN, true));
    ck_assert(plane_add_record(&records, NUMBER, RECORD));
    ck_assert_uint_eq(fd_word_id(fd_note_of(NUMBER)), 9);
    ck_assert(plane_remove_record(&records, NUMBER, RECORD));
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, false));
    ck_assert(fd_is_own(NUMBER));
    ck_assert(fd_set_flag(NUMBER, FD_WORD_OWN, false));
    ck_assert_uint_eq(fd_word(NUMBER), fd_note_word(9, FD_WORD_STREAM));
}
END_TEST

START_TEST(a_number_without_its_last_flag_is_foreign_with_nothing_recorded)
{
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, true));
    ck_assert(fd_is_known(NUMBER));
    ck_assert(fd_set_flag(NUMBER, FD_WORD_LINGER, false));
    ck_assert_uint_eq(fd_word(NUMBER), 0);
}
END_TEST

START_TEST(a_sealed_number_has_no_flags_of_foreign_ones)
{
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    ck_assert(!fd_set_flag(NUMBER, FD_WORD_LINGER, true));
    ck_assert(!fd_set_flag(NUMBER, FD_WORD_OWN, false));
    fd_note(NUMBER, 9, 0);
    ck_assert_uint_eq(fd_word(NUMBER), sealed(GENERATION));
    ck_assert_uint_eq(fd_note_of(NUMBER), 0);
}
END_TEST

START_TEST(the_close_on_exec_flag_exists_for_sealed_numbers_only)
{
    static const uint64_t others[] = {0, FD_WORD_FOREIGN | FD_WORD_NOTED, FD_WORD_HIDDEN, FD_WORD_CLOSING};
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    ck_assert(!fd_cloexec(NUMBER));
    ck_assert(fd_set_cloexec(NUMBER, true));
    ck_assert(fd_cloexec(NUMBER) && fd_is_sealed(NUMBER));
    ck_assert(fd_set_cloexec(NUMBER, false));
    ck_assert_uint_eq(fd_word(NUMBER), sealed(GENERATION));
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        (void)fd_table_put(NUMBER, others[i]);
        ck_assert(!fd_set_cloexec(NUMBER, true));
        ck_assert_uint_eq(fd_word(NUMBER), others[i]);
    }
}
END_TEST

START_TEST(in_a_range_close_on_exec_is_set_for_every_sealed_number)
{
    (void)fd_table_put(NUMBER, sealed(GENERATION));
    (void)fd_table_put(NUMBER + 1, FD_WORD_FOREIGN | FD_WORD_NOTED);
    (void)fd_table_put(NUMBER + 2, sealed(GENERATION));
    (void)fd_table_put(NUMBER + 3, sealed(GENERATION));
    fd_set_cloexec_range(NUMBER, NUMBER + 2);
    ck_assert(fd_cloexec(NUMBER) && fd_cloexec(NUMBER + 2));
    ck_assert(!fd_cloexec(NUMBER + 3));
    ck_assert_uint_eq(fd_word(NUMBER + 1), FD_WORD_FOREIGN | FD_WORD_NOTED);
}
END_TEST

/* --- observers --- */

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

/* --- sockets and notes --- */

START_TEST(all_numbers_of_a_socket_have_one_identity)
{
    const int one = open_socket(), other = open_socket(), file = open_null();
    const int copy = dup(one);
    ck_assert_uint_ne(fd_socket_identity(one), 0);
    ck_assert_uint_eq(fd_socket_identity(copy), fd_socket_identity(one));
    ck_assert_uint_ne(fd_socket_identity(other), fd_socket_identity(one));
    ck_assert_uint_eq(fd_socket_identity(file), 0);
    ck_assert_uint_eq(fd_socket_id(copy), (uint32_t)fd_socket_identity(one));
    ck_assert_uint_ne(fd_socket_id(file), 0);
}
END_TEST

START_TEST(the_noted_numbers_of_a_socket_are_found_by_its_id)
{
    const int one = open_socket(), other = open_socket();
    const int copy = dup(one);
    const uint32_t id = fd_socket_id(one);
    ck_assert_int_eq(fd_noted(0, id), -1);
    fd_note(one, id, 0);
    fd_note(other, fd_socket_id(other), 0);
    fd_note(copy, id, FD_WORD_STREAM);
    ck_assert_int_eq(fd_noted(0, id), one);
    ck_assert_int_eq(fd_noted((unsigned)one + 1, id), copy);
    ck_assert_int_eq(fd_noted((unsigned)copy + 1, id), -1);
    ck_assert_uint_ne(fd_note_of(copy) & FD_WORD_STREAM, 0);
}
END_TEST

START_TEST(a_note_about_a_socket_that_is_gone_is_dropped)
{
    const int one = open_socket(), other = open_socket();
    const uint32_t id = fd_socket_id(one);
    fd_note(one, id, 0);
    ck_assert_int_eq(dup2(other, one), one); /* as libc would close it */
    ck_assert_int_eq(fd_noted(0, id), -1);
    ck_assert_uint_eq(fd_word(one), 0);
}
END_TEST

/* From now on, getsockopt(2) fails with ENOSYS in this process. */
static void forbid_getsockopt(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
    ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(a_socket_of_which_the_kernel_does_not_tell_may_be_the_same)
{
    const int one = open_socket(), other = open_socket(), file = open_null();
    const uint64_t identity = fd_socket_identity(one);
    const uint32_t id = fd_socket_id(one);
    fd_note(one, id, 0);
    ck_assert(fd_may_be_socket(one, identity) && !fd_may_be_socket(other, identity));
    ck_assert(fd_may_have_id(one, id) && !fd_may_have_id(other, id));
    ck_assert(!fd_may_be_socket(one, 0)); /* there was no socket */
    forbid_getsockopt();
    ck_assert(fd_may_be_socket(one, identity) && fd_may_be_socket(other, identity));
    ck_assert(fd_may_have_id(one, id) && fd_may_have_id(other, id));
    ck_assert(!fd_may_be_socket(file, identity) && !fd_may_have_id(file, id));
    ck_assert(!fd_may_be_socket(NUMBER, identity) && !fd_may_have_id(NUMBER, id));
    ck_assert_int_eq(fd_noted(0, id), one);
}
END_TEST

START_TEST(a_new_note_keeps_the_stream_of_the_same_socket_only)
{
    fd_note(NUMBER, 9, FD_WORD_STREAM);
    fd_note(NUMBER, 9, 0);
    ck_assert_uint_ne(fd_note_of(NUMBER) & FD_WORD_STREAM, 0);
    fd_note(NUMBER, 10, 0);
    ck_assert_uint_eq(fd_note_of(NUMBER) & FD_WORD_STREAM, 0);
    ck_assert_uint_eq(fd_word_id(fd_note_of(NUMBER)), 10);
}
END_TEST

START_TEST(without_an_id_there_is_no_note)
{
    ck_assert_uint_eq(fd_note_word(0, FD_WORD_STREAM), 0);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("table");
    tcase_add_checked_fixture(cases, start, NULL);
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
    tcase_add_test(cases, a_claimed_number_is_closing_or_passes_and_the_word_before_is_returned);
    tcase_add_test(cases, a_claim_takes_over_a_temporary_number_but_no_sealed_or_hidden_one);
    tcase_add_test(cases, only_the_call_that_made_it_closing_makes_a_number_foreign);
    tcase_add_test(cases, a_range_is_vacated_for_one_generation_and_closed_if_the_kernel_has_not);
    tcase_add_test(cases, after_a_fork_nothing_is_closing_or_claimed);
    tcase_add_test(cases, a_record_is_added_to_a_foreign_number_that_has_none);
    tcase_add_test(cases, a_record_is_removed_only_by_its_own_index);
    tcase_add_test(cases, a_record_belongs_to_the_plane_that_has_added_it);
    tcase_add_test(cases, a_number_may_lose_its_record_while_it_is_duplicated);
    tcase_add_test(cases, only_a_number_of_a_plane_is_reported_to_one);
    tcase_add_test(cases, flags_records_and_notes_of_a_number_are_independent);
    tcase_add_test(cases, a_number_without_its_last_flag_is_foreign_with_nothing_recorded);
    tcase_add_test(cases, a_sealed_number_has_no_flags_of_foreign_ones);
    tcase_add_test(cases, the_close_on_exec_flag_exists_for_sealed_numbers_only);
    tcase_add_test(cases, in_a_range_close_on_exec_is_set_for_every_sealed_number);
    tcase_add_test(cases, observers_are_notified_of_a_word_but_not_of_an_empty_one);
    tcase_add_test(cases, a_closed_foreign_number_is_forgotten_and_its_record_dropped);
    tcase_add_test(cases, the_shims_own_file_is_not_forgotten);
    tcase_add_test(cases, a_range_forgets_the_foreign_numbers_in_it_and_nothing_else);
    tcase_add_test(cases, the_next_number_that_is_not_foreign_or_is_known_is_found);
    tcase_add_test(cases, a_number_above_the_limit_that_was_never_known_is_beyond_it);
    tcase_add_test(cases, all_numbers_of_a_socket_have_one_identity);
    tcase_add_test(cases, the_noted_numbers_of_a_socket_are_found_by_its_id);
    tcase_add_test(cases, a_note_about_a_socket_that_is_gone_is_dropped);
    tcase_add_test(cases, a_socket_of_which_the_kernel_does_not_tell_may_be_the_same);
    tcase_add_test(cases, a_new_note_keeps_the_stream_of_the_same_socket_only);
    tcase_add_test(cases, without_an_id_there_is_no_note);
    return run_suite(cases, "table");
}
