/*
 * Counters that others read: names find their cell again, threads lose nothing, entries are taken and given back,
 * and a child begins anew.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "counters/counters.h"

static uint64_t count_of(enum counters_kind kind, const char *a)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < counters.counts.cell_count; i++) {
        const struct counters_cell *cell = &counters.counts.cells[i];
        if (cell->ready != 0 && cell->kind == kind && strcmp(cell->a, a) == 0)
            sum += cell->count;
    }
    return sum;
}

START_TEST(the_same_names_are_the_same_cell)
{
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    for (int i = 0; i < 3; i++) {
        counters_add(COUNTERS_REFUSED, "redis", "no key", 1);
        counters_add(COUNTERS_FAILED, "redis", "no key", 2);
        counters_add(COUNTERS_REFUSED, "redis", long_name, 1);
        counters_add(COUNTERS_EVENT, NULL, NULL, 1);
    }
    ck_assert_uint_eq(counters.counts.cell_count, 4);
    ck_assert_uint_eq(count_of(COUNTERS_REFUSED, "redis"), 6);
    ck_assert_uint_eq(count_of(COUNTERS_FAILED, "redis"), 6);
    ck_assert_uint_eq(count_of(COUNTERS_EVENT, ""), 3);
    ck_assert_uint_eq(strlen(counters.counts.cells[2].b), COUNTERS_CELL_B - 1);
}
END_TEST

START_TEST(what_finds_no_cell_is_counted_as_well)
{
    enum { MORE = 10 };
    char name[32];
    for (int i = 0; i < COUNTERS_CELLS + MORE; i++) {
        (void)snprintf(name, sizeof name, "peer-%d", i);
        counters_add(COUNTERS_OPENED, "rule", name, 1);
    }
    ck_assert_uint_eq(counters.counts.cell_count, COUNTERS_CELLS);
    ck_assert_uint_eq(count_of(COUNTERS_OPENED, "rule") + counters.counts.overflow, COUNTERS_CELLS + MORE);
    ck_assert_uint_ge(counters.counts.overflow, MORE);
    ck_assert_uint_le(counters.counts.overflow, 2 * MORE); /* hardly any for too many probes */
}
END_TEST

enum { THREADS = 4, ROUNDS = 2000 };

static void *add_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < ROUNDS; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%d", i % 50);
        counters_add(COUNTERS_OPENED, "rule", name, 1);
        counters_increase(&counters_flow(0)->sent_bytes, 3);
        struct counters_connection *entry = counters_take();
        ck_assert_ptr_nonnull(entry);
        counters_begin_entry(entry);
        entry->since = i + 1;
        counters_end_entry(entry);
        ck_assert_int_eq(entry->since, i + 1); /* nobody else has it */
        counters_give(entry);
    }
    return NULL;
}

START_TEST(threads_lose_nothing)
{
    pthread_t threads[THREADS];
    uint64_t bytes = 0;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < COUNTERS_SHARDS; i++)
        bytes += counters.counts.flows[0][i].sent_bytes;
    ck_assert_uint_eq(count_of(COUNTERS_OPENED, "rule"), THREADS * ROUNDS);
    ck_assert_uint_eq(bytes, THREADS * ROUNDS * 3);
    ck_assert_uint_eq(counters.counts.used[0], 0);
}
END_TEST

START_TEST(entries_are_given_out_once_and_again)
{
    enum { MANY = 2 * COUNTERS_PER_CHUNK + 1 };
    struct counters_connection *entries[MANY];
    for (int i = 0; i < MANY; i++) {
        entries[i] = counters_take();
        ck_assert_ptr_nonnull(entries[i]);
        for (int other = 0; other < i; other++)
            ck_assert_ptr_ne(entries[i], entries[other]);
    }
    ck_assert_uint_eq(counters.counts.used[0], UINT64_MAX);
    ck_assert_uint_eq(counters.counts.used[2], 1);
    counters_give(entries[3]);
    ck_assert_uint_eq(counters.counts.used[0], ~(UINT64_C(1) << 3));
    ck_assert_ptr_eq(counters_take(), entries[3]);
}
END_TEST

START_TEST(a_child_begins_with_zero_and_knows_what_is_in_force)
{
    counters_start("parent");
    counters_add(COUNTERS_EVENT, "policy", NULL, 1);
    (void)counters_take();
    (void)counters_begin_change(); /* by a thread that the child does not have */
    const pid_t child = fork();
    if (child == 0) {
        counters_become_child();
        const bool is_new = counters.counts.cell_count == 0 && counters.counts.used[0] == 0 &&
                            (counters.about.sequence & 1) == 0 && strcmp(counters.about.program, "parent") == 0;
        _exit(is_new ? 0 : 1);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(counters.counts.cell_count, 1);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("counters");
    tcase_add_test(cases, the_same_names_are_the_same_cell);
    tcase_add_test(cases, what_finds_no_cell_is_counted_as_well);
    tcase_add_test(cases, threads_lose_nothing);
    tcase_add_test(cases, entries_are_given_out_once_and_again);
    tcase_add_test(cases, a_child_begins_with_zero_and_knows_what_is_in_force);
    return run_suite(cases, "counters");
}
