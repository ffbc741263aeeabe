/*
 * Calls on connections that fail or do nothing: arguments that the kernel refuses, empty buffers, ends that have
 * been shut or reset before. Checks what each returns, and that the connection is unchanged afterwards.
 */
#include "../lib/sock.h"

#include <sys/uio.h>

#define EXPECT_ERROR(call, error)                                                                                  \
    do {                                                                                                           \
        const ssize_t got_ = (call);                                                                               \
        sock_expect(got_ == -1 && errno == (error), "%s returned %zd, expected %s", #call, got_, #error);          \
    } while (0)

/* A thousand bytes each way. */
static void talk(int fd, unsigned own, unsigned other)
{
    text_send(fd, 0, 1000, 100, own);
    text_receive(fd, 0, 1000, 1000, other);
}

static void answer(int fd)
{
    talk(fd, 2, 1);
    text_expect_end(fd);
}

/* The same, after the other end has examined a connection with nothing on it. */
static void answer_late(int fd)
{
    (void)side_receive();
    answer(fd);
}

/* connect() on a connection, with arguments that the kernel refuses; what is sent afterwards still arrives sealed.
 */
static void connect_again(int fd)
{
    const struct sockaddr *address = (const struct sockaddr *)&sock_target_global.address;
    const struct sockaddr other = {.sa_family = AF_UNIX};
    EXPECT_ERROR(connect(fd, address, 1), EINVAL);
    EXPECT_ERROR(connect(fd, address, 1000), EINVAL);
    EXPECT_ERROR(connect(fd, NULL, 0), EINVAL);
    EXPECT_ERROR(connect(fd, NULL, 16), EFAULT);
    EXPECT_ERROR(connect(fd, &other, sizeof other), EISCONN);
    EXPECT_ERROR(connect(fd, address, sock_target_global.length), EISCONN);
}

static void connect_wrongly(int fd)
{
    connect_again(fd);
    talk(fd, 1, 2);
    connect_again(fd);
}

/* The same at the accepting end, which never called connect(). */
static void answer_wrongly(int fd)
{
    connect_again(fd);
    answer(fd);
}

/* AF_UNSPEC disconnects a socket, which can connect again: connect(2). */
static void disconnect(const struct sock_target *target)
{
    const struct sockaddr unspecified = {.sa_family = AF_UNSPEC};
    const int listener = sock_listen(target), fd = sock_open(target, 0);
    char byte = 'x';
    for (int i = 0; i < 3; i++) {
        sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == 0, "connect %d", i);
        const int other = sock_accept(listener);
        text_send(fd, 0, 100, 100, 1);
        text_receive(other, 0, 100, 100, 1);
        sock_expect(connect(fd, &unspecified, sizeof unspecified) == 0, "disconnecting the connection");
        EXPECT_ERROR(send(fd, &byte, 1, MSG_NOSIGNAL), ECONNRESET);
        EXPECT_ERROR(recv(fd, &byte, 1, 0), ENOTCONN);
        (void)sock_wait(other, POLLRDHUP);
        EXPECT_ERROR(recv(other, &byte, 1, 0), ECONNRESET);
        (void)close(other);
    }
    (void)close(fd);
    (void)close(listener);
}

/* dup2() of a closed descriptor does not change its target. */
static void duplicate_nothing(int fd)
{
    EXPECT_ERROR(dup2(-1, fd), EBADF);
    EXPECT_ERROR(dup2(900, fd), EBADF);
    EXPECT_ERROR(dup3(900, fd, O_CLOEXEC), EBADF);
    EXPECT_ERROR(dup3(fd, fd, 0), EINVAL);
    talk(fd, 1, 2);
}

