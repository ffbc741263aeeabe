/*
 * exec*, posix_spawn*, system, popen: an executed program is protected, too (children = protect), even if the
 * program passes an environment without pfswrap's variables. The copy of the environment is on the stack, since
 * these calls are made in children of vfork() and in signal handlers. In libc these functions call each other
 * directly, so each of them is interposed. An exec is refused if ld.so would ignore LD_PRELOAD although the program
 * could be protected. For a program that can never be protected, the policy decides.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "base/workspace.h"
#include "children/environment.h"
#include "children/executable.h"
#include "config/init.h"
#include "fd/plane.h"
#include "socket/spawn.h"

/* `environment`, or a protected copy for a program with that object, which lives until the function returns. */
#define PROTECTED(environment, object)                                                                             \
    __extension__({                                                                                                \
        char *const *environment_ = (environment);                                                                 \
        size_t room_ = environment_room(environment_, (object));                                                   \
        room_ == 0 ? environment_ : environment_protect(environment_, (object), __builtin_alloca(room_));          \
    })

/* Logs why `program` cannot be protected. Returns whether it must not be executed. */
static bool refuses(const char *program, const char *reason)
{
    bool enforce = pfswrap_policy()->mode == POLICY_ENFORCE;
    const struct audit_field fields[] = {AUDIT_S("reason", reason), AUDIT_S("detail", program),
                                         AUDIT_S("rule", "children")};
    audit_event(enforce ? "refused" : "would-refuse", fields, sizeof fields / sizeof fields[0]);
    return enforce;
}

/* The same for a program that can never be protected. It is executed and logged, unless children = require. */
static bool refuses_unprotected(const char *program, const char *reason)
{
    if (pfswrap_policy()->children == POLICY_CHILDREN_REQUIRE)
        return refuses(program, reason);
    const struct audit_field fields[] = {AUDIT_S("reason", reason), AUDIT_S("detail", program),
                                         AUDIT_S("rule", "children")};
    audit_event("unprotected", fields, sizeof fields / sizeof fields[0]);
    return false;
}

/* The reason in words; NULL: the program can be protected, or the exec will fail anyway. */
static const char *words_of(struct executable_result result)
{
    return result.reason == EXECUTABLE_NOT_EXECUTABLE ? NULL : executable_reason_text(result.reason, result.object);
}

/* Whether the program will run without a shared object. */
static bool is_unprotected(struct executable_result result)
{
    return words_of(result) != NULL;
}

/* The object in LD_PRELOAD: an unprotected program keeps this process's, for what it executes itself. */
static enum object_kind object_for(struct executable_result result)
{
    return is_unprotected(result) ? OBJECT_NONE : result.object;
}

/* Whether the program will have an object that knows the memory in which connections are shared. */
static bool is_alike(struct executable_result result)
{
    return !is_unprotected(result) && (result.object == OBJECT_NONE || object_is_alike(result.object));
}

/* Whether a shared object can be preloaded into that file. */
static struct executable_result check_path(int directory, const char *path)
{
    const struct executable_caller self = executable_caller_self(environment_library());
    return executable_check_path(directory, path, &self);
}

/* The same for a name that execvp(3) looks up in PATH. */
static struct executable_result check_command(const char *name)
{
    const struct executable_caller self = executable_caller_self(environment_library());
    return executable_check_command(name, &self);
}

static struct executable_result check_descriptor(int fd)
{
    const struct executable_caller self = executable_caller_self(environment_library());
    return executable_check_fd(fd, &self);
}

/* Whether the kernel will start the new program in secure-execution mode (AT_SECURE: getauxval(3)). */
static bool ids_differ(void)
{
    return getuid() != geteuid() || getgid() != getegid();
}

/*
 * Before an exec of `program`. `result`: whether it can be protected. `equal_ids`: the call makes real and
 * effective ids equal. Returns 0, or -EACCES: it must not be executed.
 */
static int prepare(const char *program, struct executable_result result, bool equal_ids)
{
    if (!environment_is_guarded())
        return 0;
    if (is_unprotected(result)) {
        const bool is_of_program = !executable_reason_is_of_library(result.reason);
        if (is_of_program ? refuses_unprotected(program, words_of(result)) : refuses(program, words_of(result)))
            return -EACCES;
    }
    if (!environment_is_reachable(object_for(result)) &&
        refuses(program, "the program it executes cannot be protected: libpfswrap.so cannot be read from here"))
        return -EACCES;
    if (!equal_ids && ids_differ() &&
        refuses(program, "the program it executes cannot be protected: real and effective user or group differ"))
        return -EACCES;
    return 0;
}

