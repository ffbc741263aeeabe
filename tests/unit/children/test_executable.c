/*
 * Which ELF files the library can be preloaded into, and why not. The test writes the files.
 */
#include "../suite.h"
#include "../files.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "read_file.h"

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

#define OTHER "/lib/ld-other.so.1"

static enum executable_reason decide(const char *name)
{
    const struct executable file = read_file(name);
    const enum executable_reason reason = executable_decide(&file, NULL);
    ck_assert_int_eq(reason, executable_check_path(AT_FDCWD, name, NULL).reason);
    return reason;
}

static enum executable_reason decide_elf(struct elf_file elf)
{
    elf_file_write("program", elf, 0755);
    return decide("program");
}

START_TEST(a_dynamic_program_of_this_machine_and_libc_is_fine)
{
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = PFSWRAP_INTERPRETER}), EXECUTABLE_OK);
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .type = ET_EXEC}),
                     EXECUTABLE_OK);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "/proc/self/exe", &nobody).reason, EXECUTABLE_OK);
    ck_assert_ptr_null(executable_reason_text(EXECUTABLE_OK, OBJECT_NONE));
}
END_TEST

START_TEST(the_same_loader_by_another_path_is_fine)
{
    ck_assert_int_eq(symlink(PFSWRAP_INTERPRETER, "loader"), 0);
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = "loader"}), EXECUTABLE_OK);
}
END_TEST

START_TEST(another_loader_is_refused_whatever_its_name)
{
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = OTHER}), EXECUTABLE_OTHER_LOADER);
    file_write_text("ld-linux-x86-64.so.2", "another libc's");
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = "./ld-linux-x86-64.so.2"}),
                     EXECUTABLE_OTHER_LOADER);
}
END_TEST

START_TEST(a_program_without_an_interpreter_is_static)
{
    ck_assert_int_eq(decide_elf((struct elf_file){0}), EXECUTABLE_STATIC);
    ck_assert_int_eq(decide_elf((struct elf_file){.type = ET_EXEC, .padding = 20}), EXECUTABLE_STATIC);
}
END_TEST

START_TEST(another_machine_or_word_size_is_foreign)
{
    const uint16_t other = __ehdr_start.e_machine != EM_RISCV ? EM_RISCV : EM_X86_64;
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .machine = other}),
                     EXECUTABLE_OTHER_MACHINE);
    ck_assert_uint_eq(read_file("program").machine, other);
    /* x32, and 64-bit "i386" */
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = OTHER, .machine = EM_X86_64, .class = ELFCLASS32}),
                     EXECUTABLE_OTHER_MACHINE);
    ck_assert(!read_file("program").is_64_bit);
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = OTHER, .machine = EM_386, .class = ELFCLASS64}),
                     EXECUTABLE_OTHER_MACHINE);
}
END_TEST

START_TEST(the_machine_and_the_loader_say_which_object_is_needed)
{
    static const struct {
        const char *interpreter;
        uint16_t machine;
        uint8_t class;
        enum object_kind object;
    } cases[] = {
        {"/lib64/ld-linux-x86-64.so.2", EM_X86_64, ELFCLASS64, OBJECT_X86_64},
        {"/lib/ld-linux.so.2", EM_386, ELFCLASS32, OBJECT_I386},
        {"/lib/ld-linux-aarch64.so.1", EM_AARCH64, ELFCLASS64, OBJECT_AARCH64},
        {"/lib/ld-musl-x86_64.so.1", EM_X86_64, ELFCLASS64, OBJECT_X86_64_MUSL},
        {"/lib/ld-musl-i386.so.1", EM_386, ELFCLASS32, OBJECT_I386_MUSL},
        {"/lib/ld-musl-aarch64.so.1", EM_AARCH64, ELFCLASS64, OBJECT_AARCH64_MUSL},
        {"/lib/ld-musl-i386.so.1", EM_X86_64, ELFCLASS64, OBJECT_NONE},
        {"/lib/ld-linux.so.2", EM_X86_64, ELFCLASS64, OBJECT_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (uint16_t padding = 5; padding < 9; padding++) {
            const enum executable_reason expected =
                cases[i].object != OBJECT_NONE ? EXECUTABLE_OK : EXECUTABLE_OTHER_LOADER;
            ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = cases[i].interpreter,
                                                          .machine = cases[i].machine,
                                                          .class = cases[i].class,
                                                          .padding = padding}),
                             expected);
            ck_assert_int_eq(executable_check_path(AT_FDCWD, "program", NULL).object, cases[i].object);
            ck_assert_str_eq(read_file("program").interpreter, cases[i].interpreter);
        }
    }
}
END_TEST

