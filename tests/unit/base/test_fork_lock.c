/*
 * Sections and forks exclude each other, in threads, in signal handlers and in children; and nothing is locked for
 * ever by a thread that never comes back.
 */
#include "../suite.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"

static void (*before_fork)(void); /* while the lock is held */

static void before(enum process_fork kind)
{
    (void)kind;
    if (before_fork != NULL)
        before_fork();
}

static bool busy;

static bool is_busy(void)
{
    return busy;
}

static const struct process_observer observer = {.is_busy = is_busy, .before_fork = before};
const struct process_observer *const process_observers[] = {&observer, NULL};

static _Noreturn void leave(bool well)
{
    for (;;)
        (void)raw_syscall(SYS_exit_group, well ? 0 : 1);
}

static void expect_success(pid_t child)
{
    int status = 1;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

static long milliseconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms)
{
    (void)poll(NULL, 0, ms);
}

/* A child in which nothing is locked: it may have sections, and children. */
static bool is_unlocked(void)
{
    const long began = milliseconds();
    process_block_forks();
    process_unblock_forks();
    const pid_t child = fork();
    if (child == 0)
        leave(true);
    int status = 1;
    return waitpid(child, &status, 0) == child && status == 0 && milliseconds() - began < FORK_LOCK_SECTION_MS;
}

/* --- exclusion --- */

static atomic_int inside, forks_begun;

static void *have_a_section(void *half)
{
    int *changed = half;
    process_block_forks();
    changed[0]++;
    atomic_store(&inside, 1);
    while (atomic_load(&forks_begun) == 0)
        pause_ms(1);
    pause_ms(50); /* the fork waits by now, or comes later: both are right */
    changed[1]++;
    process_unblock_forks();
    return NULL;
}

START_TEST(a_fork_waits_for_a_section_of_another_thread)
{
    static int halves[2];
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, have_a_section, halves), 0);
    while (atomic_load(&inside) == 0)
        pause_ms(1);
    atomic_store(&forks_begun, 1);
    const pid_t child = fork();
    if (child == 0)
        leave(halves[0] == 1 && halves[1] == 1 && is_unlocked());
    ck_assert_int_eq(halves[1], 1);
    expect_success(child);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static atomic_int wanted, entered;

static void *want_a_section(void *nothing)
{
    while (atomic_load(&wanted) == 0)
        pause_ms(1);
    atomic_store(&wanted, 2);
    process_block_forks();
    atomic_store(&entered, 1);
    process_unblock_forks();
    return nothing;
}

static void let_it_want(void)
{
    before_fork = NULL;
    atomic_store(&wanted, 1);
    while (atomic_load(&wanted) != 2)
        pause_ms(1);
    pause_ms(20);
}

START_TEST(a_section_waits_for_a_fork_of_another_thread)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, want_a_section, NULL), 0);
    before_fork = let_it_want;
    const pid_t child = fork();
    if (child == 0)
        leave(atomic_load(&entered) == 0 && is_unlocked());
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(atomic_load(&entered), 1);
    expect_success(child);
}
END_TEST

START_TEST(sections_may_be_nested_and_the_outermost_counts)
{
    process_block_forks();
    process_block_forks();
    process_unblock_forks();
    ck_assert(fork_lock_is_blocked_here());
    process_unblock_forks();
    ck_assert(!fork_lock_is_blocked_here());
    process_unblock_forks(); /* one too many changes nothing */
    ck_assert(!fork_lock_is_blocked_here());
    const pid_t child = fork();
    if (child == 0)
        leave(is_unlocked());
    expect_success(child);
}
END_TEST

/* What an observer does while the lock is held may have sections itself. */
static void nest(void)
{
    process_block_forks();
    process_unblock_forks();
}

START_TEST(the_forks_own_work_may_have_sections)
{
    before_fork = nest;
    const long began = milliseconds();
    const pid_t child = fork();
    if (child == 0)
        leave(is_unlocked());
    expect_success(child);
    ck_assert_int_lt(milliseconds() - began, FORK_LOCK_SECTION_MS);
}
END_TEST

/* --- signal handlers --- */

static pid_t child_of_handler;

