/*
 * Each kind of child is noticed, once, and its observers are notified in order; what a process knows about itself
 * is true after every kind of fork.
 */
#include "../suite.h"
#include "observed.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/raw_syscall.h"

const struct process_observer *const process_observers[] = {&first, &indifferent, &second, NULL};

static long raw_clone(void)
{
    return raw_syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

/* As vfork() does it, which a sanitizer makes a fork of. Its child may change no local variable. */
static inline __attribute__((always_inline)) long raw_vfork(void)
{
    return raw_syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0);
}

/* --- kinds of children --- */

START_TEST(the_first_process_knows_itself)
{
    ck_assert(knows_itself());
    ck_assert_int_eq(process_start(), 0); /* once more changes nothing */
    ck_assert(knows_itself());
    ck_assert_uint_ge(process_threads(), 1); /* a sanitizer has one of its own */
    expect_notes("");
}
END_TEST

START_TEST(a_fork_is_noted_before_and_after_it_in_order_and_keeps_errno)
{
    errno = EXDEV;
    const pid_t child = fork();
    const int error = errno;
    if (child == 0) {
        CHILD_EXPECT(error == EXDEV);
        CHILD_EXPECT(strcmp(notes, "BbcC") == 0 && noted_kind == PROCESS_FORK_LIBC);
        CHILD_EXPECT(knows_itself());
        process_end_fork(PROCESS_FORK_CHILD); /* it is known by now: once more is not a second child */
        process_adopt();
        CHILD_EXPECT(strcmp(notes, "BbcC") == 0);
        leave(0);
    }
    ck_assert_int_eq(error, EXDEV);
    expect_notes("BbpP");
    ck_assert(knows_itself());
    expect_success(child);
}
END_TEST

START_TEST(a_fork_that_libc_does_not_tell_of_is_noted_by_who_makes_it)
{
    process_begin_fork(PROCESS_FORK_RAW);
    const pid_t child = _Fork();
    process_end_fork(process_fork_end_of(child));
    if (child == 0) {
        CHILD_EXPECT(strcmp(notes, "BbcC") == 0 && noted_kind == PROCESS_FORK_RAW);
        CHILD_EXPECT(knows_itself());
        leave(0);
    }
    expect_notes("BbpP");
    expect_success(child);
}
END_TEST

static int child_of_clone(void *nothing)
{
    (void)nothing;
    CHILD_EXPECT(process_is_unseen() && strcmp(notes, "Bb") == 0);
    process_check();
    CHILD_EXPECT(strcmp(notes, "BbcC") == 0 && noted_kind == PROCESS_FORK_RAW);
    CHILD_EXPECT(knows_itself());
    return 0;
}

START_TEST(a_child_that_starts_in_a_function_is_known_by_its_first_check)
{
    static char stack[65536] __attribute__((aligned(64)));
    process_begin_fork(PROCESS_FORK_RAW);
    const pid_t child = clone(child_of_clone, stack + sizeof stack, SIGCHLD, NULL);
    process_end_fork(process_fork_end_of(child));
    expect_notes("BbpP");
    expect_success(child);
}
END_TEST

START_TEST(a_child_on_a_stack_of_its_own_is_announced_and_known_by_its_first_check)
{
    process_announce_fork();
    expect_notes("BbpP");
    const long child = raw_clone();
    if (child == 0) {
        CHILD_EXPECT(process_is_unseen());
        process_check();
        CHILD_EXPECT(strcmp(notes, "cC") == 0 && noted_kind == PROCESS_FORK_RAW);
        leave(0);
    }
    expect_success((pid_t)child);
}
END_TEST

START_TEST(an_unseen_child_is_known_by_its_first_check_and_its_children_likewise)
{
    const long child = raw_clone();
    if (child == 0) {
        errno = EXDEV;
        CHILD_EXPECT(process_is_unseen());
        process_check();
        CHILD_EXPECT(errno == EXDEV && strcmp(notes, "cC") == 0 && noted_kind == PROCESS_FORK_UNSEEN);
        CHILD_EXPECT(knows_itself());
        const long grandchild = raw_clone();
        if (grandchild == 0) {
            CHILD_EXPECT(!process_is_vfork_child()); /* this, too, is a check */
            CHILD_EXPECT(strcmp(notes, "cCcC") == 0 && knows_itself());
            leave(0);
        }
        int status = 1;
        CHILD_EXPECT(waitpid((pid_t)grandchild, &status, 0) == grandchild && status == 0);
        leave(0);
    }
    expect_success((pid_t)child);
    expect_notes("");
}
END_TEST

