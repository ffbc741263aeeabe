/*
 * Programs as `pfswrap run` and `pfswrap explain` see them: the chain of files, every refusal with its exit status
 * and its message, and the names of machines and privileges.
 */
#include "../suite.h"
#include "../files.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../tools/machine.h"
#include "../../../tools/message.h"
#include "../../../tools/preload.h"
#include "../../../tools/program.h"

#define OTHER "/lib/ld-other.so.1"

static struct program program;

static int examine(const char *name)
{
    memset(&program, 0, sizeof program);
    const int status = program_examine(&program, name);
    ck_assert_int_eq(status, program.status);
    ck_assert_int_eq(program.refusal[0] == '\0', status == 0);
    return status;
}

static void expect_refused(const char *name, int status, const char *refusal)
{
    ck_assert_int_eq(examine(name), status);
    ck_assert_str_eq(program.refusal, refusal);
}

static void write_program(const char *name, struct elf_file elf)
{
    elf_file_write(name, elf, 0755);
}

static const struct elf_file good = {.interpreter = PFSWRAP_INTERPRETER};

START_TEST(a_program_is_one_step)
{
    write_program("good", good);
    ck_assert_int_eq(examine("./good"), 0);
    ck_assert_uint_eq(program.step_count, 1);
    ck_assert_str_eq(program.steps[0].path, "./good");
    ck_assert_int_eq(program.steps[0].kind, SCRIPT_NONE);
    ck_assert_int_eq(program.file.kind, EXECUTABLE_KIND_DYNAMIC);
    ck_assert_ptr_null(program_privilege(&program));
}
END_TEST

START_TEST(a_name_without_a_slash_is_looked_up_on_path)
{
    char path[sizeof program.steps[0].path];
    write_program("good", good);
    ck_assert_int_eq(setenv("PATH", folder_path, 1), 0);
    (void)snprintf(path, sizeof path, "%s/good", folder_path);
    ck_assert_int_eq(examine("good"), 0);
    ck_assert_str_eq(program.steps[0].path, path);
    expect_refused("other", STATUS_NOT_FOUND, "other: No such file or directory");
}
END_TEST

START_TEST(a_script_is_a_chain_of_steps)
{
    write_program("good", good);
    file_write_text("inner", "#!good -x\n");
    file_write_text("outer", "#! ./inner\n");
    file_write_text("by-env", "#!env good\n");
    file_write("env", "", 0, 0755);
    ck_assert_int_eq(setenv("PATH", folder_path, 1), 0);
    ck_assert_int_eq(examine("./outer"), 0);
    ck_assert_uint_eq(program.step_count, 3);
    ck_assert_int_eq(program.steps[0].kind, SCRIPT_FILE);
    ck_assert_int_eq(program.steps[1].kind, SCRIPT_FILE);
    ck_assert_int_eq(program.steps[2].kind, SCRIPT_NONE);
    ck_assert_str_eq(program.steps[1].path, "./inner");
    ck_assert_str_eq(program.steps[2].path, "good");
    ck_assert_int_eq(examine("./by-env"), 0);
    ck_assert_uint_eq(program.step_count, 2);
    ck_assert_int_eq(program.steps[0].kind, SCRIPT_ENV);
}
END_TEST

START_TEST(text_is_run_by_the_shell_if_a_person_or_env_names_it)
{
    file_write_text("text", "exit\n");
    file_write_text("by-env", "#!/usr/bin/env text\n");
    file_write_text("by-file", "#!./text\n");
    ck_assert_int_eq(setenv("PATH", folder_path, 1), 0);
    ck_assert_int_eq(examine("./text"), 0);
    ck_assert_int_eq(program.steps[0].kind, SCRIPT_SHELL);
    ck_assert_str_eq(program.steps[1].path, "/bin/sh");
    ck_assert_int_eq(examine("./by-env"), 0);
    ck_assert_str_eq(program.steps[2].path, "/bin/sh");
    expect_refused("./by-file", STATUS_NOT_RUNNABLE, "./text is neither an ELF program nor a script");
}
END_TEST

START_TEST(what_cannot_be_executed_has_the_statuses_of_env)
{
    char message[256];
    file_write("data", "a\0b", 3, 0755);
    file_write_text("lost", "#!/no/such -x\n");
    file_write_text("loop", "#!./loop\n");
    file_write("closed", "x", 1, 0644);
    expect_refused("./none", STATUS_NOT_FOUND, "./none: No such file or directory");
    expect_refused("", STATUS_NOT_FOUND, ": No such file or directory");
    expect_refused("./none/x", STATUS_NOT_FOUND, "./none/x: No such file or directory");
    expect_refused("./data/x", STATUS_NOT_FOUND, "./data/x: Not a directory");
    expect_refused(folder_path, STATUS_NOT_RUNNABLE, strcat(strcpy(message, folder_path), ": Is a directory"));
    expect_refused("./closed", STATUS_NOT_RUNNABLE, "./closed: Permission denied");
    expect_refused("./data", STATUS_NOT_RUNNABLE, "./data is neither an ELF program nor a script");
    expect_refused("./lost", STATUS_NOT_FOUND, "./lost: its interpreter /no/such: No such file or directory");
    expect_refused("./loop", STATUS_NOT_RUNNABLE,
                   "./loop has too long a chain of script interpreters, expected at most 7");
}
END_TEST

