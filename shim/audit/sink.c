/*
 * Writes audit lines to a file, to syslog, to the journal or to standard error. The program may close all
 * descriptors, call chroot(2), drop its privileges, limit its file size, or open its own file at the log's
 * descriptor number. So the descriptor is compared with the file that was opened, before each line. System calls
 * are made by number: none is interposed or a cancellation point.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/quiet_write.h"
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
    const char *path; /* of the log file or the journal's socket; the string is the policy's */
    _Atomic(struct descriptor *) descriptor; /* the file or the socket */
    struct identity log;                     /* the file of `descriptor` */
    struct identity first_stderr;            /* standard error when the program started */
    struct identity root;                    /* the root directory when the program started */
    atomic_long checked;                     /* when the path was last looked at: seconds, CLOCK_MONOTONIC */
    atomic_bool complained;
    atomic_bool stalled; /* the journal's queue was full, and a line has waited for it */
    atomic_bool torn;    /* the last line was written in part: the next one begins on a new line */
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

/* write_quietly() to the log; the sink remembers a line that was cut off. */
static int write_noted(int fd, const struct stat *status, const struct text *text)
{
    bool torn = false;
    const int error = write_quietly(fd, status, text, &torn);
    if (torn)
        atomic_store_explicit(&sink.torn, true, memory_order_relaxed);
    return error;
}

/* Writes to standard error without blocking. Returns whether all bytes were written. */
static bool write_stderr(const struct text *text)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
    struct timespec now = {0};
    struct stat status;
    if (raw_syscall(SYS_ppoll, &ready, 1, &now, NULL, 0) != 1 || (ready.revents & POLLOUT) == 0)
        return false;
    return fstat(STDERR_FILENO, &status) == 0 && write_noted(STDERR_FILENO, &status, text) == 0;
}

/* Reports once that the log cannot be written, if standard error is still the one that the program started with. */
static void complain(int error)
{
    const char *what = sink.path;
    if (sink.kind == POLICY_LOG_SYSLOG || sink.kind == POLICY_LOG_STDERR)
        what = sink.kind == POLICY_LOG_SYSLOG ? "syslog" : "standard error";
    if (atomic_exchange(&sink.complained, true))
        return;
    const char *const words[TEXT_PARTS_MAX] = {"pfswrap: cannot write the audit log to ", what, ": ",
                                               error_text(-error), "\n"};
    struct text text = {0};
    for (size_t i = 0; i < TEXT_PARTS_MAX; i++)
        text_add(&text, words[i], strlen(words[i]));
    if (stderr_is_the_first())
        (void)write_stderr(&text);
}

/* `fd` becomes the shim's own, and is the log. Returns 0 or a negative errno value. */
static int take(int fd, const struct stat *status, struct descriptor **opened)
{
    const int error = own_take(fd, opened);
    if (error == 0)
        sink.log = identity_of(status);
    return error;
}

/* Opens the log file. Returns 0 or a negative errno value. */
static int file_open(struct descriptor **opened)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, sink.path,
                                O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd < 0)
        return (int)fd;
    struct stat status;
    if (fstat((int)fd, &status) != 0 || S_ISDIR(status.st_mode)) {
        (void)raw_syscall(SYS_close, fd);
        return -EISDIR;
    }
    const int error = take((int)fd, &status, opened);
    struct timespec now; /* it was just looked at: see follow_rotation() */
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    atomic_store_explicit(&sink.checked, now.tv_sec, memory_order_relaxed);
    return error;
}