static void fork_in_handler(int number)
{
    (void)number;
    child_of_handler = fork();
    if (child_of_handler == 0)
        leave(is_unlocked());
}

START_TEST(a_handler_may_fork_inside_a_section_of_its_thread)
{
    const long began = milliseconds();
    ck_assert(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    process_block_forks();
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert(fork_lock_is_blocked_here());
    process_unblock_forks();
    expect_success(child_of_handler);
    ck_assert_int_lt(milliseconds() - began, FORK_LOCK_SECTION_MS);
    ck_assert(is_unlocked());
}
END_TEST

static void fork_once(void)
{
    before_fork = NULL;
    ck_assert_int_eq(raise(SIGUSR1), 0);
}

START_TEST(a_handler_may_fork_inside_a_fork)
{
    const long began = milliseconds();
    ck_assert(signal(SIGUSR1, fork_in_handler) != SIG_ERR);
    before_fork = fork_once;
    const pid_t child = fork();
    if (child == 0)
        leave(is_unlocked());
    expect_success(child_of_handler);
    expect_success(child);
    ck_assert_int_lt(milliseconds() - began, FORK_LOCK_SECTION_MS);
    ck_assert(is_unlocked());
}
END_TEST

/* Its thread has locks that the other threads in sections may wait for. */
START_TEST(a_fork_of_a_busy_thread_waits_for_no_section)
{
    static int halves[2];
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, have_a_section, halves), 0);
    while (atomic_load(&inside) == 0)
        pause_ms(1);
    busy = true;
    const pid_t child = fork();
    if (child == 0) {
        busy = false;
        leave(halves[1] == 0 && is_unlocked());
    }
    busy = false;
    atomic_store(&forks_begun, 1);
    expect_success(child);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(halves[1], 1);
    ck_assert(is_unlocked());
}
END_TEST

/* --- what never comes back --- */

static sigjmp_buf away;

START_TEST(a_section_that_was_left_by_a_jump_is_given_up)
{
    if (sigsetjmp(away, 1) == 0) {
        process_block_forks();
        siglongjmp(away, 1);
    }
    ck_assert(fork_lock_is_blocked_here()); /* for all that this thread knows: its own forks do not wait */
    const pid_t child = fork();
    if (child == 0)
        leave(is_unlocked());
    expect_success(child);
}
END_TEST

static void *end_in_a_section(void *nothing)
{
    process_block_forks();
    return nothing;
}

START_TEST(a_section_whose_thread_has_ended_is_given_up)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_in_a_section, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    const long began = milliseconds();
    const pid_t child = fork();
    if (child == 0)
        leave(is_unlocked());
    expect_success(child);
    ck_assert_int_ge(milliseconds() - began, FORK_LOCK_SECTION_MS / 2);
    ck_assert(is_unlocked()); /* at once: it is waited for only once */
}
END_TEST

static void *end_in_a_fork(void *nothing)
{
    process_begin_fork(PROCESS_FORK_RAW);
    return nothing;
}

START_TEST(a_fork_whose_thread_has_ended_is_given_up)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, end_in_a_fork, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    const long began = milliseconds();
    process_block_forks();
    ck_assert_int_ge(milliseconds() - began, FORK_LOCK_FORK_MS / 2);
    process_unblock_forks();
    ck_assert(is_unlocked());
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("fork_lock");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, a_fork_waits_for_a_section_of_another_thread);
    tcase_add_test(cases, a_section_waits_for_a_fork_of_another_thread);
    tcase_add_test(cases, sections_may_be_nested_and_the_outermost_counts);
    tcase_add_test(cases, the_forks_own_work_may_have_sections);
    tcase_add_test(cases, a_handler_may_fork_inside_a_section_of_its_thread);
    tcase_add_test(cases, a_handler_may_fork_inside_a_fork);
    tcase_add_test(cases, a_fork_of_a_busy_thread_waits_for_no_section);
    tcase_add_test(cases, a_section_that_was_left_by_a_jump_is_given_up);
    tcase_add_test(cases, a_section_whose_thread_has_ended_is_given_up);
    tcase_add_test(cases, a_fork_whose_thread_has_ended_is_given_up);
    return run_suite(cases, "fork_lock");
}
