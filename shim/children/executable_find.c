/*
 * From a name or a path to the file that the kernel loads in the end: the search of execvp(3), and the chain of a
 * script's interpreters. See executable.h.
 */
#include "children/executable.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/raw_file.h"
#include "base/workspace.h"

static const char shell[] = "/bin/sh"; /* what execvp(3) runs text without #! with */

/* Returns 0 if this process may execute the file, or a negative errno value. */
static int access_at(int directory, const char *path)
{
    long result = raw_syscall(SYS_faccessat2, directory, path, X_OK, AT_EACCESS);
    if (result == -ENOSYS) /* Linux before 5.8: by the real ids, which nearly always are the effective ones */
        result = raw_syscall(SYS_faccessat, directory, path, X_OK);
    return (int)result;
}

int executable_access(const char *path)
{
    struct stat status = {0};
    const long result = raw_stat(path, &status);
    if (result != 0)
        return (int)result;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? -EISDIR : -EACCES;
    return access_at(AT_FDCWD, path);
}

/* Writes "DIRECTORY/NAME", where an empty directory is the working directory. Returns false if it does not fit. */
static bool path_join(char path[static PATH_MAX], const char *directory, size_t length, const char *name)
{
    const size_t size = strlen(name) + 1;
    if (length == 0) {
        directory = ".";
        length = 1;
    }
    if (length + 1 + size > PATH_MAX)
        return false;
    memcpy(path, directory, length);
    path[length] = '/';
    memcpy(path + length + 1, name, size);
    return true;
}

int executable_find(char path[static PATH_MAX], const char *name)
{
    const size_t size = strlen(name) + 1;
    if (size == 1 || strchr(name, '/') != NULL) {
        if (size > PATH_MAX)
            return -ENAMETOOLONG;
        memcpy(path, name, size);
        return executable_access(path);
    }
    const char *directory = getenv("PATH");
    int worst = -ENOENT;
    if (directory == NULL)
        directory = "/bin:/usr/bin";
    for (;;) {
        const size_t length = strcspn(directory, ":");
        const int error = path_join(path, directory, length, name) ? executable_access(path) : -ENAMETOOLONG;
        if (error == 0)
            return 0;
        if (error == -EACCES || error == -EISDIR)
            worst = -EACCES;
        if (directory[length] == '\0')
            return worst;
        directory += length + 1;
    }
}

struct executable_caller executable_caller_self(const char *library)
{
    return (struct executable_caller){
        .user = (uid_t)raw_syscall(RAW_GETUID), .group = (gid_t)raw_syscall(RAW_GETGID), .library = library};
}

