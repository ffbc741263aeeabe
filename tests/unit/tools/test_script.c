/*
 * What a script is run by, from its first line: #!, the words of env(1), and text without #!.
 */
#include "../suite.h"

#include <string.h>

#include "../../../tools/script.h"

static struct script read_script(enum executable_kind kind, const char *interpreter, const char *argument)
{
    static struct executable file;
    static struct script script;
    memset(&file, 0, sizeof file);
    file.kind = kind;
    memcpy(file.interpreter, interpreter, strlen(interpreter) + 1);
    memcpy(file.argument, argument, strlen(argument) + 1);
    memset(&script, 0xff, sizeof script);
    script_read(&script, &file);
    return script;
}

static void expect(const char *interpreter, const char *argument, enum script_kind kind, const char *name)
{
    const struct script script = read_script(EXECUTABLE_KIND_SCRIPT, interpreter, argument);
    ck_assert_int_eq(script.kind, kind);
    ck_assert_str_eq(script.interpreter, interpreter);
    ck_assert_str_eq(script.name, name);
}

START_TEST(only_scripts_are_scripts)
{
    ck_assert_int_eq(read_script(EXECUTABLE_KIND_TEXT, "", "").kind, SCRIPT_SHELL);
    ck_assert_int_eq(read_script(EXECUTABLE_KIND_DYNAMIC, "/bin/env", "x").kind, SCRIPT_NONE);
    ck_assert_int_eq(read_script(EXECUTABLE_KIND_UNKNOWN, "", "").kind, SCRIPT_NONE);
    ck_assert_str_eq(read_script(EXECUTABLE_KIND_DYNAMIC, "/lib/ld.so", "").interpreter, "");
}
END_TEST

START_TEST(an_interpreter_is_a_file_whatever_its_arguments)
{
    expect("/bin/sh", "", SCRIPT_FILE, "");
    expect("/bin/sh", "-e -u", SCRIPT_FILE, "");
    expect("env2", "python3", SCRIPT_FILE, "");
    expect("/env/sh", "", SCRIPT_FILE, "");
}
END_TEST

START_TEST(env_runs_the_program_that_it_names)
{
    expect("/usr/bin/env", "python3", SCRIPT_ENV, "python3");
    expect("env", "sh", SCRIPT_ENV, "sh");
    expect("/usr/bin/env", "a b", SCRIPT_ENV, "a b"); /* one argument: a name with a blank in it */
    expect("/usr/bin/env", "-S python3 -I", SCRIPT_ENV, "python3");
    expect("/usr/bin/env", "-Spython3", SCRIPT_ENV, "python3");
    expect("/usr/bin/env", "-S A=b C= \t sh -e", SCRIPT_ENV, "sh");
}
END_TEST

START_TEST(words_that_may_lose_the_preload_are_not_followed)
{
    static const char *const words[] = {"",
                                        "-i",
                                        "-S -i sh",
                                        "-u LD_PRELOAD",
                                        "--unset=LD_PRELOAD",
                                        "-S LD_PRELOAD= sh",
                                        "-S A=b LD_LIBRARY_PATH=/x sh",
                                        "-S PFSWRAP_POLICY=builtin sh",
                                        "-S PATH=/x sh",
                                        "-S 'sh' -e",
                                        "-S \"sh\"",
                                        "-S s\\h",
                                        "-S $SHELL",
                                        "-S sh # -e",
                                        "-S",
                                        "-S A=b",
                                        "A=b"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        expect("/usr/bin/env", words[i], SCRIPT_OPAQUE, words[i]);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("script");
    tcase_add_test(cases, only_scripts_are_scripts);
    tcase_add_test(cases, an_interpreter_is_a_file_whatever_its_arguments);
    tcase_add_test(cases, env_runs_the_program_that_it_names);
    tcase_add_test(cases, words_that_may_lose_the_preload_are_not_followed);
    return run_suite(cases, "script");
}