/* Counts, lengths and flags that the kernel refuses. */
static void count_wrongly(int fd)
{
    static struct iovec many[1025];
    char byte = 'x';
    struct iovec one = {.iov_base = &byte, .iov_len = 1};
    struct msghdr wide = {.msg_iov = many, .msg_iovlen = 1025};
    struct msghdr named = {.msg_iov = &one, .msg_iovlen = 1, .msg_name = &byte, .msg_namelen = (socklen_t)-1};
    EXPECT_ERROR(readv(fd, many, 1025), EINVAL);
    EXPECT_ERROR(writev(fd, many, 1025), EINVAL);
    EXPECT_ERROR(sendmsg(fd, &wide, 0), EMSGSIZE);
    EXPECT_ERROR(recvmsg(fd, &wide, MSG_DONTWAIT), EMSGSIZE);
    EXPECT_ERROR(sendmsg(fd, &named, 0), EINVAL);
    EXPECT_ERROR(recvmsg(fd, &named, MSG_DONTWAIT), EINVAL);
    EXPECT_ERROR(preadv2(fd, &one, 1, -1, 0x40000000), EOPNOTSUPP);
    EXPECT_ERROR(pwritev2(fd, &one, 1, -1, 0x40000000), EOPNOTSUPP);
    struct mmsghdr messages[1] = {{.msg_hdr = {.msg_iov = &one, .msg_iovlen = 1}}};
    EXPECT_ERROR(recvmmsg(fd, messages, 1, 0, &(struct timespec){.tv_nsec = -1}), EINVAL);
    talk(fd, 1, 2);
}

/* Invalid pointers: NULL, and the kernel's half of memory; 32-bit programs have all of it, and get the first page.
 */
static void point_nowhere(int fd)
{
    char byte = 'x';
    for (int i = 0; i < 2; i++) {
        const bool kernels = i != 0 && sizeof(void *) == 8;
        void *volatile nowhere = kernels ? (void *)(uintptr_t)-4096 : i ? (void *)8 : NULL;
        struct iovec two[2] = {{.iov_base = &byte, .iov_len = 1}, {.iov_base = nowhere, .iov_len = 100}};
        struct msghdr message = {.msg_iov = &two[1], .msg_iovlen = 1};
        EXPECT_ERROR(write(fd, nowhere, 100), EFAULT);
        EXPECT_ERROR(send(fd, nowhere, 100, 0), EFAULT);
        EXPECT_ERROR(writev(fd, &two[1], 1), EFAULT);
        EXPECT_ERROR(writev(fd, nowhere, 1), EFAULT);
        EXPECT_ERROR(sendmsg(fd, &message, 0), EFAULT);
        EXPECT_ERROR(sendmsg(fd, nowhere, 0), EFAULT);
        EXPECT_ERROR(recvmsg(fd, nowhere, 0), EFAULT);
        EXPECT_ERROR(readv(fd, nowhere, 1), EFAULT);
        EXPECT_ERROR(recv(fd, nowhere, 100, MSG_DONTWAIT), kernels ? EFAULT : EAGAIN);
        EXPECT_ERROR(ioctl(fd, FIONREAD, nowhere), EFAULT);
        EXPECT_ERROR(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, nowhere, 4), EFAULT);
        EXPECT_ERROR(setsockopt(fd, IPPROTO_TCP, TCP_CORK, nowhere, 4), EFAULT);
        EXPECT_ERROR(poll(nowhere, 1, 0), EFAULT);
    }
    side_send(0);
    text_send(fd, 0, 1000, 100, 1);
    (void)sock_wait(fd, POLLIN);
    void *volatile null = NULL; /* volatile: the compiler must not evaluate it */
    EXPECT_ERROR(read(fd, null, 100), EFAULT);
    EXPECT_ERROR(recv(fd, null, 100, 0), EFAULT);
    text_receive(fd, 0, 1000, 1000, 2);
}

/* Calls for no bytes: those for files do nothing at all, those for sockets wait and report the end of the stream.
 */