static long open_file(int directory, const char *path)
{
    return raw_syscall(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
}

/* What an open(2) that failed with `error` says about a later exec of the same file. */
static enum executable_reason reason_of_error(int directory, const char *path, long error)
{
    switch (error) {
    case -ENOENT:
    case -ENOTDIR:
    case -ELOOP:
    case -ENAMETOOLONG:
    case -EFAULT:
    case -EBADF:
        return EXECUTABLE_NOT_EXECUTABLE;
    case -EACCES:
        return access_at(directory, path) == 0 ? EXECUTABLE_UNREADABLE : EXECUTABLE_NOT_EXECUTABLE;
    default:
        return EXECUTABLE_UNREADABLE;
    }
}

/* What is too large for a small stack. */
struct check {
    struct executable file;
    char library[PATH_MAX + OBJECT_PATH_MORE];
};

static struct executable_result result_of(enum executable_reason reason)
{
    return (struct executable_result){.reason = reason, .object = OBJECT_NONE};
}

/* Decides about the file that was read, which is no script, and about its object. */
static struct executable_result check_file(struct check *check, const struct executable_caller *caller)
{
    struct executable_result result = {.reason = executable_decide(&check->file, caller),
                                       .object = check->file.object};
    if (result.reason != EXECUTABLE_OK || caller == NULL || caller->library == NULL)
        return result;
    const struct object_place place = object_place_of(caller->library);
    (void)object_path(check->library, &place, result.object);
    result.reason = executable_check_library(&check->file, check->library);
    return result;
}

/*
 * Checks the open file `fd`, which this function closes, and then one interpreter after the other. `is_command`:
 * text without #! goes to the shell.
 */
static struct executable_result check_chain_in(struct check *check, long fd, const struct executable_caller *caller,
                                               bool is_command)
{
    struct executable *const file = &check->file;
    for (int interpreters = 0;; interpreters++) {
        const int error = executable_read((int)fd, file);
        (void)raw_syscall(SYS_close, fd);
        if (error != 0)
            return result_of(EXECUTABLE_UNREADABLE);
        const bool is_for_shell = is_command && interpreters == 0 && file->kind == EXECUTABLE_KIND_TEXT;
        if (!is_for_shell && file->kind != EXECUTABLE_KIND_SCRIPT)
            return check_file(check, caller);
        if (interpreters == EXECUTABLE_INTERPRETERS_MAX)
            return result_of(EXECUTABLE_NOT_EXECUTABLE);
        const char *const next = is_for_shell ? shell : file->interpreter;
        fd = open_file(AT_FDCWD, next);
        if (fd < 0)
            return result_of(reason_of_error(AT_FDCWD, next, fd));
    }
}

/* The same with memory of its own. */
static struct executable_result check_chain(long fd, const struct executable_caller *caller, bool is_command)
{
    _Static_assert(sizeof(struct check) <= WORKSPACE_BYTES, "a check fits into a workspace");
    struct check *check = workspace_take();
    if (check == NULL) {
        (void)raw_syscall(SYS_close, fd);
        return result_of(EXECUTABLE_UNREADABLE);
    }
    const struct executable_result result = check_chain_in(check, fd, caller, is_command);
    workspace_give(check);
    return result;
}

struct executable_result executable_check_path(int directory, const char *path,
                                               const struct executable_caller *caller)
{
    const long fd = open_file(directory, path);
    return fd >= 0 ? check_chain(fd, caller, false) : result_of(reason_of_error(directory, path, fd));
}

/* "/proc/self/fd/N" */
static void descriptor_path(char path[static 32], unsigned fd)
{
    static const char folder[] = "/proc/self/fd/";
    char digits[16];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + fd % 10);
        fd /= 10;
    } while (fd != 0);
    memcpy(path, folder, sizeof folder - 1);
    for (size_t i = 0; i < count; i++)
        path[sizeof folder - 1 + i] = digits[count - 1 - i];
    path[sizeof folder - 1 + count] = '\0';
}

struct executable_result executable_check_fd(int fd, const struct executable_caller *caller)
{
    char path[32];
    struct stat status = {0};
    if (fd < 0 || raw_fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return result_of(EXECUTABLE_NOT_EXECUTABLE);
    /* A descriptor that may be executed need not be open for reading (O_PATH), so a new one is opened. */
    descriptor_path(path, (unsigned)fd);
    long copy = open_file(AT_FDCWD, path);
    if (copy < 0)
        copy = raw_syscall(RAW_FCNTL, fd, F_DUPFD_CLOEXEC, 0); /* there may be no /proc here */
    return copy >= 0 ? check_chain(copy, caller, false) : result_of(EXECUTABLE_UNREADABLE);
}

static struct executable_result check_command_at(char path[static PATH_MAX], const char *name,
                                                 const struct executable_caller *caller)
{
    if (executable_find(path, name) != 0)
        return result_of(EXECUTABLE_NOT_EXECUTABLE);
    const long fd = open_file(AT_FDCWD, path);
    return fd >= 0 ? check_chain(fd, caller, true) : result_of(reason_of_error(AT_FDCWD, path, fd));
}

struct executable_result executable_check_command(const char *name, const struct executable_caller *caller)
{
    if (name == NULL)
        return result_of(EXECUTABLE_NOT_EXECUTABLE);
    char *path = workspace_take();
    const struct executable_result result =
        path != NULL ? check_command_at(path, name, caller) : result_of(EXECUTABLE_UNREADABLE);
    workspace_give(path);
    return result;
}