START_TEST(a_child_of_vfork_is_recognised_and_leaves_its_parent_as_it_is)
{
    static volatile bool recognised, ids_are_right;
    static const pid_t *volatile parent;
    static pid_t self;
    self = getpid();
    parent = &self;
    const long child = raw_vfork();
    if (child == 0) {
        recognised = process_is_vfork_child();
        ids_are_right = process_id() == *parent && process_running_id() == (pid_t)raw_syscall(SYS_getpid) &&
                        process_running_id() != *parent;
        leave(0);
    }
    expect_success((pid_t)child);
    ck_assert(recognised && ids_are_right);
    ck_assert(knows_itself());
    expect_notes("");
}
END_TEST

/* A fork that fails by a limit on processes, which does not bind root. */
/* What a child on its parent's memory, and then the parent's thread, take for the thread that runs. */
struct known {
    uint32_t in_child, of_child, in_thread, of_thread;
};

static int know_in_child(void *at)
{
    struct known *known = at;
    known->in_child = process_thread().id;
    known->of_child = (uint32_t)raw_syscall(SYS_gettid);
    return 0;
}

START_TEST(a_child_of_vfork_that_asks_first_leaves_its_id_to_no_thread)
{
    const pid_t child = fork(); /* nobody has asked for an id in a new process */
    if (child == 0) {
        enum { STACK = 64 * 1024 };
        static _Alignas(16) char stack[STACK];
        struct known known = {0};
        const int grandchild = clone(know_in_child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &known);
        CHILD_EXPECT(grandchild > 0 && waitpid(grandchild, NULL, 0) == grandchild);
        known.in_thread = process_thread().id;
        known.of_thread = (uint32_t)raw_syscall(SYS_gettid);
        CHILD_EXPECT(known.in_child == (uint32_t)grandchild && known.of_child == known.in_child);
        CHILD_EXPECT(known.in_thread == known.of_thread);
        leave(0);
    }
    expect_success(child);
}
END_TEST

START_TEST(a_fork_that_fails_is_noted_as_such)
{
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit none = {0, 0};
        memset(notes, 0, sizeof notes);
        if (geteuid() == 0)
            CHILD_EXPECT(setgid(65534) == 0 && setuid(65534) == 0);
        CHILD_EXPECT(setrlimit(RLIMIT_NPROC, &none) == 0);
        errno = EXDEV;
        const pid_t grandchild = fork();
        CHILD_EXPECT(grandchild == -1 && errno == EAGAIN);
        CHILD_EXPECT(strcmp(notes, "BbfF") == 0 && knows_itself());
        memset(notes, 0, sizeof notes);
        process_begin_fork(PROCESS_FORK_RAW);
        process_end_fork(process_fork_end_of(_Fork()));
        CHILD_EXPECT(strcmp(notes, "BbfF") == 0);
        leave(0);
    }
    expect_success(child);
}
END_TEST

/* A filter (seccomp(2)) that refuses the calls that make processes, with an errno that the kernel would not return.
 */
static bool refuse_forks(void)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = (struct sock_filter *)code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

START_TEST(a_fork_that_a_filter_refuses_is_noted_as_failed)
{
    const pid_t child = fork();
    if (child == 0) {
        memset(notes, 0, sizeof notes);
        CHILD_EXPECT(refuse_forks());
        errno = EXDEV;
        const pid_t grandchild = fork();
        CHILD_EXPECT(grandchild == -1 && errno == EACCES);
        CHILD_EXPECT(strcmp(notes, "BbfF") == 0);
        leave(0);
    }
    expect_success(child);
}
END_TEST

/* --- pid namespaces --- */

/*
 * The parent's ids mean nothing in a new namespace. The first process there has the id 1, those after it have not,
 * and all of them have to know. Exit status 77: not allowed here.
 */
