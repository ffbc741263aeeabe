/* The kernel of model.h: files, TCP sockets, and the numbers that a process has for them. Each call is a step. */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/raw_numbers.h"
#include "base/raw_syscall.h"

enum { FILES = 64 };
enum state { UNCONNECTED, CONNECTED, GONE };

struct file {
    int references;
    bool is_socket;
    enum state state;
    enum model_peer peer;
    int64_t number; /* of its inode, and its cookie */
};

static struct file files[FILES];
static int numbers[MODEL_NUMBERS]; /* index of the file + 1; 0: not open */
static bool cloexec[MODEL_NUMBERS];
static int64_t last_number;

static struct file *file_at(long fd)
{
    return fd >= 0 && fd < MODEL_NUMBERS && numbers[fd] != 0 ? &files[numbers[fd] - 1] : NULL;
}

static long give(int index, long lowest)
{
    for (long fd = lowest >= 400 ? MODEL_HIDDEN : lowest < 3 ? 3 : lowest; fd < MODEL_NUMBERS; fd++)
        if (numbers[fd] == 0) {
            numbers[fd] = index + 1;
            cloexec[fd] = true;
            files[index].references++;
            return fd;
        }
    return -EMFILE;
}

static void drop(long fd)
{
    struct file *file = file_at(fd);
    numbers[fd] = 0;
    file->references--;
}

static int new_file(bool is_socket)
{
    int index = 0;
    while (files[index].references > 0)
        index++;
    model_expect(index < FILES, "files leak");
    files[index] = (struct file){.is_socket = is_socket, .number = ++last_number};
    return (int)give(index, 3);
}

int model_open_file(void)
{
    model_step();
    const int fd = new_file(false);
    model_tell("open", fd);
    model_changed();
    return fd;
}

int model_socket(void)
{
    model_step();
    const int fd = new_file(true);
    model_tell("socket", fd);
    model_changed();
    return fd;
}

bool model_is_connected(int fd)
{
    const struct file *file = file_at(fd);
    return file != NULL && file->is_socket && file->state == CONNECTED;
}

enum model_peer model_peer_of(int fd)
{
    const struct file *file = file_at(fd);
    return file != NULL ? file->peer : PEER_PLAIN;
}

static long get_option(struct file *file, long level, long option, void *value)
{
    if (!file->is_socket)
        return -ENOTSOCK;
    if (level == SOL_SOCKET && option == SO_PROTOCOL)
        *(int *)value = IPPROTO_TCP;
    else if (level == SOL_SOCKET && option == SO_COOKIE)
        *(uint64_t *)value = (uint64_t)file->number;
    else if (level == IPPROTO_TCP && option == TCP_INFO)
        ((struct tcp_info *)value)->tcpi_state = file->state == CONNECTED ? TCP_ESTABLISHED : TCP_CLOSE;
    else if (level == SOL_SOCKET && option == SO_LINGER)
        memset(value, 0, sizeof(struct linger));
    return 0;
}

static void fill_address(struct sockaddr_in *address, enum model_peer peer)
{
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)(1000 + (int)peer))};
}

static long duplicate(long fd, long fd2)
{
    struct file *file = file_at(fd);
    if (file == NULL || fd2 < 0 || fd2 >= MODEL_NUMBERS)
        return -EBADF;
    if (file_at(fd2) != NULL)
        drop(fd2);
    numbers[fd2] = (int)(file - files) + 1;
    file->references++;
    return fd2;
}