static void ask_for_nothing(int fd)
{
    char byte;
    struct iovec none = {.iov_base = &byte};
    const struct timeval soon = {.tv_usec = 20000};
    EXPECT_ERROR(recv(fd, &byte, 0, MSG_DONTWAIT), EAGAIN);
    EXPECT_ERROR(recvmsg(fd, &(struct msghdr){.msg_iov = &none, .msg_iovlen = 1}, MSG_DONTWAIT), EAGAIN);
    sock_expect(read(fd, &byte, 0) == 0 && readv(fd, &none, 1) == 0, "read of nothing");
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) == 0, "SO_RCVTIMEO");
    sock_expect(recv(fd, &byte, 0, 0) == 0, "recv of nothing, in time");
    sock_expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){0}, sizeof soon) == 0, "SO_RCVTIMEO");
    side_send(0);
    text_send(fd, 0, 1000, 100, 1);
    (void)sock_wait(fd, POLLIN);
    sock_expect(recv(fd, &byte, 0, 0) == 0 && recv(fd, &byte, 0, MSG_PEEK) == 0, "recv of nothing");
    text_receive(fd, 0, 1000, 1000, 2);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    (void)signal(SIGPIPE, SIG_IGN);
    sock_expect(writev(fd, &none, 1) == 0, "writev of nothing");
    EXPECT_ERROR(send(fd, &byte, 0, 0), EPIPE);
}

/* At the end of a stream recvmmsg() fills every message with no bytes. */
static void messages_at_end(int fd)
{
    char bytes[4];
    struct iovec parts[4];
    struct mmsghdr messages[4] = {0};
    talk(fd, 2, 1);
    (void)sock_wait(fd, POLLRDHUP);
    for (int i = 0; i < 4; i++) {
        parts[i] = (struct iovec){.iov_base = &bytes[i], .iov_len = 1};
        messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}, .msg_len = 9};
    }
    const int n = recvmmsg(fd, messages, 4, MSG_CMSG_CLOEXEC, NULL);
    sock_expect(n == 4 && messages[0].msg_len == 0 && messages[3].msg_len == 0, "recvmmsg returned %d", n);
    sock_expect(messages[0].msg_hdr.msg_flags == MSG_CMSG_CLOEXEC, "flags %x",
                (unsigned)messages[0].msg_hdr.msg_flags);
}

static void send_plainly(int fd)
{
    talk(fd, 1, 2);
}

/*
 * What arrives after SHUT_RD can still be read (shutdown(2), as Linux does it); a socket that is shut both ways is
 * not connected.
 */
static void shut_reading(int fd)
{
    char byte;
    sock_expect(shutdown(fd, SHUT_RD) == 0 && recv(fd, &byte, 1, 0) == 0, "an end of one's own");
    side_send(0);
    (void)side_receive();
    int there = 0;
    while (there < 1000)
        sock_expect(ioctl(fd, FIONREAD, &there) == 0, "FIONREAD");
    text_receive(fd, 0, 1000, 1000, 1);
    sock_expect(recv(fd, &byte, 1, 0) == 0, "an end of one's own");
    text_send(fd, 0, 1000, 100, 2);
    (void)side_receive(); /* the other end is shut */
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    (void)sock_wait(fd, POLLHUP);
    side_send(0);
    (void)side_receive(); /* and has received the end of this one */
    EXPECT_ERROR(shutdown(fd, SHUT_WR), ENOTCONN);
    EXPECT_ERROR(shutdown(fd, SHUT_RDWR), ENOTCONN);
}

static void send_to_shut(int fd)
{
    (void)side_receive();
    text_send(fd, 0, 1000, 100, 1);
    side_send(0);
    text_receive(fd, 0, 1000, 1000, 2);
    sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
    side_send(0);
    (void)side_receive();
    text_expect_end(fd);
    side_send(0);
}

static const struct scenario scenarios[] = {
    {"connect", answer_wrongly, connect_wrongly, NULL},
    {"disconnect", NULL, NULL, disconnect},
    {"duplicate", answer, duplicate_nothing, NULL},
    {"count", answer, count_wrongly, NULL},
    {"nowhere", answer_late, point_nowhere, NULL},
    {"nothing", answer_late, ask_for_nothing, NULL},
    {"messages_at_end", messages_at_end, send_plainly, NULL},
    {"shut_reading", shut_reading, send_to_shut, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
