/*
 * What a system call filter allows is read from its code before the kernel gets it. What cannot be known counts as
 * denied.
 */
#include "../suite.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/readable.h"

#if defined(__x86_64__)
#define MACHINE AUDIT_ARCH_X86_64
#elif defined(__i386__)
#define MACHINE AUDIT_ARCH_I386
#else
#define MACHINE AUDIT_ARCH_AARCH64
#endif

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF_NOT(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define ANSWER(action) BPF_STMT(BPF_RET | BPF_K, (action))
#define COUNT(array) (unsigned short)(sizeof(array) / sizeof *(array))

static struct filter_set set;

static void read_code(const struct sock_filter *code, unsigned short count)
{
    const struct sock_fprog program = {.len = count, .filter = (struct sock_filter *)(uintptr_t)code};
    filter_read(&program, &set);
}

static enum filter_answer answer(long number)
{
    return (enum filter_answer)set.answers[number];
}

START_TEST(a_filter_that_allows_everything_is_harmless)
{
    const struct sock_filter code[] = {ANSWER(SECCOMP_RET_ALLOW)};
    read_code(code, COUNT(code));
    ck_assert(filter_is_harmless(&set));
    ck_assert(filter_allows_thread(&set));
}
END_TEST

START_TEST(calls_that_are_not_on_a_list_are_denied)
{
    const struct sock_filter code[] = {LOAD(arch),
                                       IF_NOT(MACHINE, 4),
                                       LOAD(nr),
                                       IF_NOT(SYS_read, 1),
                                       ANSWER(SECCOMP_RET_ALLOW),
                                       IF_NOT(SYS_clone3, 1),
                                       ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
                                       IF_NOT(SYS_write, 1),
                                       ANSWER(SECCOMP_RET_LOG),
                                       ANSWER(SECCOMP_RET_KILL_PROCESS)};
    read_code(code, COUNT(code));
    ck_assert_int_eq(answer(SYS_read), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_write), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_clone3), FILTER_ENOSYS);
    ck_assert_int_eq(answer(SYS_futex), FILTER_DENIES);
    ck_assert(!filter_is_harmless(&set));
    ck_assert(!filter_allows_thread(&set));
}
END_TEST

START_TEST(ranges_masks_and_long_jumps_are_followed)
{
    const struct sock_filter code[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 100, 0, 3),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 200, 1, 0),
        ANSWER(SECCOMP_RET_ALLOW),
        ANSWER(SECCOMP_RET_TRAP),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 1),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
        ANSWER(SECCOMP_RET_ALLOW),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
    };
    read_code(code, COUNT(code));
    ck_assert_int_eq(answer(150), FILTER_ALLOWS);
    ck_assert_int_eq(answer(201), FILTER_DENIES);
    ck_assert_int_eq(answer(4), FILTER_ALLOWS);
    ck_assert_int_eq(answer(5), FILTER_DENIES);
}
END_TEST

START_TEST(a_call_whose_arguments_are_examined_is_denied_unless_they_are_known)
{
    const struct sock_filter code[] = {
        LOAD(nr),
        IF_NOT(RAW_MMAP, 3),
        LOAD(args[2]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 5, 0),
        ANSWER(SECCOMP_RET_ALLOW),
        IF_NOT(SYS_ioctl, 2),
        LOAD(args[1]),
        IF_NOT(1, 1),
        ANSWER(SECCOMP_RET_ALLOW),
        ANSWER(SECCOMP_RET_KILL_PROCESS),
    };
    read_code(code, COUNT(code));
    ck_assert_int_eq(answer(RAW_MMAP), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_ioctl), FILTER_DENIES);
}
END_TEST

START_TEST(what_a_filter_does_not_know_itself_is_denied)
{
    const struct sock_filter code[] = {LOAD(nr), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LD | BPF_MEM, 0),
                                       BPF_STMT(BPF_RET | BPF_A, 0)};
    read_code(code, COUNT(code));
    ck_assert_int_eq(answer(SYS_read), FILTER_DENIES);
    const struct sock_filter falls_off[] = {LOAD(nr)};
    read_code(falls_off, COUNT(falls_off));
    ck_assert_int_eq(answer(SYS_read), FILTER_DENIES);
}
END_TEST

