/*
 * The lock of a connection excludes threads and processes, never makes its own holder wait, and survives a holder
 * that dies.
 */
#include "../suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/lock.h"
#include "base/process.h"

struct counted {
    struct lock lock;
    long count; /* deliberately not atomic */
};

enum { THREADS = 4, ROUNDS = 20000 };

static struct counted *shared(void)
{
    void *memory = mmap(NULL, sizeof(struct counted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

static void *count(void *argument)
{
    struct counted *counted = argument;
    for (int i = 0; i < ROUNDS; i++) {
        if (lock_take(&counted->lock) != LOCK_TAKEN)
            return NULL;
        counted->count++;
        lock_release(&counted->lock);
    }
    return counted;
}

START_TEST(threads_exclude_each_other)
{
    static struct counted counted;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, &counted), 0);
    for (int i = 0; i < THREADS; i++) {
        void *done;
        ck_assert_int_eq(pthread_join(threads[i], &done), 0);
        ck_assert_ptr_eq(done, &counted);
    }
    ck_assert_int_eq(counted.count, THREADS * ROUNDS);
}
END_TEST

START_TEST(processes_exclude_each_other)
{
    struct counted *counted = shared();
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        process_adopt();
        _exit(count(counted) == counted ? 0 : 1);
    }
    ck_assert_ptr_eq(count(counted), counted);
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(counted->count, 2 * ROUNDS);
}
END_TEST

START_TEST(its_holder_gets_an_error_and_does_not_wait)
{
    struct lock lock = {0};
    ck_assert_int_eq(lock_take(&lock), LOCK_TAKEN);
    ck_assert_int_eq(lock_take(&lock), LOCK_OWN);
    lock_release(&lock);
    ck_assert_int_eq(lock_take(&lock), LOCK_TAKEN);
}
END_TEST

/* Takes the lock in a child that is then killed. */
static void die_holding(struct counted *counted)
{
    int ready[2];
    char byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        process_adopt();
        (void)lock_take(&counted->lock);
        (void)!write(ready[1], "x", 1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

START_TEST(it_is_taken_over_from_a_dead_process)
{
    struct counted *counted = shared();
    die_holding(counted);
    ck_assert_int_eq(lock_take(&counted->lock), LOCK_TAKEN_FROM_DEAD);
    lock_release(&counted->lock);
    ck_assert_int_eq(lock_take(&counted->lock), LOCK_TAKEN);
}
END_TEST

static void *die_in_thread(void *argument)
{
    struct counted *counted = argument;
    (void)lock_take(&counted->lock);
    return NULL;
}

START_TEST(it_is_taken_over_from_a_thread_that_has_ended)
{
    static struct counted counted;
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, die_in_thread, &counted), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_int_eq(lock_take(&counted.lock), LOCK_TAKEN_FROM_DEAD);
}
END_TEST

struct slow {
    struct lock lock;
    int go_on[2], gone_on[2];
};

/* Holds the lock longer than others wait, and releases it when the test says so. */
static void *hold(void *argument)
{
    struct slow *slow = argument;
    char byte = 'x';
    (void)lock_take(&slow->lock);
    (void)!write(slow->gone_on[1], &byte, 1);
    (void)!read(slow->go_on[0], &byte, 1);
    lock_release(&slow->lock);
    (void)!write(slow->gone_on[1], &byte, 1);
    return NULL;
}

START_TEST(a_late_owner_does_not_release_it_for_others)
{
    static struct slow slow;
    pthread_t thread;
    char byte;
    ck_assert_int_eq(pipe(slow.go_on) | pipe(slow.gone_on), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &slow), 0);
    ck_assert_int_eq(read(slow.gone_on[0], &byte, 1), 1);
    ck_assert_int_eq(lock_take(&slow.lock), LOCK_TAKEN_FROM_DEAD);
    ck_assert(lock_was_taken_over(&slow.lock) && lock_has_late_owner(&slow.lock) && lock_is_held_here(&slow.lock));
    ck_assert_int_eq(write(slow.go_on[1], "x", 1), 1);
    ck_assert_int_eq(read(slow.gone_on[0], &byte, 1), 1);
    ck_assert(lock_is_held_here(&slow.lock) && !lock_has_late_owner(&slow.lock));
    lock_release(&slow.lock);
    ck_assert(!lock_is_held_here(&slow.lock) && lock_was_taken_over(&slow.lock));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("lock");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, threads_exclude_each_other);
    tcase_add_test(cases, processes_exclude_each_other);
    tcase_add_test(cases, its_holder_gets_an_error_and_does_not_wait);
    tcase_add_test(cases, it_is_taken_over_from_a_dead_process);
    tcase_add_test(cases, it_is_taken_over_from_a_thread_that_has_ended);
    tcase_add_test(cases, a_late_owner_does_not_release_it_for_others);
    return run_suite(cases, "lock");
}
