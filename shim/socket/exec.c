/*
 * exec*, posix_spawn*, system, popen: what a program executes is protected like itself (children = protect), also
 * when it hands over an environment without our variables. The copies lie on the stack: these calls are made in
 * children of vfork() and in signal handlers. libc's own forms do not call each other through the PLT, hence all.
 * What ld.so would start without us is refused.
 */
#include <errno.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/audit.h"
#include "init.h"
#include "interposed.h"
#include "real/libc.h"
#include "socket/credentials.h"
#include "socket/environment.h"

/* `environment`, or a protected copy that lives until the function returns. */
#define PROTECTED(environment, credentials)                                                                        \
    __extension__({                                                                                                \
        char *const *given_ = (environment);                                                                       \
        char *variable_ = (credentials)->levelled ? (credentials)->text : NULL;                                    \
        size_t room_ = environment_room(given_, variable_);                                                        \
        room_ == 0 ? given_ : environment_protect(given_, variable_, __builtin_alloca(room_));                     \
    })

/* Logs why `program` cannot be protected. Returns whether it must not be executed then. */
static bool refuses(const char *program, const char *reason)
{
    bool enforce = pfswrap_policy()->mode == POLICY_ENFORCE;
    const struct audit_field fields[] = {AUDIT_S("reason", reason), AUDIT_S("detail", program),
                                         AUDIT_S("rule", "children")};
    audit_event(enforce ? "refused" : "would-refuse", fields, sizeof fields / sizeof fields[0]);
    return enforce;
}

/* Before an exec of `program`. Returns 0, or EACCES: ld.so would start it without us, so it must not be executed.
 */
static int prepare(const char *program, struct credentials *credentials)
{
    credentials->levelled = false;
    if (!environment_is_guarded())
        return 0;
    if (!environment_is_reachable() &&
        refuses(program, "the program it executes cannot be protected: libpfswrap.so cannot be read from here"))
        return EACCES;
    if (!credentials_level(credentials) &&
        refuses(program, "the program it executes cannot be protected: real and effective user or group differ"))
        return EACCES;
    return 0;
}

/* The whole of an exec that takes its environment; `call` is the real one, with `environment_` as that argument. */
#define EXECUTE(program, environment, call)                                                                        \
    do {                                                                                                           \
        struct credentials credentials_;                                                                           \
        int error_ = prepare((program), &credentials_);                                                            \
        if (error_ != 0) {                                                                                         \
            errno = error_;                                                                                        \
            return -1;                                                                                             \
        }                                                                                                          \
        char *const *environment_ = PROTECTED((environment), &credentials_);                                       \
        int result_ = (call);                                                                                      \
        credentials_restore(&credentials_);                                                                        \
        return result_;                                                                                            \
    } while (0)

PFSWRAP_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    EXECUTE(path, environment, real_libc()->execve(path, arguments, environment_));
}

PFSWRAP_EXPORT int execv(const char *path, char *const arguments[])
{
    EXECUTE(path, environ, real_libc()->execve(path, arguments, environment_));
}

PFSWRAP_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    EXECUTE(file, environment, real_libc()->execvpe(file, arguments, environment_));
}

PFSWRAP_EXPORT int execvp(const char *file, char *const arguments[])
{
    EXECUTE(file, environ, real_libc()->execvpe(file, arguments, environment_));
}

PFSWRAP_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    EXECUTE("(a descriptor)", environment, real_libc()->fexecve(fd, arguments, environment_));
}

PFSWRAP_EXPORT int execveat(int fd, const char *path, char *const arguments[], char *const environment[], int flags)
{
    EXECUTE(path, environment, real_libc()->execveat(fd, path, arguments, environment_, flags));
}

/* The arguments of a variadic call as an array on the caller's stack; `last` is what va_start needs. */
#define COLLECT(first, last, arguments, list)                                                                      \
    do {                                                                                                           \
        size_t count_ = 1;                                                                                         \
        va_start(list, last);                                                                                      \
        for (const char *word_ = (first); word_ != NULL; word_ = va_arg(list, const char *))                       \
            count_++;                                                                                              \
        va_end(list);                                                                                              \
        (arguments) = __builtin_alloca((count_ + 1) * sizeof(char *));                                             \
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

/* Before posix_spawn: with POSIX_SPAWN_RESETIDS the child itself makes its ids equal. */
static int prepare_spawn(const char *program, const posix_spawnattr_t *attributes, struct credentials *credentials)
{
    short flags = 0;
    if (attributes != NULL)
        (void)posix_spawnattr_getflags(attributes, &flags);
    int error = prepare(program, credentials);
    if (error == 0 && (flags & POSIX_SPAWN_RESETIDS) != 0) {
        credentials_restore(credentials);
        credentials->levelled = false;
    }
    return error;
}

PFSWRAP_EXPORT int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
                               const posix_spawnattr_t *attributes, char *const arguments[],
                               char *const environment[])
{
    struct credentials credentials;
    int error = prepare_spawn(path, attributes, &credentials);
    if (error == 0) {
        error = real_libc()->posix_spawn(child, path, actions, attributes, arguments,
                                         PROTECTED(environment, &credentials));
        credentials_restore(&credentials);
    }
    return error;
}

PFSWRAP_EXPORT int posix_spawnp(pid_t *child, const char *file, const posix_spawn_file_actions_t *actions,
                                const posix_spawnattr_t *attributes, char *const arguments[],
                                char *const environment[])
{
    struct credentials credentials;
    int error = prepare_spawn(file, attributes, &credentials);
    if (error == 0) {
        error = real_libc()->posix_spawnp(child, file, actions, attributes, arguments,
                                          PROTECTED(environment, &credentials));
        credentials_restore(&credentials);
    }
    return error;
}

/* Before system() and popen(), which hand over the process's own environment. Returns 0 or EACCES. */
static int prepare_shell(const char *command, struct credentials *credentials)
{
    int error = prepare(command, credentials);
    if (error != 0)
        return error;
    environment_restore();
    if (credentials->levelled)
        (void)putenv(credentials->text);
    return 0;
}

static void finish_shell(const struct credentials *credentials)
{
    int error = errno;
    credentials_restore(credentials);
    if (credentials->levelled)
        (void)unsetenv("PFSWRAP_IDS");
    errno = error;
}

PFSWRAP_EXPORT int system(const char *command)
{
    if (command == NULL)
        return real_libc()->system(NULL);
    struct credentials credentials;
    int error = prepare_shell(command, &credentials);
    if (error != 0) {
        errno = error;
        return -1;
    }
    int result = real_libc()->system(command);
    finish_shell(&credentials);
    return result;
}

PFSWRAP_EXPORT FILE *popen(const char *command, const char *type)
{
    struct credentials credentials;
    int error = prepare_shell(command, &credentials);
    if (error != 0) {
        errno = error;
        return NULL;
    }
    FILE *result = real_libc()->popen(command, type);
    finish_shell(&credentials);
    return result;
}
