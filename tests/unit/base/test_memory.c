/*
 * Blocks of memory are given out once, by any thread; secret ones are wiped in a child of a fork and missing in a
 * core dump.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/raw_syscall.h"

enum { THREADS = 4, PIECES = 500, ROUNDS = 200 };

MEMORY_TABLE(pool);
static struct memory_pool pool = {.table = &pool_table, .block = 64, .per_chunk = 16};
MEMORY_TABLE(secret);
static struct memory_pool secret = {.table = &secret_table, .block = 4096, .per_chunk = 4, .secret = true};

START_TEST(no_block_is_given_out_twice)
{
    static bool given[4 * PIECES];
    for (int i = 0; i < PIECES; i++) {
        int32_t index = memory_take(&pool);
        ck_assert_int_ge(index, 0);
        ck_assert_uint_lt((uint32_t)index, memory_count(&pool));
        ck_assert(!given[index]);
        given[index] = true;
        memset(memory_at(&pool, index), 0xff, 64);
    }
}
END_TEST

/* Takes blocks, writes its own mark to them, finds it again, and gives them back. */
static void *churn(void *argument)
{
    const uint8_t mark = *(const uint8_t *)argument;
    for (int round = 0; round < ROUNDS; round++) {
        int32_t taken[20];
        for (int i = 0; i < 20; i++) {
            taken[i] = memory_take(&pool);
            if (taken[i] < 0)
                return NULL;
            memset(memory_at(&pool, taken[i]), mark, 64);
        }
        for (int i = 0; i < 20; i++) {
            const uint8_t *piece = memory_at(&pool, taken[i]);
            if (piece[0] != mark || piece[63] != mark)
                return NULL;
            memory_give(&pool, taken[i]);
        }
    }
    return argument;
}

START_TEST(threads_take_and_give_back_at_once)
{
    pthread_t threads[THREADS];
    static uint8_t marks[THREADS] = {1, 2, 3, 4};
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn, &marks[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *done;
        ck_assert_int_eq(pthread_join(threads[i], &done), 0);
        ck_assert_ptr_eq(done, &marks[i]);
    }
}
END_TEST

static void *churn_for_ever(void *argument)
{
    for (;;)
        (void)churn(argument);
    return NULL;
}

/* Every block except those that are kept can be taken exactly once, whatever the fork has copied. */
static bool is_right_after_rebuild(const int32_t *kept, int count)
{
    static bool given[4 * PIECES];
    memory_begin_rebuild(&pool);
    for (int i = 0; i < count; i++) {
        memory_keep(&pool, kept[i]);
        given[kept[i]] = true;
    }
    memory_end_rebuild(&pool);
    const uint32_t pieces = memory_count(&pool);
    for (uint32_t i = (uint32_t)count; i < pieces; i++) {
        const int32_t index = memory_take(&pool);
        if (index < 0 || given[index])
            return false;
        given[index] = true;
    }
    return memory_count(&pool) == pieces;
}

START_TEST(a_child_of_a_fork_beside_threads_rebuilds_the_pool)
{
    enum { FORKS = 30 };
    pthread_t threads[THREADS];
    static uint8_t marks[THREADS] = {1, 2, 3, 4};
    const int32_t kept[] = {memory_take(&pool), memory_take(&pool), memory_take(&pool)};
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, churn_for_ever, &marks[i]), 0);
    for (int i = 0; i < FORKS; i++) {
        int status = 1;
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            (void)raw_syscall(SYS_exit_group, is_right_after_rebuild(kept, 3) ? 0 : 1);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_int_eq(status, 0);
    }
}
END_TEST

START_TEST(a_fork_wipes_secret_memory)
{
    int32_t index = memory_take(&secret);
    ck_assert_int_ge(index, 0);
    uint8_t *piece = memory_at(&secret, index);
    memset(piece, 0x5a, 4096);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        for (int i = 0; i < 4096; i++)
            if (piece[i] != 0)
                _exit(1);
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    ck_assert_uint_eq(piece[0], 0x5a);
}
END_TEST

/* Whether the mapping that holds `address` has `flag` (proc(5), VmFlags in smaps). */
static bool mapping_has(const void *address, const char *flag)
{
    char line[512];
    bool here = false, has = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    ck_assert_ptr_nonnull(maps);
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long first, last;
        if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
            here = (unsigned long)address >= first && (unsigned long)address < last;
        else if (here && strncmp(line, "VmFlags:", 8) == 0)
            has = strstr(line, flag) != NULL;
    }
    (void)fclose(maps);
    return has;
}

START_TEST(no_core_dump_contains_secret_memory)
{
    int32_t index = memory_take(&secret);
    ck_assert_int_ge(index, 0);
    ck_assert(mapping_has(memory_at(&secret, index), " dd"));
    void *mapping = memory_share(8192);
    ck_assert_ptr_nonnull(mapping);
    ck_assert(mapping_has(mapping, " dd"));
    ck_assert(!mapping_has(&pool, " dd"));
}
END_TEST

START_TEST(a_shared_mapping_is_shared_and_then_reads_as_zeros)
{
    uint8_t *mapping = memory_share(4096);
    ck_assert_ptr_nonnull(mapping);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        mapping[7] = 42;
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    ck_assert_uint_eq(mapping[7], 42);
    memory_unshare(mapping, 4096);
    ck_assert_uint_eq(mapping[7], 0);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("memory");
    tcase_add_test(cases, no_block_is_given_out_twice);
    tcase_add_test(cases, threads_take_and_give_back_at_once);
    tcase_add_test(cases, a_child_of_a_fork_beside_threads_rebuilds_the_pool);
    tcase_add_test(cases, a_fork_wipes_secret_memory);
    tcase_add_test(cases, no_core_dump_contains_secret_memory);
    tcase_add_test(cases, a_shared_mapping_is_shared_and_then_reads_as_zeros);
    return run_suite(cases, "memory");
}