/* Connects to the datagram socket of syslog or of the journal. Returns 0 or a negative errno value. */
static int socket_open(const char *path, struct descriptor **opened)
{
    const long fd = raw_syscall(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return (int)fd;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strnlen(path, sizeof address.sun_path - 1));
    struct stat status;
    long error = raw_syscall(SYS_connect, fd, &address, sizeof address);
    if (error == 0 && fstat((int)fd, &status) != 0)
        error = -errno;
    if (error == 0)
        return take((int)fd, &status, opened);
    (void)raw_syscall(SYS_close, fd);
    return (int)error;
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

/* Opens the log anew. Returns 0 or a negative errno value. */
static int sink_reopen(void)
{
    struct identity before = sink.log;
    struct descriptor *opened;
    const int error = sink.kind == POLICY_LOG_FILE       ? file_open(&opened)
                      : sink.kind == POLICY_LOG_JOURNALD ? socket_open(sink.path, &opened)
                                                         : socket_open("/dev/log", &opened);
    if (error == 0)
        descriptor_give_up(atomic_exchange(&sink.descriptor, opened), &before);
    return error;
}

bool audit_sink_takes_entries(void)
{
    return sink.kind == POLICY_LOG_JOURNALD;
}

int audit_sink_open(const struct policy *policy)
{
    struct stat status;
    if (fstat(STDERR_FILENO, &status) == 0)
        sink.first_stderr = identity_of(&status);
    if (stat("/", &status) == 0)
        sink.root = identity_of(&status);
    sink.kind = policy->log;
    sink.path = policy->log_path;
    const int error = sink.kind == POLICY_LOG_STDERR ? 0 : sink_reopen();
    if (error != 0)
        complain(error);
    return error;
}

void audit_sink_quiet(bool quiet)
{
    atomic_store(&sink.complained, quiet);
}

static bool root_is_the_first(void)
{
    struct stat status;
    return stat("/", &status) == 0 && identity_is(&sink.root, &status);
}

/* Opens a new file if logrotate(8) has renamed the old one. Looks at the path once a second. */
static void follow_rotation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    long checked = atomic_load_explicit(&sink.checked, memory_order_relaxed);
    if (now.tv_sec == checked || !atomic_compare_exchange_strong(&sink.checked, &checked, now.tv_sec))
        return;
    if (!root_is_the_first())
        return; /* after chroot(2) the path means another file */
    struct stat status;
    if (stat(sink.path, &status) == 0 ? !identity_is(&sink.log, &status) : errno == ENOENT)
        (void)sink_reopen(); /* if that fails, the old file stays in use */
}

/*
 * Writes to the log's descriptor. Returns 0 or a negative errno value: -EBADF if the number no longer belongs to
 * the log, -ENOENT if the file was removed, so that nobody could read the line.
 */
static int write_owned(struct descriptor *descriptor, const struct text *text)
{
    int fd = own_acquire(descriptor);
    struct stat status;
    int error = 0;
    if (fd < 0 || fstat(fd, &status) != 0 || !identity_is(&sink.log, &status))
        error = -EBADF;
    else if (S_ISREG(status.st_mode) && status.st_nlink == 0)
        error = -ENOENT;
    else
        error = write_noted(fd, &status, text);
    if (error == -EMSGSIZE && sink.kind == POLICY_LOG_JOURNALD)
        error = send_as_memfd(fd, text);
    own_release(descriptor);
    return error;
}

/* Whether a new descriptor may help. After chroot(2) a path means another file, or a socket of somebody else. */
static bool is_worth_reopening(int error)
{
    const bool is_gone = error == -ECONNREFUSED || error == -ENOTCONN;
    if (sink.kind == POLICY_LOG_JOURNALD)
        return (is_gone || error == -EBADF) && root_is_the_first();
    return error == -EBADF || (error == -ENOENT && root_is_the_first()) ||
           (sink.kind != POLICY_LOG_FILE && is_gone);
}

/*
 * The journal's queue is full: waits until it is not, for WAIT_MS at most. While it stays full, only the first line
 * waits. A signal ends the wait.
 */
static bool wait_for_journal(struct descriptor *descriptor)
{
    enum { WAIT_MS = 100 };
    struct timespec left = {.tv_nsec = WAIT_MS * 1000000L}; /* the kernel writes to it */
    if (atomic_exchange_explicit(&sink.stalled, true, memory_order_relaxed))
        return false;
    /* Not between own_acquire() and own_release(). If the number changes in between, the wait is too short. */
    struct pollfd ready = {.fd = own_acquire(descriptor), .events = POLLOUT};
    own_release(descriptor);
    return raw_syscall(SYS_ppoll, &ready, 1, &left, NULL, 0) == 1;
}

