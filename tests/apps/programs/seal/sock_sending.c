// link: -lrt
/*
 * The rarer ways to send: sendfile, splice, copy_file_range, zero copy, MSG_MORE and corks; and those that bypass
 * the socket calls and must never send plaintext: POSIX aio and io_uring.
 */
#include "../lib/sock.h"

#include <aio.h>
#include <linux/errqueue.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { FILE_SIZE = 700001, SMALL = 20000 };

/* An unnamed file with stream 1 in it. */
static int text_file(size_t size)
{
    int fd = memfd_create("text", MFD_CLOEXEC);
    sock_expect(fd >= 0, "memfd_create");
    text_send(fd, 0, size, 65536, 1);
    sock_expect(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    return fd;
}

static void file_server(int fd)
{
    text_receive(fd, 0, FILE_SIZE, 20000, 1);
    text_expect_end(fd);
}

/* sendfile at the file's own position, which moves by what was sent; a count beyond the end of the file is no
 * error. */
static void sendfile_client(int fd)
{
    int file = text_file(FILE_SIZE);
    off_t at = 0;
    ssize_t n;
    while ((n = sendfile(fd, file, NULL, 123456)) > 0) {
        at += n;
        sock_expect(lseek(file, 0, SEEK_CUR) == at, "the file is at %" PRIdMAX ", expected %" PRIdMAX,
                    (intmax_t)lseek(file, 0, SEEK_CUR), (intmax_t)at);
    }
    sock_expect(n == 0 && at == FILE_SIZE, "sendfile returned %zd after %" PRIdMAX " bytes", n, (intmax_t)at);
}

/* sendfile with an offset of the caller's, which moves while the file's position does not. */
static void sendfile_offset_client(int fd)
{
    int file = text_file(FILE_SIZE);
    for (off_t at = 0; at < FILE_SIZE;) {
        off_t before = at;
        ssize_t n = sendfile(fd, file, &at, 1 << 20);
        sock_expect(n > 0 && at == before + n, "sendfile returned %zd, the offset went %" PRIdMAX " on", n,
                    (intmax_t)(at - before));
    }
    sock_expect(lseek(file, 0, SEEK_CUR) == 0, "the file's position has moved");
    sock_expect(sendfile(fd, -1, NULL, 10) == -1 && errno == EBADF, "sendfile from nowhere: expected EBADF");
}

/* Non-blocking, as in nginx: the socket is full now and then; sendfile never returns 0 before the end of the file.
 */
static void sendfile_full_client(int fd)
{
    enum { TIMES = 12 };
    int file = text_file(FILE_SIZE);
    int full = 0;
    sock_greet(fd);
    sock_set_nonblocking(fd, true);
    for (int i = 0; i < TIMES; i++) {
        for (off_t at = 0; at < FILE_SIZE;) {
            ssize_t n = sendfile(fd, file, &at, (size_t)(FILE_SIZE - at));
            if (n == -1 && errno == EAGAIN) {
                if (full++ == 0)
                    side_send(TIMES); /* the peer reads from now on */
                (void)sock_wait(fd, POLLOUT);
                continue;
            }
            sock_expect(n > 0, "sendfile returned %zd at %" PRIdMAX, n, (intmax_t)at);
        }
    }
    sock_expect(full > 0, "the socket was never full");
}

static void sendfile_full_server(int fd)
{
    sock_greet(fd);
    for (uint64_t times = side_receive(); times > 0; times--)
        text_receive(fd, 0, FILE_SIZE, 30000, 1);
    text_expect_end(fd);
}

/* As a proxy does it: socket to pipe to socket. */
static void splice_client(int fd)
{
    int file = text_file(FILE_SIZE), through[2];
    sock_expect(pipe(through) == 0, "pipe");
    for (size_t at = 0; at < FILE_SIZE;) {
        ssize_t n = splice(file, NULL, through[1], NULL, 30000, 0);
        sock_expect(n > 0, "splice of the file into the pipe");
        at += (size_t)n;
        while (n > 0) {
            ssize_t part = splice(through[0], NULL, fd, NULL, (size_t)n, SPLICE_F_MOVE);
            sock_expect(part > 0, "splice returned %zd", part);
            n -= part;
        }
    }
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    text_receive(fd, 0, FILE_SIZE, 65536, 1);
    text_expect_end(fd);
}

static void splice_server(int fd)
{
    int through[2];
    size_t total = 0;
    ssize_t n;
    static char store[FILE_SIZE];
    sock_expect(pipe(through) == 0, "pipe");
    while ((n = splice(fd, NULL, through[1], NULL, 20000, SPLICE_F_MOVE)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t part = read(through[0], store + total, (size_t)(n - done));
            sock_expect(part > 0, "read from the pipe");
            total += (size_t)part;
            done += part;
        }
    }
    sock_expect(n == 0 && total == FILE_SIZE, "splice returned %zd after %zu bytes", n, total);
    text_check(store, total, 0, 1);
    text_send(fd, 0, FILE_SIZE, 65536, 1);
    (void)close(fd);
}

/* copy_file_range does not work on sockets; its error must let a program fall back, and it must move nothing. */
static void copy_range_client(int fd)
{
    int file = text_file(FILE_SIZE);
    sock_expect(copy_file_range(file, NULL, fd, NULL, 1000, 0) == -1 && (errno == EINVAL || errno == EXDEV),
                "copy_file_range to a socket: expected EINVAL");
    sock_expect(lseek(file, 0, SEEK_CUR) == 0, "the file's position has moved");
    text_send(fd, 0, FILE_SIZE, 65536, 1);
}

/* MSG_MORE and TCP_CORK hold bytes back, which are sent with what follows. */
static void cork_client(int fd)
{
    static unsigned char text[FILE_SIZE];
    int on = 1, off = 0;
    size_t at = 0;
    text_fill(text, sizeof text, 0, 1);
    for (int i = 0; i < 20; i++, at += 100)
        sock_expect(send(fd, text + at, 100, MSG_MORE) == 100, "send");
    sock_expect(send(fd, text + at, 100, 0) == 100, "send");
    at += 100;
    side_send(at);
    (void)side_receive(); /* all of it has arrived, though the connection goes on */
    sock_expect(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof on) == 0, "TCP_CORK");
    for (int i = 0; i < 20; i++, at += 100)
        sock_expect(write(fd, text + at, 100) == 100, "write");
    sock_expect(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof off) == 0, "TCP_CORK");
    side_send(at);
    (void)side_receive();
    text_send(fd, at, FILE_SIZE - at, 65536, 1);
}

