/*
 * Writes audit lines to a file, to syslog or to standard error. The program may close all descriptors, call
 * chroot(2), drop its privileges, limit its file size, or open its own file at the log's descriptor number. So the
 * descriptor is compared with the file that was opened, before each line. System calls are made by number: none is
 * interposed or a cancellation point.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "base/error_text.h"
#include "base/filter.h"
#include "base/process.h"
#include "base/raw_syscall.h"
#include "fd/own.h"

/* The file that a descriptor was opened on, to find out whether it still is. */
struct identity {
    dev_t device;
    ino_t inode;
};

static struct sink {
    enum policy_log kind;
    const char *path;                        /* of the log file; the string is the policy's */
    _Atomic(struct descriptor *) descriptor; /* the file or the syslog socket */
    struct identity log;                     /* the file of `descriptor` */
    struct identity first_stderr;            /* standard error when the program started */
    struct identity root;                    /* the root directory when the program started */
    atomic_long checked;                     /* when the path was last looked at: seconds, CLOCK_MONOTONIC */
    atomic_bool complained;
} sink;

static struct identity identity_of(const struct stat *status)
{
    return (struct identity){.device = status->st_dev, .inode = status->st_ino};
}

static bool identity_is(const struct identity *identity, const struct stat *status)
{
    return status->st_dev == identity->device && status->st_ino == identity->inode;
}

static bool stderr_is_the_first(void)
{
    struct stat status;
    return fstat(STDERR_FILENO, &status) == 0 && identity_is(&sink.first_stderr, &status);
}

/* Whether `length` more bytes would exceed RLIMIT_FSIZE, which would raise SIGXFSZ. */
static bool over_file_limit(int fd, const struct stat *status, size_t length)
{
    struct rlimit limit;
    if (!S_ISREG(status->st_mode) || !filter_allows(SYS_prlimit64) || getrlimit(RLIMIT_FSIZE, &limit) != 0 ||
        limit.rlim_cur == RLIM_INFINITY)
        return false;
    off_t at = lseek(fd, 0, SEEK_CUR); /* standard error may be open without O_APPEND */
    off_t end = at > status->st_size ? at : status->st_size;
    return (rlim_t)end + length > limit.rlim_cur;
}

/*
 * Writes without raising a signal, which could end the program: SIGPIPE at a pipe without a reader, SIGXFSZ at a
 * limit. Returns 0 or an errno; ENOSPC if only a part was written.
 */
static int write_quietly(int fd, const struct stat *status, const char *text, size_t length)
{
    if (over_file_limit(fd, status, length))
        return EFBIG;
    long written;
    if (S_ISREG(status->st_mode)) {
        written = raw_syscall(SYS_write, fd, text, length);
    } else {
        enum { ATTEMPTS_MAX = 100 }; /* a filter may answer EINTR each time */
        struct timespec now = {0};
        sigset_t pipe_signal;
        sigset_t before;
        sigset_t pending;
        sigemptyset(&pipe_signal);
        sigaddset(&pipe_signal, SIGPIPE);
        sigpending(&pending);
        pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
        written = raw_syscall(SYS_write, fd, text, length);
        if (written == -EPIPE && !sigismember(&pending, SIGPIPE))
            for (int i = 0; i < ATTEMPTS_MAX && sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR; i++)
                continue;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (written == (long)length)
        return 0;
    return written < 0 ? (int)-written : ENOSPC;
}

/* Writes to standard error without blocking. Returns whether all bytes were written. */
static bool write_stderr(const char *text, size_t length)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct timespec now = {0};
    struct stat status;
    if (raw_syscall(SYS_ppoll, &ready, 1, &now, NULL, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && write_quietly(STDERR_FILENO, &status, text, length) == 0;
}

/* Reports once that the log cannot be written, if standard error is still the one that the program started with. */
static void complain(const char *what, int error)
{
    if (atomic_exchange(&sink.complained, true))
        return;
    char text[512];
    int length =
        snprintf(text, sizeof text, "pfswrap: cannot write the audit log to %s: %s\n", what, error_text(error));
    if (length > 0 && (size_t)length < sizeof text && stderr_is_the_first())
        (void)write_stderr(text, (size_t)length);
}

/* Closes `fd`, if it is one, sets errno and returns NULL. */
static struct descriptor *open_failed(long fd, int error)
{
    if (fd >= 0)
        (void)raw_syscall(SYS_close, fd);
    errno = error;
    return NULL;
}

/* Opens the log file. Returns NULL with errno if that fails. */
static struct descriptor *file_open(void)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, sink.path,
                                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return open_failed(fd, (int)-fd);
    struct stat status;
    if (fstat((int)fd, &status) != 0 || S_ISDIR(status.st_mode))
        return open_failed(fd, EISDIR);
    struct descriptor *opened = own_take((int)fd);
    if (opened != NULL)
        sink.log = identity_of(&status);
    return opened;
}

static struct descriptor *syslog_open(void)
{
    const long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return open_failed(fd, (int)-fd);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    struct stat status;
    const long result = raw_syscall(SYS_connect, fd, &address, sizeof address);
    if (result != 0)
        return open_failed(fd, (int)-result);
    if (fstat((int)fd, &status) != 0)
        return open_failed(fd, errno);
    struct descriptor *opened = own_take((int)fd);
    if (opened != NULL)
        sink.log = identity_of(&status);
    return opened;
}

/* Closes a descriptor that was opened on `log`, unless the program has something else at its number by now. */
static void descriptor_give_up(struct descriptor *descriptor, const struct identity *log)
{
    if (descriptor == NULL)
        return;
    struct stat status;
    int fd = own_acquire(descriptor);
    const bool is_log = fd >= 0 && fstat(fd, &status) == 0 && identity_is(log, &status);
    own_release(descriptor);
    if (is_log)
        own_close(descriptor);
    else
        own_forget(descriptor);
}

static struct descriptor *sink_reopen(void)
{
    struct identity before = sink.log;
    struct descriptor *opened = sink.kind == POLICY_LOG_FILE ? file_open() : syslog_open();
    if (opened != NULL)
        descriptor_give_up(atomic_exchange(&sink.descriptor, opened), &before);
    return opened;
}

void audit_sink_open(const struct policy *policy)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) == 0)
        sink.first_stderr = identity_of(&status);
    if (stat("/", &status) == 0)
        sink.root = identity_of(&status);
    sink.kind = policy->log;
    sink.path = policy->log_path;
    if (sink.kind == POLICY_LOG_STDERR)
        return;
    const char *where = sink.kind == POLICY_LOG_FILE ? sink.path : "syslog";
    if (sink_reopen() == NULL)
        complain(where, errno);
}

