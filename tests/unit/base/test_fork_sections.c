/*
 * Threads that change tables in sections, beside threads that fork: a child finds what they change as it was at one
 * moment.
 */
#include "../suite.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fork.h"
#include "base/fork_lock.h"
#include "base/process.h"
#include "base/raw_syscall.h"

const struct process_observer *const process_observers[] = {NULL};

static _Noreturn void leave(bool well)
{
    for (;;)
        (void)raw_syscall(SYS_exit_group, well ? 0 : 1);
}

#if defined(__SANITIZE_THREAD__)
enum { FORKS = 6 }; /* each takes a second there on a busy machine, and sometimes ten */
#else
enum { FORKS = 60 };
#endif
enum { THREADS = 4, NUMBERS = 64 };

/* What threads change in sections: two counts that are equal outside, and descriptors that are noted while open. */
static struct table {
    int one, other; /* of this thread */
    int fd;         /* open; -1: none */
} tables[THREADS];

static atomic_bool over;

static void *change_a_table(void *argument)
{
    struct table *table = argument;
    while (!atomic_load(&over)) {
        process_block_forks();
        table->one++;
        table->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        table->other++;
        process_unblock_forks();
        process_block_forks();
        table->one++;
        (void)close(table->fd);
        table->fd = -1;
        table->other++;
        process_unblock_forks();
    }
    return NULL;
}

/* In a child: memory and descriptors are of one moment. */
static bool is_consistent(void)
{
    bool noted[NUMBERS] = {false};
    for (int i = 0; i < THREADS; i++) {
        if (tables[i].one != tables[i].other)
            return false;
        if (tables[i].fd >= 0 && tables[i].fd < NUMBERS)
            noted[tables[i].fd] = true;
    }
    for (int fd = 3; fd < NUMBERS; fd++)
        if ((fcntl(fd, F_GETFD) >= 0) != noted[fd])
            return false;
    return true;
}

static void *fork_often(void *nothing)
{
    for (int i = 0; i < FORKS; i++) {
        const bool raw = i % 2 != 0;
        if (raw)
            process_begin_fork(PROCESS_FORK_RAW);
        const pid_t child = raw ? _Fork() : fork();
        if (raw)
            process_end_fork(process_fork_end_of(child));
        if (child == 0)
            leave(is_consistent());
        int status = 1;
        if (waitpid(child, &status, 0) != child || status != 0)
            return NULL;
    }
    return &tables[nothing != NULL];
}

START_TEST(a_child_finds_what_sections_change_as_it_was_at_one_moment)
{
    pthread_t threads[THREADS], forkers[2];
    for (int fd = 3; fd < NUMBERS; fd++)
        (void)close(fd);
    for (int i = 0; i < THREADS; i++) {
        tables[i].fd = -1;
        ck_assert_int_eq(pthread_create(&threads[i], NULL, change_a_table, &tables[i]), 0);
    }
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&forkers[i], NULL, fork_often, NULL), 0);
    for (int i = 0; i < 2; i++) {
        void *done;
        ck_assert_int_eq(pthread_join(forkers[i], &done), 0);
        ck_assert_ptr_nonnull(done);
    }
    atomic_store(&over, true);
    for (int i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_gt(tables[i].one, 0); /* forks do not keep sections out */
    }
}
END_TEST

static void start(void)
{
    ck_assert_int_eq(process_start(), 0);
}

int main(void)
{
    TCase *cases = tcase_create("fork_sections");
    tcase_add_checked_fixture(cases, start, NULL);
    tcase_add_test(cases, a_child_finds_what_sections_change_as_it_was_at_one_moment);
    return run_suite(cases, "fork_sections");
}
