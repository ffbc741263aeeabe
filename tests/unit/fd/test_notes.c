/* What is kept about a number beside its kind: records, flags, and notes of sockets that are not connected yet. */
#include "../suite.h"
#include "numbers.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "fd/hidden.h"

const struct plane *const planes[] = {&takes_over, &records, &records_too, NULL};
const struct process_observer *const process_observers[] = {NULL};

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

int main(void)
{
    TCase *cases = tcase_create("notes");
    tcase_add_checked_fixture(cases, start_process, NULL);
    tcase_add_test(cases, a_record_is_added_to_a_foreign_number_that_has_none);
    tcase_add_test(cases, a_record_is_removed_only_by_its_own_index);
    tcase_add_test(cases, a_record_belongs_to_the_plane_that_has_added_it);
    tcase_add_test(cases, a_number_may_lose_its_record_while_it_is_duplicated);
    tcase_add_test(cases, flags_records_and_notes_of_a_number_are_independent);
    tcase_add_test(cases, a_number_without_its_last_flag_is_foreign_with_nothing_recorded);
    tcase_add_test(cases, a_sealed_number_has_no_flags_of_foreign_ones);
    tcase_add_test(cases, the_close_on_exec_flag_exists_for_sealed_numbers_only);
    tcase_add_test(cases, in_a_range_close_on_exec_is_set_for_every_sealed_number);
    tcase_add_test(cases, all_numbers_of_a_socket_have_one_identity);
    tcase_add_test(cases, the_noted_numbers_of_a_socket_are_found_by_its_id);
    tcase_add_test(cases, a_note_about_a_socket_that_is_gone_is_dropped);
    tcase_add_test(cases, a_socket_of_which_the_kernel_does_not_tell_may_be_the_same);
    tcase_add_test(cases, a_new_note_keeps_the_stream_of_the_same_socket_only);
    tcase_add_test(cases, without_an_id_there_is_no_note);
    return run_suite(cases, "fd/notes");
}
