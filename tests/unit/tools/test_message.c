/*
 * Messages of the commands: one line each, whatever a file is called; and output that cannot be written.
 */
#include "../suite.h"
#include "../files.h"
#include "capture.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "../../../tools/message.h"

START_TEST(a_message_is_one_line_after_the_products_name)
{
    capture_start();
    message("%s is %d", "answer", 42);
    const struct captured captured = capture_stop();
    ck_assert_str_eq(captured.err, "pfswrap: answer is 42\n");
    ck_assert_str_eq(captured.out, "");
}
END_TEST

START_TEST(control_characters_in_a_message_are_replaced)
{
    capture_start();
    message("%s", "a\nb\x1b[31m\t\x7f\xc3\xa9");
    ck_assert_str_eq(capture_stop().err, "pfswrap: a?b?[31m??\xc3\xa9\n");
}
END_TEST

START_TEST(a_message_that_is_too_long_is_cut_and_stays_one_line)
{
    static char text[3 * PATH_MAX];
    memset(text, 'x', sizeof text - 1);
    capture_start();
    message("%s", text);
    message("next");
    const struct captured captured = capture_stop(); /* the beginning of it */
    ck_assert_uint_eq(strlen(captured.err), sizeof captured.err - 1);
    ck_assert_ptr_null(strchr(captured.err, '\n'));

    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    message("%s", text);
    message("next");
    const ssize_t length = read(ends[0], text, sizeof text);
    ck_assert_int_gt(length, 2 * PATH_MAX);
    ck_assert_mem_eq(text + length - strlen("x\npfswrap: next\n"), "x\npfswrap: next\n",
                     strlen("x\npfswrap: next\n"));
    ck_assert_ptr_eq(memchr(text, '\n', (size_t)length), text + length - strlen("\npfswrap: next\n"));
}
END_TEST

START_TEST(output_is_written_at_the_end)
{
    capture_start();
    out("%s=%d\n", "one", 1);
    out("two\n");
    ck_assert_int_eq(out_finish(), 0);
    const struct captured captured = capture_stop();
    ck_assert_str_eq(captured.out, "one=1\ntwo\n");
    ck_assert_str_eq(captured.err, "");
}
END_TEST

START_TEST(output_that_cannot_be_written_is_a_failure)
{
    const int full = open("/dev/full", O_WRONLY);
    capture_start();
    ck_assert_int_eq(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
    out("lost\n");
    ck_assert_int_eq(out_finish(), 1);
    ck_assert_str_eq(capture_stop().err, "pfswrap: cannot write the output: No space left on device\n");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("message");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, a_message_is_one_line_after_the_products_name);
    tcase_add_test(cases, control_characters_in_a_message_are_replaced);
    tcase_add_test(cases, a_message_that_is_too_long_is_cut_and_stays_one_line);
    tcase_add_test(cases, output_is_written_at_the_end);
    tcase_add_test(cases, output_that_cannot_be_written_is_a_failure);
    return run_suite(cases, "message");
}
