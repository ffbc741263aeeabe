/* The locks of records: in signal handlers, beside threads, and in the child of a fork. */
#include "../suite.h"
#include "inspected.h"

#include <pthread.h>
#include <sys/wait.h>

#include "base/fork_lock.h"
#include "base/process.h"

START_TEST(a_signal_handler_does_not_enter_the_record_that_it_has_interrupted)
{
    uint32_t entry;
    const struct pair pair = inspected();
    struct record *record = record_enter(pair.client, &entry);
    ck_assert_ptr_nonnull(record);
    ck_assert_ptr_null(record_enter(pair.client, &entry));
    fd_forget(pair.client);
    ck_assert_int_eq(record->descriptors, 1); /* the interrupted call still uses it */
    record_unlock(record);
}
END_TEST

static pthread_barrier_t barrier;

static void *hold(void *fd)
{
    uint32_t entry;
    struct record *record = record_enter(*(const int *)fd, &entry);
    (void)pthread_barrier_wait(&barrier); /* it is locked */
    (void)pthread_barrier_wait(&barrier); /* the child has ended */
    if (record != NULL)
        record_unlock(record);
    return record;
}

START_TEST(a_child_of_a_fork_enters_a_record_that_another_thread_had_locked)
{
    enum { ENTERED = 7 };
    struct pair pair = inspected();
    pthread_t thread;
    void *record;
    int status = 0;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, hold, &pair.client), 0);
    (void)pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0)
        _exit(atomic_load(&record_of(pair.client)->owner) == NULL ? ENTERED : 1);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == ENTERED);
    ck_assert_ptr_nonnull(atomic_load(&record_of(pair.client)->owner));
    (void)pthread_barrier_wait(&barrier);
    ck_assert_int_eq(pthread_join(thread, &record), 0);
    ck_assert_ptr_eq(record, record_of(pair.client));
}
END_TEST

static void expect_success(pid_t child)
{
    int status = 0;
    ck_assert_int_ge(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

/* A thread that comes late has locked a record that was given back meanwhile. */
START_TEST(a_child_of_a_fork_unlocks_a_free_record_too)
{
    const struct pair pair = inspected();
    struct record *record = record_of(pair.client);
    inspect_end(pair.client);
    ck_assert_int_eq(record->descriptors, 0);
    atomic_store(&record->owner, &barrier);
    const pid_t child = fork();
    if (child == 0)
        _exit(atomic_load(&record->owner) == NULL ? 0 : 1);
    expect_success(child);
    ck_assert_ptr_eq(atomic_load(&record->owner), &barrier);
}
END_TEST

/* A thread has taken a record, or is about to give it back, and no number has it. */
START_TEST(in_a_child_of_a_fork_a_record_without_a_number_is_free)
{
    const struct pair pair = inspected(), other = inspected();
    const uint32_t entry = entry_of(pair.client), kept = entry_of(other.client);
    struct record *record = record_of(pair.client);
    atomic_store(&record->owner, &barrier);
    ck_assert(plane_remove_record(&inspect_plane, pair.client, entry));
    const pid_t child = fork();
    if (child == 0) {
        const struct pair next = inspected();
        const bool is_right = entry_of(next.client) == entry && record_of(next.client)->descriptors == 1;
        _exit(is_right && entry_of(other.client) == kept && record_of(other.client)->descriptors == 1 ? 0 : 1);
    }
    expect_success(child);
    ck_assert_int_eq(record->descriptors, 1);
}
END_TEST

static void *end_inspection(void *fd)
{
    process_block_forks();
    (void)pthread_barrier_wait(&barrier);
    inspect_end(*(const int *)fd); /* waits for the record */
    process_unblock_forks();
    return fd;
}

/* As in a signal handler: it has a record locked for which another thread waits in a section. */
START_TEST(a_fork_inside_a_call_does_not_wait_for_those_that_wait_for_its_record)
{
    struct pair pair = inspected();
    pthread_t thread;
    uint32_t entry;
    ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
    struct record *record = record_enter(pair.client, &entry);
    ck_assert_ptr_nonnull(record);
    const void *owner = atomic_load(&record->owner);
    ck_assert_int_eq(pthread_create(&thread, NULL, end_inspection, &pair.client), 0);
    (void)pthread_barrier_wait(&barrier);
    const pid_t child = fork();
    if (child == 0)
        _exit(atomic_load(&record->owner) == owner && record->descriptors == 1 ? 0 : 1);
    ck_assert_ptr_eq(atomic_load(&record->owner), owner); /* the other thread has not given up */
    expect_success(child);
    record_unlock(record);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(!fd_has_record(pair.client));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("record");
    tcase_add_checked_fixture(cases, start_inspecting, end_inspecting);
    tcase_add_test(cases, a_signal_handler_does_not_enter_the_record_that_it_has_interrupted);
    tcase_add_test(cases, a_child_of_a_fork_enters_a_record_that_another_thread_had_locked);
    tcase_add_test(cases, a_child_of_a_fork_unlocks_a_free_record_too);
    tcase_add_test(cases, in_a_child_of_a_fork_a_record_without_a_number_is_free);
    tcase_add_test(cases, a_fork_inside_a_call_does_not_wait_for_those_that_wait_for_its_record);
    return run_suite(cases, "inspect/record");
}
