/*
 * See child.h.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "contact.h"

enum { NOT_FOUND = 127, END_MS = 2000 /* for a program whose input has ended */, STEP_MS = 20 };

static pid_t start(char *const argv[], const int input[2], const int output[2])
{
    const pid_t child = fork();
    if (child != 0)
        return child;
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)setpgid(0, 0); /* what it starts ends with it */
    if (null >= 0 && dup2(input[0], STDIN_FILENO) >= 0 && dup2(output[1], STDOUT_FILENO) >= 0 &&
        dup2(null, STDERR_FILENO) >= 0 && setenv("OPENSSL_CONF", "/dev/null", 1) == 0 &&
        unsetenv("LD_PRELOAD") == 0)
        (void)execvp(argv[0], argv);
    _exit(NOT_FOUND);
}

/* Whether enough is known, so that the input may end. */
static bool may_end(const struct child_input *input, const char *output)
{
    struct stat status;
    return (input->until != NULL && strstr(output, input->until) != NULL) ||
           (input->file != NULL && stat(input->file, &status) == 0 && status.st_size > 0);
}

static void end_input(int *pipe, long *deadline)
{
    (void)close(*pipe);
    *pipe = -1;
    *deadline = contact_now() + END_MS;
}

/* Reads until the end of the output or of the time. Returns false at the end of the time. */
static bool read_output(int fd, int *pipe, const struct child_input *input, long deadline, char *output,
                        size_t size)
{
    size_t used = 0;
    char rest[4096];
    for (;;) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        const long left = deadline - contact_now();
        if (*pipe >= 0 && (left <= 0 || may_end(input, output)))
            end_input(pipe, &deadline);
        else if (left <= 0)
            return false;
        const long wait = *pipe >= 0 && left > STEP_MS ? STEP_MS : left > 0 ? left : 0;
        if (poll(&poller, 1, (int)wait) <= 0)
            continue;
        char *const to = used + 1 < size ? output + used : rest;
        const ssize_t count = read(fd, to, used + 1 < size ? size - 1 - used : sizeof rest);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return true;
        used += to == rest ? 0 : (size_t)count;
        output[used] = '\0';
    }
}

int child_run(char *const argv[], int timeout_ms, const struct child_input *input, char *output, size_t size)
{
    int in[2], out[2], status;
    output[0] = '\0';
    if (pipe2(in, O_CLOEXEC) < 0)
        return CHILD_FAILED;
    if (pipe2(out, O_CLOEXEC) < 0) {
        close(in[0]);
        close(in[1]);
        return CHILD_FAILED;
    }
    const pid_t child = start(argv, in, out);
    close(in[0]);
    close(out[1]);
    if (child < 0 || input == NULL) {
        close(in[1]);
        in[1] = -1;
    }
    const bool is_whole = child > 0 && read_output(out[0], &in[1], input, contact_now() + timeout_ms, output, size);
    if (in[1] >= 0)
        close(in[1]);
    close(out[0]);
    if (child < 0)
        return CHILD_FAILED;
    if (!is_whole)
        (void)kill(-child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!is_whole || !WIFEXITED(status))
        return CHILD_FAILED;
    return WEXITSTATUS(status) == NOT_FOUND && output[0] == '\0' ? CHILD_MISSING : WEXITSTATUS(status);
}
