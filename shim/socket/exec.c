/*
 * exec*, posix_spawn*, system, popen: what a program executes is protected like itself (children = protect), also
 * when it hands over an environment without our variables. The copies lie on the stack: these calls are made in
 * children of vfork() and in signal handlers. libc's own forms do not call each other through the PLT, hence all.
 */
#include <alloca.h>
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "interposed.h"
#include "real/libc.h"
#include "socket/environment.h"

/* `environment`, or a protected copy that lives until the function returns. */
#define PROTECTED(environment)                                                                                     \
    __extension__({                                                                                                \
        char *const *given_ = (environment);                                                                       \
        size_t room_ = environment_room(given_);                                                                   \
        room_ == 0 ? given_ : environment_protect(given_, alloca(room_));                                          \
    })

/* What exec* answers if our library is out of the child's reach. */
static int refused(void)
{
    errno = EACCES;
    return -1;
}

PFSWRAP_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    if (!environment_is_reachable(path))
        return refused();
    return real_libc()->execve(path, arguments, PROTECTED(environment));
}

PFSWRAP_EXPORT int execv(const char *path, char *const arguments[])
{
    if (!environment_is_reachable(path))
        return refused();
    return real_libc()->execve(path, arguments, PROTECTED(environ));
}

PFSWRAP_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    if (!environment_is_reachable(file))
        return refused();
    return real_libc()->execvpe(file, arguments, PROTECTED(environment));
}

PFSWRAP_EXPORT int execvp(const char *file, char *const arguments[])
{
    if (!environment_is_reachable(file))
        return refused();
    return real_libc()->execvpe(file, arguments, PROTECTED(environ));
}

PFSWRAP_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    if (!environment_is_reachable("(a descriptor)"))
        return refused();
    return real_libc()->fexecve(fd, arguments, PROTECTED(environment));
}

PFSWRAP_EXPORT int execveat(int fd, const char *path, char *const arguments[], char *const environment[], int flags)
{
    if (!environment_is_reachable(path))
        return refused();
    return real_libc()->execveat(fd, path, arguments, PROTECTED(environment), flags);
}

/* The arguments of a variadic call as an array on the caller's stack; `last` is what va_start needs. */
#define COLLECT(first, last, arguments, list)                                                                      \
    do {                                                                                                           \
        size_t count_ = 1;                                                                                         \
        va_start(list, last);                                                                                      \
        for (const char *word_ = (first); word_ != NULL; word_ = va_arg(list, const char *))                       \
            count_++;                                                                                              \
        va_end(list);                                                                                              \
        (arguments) = alloca((count_ + 1) * sizeof(char *));                                                       \
        va_start(list, last);                                                                                      \
        (arguments)[0] = (char *)(uintptr_t)(first);                                                               \
        for (size_t i_ = 1; i_ < count_; i_++)                                                                     \
            (arguments)[i_] = va_arg(list, char *);                                                                \
    } while (0)

PFSWRAP_EXPORT int execl(const char *path, const char *argument, ...)
{
    char **arguments;
    va_list list;
    COLLECT(argument, argument, arguments, list);
    va_end(list);
    return execv(path, arguments);
}

PFSWRAP_EXPORT int execlp(const char *file, const char *argument, ...)
{
    char **arguments;
    va_list list;
    COLLECT(argument, argument, arguments, list);
    va_end(list);
    return execvp(file, arguments);
}

PFSWRAP_EXPORT int execle(const char *path, const char *argument, ...)
{
    char **arguments;
    va_list list;
    COLLECT(argument, argument, arguments, list);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return execve(path, arguments, environment);
}

PFSWRAP_EXPORT int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
                               const posix_spawnattr_t *attributes, char *const arguments[],
                               char *const environment[])
{
    if (!environment_is_reachable(path))
        return EACCES;
    return real_libc()->posix_spawn(child, path, actions, attributes, arguments, PROTECTED(environment));
}

PFSWRAP_EXPORT int posix_spawnp(pid_t *child, const char *file, const posix_spawn_file_actions_t *actions,
                                const posix_spawnattr_t *attributes, char *const arguments[],
                                char *const environment[])
{
    if (!environment_is_reachable(file))
        return EACCES;
    return real_libc()->posix_spawnp(child, file, actions, attributes, arguments, PROTECTED(environment));
}

PFSWRAP_EXPORT int system(const char *command)
{
    if (command == NULL)
        return real_libc()->system(NULL);
    if (!environment_is_reachable(command))
        return refused();
    environment_restore();
    return real_libc()->system(command);
}

PFSWRAP_EXPORT FILE *popen(const char *command, const char *type)
{
    if (!environment_is_reachable(command)) {
        (void)refused();
        return NULL;
    }
    environment_restore();
    return real_libc()->popen(command, type);
}
