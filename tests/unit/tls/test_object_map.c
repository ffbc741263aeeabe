/* The object map, which library made an object: found, removed, and found fast after any number of objects. */
#include "../suite.h"

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/fork.h"
#include "config/init.h"
#include "tls/object_map.h"

_Noreturn void pfswrap_die(const char *message)
{
    ck_abort_msg("%s", message);
    abort();
}

const struct process_observer *const process_observers[] = {NULL};

static const struct libssl first = {.index = 0};
static const struct libssl second = {.index = 1};
static const struct libssl last = {.index = LIBSSL_MAX - 1};

/* An address as malloc would return it; nothing is ever read there. */
static const void *object(size_t number)
{
    return (const void *)(uintptr_t)(UINT64_C(0x555556000000) + number * 16); /* NOLINT */
}

START_TEST(an_object_belongs_to_the_library_that_made_it_until_it_is_freed)
{
    object_map_add(object(1), &first);
    object_map_add(object(2), &second);
    object_map_add(object(3), &last);
    ck_assert_int_eq(object_map_index(object(1)), 0);
    ck_assert_int_eq(object_map_index(object(2)), 1);
    ck_assert_int_eq(object_map_index(object(3)), LIBSSL_MAX - 1);
    ck_assert_int_eq(object_map_index(object(4)), 0);
    ck_assert_int_eq(object_map_index(NULL), 0);
    object_map_remove(object(2));
    object_map_remove(object(4));
    ck_assert_int_eq(object_map_index(object(2)), 0);
    ck_assert_int_eq(object_map_index(NULL), 0);
    ck_assert_int_eq(object_map_index(object(3)), LIBSSL_MAX - 1);
}
END_TEST

enum { MANY = 100000 };

START_TEST(a_hundred_thousand_objects_at_once_are_all_found_and_all_removed)
{
    for (size_t i = 0; i < MANY; i++)
        object_map_add(object(i), i % 2 == 0 ? &second : &last);
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(object_map_index(object(i)), i % 2 == 0 ? 1 : LIBSSL_MAX - 1);
    for (size_t i = 0; i < MANY; i += 2)
        object_map_remove(object(i));
    for (size_t i = 0; i < MANY; i++)
        ck_assert_int_eq(object_map_index(object(i)), i % 2 == 0 ? 0 : LIBSSL_MAX - 1);
}
END_TEST

START_TEST(looking_up_stays_fast_after_millions_of_objects_were_made_and_freed)
{
    enum { LOOKUPS = 20000 }; /* they take a millisecond, or more than a second where every slot was used once */
    for (size_t i = 0; i < 2000000; i++) {
        object_map_add(object(i), &second);
        object_map_remove(object(i));
    }
    clock_t begun = clock();
    for (size_t i = 0; i < LOOKUPS; i++)
        ck_assert_int_eq(object_map_index(object(i)), 0);
    ck_assert_int_lt(clock() - begun, CLOCKS_PER_SEC / 4);
}
END_TEST

enum { THREADS = 4, ROUNDS = 20000 };

static void *come_and_go(void *argument)
{
    size_t base = (size_t)(uintptr_t)argument * 1000;
    for (size_t round = 0; round < ROUNDS; round++) {
        const void *mine = object(base + round % 100);
        object_map_add(mine, &second);
        if (object_map_index(mine) != 1)
            return argument;
        object_map_remove(mine);
        if (object_map_index(mine) != 0)
            return argument;
    }
    return NULL;
}

START_TEST(threads_that_make_and_free_objects_find_their_own)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, come_and_go, (void *)(uintptr_t)(i + 1)), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("owner");
    tcase_add_test(cases, an_object_belongs_to_the_library_that_made_it_until_it_is_freed);
    tcase_add_test(cases, a_hundred_thousand_objects_at_once_are_all_found_and_all_removed);
    tcase_add_test(cases, looking_up_stays_fast_after_millions_of_objects_were_made_and_freed);
    tcase_add_test(cases, threads_that_make_and_free_objects_find_their_own);
    return run_suite(cases, "owner");
}