/* Whether an exec of `path` will certainly fail. Then connections need not be prepared for it. */
static bool will_fail(const char *path)
{
    if (path == NULL)
        return false;
    const long error = raw_syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS);
    return error == -ENOENT || error == -EACCES || error == -ENOTDIR;
}

/* Without guarded children, no program is looked at. */
#define CHECKED(check)                                                                                             \
    (environment_is_guarded() ? (check)                                                                            \
                              : (struct executable_result){.reason = EXECUTABLE_OK, .object = OBJECT_NONE})

/*
 * The body of an exec. `check`: whether the program can be protected; `call`: the real call, which takes the object
 * from `object`; `path`: its file, or NULL if that is not known.
 */
#define EXECUTE(program, check, path, call)                                                                        \
    do {                                                                                                           \
        const struct executable_result checked_ = CHECKED(check);                                                  \
        const enum object_kind object = object_for(checked_);                                                      \
        int error_ = prepare((program), checked_, false);                                                          \
        if (error_ != 0)                                                                                           \
            return fd_call_result(error_);                                                                         \
        if (will_fail(path))                                                                                       \
            return call;                                                                                           \
        planes_before_exec(environment_is_guarded() && is_alike(checked_));                                        \
        audit_finish("exec");                                                                                      \
        int result_ = call;                                                                                        \
        planes_exec_failed();                                                                                      \
        return result_;                                                                                            \
    } while (0)

PFSWRAP_EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
    EXECUTE(path, check_path(AT_FDCWD, path), path,
            real_libc()->execve(path, arguments, PROTECTED(environment, object)));
}

PFSWRAP_EXPORT int execv(const char *path, char *const arguments[])
{
    EXECUTE(path, check_path(AT_FDCWD, path), path,
            real_libc()->execve(path, arguments, PROTECTED(environ, object)));
}

PFSWRAP_EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
    EXECUTE(file, check_command(file), NULL, real_libc()->execvpe(file, arguments, PROTECTED(environment, object)));
}

PFSWRAP_EXPORT int execvp(const char *file, char *const arguments[])
{
    EXECUTE(file, check_command(file), NULL, real_libc()->execvpe(file, arguments, PROTECTED(environ, object)));
}

PFSWRAP_EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
    EXECUTE("(a descriptor)", check_descriptor(fd), NULL,
            real_libc()->fexecve(fd, arguments, PROTECTED(environment, object)));
}

static struct executable_result check_execveat(int fd, const char *path, int flags)
{
    return (flags & AT_EMPTY_PATH) != 0 && path != NULL && path[0] == '\0' ? check_descriptor(fd)
                                                                           : check_path(fd, path);
}

PFSWRAP_EXPORT int execveat(int fd, const char *path, char *const arguments[], char *const environment[], int flags)
{
    EXECUTE(path, check_execveat(fd, path, flags), NULL,
            real_libc()->execveat(fd, path, arguments, PROTECTED(environment, object), flags));
}

/* How many arguments `list` has, with the NULL at the end; 0 if `first` is NULL. */
static size_t arguments_count(const char *first, va_list list)
{
    size_t count = 0;
    while (first != NULL) {
        first = va_arg(list, const char *);
        count++;
    }
    return count;
}

/* Copies the arguments of a variadic call, with the NULL, to an array on the stack. `list` moves past them. */
#define COLLECT(first, count, arguments, list)                                                                     \
    do {                                                                                                           \
        (arguments) = __builtin_alloca(((count) + 1) * sizeof(char *));                                            \
        (arguments)[0] = (char *)(uintptr_t)(first);                                                               \
        for (size_t i_ = 1; i_ <= (count); i_++)                                                                   \
            (arguments)[i_] = va_arg(list, char *);                                                                \
    } while (0)

PFSWRAP_EXPORT int execl(const char *path, const char *argument, ...)
{
    char **arguments;
    va_list list;
    va_start(list, argument);
    size_t count = arguments_count(argument, list);
    va_end(list);
    va_start(list, argument);
    COLLECT(argument, count, arguments, list);
    va_end(list);
    return execv(path, arguments);
}

