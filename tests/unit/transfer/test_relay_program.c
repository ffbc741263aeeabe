/*
 * How the program behind a relay has ended: a program that was killed is told from one that exited, also after its
 * parent has waited for it, and one that had ended before the relay began is noticed.
 */
#include "../suite.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transfer/relay_program.h"

/* A child that waits until `ends` is closed here, or for a signal. */
static pid_t start(int ends[2])
{
    char byte;
    ck_assert_int_eq(pipe(ends), 0);
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        (void)close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
    }
    (void)close(ends[0]);
    return pid;
}

static void collect(pid_t pid)
{
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(a_program_that_runs_or_exits_was_not_killed)
{
    struct relay_program program;
    int ends[2];
    const pid_t pid = start(ends);
    siginfo_t information;
    ck_assert(relay_program_open(&program, pid));
    ck_assert(!relay_program_was_killed(&program));
    (void)close(ends[1]);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &information, WEXITED | WNOWAIT), 0);
    ck_assert(!relay_program_was_killed(&program));
    collect(pid);
    ck_assert(!relay_program_was_killed(&program));
}
END_TEST

START_TEST(a_program_that_a_signal_has_ended_was_killed)
{
    struct relay_program program;
    int ends[2];
    const pid_t pid = start(ends);
    siginfo_t information;
    ck_assert(relay_program_open(&program, pid));
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitid(P_PID, (id_t)pid, &information, WEXITED | WNOWAIT), 0);
    ck_assert(relay_program_was_killed(&program));
    collect(pid);
}
END_TEST

START_TEST(a_program_that_has_ended_before_is_noticed)
{
    struct relay_program program;
    int ends[2];
    const pid_t pid = start(ends);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    collect(pid);
    ck_assert(!relay_program_open(&program, pid));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("relay program");
    tcase_add_test(cases, a_program_that_runs_or_exits_was_not_killed);
    tcase_add_test(cases, a_program_that_a_signal_has_ended_was_killed);
    tcase_add_test(cases, a_program_that_has_ended_before_is_noticed);
    return run_suite(cases, "relay program");
}
