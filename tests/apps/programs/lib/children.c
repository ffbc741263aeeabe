/* See children.h. */
#include "children.h"

#include <spawn.h>
#include <sys/syscall.h>
#include <time.h>

#include "sock.h"

static void close_what_is_inherited(void)
{
    struct timespec moment = {.tv_nsec = 500000};
    for (int fd = 3; fd < 64; fd++) {
        (void)close(fd);
        if (fd == 10)
            (void)nanosleep(&moment, NULL);
    }
}

/* What a child does: nothing that the parent's connections may notice. */
static _Noreturn void be_one(unsigned way)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    switch (way % 16) {
    case 0:
    case 1:
        close_what_is_inherited();
        break;
    case 2:
        (void)close_range(3, ~0U, 0);
        break;
    case 3:
        (void)execv("/bin/true", argv);
        _exit(127);
    case 4:
    case 5:
        (void)poll(NULL, 0, 3); /* holds them a moment */
        break;
    case 6:
        (void)syscall(SYS_exit_group, 0);
        break;
    default:
        break;
    }
    _exit(0);
}

static pid_t make_one(unsigned way)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    pid_t pid;
    switch (way % 8) {
    case 0:
        return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    case 1:
        return _Fork();
    case 3:
        if (way % 32 != 3)
            return fork();
        sock_expect(posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) == 0, "posix_spawn");
        return pid;
    case 2:
        if (way % 32 != 2)
            return fork();
        pid = vfork();
        if (pid == 0) {
            (void)execv("/bin/true", argv);
            _exit(127);
        }
        return pid;
    default:
        return fork();
    }
}

static bool is(const char *word, const char *name)
{
    return strcmp(word, name) == 0;
}

/* In a child of vfork(), too. */
static _Noreturn void be_chosen(const struct children_choice *chosen)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    if (is(chosen->then, "close"))
        (void)close_range(3, ~0U, 0);
    if (is(chosen->then, "exec"))
        (void)execv(chosen->program, argv);
    _exit(0);
}

/* posix_spawn() always executes. Where the child is to exit at once, there is no such program. */
static pid_t spawn_chosen(const struct children_choice *chosen)
{
    static char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    const bool exits = is(chosen->then, "exit");
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    sock_expect(posix_spawn_file_actions_init(&actions) == 0, "posix_spawn_file_actions_init");
    if (is(chosen->then, "close"))
        sock_expect(posix_spawn_file_actions_addclosefrom_np(&actions, 3) == 0, "addclosefrom");
    const int error =
        posix_spawn(&pid, exits ? "/no/such/program" : chosen->program, &actions, NULL, argv, environ);
    sock_expect(error == (exits ? ENOENT : 0), "posix_spawn returned %d", error);
    (void)posix_spawn_file_actions_destroy(&actions);
    return error == 0 ? pid : 0;
}

void children_make_chosen(const struct children_choice *chosen)
{
    pid_t pid;
    if (is(chosen->fork, "spawn"))
        pid = spawn_chosen(chosen);
    else if (is(chosen->fork, "vfork")   ? (pid = vfork()) == 0
             : is(chosen->fork, "clone") ? (pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL)) == 0
                                         : (pid = fork()) == 0)
        be_chosen(chosen);
    sock_expect(pid >= 0 && (pid == 0 || sock_reap(pid) == 0), "a child of %s and %s", chosen->fork, chosen->then);
}

void children_make(unsigned way, unsigned then)
{
    const pid_t pid = make_one(way);
    sock_expect(pid >= 0, "fork");
    if (pid == 0)
        be_one(then);
    const int status = sock_reap(pid);
    sock_expect(status == 0, "a child (ways %u and %u) ended with %d", way % 8, then % 16, status);
}