START_TEST(what_cannot_be_protected_is_refused_with_its_reason)
{
    char message[256];
    write_program("static", (struct elf_file){0});
    write_program("other", (struct elf_file){.interpreter = OTHER});
    write_program("go", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .has_go_note = true});
    write_program("s390", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .machine = EM_S390});
    elf_file_write("root", good, 04755);
    file_write_text("script", "#!./static\n");
    file_write_text("options", "#!/usr/bin/env -i sh\n");
    expect_refused("./static", STATUS_REFUSED,
                   "./static is statically linked, expected a dynamic program: nothing can be preloaded into it");
    expect_refused("./script", STATUS_REFUSED,
                   "./static is statically linked, expected a dynamic program: nothing can be preloaded into it");
    expect_refused("./other", STATUS_REFUSED,
                   "./other is loaded by " OTHER
                   ", expected the ld.so of a supported libc, such as " PFSWRAP_INTERPRETER);
    expect_refused("./go", STATUS_REFUSED,
                   "./go is a Go program, expected one that makes its system calls through libc: Go makes them "
                   "itself, and no preloaded library sees them");
    (void)snprintf(message, sizeof message,
                   "./s390 is a program for s390%s, expected %s, for which libpfswrap.so was built",
                   sizeof(void *) == 8 ? "x" : "", machine_own_name());
    expect_refused("./s390", STATUS_REFUSED, message);
    expect_refused("./root", STATUS_REFUSED,
                   "./root is set-user-ID, expected a program without privileges of its own: LD_PRELOAD has no "
                   "effect on this one");
    ck_assert_str_eq(program_privilege(&program), "set-user-ID");
    expect_refused("./options", STATUS_REFUSED,
                   "./options is run by /usr/bin/env -i sh, expected env and the name of an interpreter only");
}
END_TEST

START_TEST(a_program_whose_object_is_not_installed_is_refused_with_its_path)
{
    char library[PRELOAD_PATH_MAX], message[2 * PATH_MAX];
    write_program(
        "musl",
        (struct elf_file){.interpreter = "/lib/ld-musl-aarch64.so.1", .machine = EM_AARCH64, .class = ELFCLASS64});
    ck_assert_int_eq(preload_path(library, OBJECT_AARCH64_MUSL, message, sizeof message), 0);
    ck_assert_ptr_nonnull(strstr(library, "/tests/unit/tools/aarch64-musl/libpfswrap.so"));
    (void)snprintf(
        message, sizeof message,
        "./musl is loaded by /lib/ld-musl-aarch64.so.1 and needs %s: No such file or directory, expected "
        "the object for aarch64-musl",
        library);
    expect_refused("./musl", STATUS_REFUSED, message);
}
END_TEST

START_TEST(a_program_that_cannot_be_read_is_refused)
{
    elf_file_write("program", good, 0111);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0); /* no file is closed to root */
    expect_refused("./program", STATUS_REFUSED,
                   "./program cannot be read (Permission denied), expected a program that pfswrap can read to find "
                   "out whether it can be protected");
}
END_TEST

START_TEST(privileges_have_names_for_every_user)
{
    struct program found = {.file = {.machine = EM_X86_64}};
    ck_assert_ptr_null(program_privilege(&found));
    found.file.is_set_user_id = true;
    found.file.owner = getuid();
    ck_assert_str_eq(program_privilege(&found), "set-user-ID");
    found.file.is_set_user_id = false;
    found.file.is_set_group_id = true;
    ck_assert_str_eq(program_privilege(&found), "set-group-ID");
    found.file.is_set_group_id = false;
    found.file.has_capabilities = true;
    ck_assert_str_eq(program_privilege(&found), "given file capabilities");
    found.file.capabilities_unreadable = true;
    ck_assert_str_eq(program_privilege(&found), "maybe given file capabilities (they cannot be read)");
    found.file.machine = 0; /* a script */
    ck_assert_ptr_null(program_privilege(&found));
}
END_TEST

START_TEST(machines_have_the_names_of_debians_architectures)
{
    ck_assert_str_eq(machine_name(EM_X86_64, true), "x86-64");
    ck_assert_str_eq(machine_name(EM_X86_64, false), "x32");
    ck_assert_str_eq(machine_name(EM_386, false), "i386");
    ck_assert_str_eq(machine_name(EM_AARCH64, true), "arm64");
    ck_assert_str_eq(machine_name(EM_RISCV, false), "riscv32");
    ck_assert_str_eq(machine_name(12345, true), "machine 12345");
    ck_assert_str_ne(machine_own_name(), "");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("program");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, a_program_is_one_step);
    tcase_add_test(cases, a_name_without_a_slash_is_looked_up_on_path);
    tcase_add_test(cases, a_script_is_a_chain_of_steps);
    tcase_add_test(cases, text_is_run_by_the_shell_if_a_person_or_env_names_it);
    tcase_add_test(cases, what_cannot_be_executed_has_the_statuses_of_env);
    tcase_add_test(cases, what_cannot_be_protected_is_refused_with_its_reason);
    tcase_add_test(cases, a_program_whose_object_is_not_installed_is_refused_with_its_path);
    tcase_add_test(cases, a_program_that_cannot_be_read_is_refused);
    tcase_add_test(cases, privileges_have_names_for_every_user);
    tcase_add_test(cases, machines_have_the_names_of_debians_architectures);
    return run_suite(cases, "program");
}