static void cork_server(int fd)
{
    size_t first = (size_t)side_receive();
    text_receive(fd, 0, first, 1000, 1);
    side_send(0);
    size_t second = (size_t)side_receive();
    text_receive(fd, first, second - first, 1000, 1);
    side_send(0);
    text_receive(fd, second, FILE_SIZE - second, 10000, 1);
    text_expect_end(fd);
}

/* Zero copy: where the option is granted, the error queue reports each send that used it. */
static void zero_copy_client(int fd)
{
    static unsigned char text[FILE_SIZE];
    int on = 1;
    size_t at = 0;
    uint32_t sends = 0, answered = 0;
    text_fill(text, sizeof text, 0, 1);
    bool granted = setsockopt(fd, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on) == 0;
    sock_expect(granted || sock_is_sealed(), "SO_ZEROCOPY");
    while (at < FILE_SIZE) {
        size_t part = FILE_SIZE - at < 65536 ? FILE_SIZE - at : 65536;
        ssize_t n = send(fd, text + at, part, granted ? MSG_ZEROCOPY : 0);
        sock_expect(n > 0, "send returned %zd", n);
        at += (size_t)n;
        sends++;
    }
    while (granted && answered < sends) {
        char control[128];
        struct msghdr message = {.msg_control = control, .msg_controllen = sizeof control};
        sock_expect(sock_wait(fd, 0) & POLLERR, "expected POLLERR");
        sock_expect(recvmsg(fd, &message, MSG_ERRQUEUE) == 0 && CMSG_FIRSTHDR(&message), "the error queue");
        struct sock_extended_err error;
        memcpy(&error, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof error);
        sock_expect(error.ee_origin == SO_EE_ORIGIN_ZEROCOPY && error.ee_info == answered, "answer %u",
                    error.ee_info);
        answered = error.ee_data + 1;
    }
}

