/* See observed.h. */
#include "observed.h"

#include "base/raw_syscall.h"

__thread char notes[NOTES];
__thread enum process_fork noted_kind;
__thread void (*during_before)(void);

static void note(char letter)
{
    const size_t length = strlen(notes);
    if (length < NOTES - 1)
        notes[length] = letter;
}

static void first_before(enum process_fork kind)
{
    void (*call)(void) = during_before;
    note('b');
    noted_kind = kind;
    during_before = NULL;
    if (call != NULL)
        call();
}
static void first_in_parent(bool failed)
{
    note(failed ? 'f' : 'p');
}
static void first_in_child(enum process_fork kind)
{
    note('c');
    noted_kind = kind;
}
static void second_before(enum process_fork kind)
{
    (void)kind;
    note('B');
}
static void second_in_parent(bool failed)
{
    note(failed ? 'F' : 'P');
}
static void second_in_child(enum process_fork kind)
{
    (void)kind;
    note('C');
}

const struct process_observer first = {
    .before_fork = first_before, .after_fork_in_parent = first_in_parent, .after_fork_in_child = first_in_child};
const struct process_observer second = {
    .before_fork = second_before, .after_fork_in_parent = second_in_parent, .after_fork_in_child = second_in_child};
const struct process_observer indifferent = {0};

void expect_notes(const char *expected)
{
    ck_assert_str_eq(notes, expected);
    memset(notes, 0, sizeof notes);
}

bool knows_itself(void)
{
    return !process_is_unseen() && process_id() == getpid() && process_running_id() == getpid() &&
           process_thread().id == (uint32_t)raw_syscall(SYS_gettid) && !process_is_vfork_child() &&
           process_thread_life(process_thread()) == PROCESS_ALIVE &&
           !process_is_dead(getpid(), process_thread().space);
}

_Noreturn void leave(int status)
{
    for (;;)
        (void)raw_syscall(SYS_exit_group, status);
}

void expect_success(pid_t child)
{
    int status;
    ck_assert_int_gt(child, 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

void start_process_once(void)
{
    ck_assert_int_eq(process_start(), 0);
}