static int write_to_log(const struct text *text)
{
    if (sink.kind == POLICY_LOG_FILE)
        follow_rotation();
    struct descriptor *descriptor = atomic_load(&sink.descriptor);
    int error = descriptor != NULL ? write_owned(descriptor, text) : -EBADF;
    if (is_worth_reopening(error)) {
        error = sink_reopen();
        descriptor = error == 0 ? atomic_load(&sink.descriptor) : NULL;
        if (error == 0)
            error = write_owned(descriptor, text);
    }
    if (error == -EAGAIN && sink.kind == POLICY_LOG_JOURNALD && wait_for_journal(descriptor))
        error = write_owned(descriptor, text);
    if (error != 0)
        complain(error);
    else
        atomic_store_explicit(&sink.stalled, false, memory_order_relaxed);
    return error;
}

/* Sends a datagram as syslog(3) does, but without a time, which the daemon adds (RFC 3164, section 4). */
static int write_to_syslog(const char *line, size_t length)
{
    static const char head[] = "<29>pfswrap["; /* daemon.notice: 3 * 8 + 5 */
    enum { DIGITS_MAX = 20 };
    char digits[DIGITS_MAX];
    size_t first = DIGITS_MAX;
    for (unsigned long pid = (unsigned long)process_running_id(); pid != 0 || first == DIGITS_MAX; pid /= 10)
        digits[--first] = (char)('0' + pid % 10);
    struct text text = {0};
    text_add(&text, head, sizeof head - 1);
    text_add(&text, digits + first, DIGITS_MAX - first);
    text_add(&text, "]: ", 3);
    text_add(&text, line, length - 1);
    return write_to_log(&text);
}

/* Writes with write(2) and no other system call, because a system call filter may not allow more. */
static int write_in_sandbox(const char *line, size_t length)
{
    struct descriptor *descriptor = atomic_load(&sink.descriptor);
    const int fd = sink.kind == POLICY_LOG_STDERR ? STDERR_FILENO
                   : descriptor != NULL           ? own_acquire(descriptor)
                                                  : -1;
    const long written = fd >= 0 ? raw_syscall(SYS_write, fd, line, length) : -EBADF;
    if (sink.kind != POLICY_LOG_STDERR && descriptor != NULL)
        own_release(descriptor);
    return written == (long)length ? 0 : written < 0 ? (int)written : -ENOSPC;
}

void audit_sink_fail(int error)
{
    complain(error);
}

/* The end of a line that was cut off stays in front of the next one. */
static int write_to_file(const char *line, size_t length)
{
    struct text text = {0};
    if (atomic_load_explicit(&sink.torn, memory_order_relaxed))
        text_add(&text, "\n", 1);
    text_add(&text, line, length);
    const int error = write_to_log(&text);
    if (error == 0)
        atomic_store_explicit(&sink.torn, false, memory_order_relaxed);
    return error;
}

/* An entry is one datagram, so it is never written in part. */
static int write_to_journal(const char *entry, size_t length)
{
    struct text text = {0};
    text_add(&text, entry, length);
    return write_to_log(&text);
}

static int write_to_stderr(const char *line, size_t length)
{
    struct text text = {0};
    text_add(&text, line, length);
    return write_stderr(&text) ? 0 : -EIO;
}

int audit_sink_write(const char *line, size_t length)
{
    if (process_sandboxed)
        return write_in_sandbox(line, length);
    switch (sink.kind) {
    case POLICY_LOG_FILE:
        return write_to_file(line, length);
    case POLICY_LOG_SYSLOG:
        return write_to_syslog(line, length);
    case POLICY_LOG_JOURNALD:
        return write_to_journal(line, length);
    case POLICY_LOG_STDERR:
        if (stderr_is_the_first())
            return write_to_stderr(line, length);
        /* A daemon has closed standard error; whatever has its number now belongs to the program. */
        sink.kind = POLICY_LOG_SYSLOG;
        break;
    }
    return write_to_syslog(line, length);
}
