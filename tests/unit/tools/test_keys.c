/*
 * Input and output of the key commands, with files in place of standard input and output.
 */
#include "../suite.h"
#include "../files.h"
#include "capture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include <pfswrap/keys.h>

#include "../../../tools/commands.h"
#include "../../../tools/keyio.h"

/* RFC 7748, section 6.1: Alice's keys. */
#define SECRET "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
#define PUBLIC "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="

static void expect_line(const char *input, size_t size, bool alone, const char *line)
{
    char found[64];
    capture_input(input, size);
    ck_assert_int_eq(keyio_read_line("Prompt: ", alone, found, sizeof found), 0);
    ck_assert_str_eq(found, line);
}

static void expect_no_line(const char *input, size_t size, const char *message)
{
    char found[64];
    capture_input(input, size);
    capture_start();
    ck_assert_int_eq(keyio_read_line("Prompt: ", true, found, sizeof found), -1);
    const struct captured captured = capture_stop();
    ck_assert_str_eq(captured.err, message);
    ck_assert_str_eq(captured.out, "");
}

START_TEST(a_line_is_read_without_its_end)
{
    expect_line("word\n", 5, true, "word");
    expect_line("word", 4, true, "word");
    expect_line("word\r\n", 6, true, "word");
    expect_line("word\n\n\r\n", 8, true, "word");
    expect_line("", 0, true, "");
    expect_line("\n", 1, true, "");
    expect_line("two words\nmore\n", 15, false, "two words");
}
END_TEST

START_TEST(bytes_behind_a_line_are_left_for_the_next_reader)
{
    char rest[16] = {0};
    expect_line("one\ntwo\n", 8, false, "one");
    ck_assert_int_eq(read(STDIN_FILENO, rest, sizeof rest), 4);
    ck_assert_str_eq(rest, "two\n");
}
END_TEST

