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

#include "base/raw_syscall.h"
#include "base/workspace.h"

static const char shell[] = "/bin/sh"; /* what execvp(3) runs text without #! with */

/* Returns 0 if this process may execute the file, or an errno. */
static int access_at(int directory, const char *path)
{
    long result = raw_syscall(SYS_faccessat2, directory, path, X_OK, AT_EACCESS);
    if (result == -ENOSYS) /* Linux before 5.8: by the real ids, which nearly always are the effective ones */
        result = raw_syscall(SYS_faccessat, directory, path, X_OK);
    return (int)-result;
}

int executable_access(const char *path)
{
    struct stat status = {0};
    const long result = raw_syscall(SYS_newfstatat, AT_FDCWD, path, &status, 0);
    if (result != 0)
        return (int)-result;
    if (!S_ISREG(status.st_mode))
        return S_ISDIR(status.st_mode) ? EISDIR : EACCES;
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
            return ENAMETOOLONG;
        memcpy(path, name, size);
        return executable_access(path);
    }
    const char *directory = getenv("PATH");
    int worst = ENOENT;
    if (directory == NULL)
        directory = "/bin:/usr/bin";
    for (;;) {
        const size_t length = strcspn(directory, ":");
        const int error = path_join(path, directory, length, name) ? executable_access(path) : ENAMETOOLONG;
        if (error == 0)
            return 0;
        if (error == EACCES || error == EISDIR)
            worst = EACCES;
        if (directory[length] == '\0')
            return worst;
        directory += length + 1;
    }
}

struct executable_caller executable_caller_self(const char *library)
{
    return (struct executable_caller){
        .user = (uid_t)raw_syscall(SYS_getuid), .group = (gid_t)raw_syscall(SYS_getgid), .library = library};
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

/*
 * Checks the open file `fd`, which this function closes, and then one interpreter after the other. `is_command`:
 * text without #! goes to the shell.
 */
static enum executable_reason check_chain_in(struct executable *file, long fd,
                                             const struct executable_caller *caller, bool is_command)
{
    for (int interpreters = 0;; interpreters++) {
        const int error = executable_read((int)fd, file);
        (void)raw_syscall(SYS_close, fd);
        if (error != 0)
            return EXECUTABLE_UNREADABLE;
        const bool is_for_shell = is_command && interpreters == 0 && file->kind == EXECUTABLE_KIND_TEXT;
        if (!is_for_shell && file->kind != EXECUTABLE_KIND_SCRIPT) {
            const enum executable_reason reason = executable_decide(file, caller);
            return reason == EXECUTABLE_OK && caller != NULL && caller->library != NULL
                       ? executable_check_library(file, caller->library)
                       : reason;
        }
        if (interpreters == EXECUTABLE_INTERPRETERS_MAX)
            return EXECUTABLE_NOT_EXECUTABLE;
        const char *const next = is_for_shell ? shell : file->interpreter;
        fd = open_file(AT_FDCWD, next);
        if (fd < 0)
            return reason_of_error(AT_FDCWD, next, fd);
    }
}

/* The same with memory for what is found in a file, which is too large for a small stack. */
static enum executable_reason check_chain(long fd, const struct executable_caller *caller, bool is_command)
{
    struct executable *file = workspace_take();
    if (file == NULL) {
        (void)raw_syscall(SYS_close, fd);
        return EXECUTABLE_UNREADABLE;
    }
    const enum executable_reason reason = check_chain_in(file, fd, caller, is_command);
    workspace_give(file);
    return reason;
}

enum executable_reason executable_check_path(int directory, const char *path,
                                             const struct executable_caller *caller)
{
    const long fd = open_file(directory, path);
    return fd >= 0 ? check_chain(fd, caller, false) : reason_of_error(directory, path, fd);
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

enum executable_reason executable_check_fd(int fd, const struct executable_caller *caller)
{
    char path[32];
    struct stat status = {0};
    if (fd < 0 || raw_syscall(SYS_fstat, fd, &status) != 0 || !S_ISREG(status.st_mode))
        return EXECUTABLE_NOT_EXECUTABLE;
    /* A descriptor that may be executed need not be open for reading (O_PATH), so a new one is opened. */
    descriptor_path(path, (unsigned)fd);
    long copy = open_file(AT_FDCWD, path);
    if (copy < 0)
        copy = raw_syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0); /* there may be no /proc here */
    return copy >= 0 ? check_chain(copy, caller, false) : EXECUTABLE_UNREADABLE;
}

static enum executable_reason check_command_at(char path[static PATH_MAX], const char *name,
                                               const struct executable_caller *caller)
{
    if (executable_find(path, name) != 0)
        return EXECUTABLE_NOT_EXECUTABLE;
    const long fd = open_file(AT_FDCWD, path);
    return fd >= 0 ? check_chain(fd, caller, true) : reason_of_error(AT_FDCWD, path, fd);
}

enum executable_reason executable_check_command(const char *name, const struct executable_caller *caller)
{
    if (name == NULL)
        return EXECUTABLE_NOT_EXECUTABLE;
    char *path = workspace_take();
    const enum executable_reason reason =
        path != NULL ? check_command_at(path, name, caller) : EXECUTABLE_UNREADABLE;
    workspace_give(path);
    return reason;
}
