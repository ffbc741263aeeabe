/*
 * Finds a program as execvp(3) does and follows its interpreters. executable.h decides whether the last one can be
 * protected; this file adds what to do about it. Exit statuses are those of env(1).
 */
#include "program.h"
#include "machine.h"
#include "message.h"
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int refuse(struct program *program, int status, const char *format,
                                                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(program->refusal, sizeof program->refusal, format, arguments);
    va_end(arguments);
    program->status = status;
    return -1;
}

/* Adds the file that `name` stands for to the chain. Returns 0, or -1 after refuse(). */
static int step_add(struct program *program, const char *name, bool on_path)
{
    if (program->step_count == PROGRAM_STEPS_MAX)
        return refuse(program, STATUS_NOT_RUNNABLE,
                      "%s has too long a chain of script interpreters, expected at most %d", program->steps[0].path,
                      PROGRAM_STEPS_MAX - 1);
    struct program_step *step = &program->steps[program->step_count];
    int error;
    if (on_path) {
        error = executable_find(step->path, name);
    } else {
        const size_t length = strlen(name);
        error = length < sizeof step->path ? executable_access(name) : -ENAMETOOLONG;
        memcpy(step->path, name, error == -ENAMETOOLONG ? 0 : length + 1);
    }
    step->kind = SCRIPT_NONE;
    if (error == 0) {
        program->step_count++;
        return 0;
    }
    const int status = error == -ENOENT || error == -ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
    if (program->step_count == 0)
        return refuse(program, status, "%s: %s", name, strerror(-error));
    return refuse(program, status, "%s: its interpreter %s: %s", program->steps[program->step_count - 1].path, name,
                  strerror(-error));
}

const char *program_privilege(const struct program *program)
{
    if (program->file.machine == 0)
        return NULL; /* the kernel ignores these bits of a script */
    switch (executable_privilege(&program->file, NULL)) {
    case EXECUTABLE_PRIVILEGE_USER:
        return "set-user-ID";
    case EXECUTABLE_PRIVILEGE_GROUP:
        return "set-group-ID";
    case EXECUTABLE_PRIVILEGE_CAPABILITIES:
        return "given file capabilities";
    case EXECUTABLE_PRIVILEGE_UNKNOWN:
        return "maybe given file capabilities (they cannot be read)";
    case EXECUTABLE_PRIVILEGE_NONE:
        break;
    }
    return NULL;
}

/* Whether the object for such programs is there. Returns 0, or -1 after refuse(). */
static int check_object(struct program *program, const char *path)
{
    char library[PRELOAD_PATH_MAX], problem[PATH_MAX + 128];
    const enum object_kind object = program->file.object;
    if (object == OBJECT_OWN)
        return 0; /* preload_find() reports what is wrong with it */
    if (preload_path(library, object, problem, sizeof problem) < 0)
        return refuse(program, STATUS_REFUSED, "%s", problem);
    if (access(library, F_OK) == 0)
        return 0;
    return refuse(program, STATUS_REFUSED, "%s is loaded by %s and needs %s: %s, expected the object for %s", path,
                  program->file.interpreter, library, strerror(errno), object_name(object));
}

/* Decides about the binary at the end of the chain. Returns 0, or -1 after refuse(). */
static int check_binary(struct program *program, const char *path)
{
    const struct executable *file = &program->file;
    switch (executable_decide(file, NULL)) {
    case EXECUTABLE_OK:
        return check_object(program, path);
    case EXECUTABLE_NOT_EXECUTABLE:
        return refuse(program, STATUS_NOT_RUNNABLE, "%s is neither an ELF program nor a script", path);
    case EXECUTABLE_OTHER_MACHINE:
        return refuse(program, STATUS_REFUSED,
                      "%s is a program for %s, expected %s, for which libpfswrap.so was built", path,
                      machine_name(file->machine, file->is_64_bit), machine_own_name());
    case EXECUTABLE_STATIC:
        return refuse(program, STATUS_REFUSED,
                      "%s is statically linked, expected a dynamic program: nothing can be preloaded into it",
                      path);
    case EXECUTABLE_PRIVILEGED:
        return refuse(
            program, STATUS_REFUSED,
            "%s is %s, expected a program without privileges of its own: LD_PRELOAD has no effect on this one",
            path, program_privilege(program));
    case EXECUTABLE_OTHER_LOADER:
        return refuse(program, STATUS_REFUSED,
                      "%s is loaded by %s, expected the ld.so of a supported libc, such as %s", path,
                      file->interpreter, PFSWRAP_INTERPRETER);
    case EXECUTABLE_GO:
        return refuse(program, STATUS_REFUSED,
                      "%s is a Go program, expected one that makes its system calls through libc: Go makes them "
                      "itself, and no preloaded library sees them",
                      path);
    case EXECUTABLE_LIBRARY_BROKEN:
    case EXECUTABLE_LIBRARY_NO_EXEC:
    case EXECUTABLE_LIMIT_AS:
    case EXECUTABLE_LIMIT_DATA:
    case EXECUTABLE_NO_OBJECT: /* executable_decide() does not look at the library */
    case EXECUTABLE_UNREADABLE:
        return refuse(program, STATUS_REFUSED, "%s cannot be read", path);
    }
    return 0;
}

/* Reads the file of the last step; *script says where the chain goes on. Returns 0, or -1 after refuse(). */
static int step_read(struct program *program, struct script *script)
{
    struct program_step *step = &program->steps[program->step_count - 1];
    const int fd = open(step->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    const int error = fd >= 0 ? -executable_read(fd, &program->file) : errno;
    memset(script, 0, sizeof *script);
    if (fd >= 0)
        close(fd);
    if (error != 0)
        return refuse(program, STATUS_REFUSED,
                      "%s cannot be read (%s), expected a program that pfswrap can read to find out whether it can "
                      "be protected",
                      step->path, strerror(error));
    script_read(script, &program->file);
    step->kind = script->kind;
    return 0;
}

int program_examine(struct program *program, const char *name)
{
    struct script script = {0};
    if (step_add(program, name, true) < 0)
        return program->status;
    while (step_read(program, &script) == 0) {
        const char *path = program->steps[program->step_count - 1].path;
        /* execvp(3) and env(1) run text without #! with the shell; the kernel refuses it as an interpreter. */
        const bool by_name = program->step_count == 1 || program->steps[program->step_count - 2].kind == SCRIPT_ENV;
        switch (script.kind) {
        case SCRIPT_NONE:
            (void)check_binary(program, path);
            return program->status;
        case SCRIPT_SHELL:
            if (!by_name)
                (void)refuse(program, STATUS_NOT_RUNNABLE, "%s is neither an ELF program nor a script", path);
            else
                (void)step_add(program, "/bin/sh", false);
            break;
        case SCRIPT_FILE:
            (void)step_add(program, script.interpreter, false);
            break;
        case SCRIPT_ENV:
            (void)step_add(program, script.name, true);
            break;
        case SCRIPT_OPAQUE:
            (void)refuse(program, STATUS_REFUSED,
                         "%s is run by %s %s, expected env and the name of an interpreter only", path,
                         script.interpreter, script.name);
            break;
        }
        if (program->status != 0)
            break;
    }
    return program->status;
}