START_TEST(an_object_that_is_not_installed_is_named)
{
    const bool is_32_bit = OBJECT_OWN == OBJECT_I386;
    char own[PATH_MAX];
    (void)snprintf(own, sizeof own, "%s/libpfswrap.so", folder_path);
    const struct executable_caller caller = {.user = getuid(), .group = getgid(), .library = own};
    const struct elf_file program = {.interpreter =
                                         is_32_bit ? "/lib64/ld-linux-x86-64.so.2" : "/lib/ld-linux.so.2",
                                     .machine = is_32_bit ? EM_X86_64 : EM_386,
                                     .class = is_32_bit ? ELFCLASS64 : ELFCLASS32};
    elf_file_write("program", program, 0755);
    struct executable_result result = executable_check_path(AT_FDCWD, "program", &caller);
    ck_assert_int_eq(result.reason, EXECUTABLE_NO_OBJECT);
    ck_assert_str_eq(executable_reason_text(result.reason, result.object),
                     is_32_bit
                         ? "the program needs x86_64/libpfswrap.so, which is not installed beside libpfswrap.so"
                         : "the program needs i386/libpfswrap.so, which is not installed beside libpfswrap.so");
    ck_assert(!executable_reason_is_of_library(result.reason));
    /* What is there must be for the program. */
    ck_assert_int_eq(mkdir(object_name(result.object), 0755), 0);
    (void)snprintf(own, sizeof own, "%s/libpfswrap.so", object_name(result.object));
    elf_file_write(own, (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 0755);
    (void)snprintf(own, sizeof own, "%s/libpfswrap.so", folder_path);
    result = executable_check_path(AT_FDCWD, "program", &caller);
    ck_assert_int_eq(result.reason, EXECUTABLE_LIBRARY_BROKEN);
}
END_TEST

START_TEST(the_interpreter_is_found_behind_many_program_headers)
{
    for (uint16_t padding = 14; padding < 18; padding++) {
        ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .padding = padding}),
                         EXECUTABLE_OK);
        ck_assert_str_eq(read_file("program").interpreter, PFSWRAP_INTERPRETER);
    }
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = OTHER, .padding = 1000}), EXECUTABLE_OTHER_LOADER);
}
END_TEST

START_TEST(the_first_of_two_interpreters_counts)
{
    ck_assert_int_eq(decide_elf((struct elf_file){
                         .interpreter = OTHER, .second_interpreter = PFSWRAP_INTERPRETER, .padding = 15}),
                     EXECUTABLE_OTHER_LOADER);
}
END_TEST

START_TEST(headers_that_the_kernel_refuses_are_no_program)
{
    const struct elf_file broken[] = {
        {.interpreter = PFSWRAP_INTERPRETER, .is_unterminated = true},
        {.interpreter = PFSWRAP_INTERPRETER, .is_cut = true},
        {.interpreter = PFSWRAP_INTERPRETER, .type = ET_REL},
        {.interpreter = PFSWRAP_INTERPRETER, .entry_size = 40},
        {.interpreter = PFSWRAP_INTERPRETER, .padding = 65536 / sizeof(ElfW(Phdr)) + 1},
        {.interpreter = ""},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        ck_assert_int_eq(decide_elf(broken[i]), EXECUTABLE_NOT_EXECUTABLE);
        ck_assert_int_eq(read_file("program").kind, EXECUTABLE_KIND_BROKEN);
    }
    file_write("program", ELFMAG, SELFMAG, 0755);
    ck_assert_int_eq(decide("program"), EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

START_TEST(a_go_program_is_refused_also_if_it_links_libc)
{
    ck_assert_int_eq(decide_elf((struct elf_file){.interpreter = PFSWRAP_INTERPRETER, .has_go_note = true}),
                     EXECUTABLE_GO);
    ck_assert_int_eq(decide_elf((struct elf_file){.has_go_note = true}), EXECUTABLE_STATIC);
    ck_assert(read_file("program").is_go);
}
END_TEST

START_TEST(set_id_bits_count_for_a_caller_with_other_ids)
{
    const struct executable_caller self = {.user = getuid(), .group = getgid()};
    elf_file_write("user", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 04755);
    elf_file_write("group", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 02755);
    elf_file_write("locked", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 02745);
    const struct executable user = read_file("user"), group = read_file("group"), locked = read_file("locked");
    ck_assert_int_eq(executable_privilege(&user, &nobody), EXECUTABLE_PRIVILEGE_USER);
    ck_assert_int_eq(executable_privilege(&user, &self), EXECUTABLE_PRIVILEGE_NONE);
    ck_assert_int_eq(executable_privilege(&user, NULL), EXECUTABLE_PRIVILEGE_USER);
    ck_assert_int_eq(executable_privilege(&group, &nobody), EXECUTABLE_PRIVILEGE_GROUP);
    ck_assert_int_eq(executable_privilege(&group, &self), EXECUTABLE_PRIVILEGE_NONE);
    ck_assert_int_eq(executable_privilege(&group, NULL), EXECUTABLE_PRIVILEGE_GROUP);
    ck_assert_int_eq(executable_privilege(&locked, NULL), EXECUTABLE_PRIVILEGE_NONE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "user", &nobody).reason, EXECUTABLE_PRIVILEGED);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "user", &self).reason, EXECUTABLE_OK);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "user", NULL).reason, EXECUTABLE_PRIVILEGED);
    ck_assert_uint_eq(executable_caller_self(NULL).user, self.user);
    ck_assert_uint_eq(executable_caller_self(NULL).group, self.group);
}
END_TEST