START_TEST(what_is_not_one_line_of_text_is_refused)
{
    char wide[64];
    memset(wide, 'x', sizeof wide);
    expect_line(wide, 63, true, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect_no_line(wide, 64, "pfswrap: stdin: expected one line of text of at most 63 bytes\n");
    expect_no_line("a\0b\n", 4, "pfswrap: stdin: expected one line of text of at most 63 bytes\n");
    expect_no_line("one\ntwo\n", 8, "pfswrap: stdin: expected one key and nothing after it but comments\n");
    expect_no_line("one\n# two\nthree\n", 16,
                   "pfswrap: stdin: expected one key and nothing after it but comments\n");
    expect_line("one\n\n# two three\r\n#\n", 20, true, "one");
}
END_TEST

/* Prints a key to a new file of that mode. Returns the text on standard error. */
static struct captured print_to_file(mode_t mode, bool secret, int *status)
{
    static const uint8_t key[PFSWRAP_KEY_BYTES] = {1};
    file_write("key", "", 0, mode);
    const int fd = open("key", O_WRONLY);
    capture_start();
    ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
    *status = keyio_print_key("test", key, secret);
    return capture_stop();
}

START_TEST(a_secret_key_in_a_file_that_others_can_read_is_a_warning)
{
    char text[64] = {0};
    int status = -1;
    ck_assert_str_eq(print_to_file(0600, true, &status).err, "");
    ck_assert_int_eq(status, EXIT_SUCCESS);
    const int fd = open("key", O_RDONLY);
    ck_assert_int_eq(read(fd, text, sizeof text), 45);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_str_eq(text, "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n");
    ck_assert_str_eq(print_to_file(0644, false, &status).err, "");
    ck_assert_ptr_nonnull(
        strstr(print_to_file(0644, true, &status).err,
               "pfswrap test: warning: group or others can read the file that this secret goes to "
               "(mode 0644)"));
    ck_assert_int_eq(status, EXIT_SUCCESS);
}
END_TEST

START_TEST(a_key_that_cannot_be_written_is_a_failure)
{
    static const uint8_t key[PFSWRAP_KEY_BYTES] = {1};
    const int full = open("/dev/full", O_WRONLY);
    capture_start();
    ck_assert_int_eq(dup2(full, STDOUT_FILENO), STDOUT_FILENO);
    ck_assert_int_eq(keyio_print_key("test", key, true), EXIT_FAILURE);
    ck_assert_str_eq(capture_stop().err, "pfswrap test: stdout: No space left on device\n");
}
END_TEST

static struct captured run(int (*command)(int, char **), const char *input, char *const arguments[], int status)
{
    int count = 0;
    while (arguments[count] != NULL)
        count++;
    capture_input(input, strlen(input));
    capture_start();
    const int result = command(count, (char **)(uintptr_t)arguments);
    const struct captured captured = capture_stop();
    ck_assert_int_eq(result, status);
    ck_assert_int_eq(captured.out[0] == '\0', status != EXIT_SUCCESS);
    return captured;
}

START_TEST(pubkey_derives_the_key_of_the_secret_on_standard_input)
{
    char *const alone[] = {(char *)"pubkey", NULL}, *const more[] = {(char *)"pubkey", (char *)"x", NULL};
    ck_assert_str_eq(run(command_pubkey, SECRET "\n", alone, EXIT_SUCCESS).out, PUBLIC "\n");
    ck_assert_str_eq(run(command_pubkey, "hello\n", alone, EXIT_FAILURE).err,
                     "pfswrap pubkey: stdin: expected a secret key of 44 characters in base64, found 5 characters "
                     "that are not a key\n");
    ck_assert_ptr_nonnull(strstr(run(command_pubkey, SECRET, more, EXIT_FAILURE).err, "usage: pfswrap pubkey"));
}
END_TEST

START_TEST(random_keys_are_different_keys)
{
    char *const genkey[] = {(char *)"genkey", NULL}, *const genpsk[] = {(char *)"genpsk", NULL};
    uint8_t key[PFSWRAP_KEY_BYTES];
    const struct captured first = run(command_genkey, "", genkey, EXIT_SUCCESS);
    const struct captured second = run(command_genpsk, "", genpsk, EXIT_SUCCESS);
    static const char comment[] = "\n# created 20";
    const struct captured *const both[] = {&first, &second};
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pfswrap_key_decode(key, both[i]->out, PFSWRAP_KEY_TEXT_BYTES - 1), 0);
        ck_assert_int_eq(strncmp(both[i]->out + PFSWRAP_KEY_TEXT_BYTES - 1, comment, sizeof comment - 1), 0);
    }
    ck_assert_int_ne(memcmp(first.out, second.out, PFSWRAP_KEY_TEXT_BYTES - 1), 0);
}
END_TEST

START_TEST(wrong_command_lines_print_the_usage)
{
    char *const lines[][7] = {
        {(char *)"genkey", (char *)"more", NULL},
        {(char *)"genkey", (char *)"--password", NULL},
        {(char *)"genkey", (char *)"--user", (char *)"ann", NULL},
        {(char *)"genkey", (char *)"--password", (char *)"--user", (char *)"ann", NULL},
        {(char *)"genkey", (char *)"--other", NULL},
    };
    char *const psk[] = {(char *)"genpsk", (char *)"more", NULL};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        ck_assert_ptr_nonnull(
            strstr(run(command_genkey, "x\n", lines[i], EXIT_FAILURE).err, "usage: pfswrap genkey"));
    ck_assert_ptr_nonnull(strstr(run(command_genpsk, "", psk, EXIT_FAILURE).err, "usage: pfswrap genpsk"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("keys");
    if (sodium_init() < 0)
        return 1;
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, a_line_is_read_without_its_end);
    tcase_add_test(cases, bytes_behind_a_line_are_left_for_the_next_reader);
    tcase_add_test(cases, what_is_not_one_line_of_text_is_refused);
    tcase_add_test(cases, a_secret_key_in_a_file_that_others_can_read_is_a_warning);
    tcase_add_test(cases, a_key_that_cannot_be_written_is_a_failure);
    tcase_add_test(cases, pubkey_derives_the_key_of_the_secret_on_standard_input);
    tcase_add_test(cases, random_keys_are_different_keys);
    tcase_add_test(cases, wrong_command_lines_print_the_usage);
    return run_suite(cases, "keys");
}
