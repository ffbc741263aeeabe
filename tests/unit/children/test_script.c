/* Scripts, and names that are searched in PATH: what the kernel and execvp(3) would execute. */
#include "../suite.h"
#include "../files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "read_file.h"

START_TEST(a_script_is_what_its_last_interpreter_is)
{
    char line[PATH_MAX];
    elf_file_write("static", (struct elf_file){0}, 0755);
    elf_file_write("dynamic", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 0755);
    file_write_text("to-dynamic", "#!dynamic\n");
    file_write_text("to-static", "#! \tstatic \t word \t\n");
    file_write_text("again", "#!to-static");
    (void)snprintf(line, sizeof line, "#!%s/again x\n", folder_path);
    file_write_text("absolute", line);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "to-dynamic", NULL).reason, EXECUTABLE_OK);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "to-static", NULL).reason, EXECUTABLE_STATIC);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "again", NULL).reason, EXECUTABLE_STATIC);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "absolute", NULL).reason, EXECUTABLE_STATIC);
    file_write_text("nowhere", "#!/no/such\n");
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "nowhere", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    /* The kernel ignores the set-user-ID bit of a script. */
    ck_assert_int_eq(chmod("to-dynamic", 04755), 0);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "to-dynamic", &nobody).reason, EXECUTABLE_OK);
}
END_TEST

