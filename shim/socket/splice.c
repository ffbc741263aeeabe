/*
 * splice: between a pipe and a descriptor whose bytes must pass an interposed call (a plane has it).
 * The kernel would move bytes that the shim has not seen, so the bytes are copied: with recv(2) into the pipe, and
 * with send(2) out of it. Callers need not fall back to other calls, which some of them do not do well.
 *
 * Nothing is lost if only a part can be moved. Into a pipe, a call receives only as much as fits. Out of a pipe, it
 * first gets a copy of the bytes by tee(2), and takes those off the pipe that were sent.
 */
#include "socket/splice.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interposed.h"
#include "base/process.h"
#include "base/raw_file.h"
#include "base/workspace.h"
#include "socket/data_call.h"

enum {
    PIPE_SLOT_BYTES = 4096, /* a pipe that is not full takes at least as much (pipe(7)) */
    PIECE_MAX = WORKSPACE_LARGE_BYTES,
};

bool splice_is_pipe(int fd)
{
    struct stat status = {0};
    return raw_fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* Whether calls on the pipe do not wait: by the flags of splice(2), or of the pipe. */
static bool is_nonblocking(int pipe, unsigned flags)
{
    const long status = raw_syscall(RAW_FCNTL, pipe, F_GETFL, 0);
    return (flags & SPLICE_F_NONBLOCK) != 0 || (status >= 0 && (status & O_NONBLOCK) != 0);
}

/* Waits for `events` on the pipe. Returns what poll(2) reported, or -1 with errno; EAGAIN: nothing. */
static int wait_for_pipe(int pipe, short events, bool waits)
{
    struct pollfd poll = {.fd = pipe, .events = events};
    const int count = real_libc()->poll(&poll, 1, waits ? -1 : 0);
    if (count == 0)
        errno = EAGAIN;
    else if (count > 0 && (poll.revents & POLLNVAL) != 0)
        errno = EBADF;
    else if (count > 0)
        return poll.revents;
    return -1;
}

/* How many bytes the pipe takes without a wait, if poll(2) has reported that it is writable. */
static size_t room_of(int pipe)
{
    int used = 0;
    const long size = raw_syscall(RAW_FCNTL, pipe, F_GETPIPE_SZ, 0);
    const bool is_empty = raw_syscall(SYS_ioctl, pipe, FIONREAD, &used) == 0 && used == 0;
    return is_empty && size > PIPE_SLOT_BYTES ? (size_t)size : PIPE_SLOT_BYTES;
}

/* Writes bytes that were received for the pipe. It waits only if another writer has filled the pipe meanwhile. */
static void put(int pipe, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const long count = raw_syscall(SYS_write, pipe, bytes, size);
        if (count == -EAGAIN)
            (void)wait_for_pipe(pipe, POLLOUT, true);
        else if (count < 0 && count != -EINTR)
            return; /* nobody can read them */
        bytes += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
}

static ssize_t move_in(int fd, int pipe, uint8_t *bytes, size_t count, unsigned flags)
{
    const int events = wait_for_pipe(pipe, POLLOUT, !is_nonblocking(pipe, flags));
    if (events < 0)
        return -1;
    if ((events & POLLERR) != 0) { /* nobody reads the pipe */
        (void)raise(SIGPIPE);
        errno = EPIPE;
        return -1;
    }
    const size_t room = room_of(pipe), most = room < PIECE_MAX ? room : PIECE_MAX;
    const ssize_t received = recv(fd, bytes, count < most ? count : most, 0);
    if (received > 0)
        put(pipe, bytes, (size_t)received);
    return received;
}

/* Copies what is in the pipe, and leaves it there. Returns the number of bytes, or -1 with errno. */
static ssize_t copy(int pipe, uint8_t *bytes, size_t size)
{
    int ends[2] = {-1, -1};
    long count = raw_syscall(SYS_pipe2, ends, O_CLOEXEC);
    if (count == 0) {
        count = raw_syscall(SYS_tee, pipe, ends[1], size, SPLICE_F_NONBLOCK);
        if (count > 0)
            count = raw_syscall(SYS_read, ends[0], bytes, count);
        (void)raw_syscall(SYS_close, ends[0]);
        (void)raw_syscall(SYS_close, ends[1]);
    } else if (count == -EMFILE || count == -ENFILE) {
        count = -ENOMEM;
    }
    if (count >= 0)
        return count;
    errno = (int)-count;
    return -1;
}

/* Takes off the pipe what was sent. */
static void take(int pipe, uint8_t *bytes, size_t size)
{
    while (size > 0) {
        const long count = raw_syscall(SYS_read, pipe, bytes, size);
        if (count == 0 || (count < 0 && count != -EINTR))
            return;
        size -= count > 0 ? (size_t)count : 0;
    }
}

static ssize_t move_out(int pipe, int fd, uint8_t *bytes, size_t count, unsigned flags)
{
    const bool waits = !is_nonblocking(pipe, flags);
    const int more = (flags & SPLICE_F_MORE) != 0 ? MSG_MORE : 0;
    size_t done = 0;
    while (done < count) {
        const int events = wait_for_pipe(pipe, POLLIN, waits && done == 0);
        if (events < 0)
            return done > 0 ? (ssize_t)done : -1;
        if ((events & POLLIN) == 0) /* nobody writes to the pipe any more */
            break;
        const ssize_t copied = copy(pipe, bytes, count - done < PIECE_MAX ? count - done : PIECE_MAX);
        const ssize_t sent = copied > 0 ? send(fd, bytes, (size_t)copied, more) : copied;
        if (sent <= 0)
            return done > 0 ? (ssize_t)done : sent;
        take(pipe, bytes, (size_t)sent);
        done += (size_t)sent;
        if (sent < copied)
            break;
    }
    return (ssize_t)done;
}

/* One of the two is the pipe, and the other one is the connection. */
static ssize_t move(int from, int to, size_t count, unsigned flags, bool into_pipe)
{
    ssize_t moved;
    uint8_t *bytes = workspace_take_large();
    if (bytes == NULL) {
        errno = ENOMEM;
        return -1;
    }
    pthread_cleanup_push(workspace_give, bytes);
    moved = into_pipe ? move_in(from, to, bytes, count, flags) : move_out(from, to, bytes, count, flags);
    pthread_cleanup_pop(1);
    return moved;
}

ssize_t splice_into_pipe(int fd, int pipe, size_t count, unsigned flags)
{
    return move(fd, pipe, count, flags, true);
}

PFSWRAP_EXPORT ssize_t splice(int fd, off64_t *offset, int other, off64_t *other_offset, size_t count,
                              unsigned flags)
{
    const unsigned known = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;
    const bool from = fd_refuses_unseen(fd), to = fd_refuses_unseen(other);
    if (!from && !to)
        return real_libc()->splice(fd, offset, other, other_offset, count, flags);
    if (count == 0)
        return 0;
    if (offset != NULL || other_offset != NULL) { /* neither a pipe nor a socket has one */
        const bool is_pipes = (offset != NULL && !from) || (other_offset != NULL && !to);
        errno = is_pipes && splice_is_pipe(from ? other : fd) ? ESPIPE : EINVAL;
        return -1;
    }
    /* A system call filter that allows splice(2) need not allow what is done here in its place. */
    if ((flags & ~known) != 0 || (from && to) || process_sandboxed || !splice_is_pipe(from ? other : fd)) {
        errno = EINVAL;
        return -1;
    }
    const ssize_t moved = move(fd, other, count, flags, from);
    TRACE_CALL("splice", from ? fd : other, moved);
    return moved;
}