START_TEST(processes_in_a_new_pid_namespace_know_that_they_are)
{
    const uint32_t space = process_thread().space;
    const pid_t middle = fork();
    if (middle == 0) {
        if (unshare(CLONE_NEWPID) != 0)
            leave(77);
        int pipes[2];
        uint32_t spaces[2] = {0};
        CHILD_EXPECT(pipe(pipes) == 0);
        const pid_t one = fork();
        if (one == 0) { /* it keeps the namespace open for the other one */
            (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
            const uint32_t here = process_thread().space;
            CHILD_EXPECT(getpid() == 1 && knows_itself() && here != space);
            CHILD_EXPECT(write(pipes[1], &here, sizeof here) == sizeof here);
            for (;;)
                (void)pause();
        }
        CHILD_EXPECT(read(pipes[0], &spaces[0], sizeof spaces[0]) == sizeof spaces[0]);
        const pid_t two = fork();
        if (two == 0) {
            const uint32_t here = process_thread().space;
            const struct process_thread parent = {.id = 1, .space = space};
            CHILD_EXPECT(getpid() != 1 && knows_itself() && here == spaces[0]);
            CHILD_EXPECT(process_thread_life(parent) == PROCESS_UNKNOWN);
            CHILD_EXPECT(!process_is_dead(999999, space));
            leave(0);
        }
        int status = 1;
        CHILD_EXPECT(waitpid(two, &status, 0) == two);
        CHILD_EXPECT(kill(one, SIGKILL) == 0 && waitpid(one, NULL, 0) == one);
        CHILD_EXPECT(process_thread().space == space);
        leave(status == 0 ? 0 : 1);
    }
    int status = 1;
    ck_assert_int_eq(waitpid(middle, &status, 0), middle);
    ck_assert(WIFEXITED(status));
    if (WEXITSTATUS(status) != 77)
        ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

/* --- sandboxes and relays --- */

START_TEST(a_sandboxed_process_asks_nothing_and_knows_itself)
{
    const pid_t self = getpid();
    process_prepare_sandbox();
    process_enter_sandbox();
    ck_assert(process_sandboxed);
    ck_assert_int_eq(process_running_id(), self);
    ck_assert(!process_is_vfork_child());
    ck_assert_uint_eq(process_threads(), 0);
}
END_TEST

/* In a frame of its own, which the child may change: i386 keeps values of the caller's on the stack. */
static __attribute__((noinline)) pid_t sandboxed_child_of_vfork(void)
{
    const long child = raw_vfork();
    if (child == 0) {
        process_prepare_sandbox();
        process_enter_sandbox();
        leave(0);
    }
    return (pid_t)child;
}

START_TEST(a_child_of_vfork_sandboxes_itself_alone)
{
    expect_success(sandboxed_child_of_vfork());
    ck_assert(!process_sandboxed);
}
END_TEST

START_TEST(a_relay_is_a_process_of_its_own_without_observers)
{
    const long child = raw_clone();
    if (child == 0) {
        process_become_relay();
        process_check();
        leave(knows_itself() && notes[0] == '\0' ? 0 : 1);
    }
    expect_success((pid_t)child);
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("process");
    tcase_add_checked_fixture(cases, start_process_once, NULL);
    tcase_add_test(cases, the_first_process_knows_itself);
    tcase_add_test(cases, a_fork_is_noted_before_and_after_it_in_order_and_keeps_errno);
    tcase_add_test(cases, a_fork_that_libc_does_not_tell_of_is_noted_by_who_makes_it);
    tcase_add_test(cases, a_child_that_starts_in_a_function_is_known_by_its_first_check);
    tcase_add_test(cases, a_child_on_a_stack_of_its_own_is_announced_and_known_by_its_first_check);
    tcase_add_test(cases, an_unseen_child_is_known_by_its_first_check_and_its_children_likewise);
    tcase_add_test(cases, a_child_of_vfork_is_recognised_and_leaves_its_parent_as_it_is);
    tcase_add_test(cases, a_child_of_vfork_that_asks_first_leaves_its_id_to_no_thread);
    tcase_add_test(cases, a_fork_that_fails_is_noted_as_such);
    tcase_add_test(cases, a_fork_that_a_filter_refuses_is_noted_as_failed);
    tcase_add_test(cases, processes_in_a_new_pid_namespace_know_that_they_are);
    tcase_add_test(cases, a_sandboxed_process_asks_nothing_and_knows_itself);
    tcase_add_test(cases, a_child_of_vfork_sandboxes_itself_alone);
    tcase_add_test(cases, a_relay_is_a_process_of_its_own_without_observers);
    return run_suite(cases, "process");
}
