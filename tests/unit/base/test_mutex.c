/* The mutex excludes threads, and a child of any fork finds it unlocked. */
#include "../suite.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/mutex.h"
#include "base/process.h"
#include "base/raw_syscall.h"

const struct process_observer *const process_observers[] = {NULL};

enum { THREADS = 4, ROUNDS = 20000 };

static struct mutex mutex;
static long counted; /* deliberately not atomic */
static pthread_barrier_t barrier;

static void *count(void *argument)
{
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&mutex);
        counted++;
        mutex_unlock(&mutex);
    }
    return argument;
}

START_TEST(threads_exclude_each_other)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_int_eq(counted, (long)THREADS * ROUNDS);
    ck_assert_uint_eq(atomic_load(&mutex.word), 0);
}
END_TEST

static void *hold(void *argument)
{
    mutex_lock(&mutex);
    (void)pthread_barrier_wait(&barrier); /* it is locked */
    (void)pthread_barrier_wait(&barrier); /* the children have ended */
    mutex_unlock(&mutex);
    return argument;
}

static _Noreturn void use_in_child(void)
{
    (void)alarm(20); /* what still waits then would wait for ever */
    mutex_lock(&mutex);
    const bool is_locked = !mutex_try(&mutex);
    mutex_unlock(&mutex);
    for (;;)
        (void)raw_syscall(SYS_exit_group, is_locked && mutex_try(&mutex) ? 0 : 1);
}

static void expect_success(pid_t child)
{
    int status = 1;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(a_child_finds_it_unlocked_that_another_thread_had_locked)
{
    pthread_t thread;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, NULL), 0);
    (void)pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    if (child == 0)
        use_in_child();
    expect_success(child);
    const pid_t unseen = (pid_t)raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (unseen == 0)
        use_in_child();
    expect_success(unseen);
    ck_assert(!mutex_try(&mutex));
    (void)pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_uint_eq(atomic_load(&mutex.word), 0);
}
END_TEST

static void setup(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("mutex");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, threads_exclude_each_other);
    tcase_add_test(cases, a_child_finds_it_unlocked_that_another_thread_had_locked);
    return run_suite(cases, "mutex");
}
