/*
 * Where the trace goes: to a number that the program can neither close nor replace (fd/own.h).
 */
#include "config/trace_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/raw_file.h"
#include "base/trace.h"
#include "fd/own.h"

static struct descriptor *output;
static dev_t device;
static ino_t inode;

/* A program can have closed the number by a system call that passed no interposed function: then nothing is
 * written. */
static void emit(const char *line, size_t length)
{
    struct stat status = {0};
    const int fd = own_acquire(output);
    if (fd >= 0 && raw_fstat(fd, &status) == 0 && status.st_dev == device && status.st_ino == inode)
        (void)raw_syscall(SYS_write, fd, line, length);
    own_release(output);
}

/* A new descriptor for the lines, or a negative errno. */
static long open_output(const char *path)
{
    struct stat status = {0};
    if (path != NULL)
        return raw_syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    if (raw_fstat(STDERR_FILENO, &status) != 0 || S_ISSOCK(status.st_mode))
        return -EBADF;
    return raw_syscall(RAW_FCNTL, STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

const char *trace_configure(void)
{
    static char message[256];
    const char *list = secure_getenv("PFSWRAP_TRACE"), *path = secure_getenv("PFSWRAP_TRACE_FILE"), *bad;
    unsigned categories;
    size_t length;
    if (list == NULL || list[0] == '\0')
        return NULL;
    if (trace_parse(list, &categories, &bad, &length) != 0) {
        (void)snprintf(message, sizeof message,
                       "PFSWRAP_TRACE: unknown category '%.*s', expected a list of calls, fd, handshake",
                       length < 64 ? (int)length : 64, bad);
        return message;
    }
    const long fd = open_output(path);
    if (fd < 0 && path == NULL)
        return "PFSWRAP_TRACE: stderr is closed or a socket, expected PFSWRAP_TRACE_FILE with the path of a file";
    if (fd < 0) {
        (void)snprintf(message, sizeof message,
                       "PFSWRAP_TRACE_FILE: cannot append to '%.160s', expected a file that this user may write",
                       path);
        return message;
    }
    struct stat status = {0};
    (void)raw_fstat((int)fd, &status);
    device = status.st_dev;
    inode = status.st_ino;
    if (own_take((int)fd, &output) != 0)
        return "PFSWRAP_TRACE: no descriptor is left for the trace, expected a higher limit (RLIMIT_NOFILE)";
    trace_start(categories, emit);
    return NULL;
}