START_TEST(file_capabilities_count_for_all_but_root)
{
    const struct executable_caller root = {0};
    struct executable file = {.kind = EXECUTABLE_KIND_DYNAMIC, .object = OBJECT_OWN, .has_capabilities = true};
    ck_assert_int_eq(executable_privilege(&file, NULL), EXECUTABLE_PRIVILEGE_CAPABILITIES);
    ck_assert_int_eq(executable_privilege(&file, &nobody), EXECUTABLE_PRIVILEGE_CAPABILITIES);
    ck_assert_int_eq(executable_privilege(&file, &root), EXECUTABLE_PRIVILEGE_NONE);
    ck_assert_int_eq(executable_decide(&file, &nobody), EXECUTABLE_PRIVILEGED);
    ck_assert_int_eq(executable_decide(&file, &root), EXECUTABLE_OK);
    file.capabilities_unreadable = true;
    ck_assert_int_eq(executable_privilege(&file, &nobody), EXECUTABLE_PRIVILEGE_UNKNOWN);

    /* VFS_CAP_REVISION_2 and the effective bit, CAP_NET_BIND_SERVICE permitted (linux/capability.h). */
    const uint32_t capabilities[] = {0x02000001, 1 << 10, 0, 0, 0};
    elf_file_write("program", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 0755);
    ck_assert(!read_file("program").has_capabilities);
    if (setxattr("program", "security.capability", capabilities, sizeof capabilities, 0) == 0) {
        ck_assert_int_eq(executable_check_path(AT_FDCWD, "program", NULL).reason, EXECUTABLE_PRIVILEGED);
        ck_assert(!read_file("program").capabilities_unreadable);
    }
}
END_TEST

/* A copy of this program, which is a shared object to ld.so. */
static void write_library(size_t size)
{
    static char bytes[1 << 22];
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    const ssize_t length = read(fd, bytes, sizeof bytes);
    ck_assert_int_gt(length, 0);
    file_write("library", bytes, size < (size_t)length ? size : (size_t)length, 0755);
    close(fd);
}

static enum executable_reason check_library(const struct executable *program, const char *library)
{
    struct executable file = *program;
    return executable_check_library(&file, library);
}

START_TEST(a_library_must_be_whole_and_for_this_machine)
{
    struct executable program = read_file("/proc/self/exe");
    program.memory = 1 << 20;
    write_library(SIZE_MAX);
    ck_assert_int_eq(check_library(&program, "library"), EXECUTABLE_OK);
    ck_assert_uint_gt(read_file("library").memory, read_file("library").data);
    ck_assert_uint_gt(read_file("library").data, 0);
    write_library(9000);
    ck_assert_int_eq(check_library(&program, "library"), EXECUTABLE_LIBRARY_BROKEN);
    file_write_text("library", "text");
    ck_assert_int_eq(check_library(&program, "library"), EXECUTABLE_LIBRARY_BROKEN);
    elf_file_write("library", (struct elf_file){.machine = EM_S390}, 0755);
    ck_assert_int_eq(check_library(&program, "library"), EXECUTABLE_LIBRARY_BROKEN);
    ck_assert_int_eq(check_library(&program, "absent"), EXECUTABLE_OK);
}
END_TEST