PFSWRAP_EXPORT int execlp(const char *file, const char *argument, ...)
{
    char **arguments;
    va_list list;
    va_start(list, argument);
    size_t count = arguments_count(argument, list);
    va_end(list);
    va_start(list, argument);
    COLLECT(argument, count, arguments, list);
    va_end(list);
    return execvp(file, arguments);
}

PFSWRAP_EXPORT int execle(const char *path, const char *argument, ...)
{
    char **arguments;
    va_list list;
    va_start(list, argument);
    size_t count = arguments_count(argument, list);
    va_end(list);
    va_start(list, argument);
    COLLECT(argument, count, arguments, list);
    char *const *environment = va_arg(list, char *const *);
    va_end(list);
    return execve(path, arguments, environment);
}

/* gcc 9 and 10 take every size that they cannot bound for too large. */
#if !defined(__clang__) && __GNUC__ < 11
#pragma GCC diagnostic ignored "-Walloca-larger-than="
#endif

/* What a workspace has behind the plan: enough for some 400 actions. More of them are put on the stack. */
#define SPAWN_ROOM (WORKSPACE_BYTES - sizeof(struct spawn_plan))

/* The body of a posix_spawn. `call`: the real call, which takes its file actions from `plan`. */
#define SPAWN(program, check, actions, attributes, call)                                                           \
    do {                                                                                                           \
        const struct executable_result checked_ = CHECKED(check);                                                  \
        const enum object_kind object = object_for(checked_);                                                      \
        int error_ = prepare((program), checked_, resets_ids(attributes));                                         \
        if (error_ != 0)                                                                                           \
            return -error_;                                                                                        \
        const size_t needed_ = spawn_room(actions);                                                                \
        struct spawn_plan *plan = needed_ > PTRDIFF_MAX ? NULL : workspace_take();                                 \
        if (plan == NULL)                                                                                          \
            return ENOMEM;                                                                                         \
        void *changed_ = needed_ > SPAWN_ROOM ? __builtin_alloca(needed_) : needed_ > 0 ? plan + 1 : NULL;         \
        error_ = spawn_prepare(plan, (actions), changed_, environment_is_guarded() && is_alike(checked_));         \
        if (error_ == 0)                                                                                           \
            error_ = -(call);                                                                                      \
        spawn_finish(plan, error_ == 0);                                                                           \
        workspace_give(plan);                                                                                      \
        return -error_;                                                                                            \
    } while (0)

/* Whether the child makes its real and effective ids equal. */
static bool resets_ids(const posix_spawnattr_t *attributes)
{
    short flags = 0;
    if (attributes != NULL)
        (void)posix_spawnattr_getflags(attributes, &flags);
    return (flags & POSIX_SPAWN_RESETIDS) != 0;
}

PFSWRAP_EXPORT int posix_spawn(pid_t *child, const char *path, const posix_spawn_file_actions_t *actions,
                               const posix_spawnattr_t *attributes, char *const arguments[],
                               char *const environment[])
{
    SPAWN(path, check_path(AT_FDCWD, path), actions, attributes,
          real_libc()->posix_spawn(child, path, plan->actions, attributes, arguments,
                                   PROTECTED(environment, object)));
}

PFSWRAP_EXPORT int posix_spawnp(pid_t *child, const char *file, const posix_spawn_file_actions_t *actions,
                                const posix_spawnattr_t *attributes, char *const arguments[],
                                char *const environment[])
{
    SPAWN(file, check_command(file), actions, attributes,
          real_libc()->posix_spawnp(child, file, plan->actions, attributes, arguments,
                                    PROTECTED(environment, object)));
}

/* Before system() and popen(), which pass on the environment of the process. Returns 0, -EACCES or -ENOMEM. */
static int prepare_shell(const char *command)
{
    const struct executable_result checked = CHECKED(check_path(AT_FDCWD, "/bin/sh"));
    int error = prepare(command, checked, false);
    if (error == 0 && environment_is_guarded() && !environment_restore(object_for(checked)))
        error = -ENOMEM;
    return error;
}

PFSWRAP_EXPORT int system(const char *command)
{
    int error = command != NULL ? prepare_shell(command) : 0;
    if (error != 0)
        return fd_call_result(error);
    return real_libc()->system(command);
}

PFSWRAP_EXPORT FILE *popen(const char *command, const char *type)
{
    int error = prepare_shell(command);
    if (error != 0) {
        errno = -error;
        return NULL;
    }
    return real_libc()->popen(command, type);
}
