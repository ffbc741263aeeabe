/*
 * Writes without a signal. System calls are made by number: none is interposed or a cancellation point. See
 * quiet_write.h.
 */
#include "audit/quiet_write.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/filter.h"
#include "base/raw_syscall.h"

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

void text_add(struct text *text, const char *bytes, size_t length)
{
    text->parts[text->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)bytes, .iov_len = length};
}

static size_t text_length(const struct text *text)
{
    size_t length = 0;
    for (int i = 0; i < text->count; i++)
        length += text->parts[i].iov_len;
    return length;
}

/* One part is written by write(2), which every filter of system calls allows. */
static long write_once(int fd, const struct text *text)
{
    return text->count == 1 ? raw_syscall(SYS_write, fd, text->parts[0].iov_base, text->parts[0].iov_len)
                            : raw_syscall(SYS_writev, fd, text->parts, text->count);
}

int write_quietly(int fd, const struct stat *status, const struct text *text, bool *torn)
{
    const size_t length = text_length(text);
    if (over_file_limit(fd, status, length))
        return -EFBIG;
    long written;
    if (S_ISREG(status->st_mode)) {
        written = write_once(fd, text);
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
        written = write_once(fd, text);
        if (written == -EPIPE && !sigismember(&pending, SIGPIPE))
            for (int i = 0; i < ATTEMPTS_MAX && sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR; i++)
                continue;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (written == (long)length)
        return 0;
    if (written > 0)
        *torn = true;
    return written < 0 ? (int)written : -ENOSPC;
}

/* The memfd with these bytes, sealed, or a negative errno. */
static long sealed_memfd(const struct text *text)
{
    struct stat status = {0};
    const long file = filter_allows(SYS_memfd_create)
                          ? raw_syscall(SYS_memfd_create, "pfswrap-log", MFD_CLOEXEC | MFD_ALLOW_SEALING)
                          : -EMSGSIZE;
    if (file < 0)
        return file;
    bool torn = false;
    int error = fstat((int)file, &status) == 0 ? write_quietly((int)file, &status, text, &torn) : -EIO;
    if (error == 0)
        error = (int)raw_syscall(RAW_FCNTL, file, F_ADD_SEALS,
                                 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    if (error == 0)
        return file;
    (void)raw_syscall(SYS_close, file);
    return error;
}

int send_as_memfd(int fd, const struct text *text)
{
    const long file = sealed_memfd(text);
    if (file < 0)
        return (int)file;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    const int number = (int)file;
    control.header =
        (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof number)};
    memcpy(CMSG_DATA(&control.header), &number, sizeof number);
    const struct msghdr message = {.msg_control = &control, .msg_controllen = sizeof control.bytes};
    const long sent = raw_syscall(SYS_sendmsg, fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)raw_syscall(SYS_close, file);
    return sent < 0 ? (int)sent : 0;
}
