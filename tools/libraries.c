/*
 * Runs `ld.so --list PROGRAM` and parses its output: lines "NAME => PATH (ADDRESS)", or an error about a missing
 * library. See libraries.h.
 */
#include "libraries.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Copies at most `length` characters, as many as fit. */
static void copy(char *to, size_t size, const char *from, size_t length)
{
    if (length >= size)
        length = size - 1;
    memcpy(to, from, length);
    to[length] = '\0';
}

/* "PROGRAM: error while loading shared libraries: NAME: REASON" is the only line then. */
static void parse_missing(struct libraries *libraries, const char *name)
{
    struct library *library = &libraries->entries[0];
    copy(library->name, sizeof library->name, name, strcspn(name, ":\n"));
    library->path[0] = '\0';
    libraries->count = 1;
}

static void parse_line(struct libraries *libraries, const char *line)
{
    static const char failure[] = ": error while loading shared libraries: ";
    const char *missing = strstr(line, failure);
    if (missing != NULL) {
        parse_missing(libraries, missing + sizeof failure - 1);
        return;
    }
    const char *arrow = strstr(line, " => ");
    const char *name = line + strspn(line, " \t");
    if (arrow == NULL || arrow < name || libraries->count == LIBRARIES_MAX)
        return; /* the vDSO and ld.so have no arrow */
    struct library *library = &libraries->entries[libraries->count++];
    const char *path = arrow + 4;
    const char *end = strstr(path, " (0x");
    const char *slash = memrchr(name, '/', (size_t)(arrow - name));
    if (slash != NULL)
        name = slash + 1;
    copy(library->name, sizeof library->name, name, (size_t)(arrow - name));
    copy(library->path, sizeof library->path, path, end != NULL && path[0] == '/' ? (size_t)(end - path) : 0);
}

/* Starts ld.so, with its output to the descriptor `output`. Returns its process id, or a negative errno value. */
static pid_t start(const char *interpreter, const char *program, int output)
{
    char *arguments[] = {(char *)interpreter, (char *)"--list", (char *)program, NULL};
    posix_spawn_file_actions_t actions;
    pid_t child = -1;
    int problem = posix_spawn_file_actions_init(&actions);
    if (problem == 0) {
        problem = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
        if (problem == 0)
            problem = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
        if (problem == 0)
            problem = posix_spawn(&child, interpreter, &actions, NULL, arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    return problem == 0 ? child : -problem;
}

int libraries_list(struct libraries *libraries, const char *interpreter, const char *program)
{
    char *line = NULL;
    size_t size = 0;
    int ends[2], status = -1;
    libraries->count = 0;
    unsetenv("LD_PRELOAD"); /* the program does not need what is preloaded */
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    pid_t child = start(interpreter, program, ends[1]);
    close(ends[1]);
    FILE *answer = child > 0 ? fdopen(ends[0], "r") : NULL;
    while (answer != NULL && getline(&line, &size, answer) > 0)
        parse_line(libraries, line);
    free(line);
    if (answer != NULL)
        (void)fclose(answer);
    else
        close(ends[0]);
    if (child < 0)
        return child;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status == 0 ? 0 : -ENOEXEC;
}
