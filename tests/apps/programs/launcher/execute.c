/*
 * Executes COMMAND (an absolute path) by one of the calls that execute programs, with an environment that shares
 * nothing with this process's own:
 *     execute CALL ENVIRONMENT COMMAND [CHROOT | real | effective | both | as=KIB | data=KIB]
 * ENVIRONMENT is NAME=VALUE,NAME=VALUE. `real` and `effective` first give up that user and group; `both` gives up
 * both, to different ones. `as` and `data` set a limit of this process first (setrlimit(2)). Exits with 100 + errno
 * if the call fails, otherwise with the child's status.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRIES_MAX = 16, CALL_FAILED = 100, USAGE = 99 };

static char *environment[ENTRIES_MAX + 1];

static void environment_split(char *text)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *entry = strtok_r(text, ",", &rest); entry != NULL && count < ENTRIES_MAX;
         entry = strtok_r(NULL, ",", &rest))
        environment[count++] = entry;
}

static int wait_for(pid_t child)
{
    int status = 0;
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : USAGE;
}

static int by_spawn(bool search, char *command, char *const arguments[])
{
    pid_t child = 0;
    int error = search ? posix_spawnp(&child, command, NULL, NULL, arguments, environment)
                       : posix_spawn(&child, command, NULL, NULL, arguments, environment);
    return error != 0 ? CALL_FAILED + error : wait_for(child);
}

static int by_popen(const char *command)
{
    FILE *pipe = popen(command, "r");
    if (pipe == NULL)
        return CALL_FAILED + errno;
    for (int c = fgetc(pipe); c != EOF; c = fgetc(pipe))
        putchar(c);
    int status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : USAGE;
}

static int by_vfork(char *command, char *const arguments[])
{
    pid_t child = vfork();
    if (child == 0) {
        execve(command, arguments, environment);
        _exit(CALL_FAILED + errno);
    }
    return wait_for(child);
}

/* Returns the exit status, if the call returns at all. */
static int execute(const char *call, char *command)
{
    char *arguments[] = {command, NULL};
    if (strcmp(call, "posix_spawn") == 0 || strcmp(call, "posix_spawnp") == 0)
        return by_spawn(call[strlen("posix_spawn")] != '\0', command, arguments);
    if (strcmp(call, "vfork") == 0)
        return by_vfork(command, arguments);
    if (strcmp(call, "execve") == 0)
        execve(command, arguments, environment);
    else if (strcmp(call, "execvpe") == 0)
        execvpe(command, arguments, environment);
    else if (strcmp(call, "fexecve") == 0)
        fexecve(open(command, O_RDONLY | O_CLOEXEC), arguments, environment);
    else if (strcmp(call, "execveat") == 0)
        execveat(AT_FDCWD, command, arguments, environment, 0);
    else if (strcmp(call, "execle") == 0)
        execle(command, command, "FIRST=1", "SECOND=2", (char *)NULL, environment);
    else if (strcmp(call, "empty") == 0)
        execve(command, arguments, NULL);
    else
        errno = 0;
    if (errno != 0)
        return CALL_FAILED + errno;
    /* The other calls use the process's own environment. */
    environ = environment;
    if (strcmp(call, "system") == 0) {
        int status = system(command);
        return status == -1 ? CALL_FAILED + errno : WEXITSTATUS(status);
    }
    if (strcmp(call, "popen") == 0)
        return by_popen(command);
    if (strcmp(call, "execv") == 0)
        execv(command, arguments);
    else if (strcmp(call, "execvp") == 0)
        execvp(command, arguments);
    else if (strcmp(call, "execl") == 0)
        execl(command, command, "FIRST=1", "SECOND=2", (char *)NULL);
    else if (strcmp(call, "execlp") == 0)
        execlp(command, command, "FIRST=1", "SECOND=2", (char *)NULL);
    else
        return USAGE;
    return CALL_FAILED + errno;
}

/* Root gives up one half of its ids. Returns whether `how` is one of these words. */
static bool give_up(const char *how)
{
    enum { NOBODY = 65534, OTHER = 65533 };
    bool real = strcmp(how, "real") == 0;
    bool effective = strcmp(how, "effective") == 0;
    bool both = strcmp(how, "both") == 0;
    if (!real && !effective && !both)
        return false;
    gid_t groups[] = {real ? NOBODY : both ? OTHER : 0, real ? 0 : NOBODY};
    if (setresgid(groups[0], groups[1], groups[1]) != 0 || setresuid(groups[0], groups[1], groups[1]) != 0)
        exit(USAGE);
    return true;
}

/* Sets a limit. Returns whether `how` is one. */
static bool limit(const char *how)
{
    const bool is_data = strncmp(how, "data=", 5) == 0;
    if (!is_data && strncmp(how, "as=", 3) != 0)
        return false;
    const rlim_t bytes = strtoul(strchr(how, '=') + 1, NULL, 10) * 1024;
    const struct rlimit both = {.rlim_cur = bytes, .rlim_max = bytes};
    if (setrlimit(is_data ? RLIMIT_DATA : RLIMIT_AS, &both) != 0)
        exit(USAGE);
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return USAGE;
    environment_split(argv[2]);
    if (argc > 4 && !give_up(argv[4]) && !limit(argv[4]) && (chroot(argv[4]) != 0 || chdir("/") != 0))
        return USAGE;
    return execute(argv[1], argv[3]);
}