/*
 * POSIX aio works in threads inside libc, by calls that cannot be interposed. On a sealed connection it is an
 * error, and the stream goes on without it.
 */
static int aio_once(struct aiocb *block, int (*start)(struct aiocb *))
{
    const struct aiocb *list[1] = {block};
    if (start(block) != 0)
        return -1;
    while (aio_error(block) == EINPROGRESS)
        (void)aio_suspend(list, 1, NULL);
    errno = aio_error(block);
    return (int)aio_return(block);
}

static void aio_client(int fd)
{
    static unsigned char text[SMALL];
    text_fill(text, sizeof text, 0, 1);
    struct aiocb block = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = SMALL};
    int n = aio_once(&block, aio_write);
    sock_expect(sock_is_sealed() ? n == -1 : n == SMALL, "aio_write returned %d", n);
    struct aiocb listed = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = 100, .aio_lio_opcode = LIO_WRITE};
    struct aiocb *list[1] = {&listed};
    bool listed_went = lio_listio(LIO_WAIT, list, 1, NULL) == 0 && aio_return(&listed) == 100;
    sock_expect(listed_went == !sock_is_sealed(), "lio_listio");
    if (sock_is_sealed()) {
        text_send(fd, 0, SMALL, SMALL, 1);
        text_send(fd, 0, 100, 100, 1);
    }
}

static void aio_server(int fd)
{
    static unsigned char text[SMALL];
    struct aiocb block = {.aio_fildes = fd, .aio_buf = text, .aio_nbytes = SMALL};
    if (sock_is_sealed())
        sock_expect(aio_once(&block, aio_read) == -1, "aio_read on a sealed connection");
    text_receive(fd, 0, SMALL, 1000, 1);
    text_receive(fd, 0, 100, 1000, 1);
    text_expect_end(fd);
}

/*
 * io_uring by its system calls: one send. Where the kernel or the shim refuses the ring or the send, the program
 * falls back; it must not send in plain text (the test captures the wire).
 */
static ssize_t uring_send(int fd, const void *text, unsigned size)
{
    struct io_uring_params params = {0};
    int ring = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0)
        return -1;
    size_t sq_size = params.sq_off.array + params.sq_entries * sizeof(unsigned);
    size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
    unsigned char *sq =
        mmap(NULL, sq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQ_RING);
    unsigned char *cq =
        mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, params.sq_entries * sizeof *entry, PROT_READ | PROT_WRITE,
                                      MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    sock_expect(sq != MAP_FAILED && cq != MAP_FAILED && entry != MAP_FAILED, "mapping the ring");
    memset(entry, 0, sizeof *entry);
    entry->opcode = IORING_OP_SEND;
    entry->fd = fd;
    entry->addr = (uint64_t)(uintptr_t)text;
    entry->len = size;
    ((unsigned *)(void *)(sq + params.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(void *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return -1;
    ssize_t result = ((struct io_uring_cqe *)(void *)(cq + params.cq_off.cqes))[0].res;
    (void)close(ring);
    return result;
}

static void uring_client(int fd)
{
    static unsigned char text[SMALL];
    text_fill(text, sizeof text, 0, 1);
    ssize_t n = uring_send(fd, text, SMALL);
    (void)printf("io_uring: %s\n", n > 0 ? "sent" : "refused");
    if (n < 0)
        n = 0;
    text_send(fd, (uint64_t)n, SMALL - (size_t)n, SMALL, 1);
}

static void small_server(int fd)
{
    text_receive(fd, 0, SMALL, 1000, 1);
    text_expect_end(fd);
}

static const struct scenario scenarios[] = {
    {"sendfile", file_server, sendfile_client, NULL},
    {"sendfile_offset", file_server, sendfile_offset_client, NULL},
    {"sendfile_full", sendfile_full_server, sendfile_full_client, NULL},
    {"splice", splice_server, splice_client, NULL},
    {"copy_range", file_server, copy_range_client, NULL},
    {"cork", cork_server, cork_client, NULL},
    {"zero_copy", file_server, zero_copy_client, NULL},
    {"aio", aio_server, aio_client, NULL},
    {"uring", small_server, uring_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