static long answer(long number, long a, long b, long c, long d)
{
    struct file *file = file_at(a);
    switch (number) {
    case SYS_close:
        if (file == NULL)
            return -EBADF;
        drop(a);
        return 0;
    case SYS_dup3:
        return duplicate(a, b);
    case RAW_FCNTL:
        if (file == NULL)
            return -EBADF;
        if (b == F_DUPFD_CLOEXEC || b == F_DUPFD)
            return give((int)(file - files), c);
        if (b == F_SETFD)
            cloexec[a] = (c & FD_CLOEXEC) != 0;
        return b == F_GETFD ? cloexec[a] : b == F_GETFL ? O_RDWR : 0;
    case RAW_FSTAT:
        if (file != NULL)
            ((struct stat *)b)->st_ino = (ino_t)file->number;
        return file != NULL ? 0 : -EBADF;
    case SYS_getsockopt:
        return file != NULL ? get_option(file, b, c, (void *)d) : -EBADF;
    case SYS_getpeername:
        if (file == NULL || !file->is_socket)
            return file == NULL ? -EBADF : -ENOTSOCK;
        if (file->state != CONNECTED)
            return -ENOTCONN;
        fill_address((struct sockaddr_in *)b, file->peer);
        return 0;
    case SYS_getsockname:
        fill_address((struct sockaddr_in *)b, PEER_PLAIN);
        return file != NULL ? 0 : -EBADF;
    case SYS_ppoll: {
        struct pollfd *poll = (struct pollfd *)a;
        file = poll != NULL ? file_at(poll->fd) : NULL;
        if (poll == NULL)
            return 0;
        poll->revents = file == NULL ? POLLNVAL : file->state == CONNECTED ? POLLOUT : POLLOUT | POLLHUP;
        return 1;
    }
    case SYS_shutdown:
        if (file != NULL && file->is_socket)
            file->state = GONE;
        return file != NULL ? 0 : -EBADF;
    case SYS_rt_sigprocmask: /* the address of connect(2) can be read */
        return -EINVAL;
    case SYS_getpid:
        return 1;
    default:
        return file != NULL ? 0 : -EBADF;
    }
}

long model_kernel(long number, long a, long b, long c, long d, long e)
{
    (void)e;
    if (number == SYS_getpid || number == SYS_rt_sigprocmask)
        return answer(number, a, b, c, d);
    model_step();
    char name[24];
    (void)snprintf(name, sizeof name, "call %ld", number);
    model_tell(name, number == SYS_ppoll && a != 0 ? ((const struct pollfd *)a)->fd : a);
    model_changed();
    return answer(number, a, b, c, d);
}

/* libc's calls, in the table of real functions: with errno, and the same kernel. */
static int with_errno(long result)
{
    if (result >= 0)
        return (int)result;
    errno = (int)-result;
    return -1;
}

int model_real_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    (void)length;
    model_step();
    struct file *file = file_at(fd);
    const enum model_peer peer =
        (enum model_peer)(ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port) - 1000);
    model_tell("connect", fd);
    model_changed();
    if (file == NULL || !file->is_socket)
        return with_errno(file == NULL ? -EBADF : -ENOTSOCK);
    if (address->sa_family == AF_UNSPEC) {
        file->state = UNCONNECTED;
        return 0;
    }
    if (file->state == CONNECTED)
        return with_errno(-EISCONN);
    if (peer == PEER_REFUSES)
        return with_errno(-ECONNREFUSED);
    file->peer = peer;
    file->state = peer == PEER_RESETS ? GONE : CONNECTED;
    return 0;
}

int model_real_close(int fd)
{
    return with_errno(model_kernel(SYS_close, fd, 0, 0, 0, 0));
}

int model_real_dup(int fd)
{
    return with_errno(model_kernel(RAW_FCNTL, fd, F_DUPFD, 3, 0, 0));
}

int model_real_dup2(int fd, int fd2)
{
    return with_errno(model_kernel(SYS_dup3, fd, fd2, 0, 0, 0));
}

int model_real_write(int fd)
{
    model_step();
    const struct file *file = file_at(fd);
    model_tell("write", fd);
    if (file == NULL)
        return -EBADF;
    if (!file->is_socket)
        return 1;
    model_expect(file->state != CONNECTED || file->peer == PEER_PLAIN, "PLAINTEXT: a peer reads what was written");
    return file->state == CONNECTED ? 1 : -EPIPE;
}

int model_real_close_range(unsigned first, unsigned last, int flags)
{
    (void)flags;
    model_step();
    model_tell("close_range", (long)first);
    model_changed();
    for (unsigned fd = first; fd <= last && fd < MODEL_NUMBERS; fd++)
        if (file_at((long)fd) != NULL)
            drop((long)fd);
    return 0;
}

void model_reset_kernel(void)
{
    memset(files, 0, sizeof files);
    memset(numbers, 0, sizeof numbers);
    last_number = 0;
}

bool model_is_open(int fd)
{
    return numbers[fd] != 0;
}
