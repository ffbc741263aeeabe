/*
 * The state that a reload replaces: who has a reference keeps a whole state, and one that nobody refers to is
 * freed.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "config/snapshot.h"

static struct policy first;

/* Stands in for shim/order.c. */
static atomic_bool may_prepare = true;
static bool prepare(const struct policy *policy)
{
    (void)policy;
    return atomic_load(&may_prepare);
}
static const struct snapshot_observer observer = {.prepare = prepare};
const struct process_observer *const process_observers[] = {NULL};
const struct snapshot_observer *const snapshot_observers[] = {&observer, NULL};

static void setup(void)
{
    policy_builtin(&first);
    first.rule_count = 1;
    strcpy(first.rules[0].name, "one");
    first.rules[0].seal = POLICY_SEAL_REQUIRE;
    snapshot_prepare(&first, NULL);
    snapshot_start();
}

/* A policy that differs from others by its number, kept and published. */
static const struct policy *publish(uint32_t number)
{
    struct policy *policy = snapshot_new_policy();
    *policy = first;
    policy->seal.rekey = number;
    (void)snprintf(policy->path, sizeof policy->path, "/%u", number); /* comparisons end early */
    const struct policy *known = snapshot_find_policy(policy);
    if (known != NULL)
        snapshot_free_policy(policy);
    else
        ck_assert(snapshot_keep_policy(policy));
    ck_assert_uint_ne(snapshot_publish(known != NULL ? known : policy, NULL), 0);
    return known != NULL ? known : policy;
}

START_TEST(a_reference_keeps_its_state_and_new_ones_get_the_newest)
{
    struct snapshot *old = snapshot_acquire();
    ck_assert_uint_eq(old->generation, 1);
    const struct policy *policy = publish(2);
    struct snapshot *newer = snapshot_acquire();
    ck_assert_ptr_eq(old->policy, &first);
    ck_assert_ptr_eq(newer->policy, policy);
    ck_assert_uint_eq(newer->generation, 2);
    ck_assert(snapshot_is_newest(newer) && !snapshot_is_newest(old));
    ck_assert_uint_eq(atomic_load(&old->references), 1);
    snapshot_release(old);
    ck_assert_uint_eq(atomic_load(&old->references), 0);
    snapshot_release(newer);
    ck_assert_uint_eq(atomic_load(&newer->references), 1);
}
END_TEST

START_TEST(a_rule_of_a_replaced_policy_gets_no_reference)
{
    const struct policy_rule *rule = &first.rules[0];
    struct snapshot *snapshot = snapshot_acquire_for(rule);
    ck_assert_ptr_nonnull(snapshot);
    snapshot_release(snapshot);
    const struct policy *policy = publish(2);
    ck_assert_ptr_null(snapshot_acquire_for(rule));
    ck_assert_ptr_eq(policy_find_rule(policy, rule), &policy->rules[0]);
    snapshot = snapshot_acquire_for(NULL);
    ck_assert_ptr_eq(snapshot->policy, policy);
}
END_TEST

#ifndef __SANITIZE_THREAD__ /* it has one thread, and is slow there */
START_TEST(equal_policies_are_kept_once_and_too_many_different_ones_are_refused)
{
    const struct policy *two = publish(2);
    publish(3);
    ck_assert_ptr_eq(publish(2), two);
    for (uint32_t number = 4; number <= SNAPSHOT_POLICIES_MAX; number++)
        publish(number);
    struct policy *one_more = snapshot_new_policy();
    *one_more = first;
    one_more->path[0] = '\0';
    ck_assert(!snapshot_keep_policy(one_more));
    snapshot_free_policy(one_more);
}
END_TEST
#endif

START_TEST(a_module_that_cannot_prepare_leaves_the_old_state)
{
    atomic_store(&may_prepare, false);
    ck_assert_uint_eq(snapshot_publish(&first, NULL), 0);
    ck_assert_uint_eq(atomic_load(&snapshot_newest)->generation, 1);
    atomic_store(&may_prepare, true);
}
END_TEST

START_TEST(a_child_of_a_fork_counts_anew)
{
    struct snapshot *lasting = snapshot_acquire(), *lost = snapshot_acquire(), *old = lost;
    snapshot_hold(lasting);
    publish(2);
    ck_assert_uint_eq(atomic_load(&old->references), 2);
    snapshot_begin_recount();
    snapshot_end_recount(true);
    ck_assert_uint_eq(atomic_load(&old->references), 1); /* the thread that had `lost` is not there */
    snapshot_unhold(lasting);
    snapshot_release(lasting);
    ck_assert_uint_eq(atomic_load(&old->references), 0);
    ck_assert_uint_eq(atomic_load(&atomic_load(&snapshot_newest)->references), 1);
}
END_TEST

static atomic_bool stop;

static void *use(void *nothing)
{
    while (!atomic_load(&stop)) {
        struct snapshot *snapshot = snapshot_acquire();
        ck_assert_uint_eq(snapshot->policy->seal.rekey, (snapshot->generation - 1) % 8 + 1);
        snapshot_release(snapshot);
    }
    return nothing;
}

START_TEST(threads_see_whole_states_while_they_are_replaced)
{
#ifdef __SANITIZE_THREAD__
    enum { THREADS = 4, REPLACED = 60 }; /* each takes longer there */
#else
    enum { THREADS = 4, REPLACED = 300 };
#endif
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use, NULL), 0);
    for (uint32_t i = 1; i < REPLACED; i++)
        publish(i % 8 + 1);
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    ck_assert_uint_eq(atomic_load(&atomic_load(&snapshot_newest)->references), 1);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("snapshot");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_reference_keeps_its_state_and_new_ones_get_the_newest);
    tcase_add_test(cases, a_rule_of_a_replaced_policy_gets_no_reference);
#ifndef __SANITIZE_THREAD__
    tcase_add_test(cases, equal_policies_are_kept_once_and_too_many_different_ones_are_refused);
#endif
    tcase_add_test(cases, a_module_that_cannot_prepare_leaves_the_old_state);
    tcase_add_test(cases, a_child_of_a_fork_counts_anew);
    tcase_add_test(cases, threads_see_whole_states_while_they_are_replaced);
    return run_suite(cases, "snapshot");
}
