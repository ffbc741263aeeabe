/*
 * Finds a program and follows its interpreters to the binary. See program.h. The lookup is execvp(3)'s, statuses
 * are env(1)'s. What cannot be seen cannot be promised: an unreadable file is refused.
 */
#include "program.h"
#include "message.h"
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

/* 0: a regular file this user may execute; an errno value otherwise. */
static int executable_errno(const char *path)
{
    struct stat status;
    if (stat(path, &status) < 0)
        return errno;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? EISDIR : EACCES;
    return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0 ? 0 : errno;
}

/* execvp(3): a directory that has no such file, or one that may not be executed, is passed over. */
static int search_path(char path[static PATH_MAX], const char *name)
{
    const char *directory = getenv("PATH");
    int worst = ENOENT;
    if (directory == NULL)
        directory = "/bin:/usr/bin";
    for (;;) {
        size_t length = strcspn(directory, ":");
        int used = length == 0 ? snprintf(path, PATH_MAX, "./%s", name)
                               : snprintf(path, PATH_MAX, "%.*s/%s", (int)length, directory, name);
        int problem = used >= 0 && used < PATH_MAX ? executable_errno(path) : ENAMETOOLONG;
        if (problem == 0)
            return 0;
        if (problem == EACCES || problem == EISDIR)
            worst = EACCES;
        if (directory[length] == '\0')
            return worst;
        directory += length + 1;
    }
}

/* Adds the file to the chain, or says why it cannot be executed. */
static int step_add(struct program *program, const char *name, bool on_path)
{
    if (program->step_count == PROGRAM_STEPS_MAX)
        return refuse(program, STATUS_NOT_RUNNABLE,
                      "%s has too long a chain of script interpreters, expected at most %d", program->steps[0].path,
                      PROGRAM_STEPS_MAX - 1);
    struct program_step *step = &program->steps[program->step_count];
    int problem;
    if (on_path && strchr(name, '/') == NULL && name[0] != '\0') {
        problem = search_path(step->path, name);
    } else {
        size_t length = strlen(name);
        problem = length < sizeof step->path ? executable_errno(name) : ENAMETOOLONG;
        memcpy(step->path, name, problem == ENAMETOOLONG ? 0 : length + 1);
    }
    step->kind = SCRIPT_NONE;
    if (problem == 0) {
        program->step_count++;
        return 0;
    }
    int status = problem == ENOENT || problem == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_RUNNABLE;
    if (program->step_count == 0)
        return refuse(program, status, "%s: %s", name, strerror(problem));
    return refuse(program, status, "%s: its interpreter %s: %s", program->steps[program->step_count - 1].path, name,
                  strerror(problem));
}

/* A library of ours can only be loaded by the ld.so it was built for, whatever that is called here. */
static bool is_own_interpreter(const char *path)
{
    struct stat own, other;
    if (strcmp(path, ELF_OWN_INTERPRETER) == 0)
        return true;
    return stat(ELF_OWN_INTERPRETER, &own) == 0 && stat(path, &other) == 0 && own.st_dev == other.st_dev &&
           own.st_ino == other.st_ino;
}

static int check_binary(struct program *program, const char *path)
{
    const struct elf_file *elf = &program->elf;
    switch (elf->kind) {
    case ELF_NOT:
    case ELF_BROKEN:
        return refuse(program, STATUS_NOT_RUNNABLE, "%s is neither an ELF program nor a script", path);
    case ELF_FOREIGN:
        return refuse(program, STATUS_REFUSED,
                      "%s is a program for %s, expected %s, for which libpfswrap.so was built", path,
                      elf_machine_name(elf->machine, elf->is_64_bit), elf_own_machine());
    case ELF_STATIC:
        return refuse(program, STATUS_REFUSED,
                      "%s is statically linked, expected a dynamic program: nothing can be "
                      "preloaded into it",
                      path);
    case ELF_DYNAMIC:
        break;
    }
    if (program->privilege != NULL)
        return refuse(program, STATUS_REFUSED,
                      "%s is %s, expected a program without privileges of its own: those "
                      "ignore LD_PRELOAD",
                      path, program->privilege);
    if (!is_own_interpreter(elf->interpreter))
        return refuse(program, STATUS_REFUSED, "%s is loaded by %s, expected %s: libpfswrap.so is for another libc",
                      path, elf->interpreter, ELF_OWN_INTERPRETER);
    if (elf->is_go)
        return refuse(program, STATUS_REFUSED,
                      "%s is a Go program, expected one whose system calls pass libc: Go makes its own, which "
                      "nothing preloaded sees",
                      path);
    return 0;
}

/* Looks at the last step's file: 0, the chain ends here or `script` says where it goes on; -1, refused. */
static int step_read(struct program *program, struct script *script)
{
    struct program_step *step = &program->steps[program->step_count - 1];
    char text[SCRIPT_LINE_MAX];
    struct stat status;
    ssize_t size = -1;
    int fd = open(step->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    memset(script, 0, sizeof *script);
    if (fd >= 0 && fstat(fd, &status) == 0 && elf_read(fd, &program->elf) == 0) {
        size = program->elf.kind == ELF_NOT ? pread(fd, text, sizeof text, 0) : 0;
        if (program->elf.kind != ELF_NOT)
            program->privilege = privilege_of_file(fd, &status);
        else if (size >= 0)
            script_parse(script, text, (size_t)size);
    }
    int problem = errno;
    if (fd >= 0)
        close(fd);
    step->kind = script->kind;
    if (size < 0)
        return refuse(program, STATUS_REFUSED,
                      "%s cannot be read (%s), expected to see whether it can be protected", step->path,
                      strerror(problem));
    return 0;
}

int program_examine(struct program *program, const char *name)
{
    struct script script = {0};
    if (step_add(program, name, true) < 0)
        return program->status;
    while (step_read(program, &script) == 0) {
        /* The file that is executed; only it, or what env(1) executes, may be a script without #!. */
        const char *path = program->steps[program->step_count - 1].path;
        bool by_name = program->step_count == 1 || program->steps[program->step_count - 2].kind == SCRIPT_ENV;
        switch (script.kind) {
        case SCRIPT_NONE:
            check_binary(program, path);
            return program->status;
        case SCRIPT_SHELL:
            if (!by_name)
                refuse(program, STATUS_NOT_RUNNABLE, "%s is neither an ELF program nor a script", path);
            else
                step_add(program, "/bin/sh", false);
            break;
        case SCRIPT_FILE:
            step_add(program, script.interpreter, false);
            break;
        case SCRIPT_ENV:
            step_add(program, script.name, true);
            break;
        case SCRIPT_OPAQUE:
            refuse(program, STATUS_REFUSED, "%s is run by %s %s, expected env and the name of an interpreter only",
                   path, script.interpreter, script.name);
            break;
        }
        if (program->status != 0)
            break;
    }
    return program->status;
}