START_TEST(a_limit_counts_for_the_program_and_the_library_together)
{
    struct executable program = read_file("/proc/self/exe");
    struct rlimit saved;
    program.memory = 1 << 20;
    program.data = 1 << 16;
    write_library(SIZE_MAX);
    const struct executable library = read_file("library");
    const uint64_t room = executable_room(&program, &library, RLIMIT_DATA);
    ck_assert_uint_gt(room, program.data + library.data);
    ck_assert_uint_gt(executable_room(&program, &library, RLIMIT_AS), program.memory + library.memory);
    ck_assert_int_eq(getrlimit(RLIMIT_DATA, &saved), 0);
    for (int less = 0; less < 2; less++) {
        const struct rlimit limit = {.rlim_cur = room - (rlim_t)less, .rlim_max = saved.rlim_max};
        ck_assert_int_eq(setrlimit(RLIMIT_DATA, &limit), 0);
        const enum executable_reason reason = check_library(&program, "library");
        ck_assert_int_eq(setrlimit(RLIMIT_DATA, &saved), 0);
        ck_assert_int_eq(reason, less ? EXECUTABLE_LIMIT_DATA : EXECUTABLE_OK);
    }
    ck_assert(executable_reason_is_of_library(EXECUTABLE_LIMIT_AS));
    ck_assert(!executable_reason_is_of_library(EXECUTABLE_UNREADABLE));
    ck_assert(!executable_reason_is_of_library(EXECUTABLE_OK));
}
END_TEST

START_TEST(a_file_that_can_be_executed_and_not_read_is_unreadable)
{
    elf_file_write("program", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 0111);
    file_write_text("script", "#!program\n");
    elf_file_write("closed", (struct elf_file){.interpreter = PFSWRAP_INTERPRETER}, 0600);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(nobody.user), 0); /* no file is closed to root */
    else
        ck_assert_int_eq(chmod("closed", 0), 0);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "program", NULL).reason, EXECUTABLE_UNREADABLE);
    ck_assert_int_eq(executable_check_command("./program", NULL).reason, EXECUTABLE_UNREADABLE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "script", NULL).reason, EXECUTABLE_UNREADABLE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "closed", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

START_TEST(what_cannot_be_executed_is_no_program)
{
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "none", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, NULL, NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "/", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_path(-1, "none", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_command(NULL, NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_command("", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_command("no-such-program", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(executable_check_fd(-1, NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    ck_assert_int_eq(mkfifo("fifo", 0700), 0);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "fifo", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

START_TEST(an_open_file_is_checked_whatever_it_is_open_for)
{
    int ends[2];
    elf_file_write("static", (struct elf_file){0}, 0755);
    const int for_reading = open("static", O_RDONLY), for_path = open("static", O_PATH);
    ck_assert_int_eq(lseek(for_reading, 7, SEEK_SET), 7);
    ck_assert_int_eq(executable_check_fd(for_reading, NULL).reason, EXECUTABLE_STATIC);
    ck_assert_int_eq(executable_check_fd(for_path, NULL).reason, EXECUTABLE_STATIC);
    ck_assert_int_eq(lseek(for_reading, 0, SEEK_CUR), 7);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(executable_check_fd(ends[0], NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
    /* The next free number is still free: no descriptor was left open. */
    ck_assert_int_eq(dup(for_reading), ends[1] + 1);
    const int place = open(".", O_PATH | O_DIRECTORY);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(executable_check_path(place, "static", NULL).reason, EXECUTABLE_STATIC);
    ck_assert_int_eq(executable_check_path(AT_FDCWD, "static", NULL).reason, EXECUTABLE_NOT_EXECUTABLE);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("executable");
    tcase_add_checked_fixture(cases, folder_enter, folder_leave);
    tcase_add_test(cases, a_dynamic_program_of_this_machine_and_libc_is_fine);
    tcase_add_test(cases, the_same_loader_by_another_path_is_fine);
    tcase_add_test(cases, another_loader_is_refused_whatever_its_name);
    tcase_add_test(cases, a_program_without_an_interpreter_is_static);
    tcase_add_test(cases, another_machine_or_word_size_is_foreign);
    tcase_add_test(cases, the_machine_and_the_loader_say_which_object_is_needed);
    tcase_add_test(cases, an_object_that_is_not_installed_is_named);
    tcase_add_test(cases, the_interpreter_is_found_behind_many_program_headers);
    tcase_add_test(cases, the_first_of_two_interpreters_counts);
    tcase_add_test(cases, headers_that_the_kernel_refuses_are_no_program);
    tcase_add_test(cases, a_go_program_is_refused_also_if_it_links_libc);
    tcase_add_test(cases, set_id_bits_count_for_a_caller_with_other_ids);
    tcase_add_test(cases, file_capabilities_count_for_all_but_root);
    tcase_add_test(cases, a_library_must_be_whole_and_for_this_machine);
    tcase_add_test(cases, a_limit_counts_for_the_program_and_the_library_together);
    tcase_add_test(cases, a_file_that_can_be_executed_and_not_read_is_unreadable);
    tcase_add_test(cases, what_cannot_be_executed_is_no_program);
    tcase_add_test(cases, an_open_file_is_checked_whatever_it_is_open_for);
    return run_suite(cases, "executable");
}
