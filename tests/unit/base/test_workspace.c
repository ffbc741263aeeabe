/* Workspaces: their memory, their reuse, and which of them a child of a fork may use. */
#include "../suite.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/workspace.h"

START_TEST(two_workspaces_do_not_overlap_and_have_all_their_bytes)
{
    unsigned char *first = workspace_take();
    unsigned char *second = workspace_take();
    ck_assert_ptr_nonnull(first);
    ck_assert_ptr_nonnull(second);
    memset(first, 1, WORKSPACE_BYTES);
    memset(second, 2, WORKSPACE_BYTES);
    ck_assert_int_eq(first[0], 1);
    ck_assert_int_eq(first[WORKSPACE_BYTES - 1], 1);
    workspace_give(second);
    workspace_give(first);
}
END_TEST

START_TEST(large_workspaces_have_all_their_bytes_and_are_apart_from_the_others)
{
    unsigned char *large = workspace_take_large(), *other = workspace_take_large(), *small = workspace_take();
    ck_assert_ptr_nonnull(large);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_nonnull(small);
    memset(small, 3, WORKSPACE_BYTES);
    memset(large, 1, WORKSPACE_LARGE_BYTES);
    memset(other, 2, WORKSPACE_LARGE_BYTES);
    ck_assert_int_eq(large[WORKSPACE_LARGE_BYTES - 1], 1);
    ck_assert_int_eq(large[0], 1);
    ck_assert_int_eq(small[WORKSPACE_BYTES - 1], 3);
    workspace_give(large);
    ck_assert_ptr_eq(workspace_take_large(), large);
    workspace_give(large);
    workspace_give(other);
    workspace_give(small);
    ck_assert_ptr_eq(workspace_take(), small);
    workspace_give(small);
}
END_TEST

START_TEST(the_workspace_that_was_given_back_last_is_taken_first)
{
    void *first = workspace_take();
    workspace_give(first);
    ck_assert_ptr_eq(workspace_take(), first);
    workspace_give(first);
    workspace_give(NULL);
}
END_TEST

static char *take_small(void)
{
    return workspace_take();
}

static char *take_large(void)
{
    return workspace_take_large();
}

/* A signal handler may fork in the middle of a call that has a workspace, and the call continues in the child. */
START_TEST(a_child_of_a_fork_keeps_what_is_in_use_and_reuses_the_rest)
{
    char *(*const take)(void) = _i == 0 ? take_small : take_large;
    const size_t size = _i == 0 ? WORKSPACE_BYTES : WORKSPACE_LARGE_BYTES;
    char *kept = take();
    void *free_one = take();
    workspace_give(free_one);
    strcpy(kept, "still here");
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        workspace_process_observer.after_fork_in_child(PROCESS_FORK_LIBC);
        bool is_right = true;
        for (int i = 0; i < 20; i++) {
            char *other = take();
            is_right = is_right && other != NULL && other != kept;
            if (other != NULL)
                memset(other, 'x', size);
        }
        is_right = is_right && strcmp(kept, "still here") == 0;
        workspace_give(kept);
        _exit(is_right && take() == kept ? 0 : 1);
    }
    int status = -1;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    workspace_give(kept);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("workspace");
    tcase_add_test(cases, two_workspaces_do_not_overlap_and_have_all_their_bytes);
    tcase_add_test(cases, large_workspaces_have_all_their_bytes_and_are_apart_from_the_others);
    tcase_add_test(cases, the_workspace_that_was_given_back_last_is_taken_first);
    tcase_add_loop_test(cases, a_child_of_a_fork_keeps_what_is_in_use_and_reuses_the_rest, 0, 2);
    return run_suite(cases, "workspace");
}