/* Opens a new file if logrotate(8) has renamed the old one. Looks at the path once a second. */
static void follow_rotation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    long checked = atomic_load_explicit(&sink.checked, memory_order_relaxed);
    if (now.tv_sec == checked || !atomic_compare_exchange_strong(&sink.checked, &checked, now.tv_sec))
        return;
    struct stat status;
    if (stat("/", &status) != 0 || !identity_is(&sink.root, &status))
        return; /* after chroot(2) the path means another file */
    if (stat(sink.path, &status) == 0 ? !identity_is(&sink.log, &status) : errno == ENOENT)
        (void)sink_reopen(); /* if that fails, the old file stays in use */
}

/* Writes to the log's descriptor. Returns 0 or an errno; EBADF if the number no longer belongs to the log. */
static int write_owned(struct descriptor *descriptor, const char *line, size_t length)
{
    int fd = own_acquire(descriptor);
    struct stat status;
    int error = 0;
    if (fd < 0 || fstat(fd, &status) != 0 || !identity_is(&sink.log, &status))
        error = EBADF;
    else
        error = write_quietly(fd, &status, line, length);
    own_release(descriptor);
    return error;
}

static void write_to_log(const char *line, size_t length)
{
    if (sink.kind == POLICY_LOG_FILE)
        follow_rotation();
    struct descriptor *descriptor = atomic_load(&sink.descriptor);
    int error = descriptor != NULL ? write_owned(descriptor, line, length) : EBADF;
    bool gone = error == EBADF || (sink.kind != POLICY_LOG_FILE && (error == ECONNREFUSED || error == ENOTCONN));
    if (gone) {
        descriptor = sink_reopen();
        error = errno;
        if (descriptor != NULL)
            error = write_owned(descriptor, line, length);
    }
    if (error != 0)
        complain(sink.kind == POLICY_LOG_FILE ? sink.path : "syslog", error);
}

/* Sends a datagram as syslog(3) does, but without a time, which the daemon adds (RFC 3164, section 4). */
static void write_to_syslog(const char *line, size_t length)
{
    enum { PRIORITY = 3 << 3 | 5 }; /* daemon.notice */
    char datagram[AUDIT_LINE_MAX + 64];
    int prefix = snprintf(datagram, sizeof datagram, "<%d>pfswrap[%ld]: ", PRIORITY, (long)process_running_id());
    memcpy(datagram + prefix, line, length - 1);
    write_to_log(datagram, (size_t)prefix + length - 1);
}

/* Writes with write(2) and no other system call, because a system call filter may not allow more. */
static void write_in_sandbox(const char *line, size_t length)
{
    struct descriptor *descriptor = atomic_load(&sink.descriptor);
    const int fd = sink.kind == POLICY_LOG_STDERR ? STDERR_FILENO
                   : descriptor != NULL           ? own_acquire(descriptor)
                                                  : -1;
    if (fd >= 0)
        (void)raw_syscall(SYS_write, fd, line, length);
    if (sink.kind != POLICY_LOG_STDERR && descriptor != NULL)
        own_release(descriptor);
}

void audit_sink_write(const char *line, size_t length)
{
    if (process_sandboxed) {
        write_in_sandbox(line, length);
        return;
    }
    switch (sink.kind) {
    case POLICY_LOG_FILE:
        write_to_log(line, length);
        break;
    case POLICY_LOG_SYSLOG:
        write_to_syslog(line, length);
        break;
    case POLICY_LOG_STDERR:
        if (stderr_is_the_first()) {
            (void)write_stderr(line, length);
            break;
        }
        /* A daemon has closed standard error; whatever has its number now belongs to the program. */
        sink.kind = POLICY_LOG_SYSLOG;
        write_to_syslog(line, length);
        break;
    }
}