START_TEST(a_chain_is_followed_as_far_as_the_kernel_goes)
{
    elf_file_write("0", (struct elf_file){0}, 0755);
    for (int i = 1; i <= EXECUTABLE_INTERPRETERS_MAX + 1; i++) {
        char name[8], text[16];
        (void)snprintf(name, sizeof name, "%d", i);
        (void)snprintf(text, sizeof text, "#!%d\n", i - 1);
        file_write_text(name, text);
        ck_assert_int_eq(executable_check_path(AT_FDCWD, name, NULL).reason,
                         i <= EXECUTABLE_INTERPRETERS_MAX ? EXECUTABLE_STATIC : EXECUTABLE_NOT_EXECUTABLE);
    }
    file_write_text("loop", "#!loop\n");
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "loop", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

/* The interpreter and the argument of a first line; NULL: it has none. */
static void expect_line(const char *bytes, size_t size, const char *interpreter, const char *argument)
{
    file_write("script", bytes, size, 0755);
    const struct executable file = read_file("script");
    ck_assert_int_eq(file.kind, interpreter != NULL ? EXECUTABLE_KIND_SCRIPT : EXECUTABLE_KIND_UNKNOWN);
    ck_assert_str_eq(file.interpreter, interpreter != NULL ? interpreter : "");
    ck_assert_str_eq(file.argument, argument);
}

START_TEST(a_first_line_is_read_as_the_kernel_reads_it)
{
#define LINE(text) (text), sizeof(text) - 1
    char wide[2 * EXECUTABLE_LINE_MAX];
    expect_line(LINE("#!/bin/sh\n"), "/bin/sh", "");
    expect_line(LINE("#!/bin/sh"), "/bin/sh", "");
    expect_line(LINE("#! \t /bin/sh \t -e  -u \t\nexit\n"), "/bin/sh", "-e  -u");
    expect_line(LINE("#!/bin/sh\r\n"), "/bin/sh\r", "");
    expect_line(LINE("#!/bin/sh\0-e\n"), "/bin/sh", "");
    expect_line(LINE("#!/bin/sh -e\0-u\n"), "/bin/sh", "-e");
    expect_line(LINE("#!\n"), NULL, "");
    expect_line(LINE("#! \t \n"), NULL, "");
    expect_line(LINE("#!"), NULL, "");
    /* A line longer than Linux looks at: an argument may be cut, a path may not. */
    memset(wide, 'x', sizeof wide);
    memcpy(wide, "#!/bin/sh ", 10);
    file_write("script", wide, sizeof wide, 0755);
    ck_assert_int_eq(read_file("script").kind, EXECUTABLE_KIND_SCRIPT);
    ck_assert_uint_eq(strlen(read_file("script").argument), EXECUTABLE_LINE_MAX - 10);
    wide[9] = 'x';
    expect_line(wide, sizeof wide, NULL, "");
    memset(wide + 2, ' ', sizeof wide - 2);
    expect_line(wide, sizeof wide, NULL, "");
#undef LINE
}
END_TEST

START_TEST(text_without_an_interpreter_is_run_by_execvp_only)
{
    file_write_text("text", "exit 0\n");
    file_write_text("empty", "");
    file_write("data", "a\0b", 3, 0755);
    ck_assert_int_eq(read_file("text").kind, EXECUTABLE_KIND_TEXT);
    ck_assert_int_eq(read_file("empty").kind, EXECUTABLE_KIND_TEXT);
    ck_assert_int_eq(read_file("data").kind, EXECUTABLE_KIND_UNKNOWN);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "text", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_command("./data", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_command("./text", NULL).reason,
                     executable_check_path(AT_FDCWD, "/bin/sh", NULL).reason);
    ck_assert_int_eq(executable_check_command("./text", NULL).reason, EXECUTABLE_OK);
    /* As an interpreter it is refused by the kernel. */
    file_write_text("script", "#!text\n");
    ck_assert_int_eq(executable_check_command("./script", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

static void expect_found(const char *path, const char *name, int error, const char *expected)
{
    char found[PATH_MAX];
    if (path != NULL)
        ck_assert_int_eq(setenv("PATH", path, 1), 0);
    else
        ck_assert_int_eq(unsetenv("PATH"), 0);
    ck_assert_int_eq(executable_find(found, name), error);
    if (error == 0)
        ck_assert_str_eq(found, expected);
}

START_TEST(a_name_is_found_as_execvp_finds_it)
{
    char expected[PATH_MAX], path[2 * PATH_MAX], wide[PATH_MAX + 1];
    ck_assert_int_eq(mkdir("one", 0755), 0);
    ck_assert_int_eq(mkdir("one/tool", 0755), 0);
    ck_assert_int_eq(mkdir("two", 0755), 0);
    file_write("two/tool", "x", 1, 0644);
    ck_assert_int_eq(mkdir("three", 0755), 0);
    file_write("three/tool", "x", 1, 0755);
    (void)snprintf(expected, sizeof expected, "%s/three/tool", folder_path);
    (void)snprintf(path, sizeof path, "/no/such:%s/one:%s/two:%s/three", folder_path, folder_path, folder_path);
    expect_found(path, "tool", 0, expected);
    (void)snprintf(path, sizeof path, "%s/one:%s/two", folder_path, folder_path);
    expect_found(path, "tool", -EACCES, NULL);
    expect_found("/no/such", "tool", -ENOENT, NULL);
    expect_found("/no/such", "", -ENOENT, NULL);
    expect_found("/no/such", "three/tool", 0, "three/tool");
    expect_found("/no/such", "./one", -EISDIR, NULL);
    expect_found(NULL, "sh", 0, "/bin/sh");
    ck_assert_int_eq(chdir("three"), 0);
    expect_found(":/no/such", "tool", 0, "./tool");
    expect_found("", "tool", 0, "./tool");
    memset(wide, '/', sizeof wide);
    wide[PATH_MAX] = '\0';
    expect_found("/no/such", wide, -ENAMETOOLONG, NULL);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("script");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, a_script_is_what_its_last_interpreter_is);
    tcase_add_test(cases, a_chain_is_followed_as_far_as_the_kernel_goes);
    tcase_add_test(cases, a_first_line_is_read_as_the_kernel_reads_it);
    tcase_add_test(cases, text_without_an_interpreter_is_run_by_execvp_only);
    tcase_add_test(cases, a_name_is_found_as_execvp_finds_it);
    return run_suite(cases, "script");
}