START_TEST(filters_add_up)
{
    struct filter_set before;
    const struct sock_filter first[] = {LOAD(nr), IF_NOT(SYS_futex, 1), ANSWER(SECCOMP_RET_KILL_PROCESS),
                                        ANSWER(SECCOMP_RET_ALLOW)};
    const struct sock_filter second[] = {LOAD(nr), IF_NOT(SYS_ppoll, 1), ANSWER(SECCOMP_RET_KILL_PROCESS),
                                         ANSWER(SECCOMP_RET_ALLOW)};
    read_code(first, COUNT(first));
    filter_enter(&set, &before);
    ck_assert(!filter_allows(SYS_futex));
    ck_assert(filter_allows(SYS_ppoll));
    read_code(second, COUNT(second));
    ck_assert_int_eq(answer(SYS_futex), FILTER_DENIES);
    ck_assert_int_eq(answer(SYS_ppoll), FILTER_DENIES);
    filter_return_to(&before);
    ck_assert(filter_allows(SYS_futex));
}
END_TEST

START_TEST(the_strict_mode_allows_four_calls)
{
    filter_read(NULL, &set);
    ck_assert_int_eq(answer(SYS_read), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_write), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_exit), FILTER_ALLOWS);
    ck_assert_int_eq(answer(SYS_exit_group), FILTER_DENIES);
}
END_TEST

START_TEST(a_filter_at_an_invalid_address_denies_everything_and_does_not_crash)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(munmap(pages + page, page), 0);
    struct sock_filter *half = (struct sock_filter *)(void *)(pages + page) - 1;
    *half = (struct sock_filter)ANSWER(SECCOMP_RET_ALLOW);
    const struct sock_fprog whole = {1, half}, too_long = {2, half}, nowhere = {1, (void *)(pages + page)};
    filter_read(&whole, &set);
    ck_assert_int_eq(answer(SYS_read), FILTER_ALLOWS);
    filter_read(&too_long, &set);
    ck_assert_int_eq(answer(SYS_read), FILTER_DENIES);
    filter_read(&nowhere, &set);
    ck_assert_int_eq(answer(SYS_read), FILTER_DENIES);
    filter_read((const struct sock_fprog *)(const void *)(pages + page), &set);
    ck_assert_int_eq(answer(SYS_read), FILTER_DENIES);
}
END_TEST

START_TEST(memory_is_readable_up_to_the_end_of_its_last_page)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(mprotect(pages + page, page, PROT_NONE), 0);
    ck_assert(readable(pages, page));
    ck_assert(readable(pages + page - 2, 2));
    ck_assert(!readable(pages + page - 2, 3));
    ck_assert(!readable(pages, 3 * page));
    ck_assert(!readable(pages + 2 * page - 16, 32));
    ck_assert(readable(pages + 2 * page, 1));
    ck_assert(!readable(NULL, 1));
    ck_assert(!readable((void *)UINTPTR_MAX, 2));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("filter");
    tcase_add_test(cases, a_filter_that_allows_everything_is_harmless);
    tcase_add_test(cases, calls_that_are_not_on_a_list_are_denied);
    tcase_add_test(cases, ranges_masks_and_long_jumps_are_followed);
    tcase_add_test(cases, a_call_whose_arguments_are_examined_is_denied_unless_they_are_known);
    tcase_add_test(cases, what_a_filter_does_not_know_itself_is_denied);
    tcase_add_test(cases, filters_add_up);
    tcase_add_test(cases, the_strict_mode_allows_four_calls);
    tcase_add_test(cases, a_filter_at_an_invalid_address_denies_everything_and_does_not_crash);
    tcase_add_test(cases, memory_is_readable_up_to_the_end_of_its_last_page);
    return run_suite(cases, "filter");
}
