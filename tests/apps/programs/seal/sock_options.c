/*
 * Socket options that change what a read or a write does. An option may be refused, as by a kernel without it. If
 * it is granted, it must do what it does on bare TCP, to the program's own bytes. Nothing may be lost in either
 * case.
 */
#include "../lib/sock.h"

#include <linux/net_tstamp.h>
#include <sys/mman.h>

enum {
    PEEK_OFF = 42,         /* SO_PEEK_OFF */
    ZEROCOPY_RECEIVE = 35, /* TCP_ZEROCOPY_RECEIVE */
    INQ = 36,              /* TCP_INQ */
    OPTIONS_LAST = 100,
    TEXT_BYTES = 50000,
};

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* Sets it, and expects either success or this errno. Returns whether it is granted. */
static bool granted(int fd, int level, int option, int value, int error)
{
    const int result = set(fd, level, option, value);
    sock_expect(result == 0 || errno == error, "option %d of level %d", option, level);
    sock_expect(result == 0 || sock_is_sealed(), "option %d of level %d is refused bare", option, level);
    return result == 0;
}

static void expect_text(int fd, int flags, size_t size, size_t at)
{
    char text[64];
    sock_expect(recv(fd, text, size, flags | MSG_WAITALL) == (ssize_t)size, "%zu bytes", size);
    text_check(text, size, at, 1);
}

/* --- SO_PEEK_OFF: peeks continue behind what was peeked before, and reads move the offset back --- */

static void send_text(int fd)
{
    text_send(fd, 0, TEXT_BYTES, 10000, 1);
    text_expect_end(fd);
}

static void peek_offset(int fd)
{
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "bytes");
    if (granted(fd, SOL_SOCKET, PEEK_OFF, 0, EOPNOTSUPP)) {
        expect_text(fd, MSG_PEEK, 10, 0);
        expect_text(fd, MSG_PEEK, 10, 10);
        expect_text(fd, 0, 5, 0);
        expect_text(fd, MSG_PEEK, 10, 20);
        sock_expect(set(fd, SOL_SOCKET, PEEK_OFF, -1) == 0, "no offset");
        expect_text(fd, MSG_PEEK, 10, 5);
        expect_text(fd, 0, 5, 5);
    } else {
        expect_text(fd, MSG_PEEK, 10, 0);
        expect_text(fd, MSG_PEEK, 10, 0);
        sock_expect(set(fd, SOL_SOCKET, PEEK_OFF, -1) == 0, "switching it off");
        expect_text(fd, 0, 10, 0);
    }
    text_receive(fd, 10, TEXT_BYTES - 10, 10000, 1);
    (void)close(fd);
}

/* --- control messages: TCP_INQ, and time stamps --- */

/* Receives `size` bytes and looks for a control message. Returns its first int, or -1. */
static int control_of(int fd, size_t size, int level, int type)
{
    char text[64];
    union {
        size_t alignment;
        char bytes[512];
    } control;
    struct iovec part = {.iov_base = text, .iov_len = size};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    sock_expect(recvmsg(fd, &message, MSG_WAITALL) == (ssize_t)size, "%zu bytes", size);
    for (struct cmsghdr *found = CMSG_FIRSTHDR(&message); found != NULL; found = CMSG_NXTHDR(&message, found)) {
        int value;
        memcpy(&value, CMSG_DATA(found), sizeof value);
        if (found->cmsg_level == level && found->cmsg_type == type)
            return value & INT32_MAX;
    }
    return -1;
}

static const struct {
    int level, option, value;
} control_options[] = {
    {IPPROTO_TCP, INQ, 1},
    {SOL_SOCKET, SO_TIMESTAMP, 1},
    {SOL_SOCKET, SO_TIMESTAMPNS, 1},
    {SOL_SOCKET, 63 /* SO_TIMESTAMP_NEW */, 1},
    {SOL_SOCKET, 64 /* SO_TIMESTAMPNS_NEW */, 1},
    {SOL_SOCKET, SO_TIMESTAMPING, SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE},
};
enum { CONTROL_OPTIONS = sizeof control_options / sizeof control_options[0], PART_BYTES = 10 };

/* A part is sent whenever the other end asks for one, after it has set an option: what arrives from then on counts.
 */
static void send_parts(int fd)
{
    for (size_t at = 0; side_receive() != 0; at += PART_BYTES)
        text_send(fd, at, PART_BYTES, PART_BYTES, 1);
    text_expect_end(fd);
}

/* The kernel begins to stamp packets a moment after the first socket has asked for it, so more than one may be
 * needed. */
static size_t expect_control(int fd, size_t at, int level, int option)
{
    enum { PARTS_MAX = 50000 };
    for (size_t i = 0; i < PARTS_MAX; i++) {
        side_send(1);
        at += PART_BYTES;
        if (control_of(fd, PART_BYTES, level, option) >= 0)
            return at;
    }
    sock_fail("a control message of option %d", option);
}

static void controls(int fd)
{
    size_t at = 0;
    for (size_t i = 0; i < CONTROL_OPTIONS; i++) {
        const int level = control_options[i].level, option = control_options[i].option;
        if (granted(fd, level, option, control_options[i].value, ENOPROTOOPT)) {
            at = expect_control(fd, at, level, option);
        } else {
            side_send(1);
            expect_text(fd, 0, PART_BYTES, at);
            at += PART_BYTES;
        }
        sock_expect(set(fd, level, option, 0) == 0, "switching it off");
    }
    side_send(0);
    (void)close(fd);
}

/* --- TCP_ZEROCOPY_RECEIVE: getsockopt() moves bytes, to mapped memory or to a buffer --- */

static void zero_copy_receive(int fd)
{
    struct { /* struct tcp_zerocopy_receive of Linux 5.11 */
        uint64_t address;
        uint32_t length, skip, queued;
        int32_t error;
        uint64_t copy_address;
        int32_t copy_length;
        uint32_t flags;
    } argument = {0};
    char text[1000];
    socklen_t length = sizeof argument;
    sock_expect(sock_wait(fd, POLLIN) & POLLIN, "bytes");
    void *area = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
    argument.address = area != MAP_FAILED ? (uint64_t)(uintptr_t)area : 0;
    argument.length = area != MAP_FAILED ? 65536 : 0;
    argument.copy_address = (uint64_t)(uintptr_t)text;
    argument.copy_length = sizeof text;
    size_t got = 0;
    if (getsockopt(fd, IPPROTO_TCP, ZEROCOPY_RECEIVE, &argument, &length) == 0) {
        if (argument.length > 0)
            text_check(area, argument.length, 0, 1);
        got = argument.length;
        if (argument.copy_length > 0) {
            text_check(text, (size_t)argument.copy_length, got, 1);
            got += (size_t)argument.copy_length;
        }
    } else {
        sock_expect(sock_is_sealed() && (errno == ENOPROTOOPT || errno == EOPNOTSUPP), "TCP_ZEROCOPY_RECEIVE");
    }
    text_receive(fd, got, TEXT_BYTES - got, 10000, 1);
    if (area != MAP_FAILED)
        (void)munmap(area, 65536); /* it would keep the connection open */
    (void)close(fd);
}

/* A connection with a stdio stream is relayed: its descriptor is one end of a pair of Unix sockets. */
static void relayed(int fd)
{
    FILE *stream = fdopen(fd, "r");
    sock_expect(stream != NULL, "fdopen");
    (void)granted(fd, IPPROTO_TCP, INQ, 1, ENOPROTOOPT);
    (void)granted(fd, SOL_SOCKET, SO_TIMESTAMP, 1, ENOPROTOOPT);
    sock_expect(!sock_is_sealed() || set(fd, IPPROTO_TCP, INQ, 1) != 0, "TCP_INQ, which no relay can have");
    zero_copy_receive(fd);
}

/* --- whatever a program sets: before the connection and in it, what is sent arrives --- */

/* Options whose small values make a connection slow, or end it, on bare TCP too. */
static bool is_left_out(int level, int option)
{
    static const int of_socket[] = {SO_SNDBUF,
                                    SO_RCVBUF,
                                    SO_SNDBUFFORCE,
                                    SO_RCVBUFFORCE,
                                    SO_LINGER,
                                    SO_MAX_PACING_RATE,
                                    SO_RCVTIMEO,
                                    SO_SNDTIMEO,
                                    66,
                                    67,
                                    SO_DEBUG};
    static const int of_tcp[] = {TCP_MAXSEG, TCP_WINDOW_CLAMP,      TCP_USER_TIMEOUT,
                                 TCP_REPAIR, 37 /* TCP_TX_DELAY */, 44};
    const int *list = level == SOL_SOCKET ? of_socket : of_tcp;
    const size_t count = level == SOL_SOCKET ? sizeof of_socket / sizeof *list : sizeof of_tcp / sizeof *list;
    for (size_t i = 0; i < count; i++)
        if (list[i] == option)
            return true;
    return false;
}

static void set_everything(int fd)
{
    static const int levels[] = {SOL_SOCKET, IPPROTO_TCP};
    for (size_t i = 0; i < 2; i++)
        for (int option = 1; option <= OPTIONS_LAST; option++)
            if (!is_left_out(levels[i], option))
                (void)set(fd, levels[i], option, 1);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 3);
    (void)set(fd, IPPROTO_TCP, TCP_CORK, 0);
    (void)set(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
    (void)set(fd, SOL_SOCKET, PEEK_OFF, -1);
}

static void everything(const struct sock_target *target)
{
    const int listener = sock_listen(target);
    set_everything(listener);
    const pid_t client = sock_fork();
    if (client == 0) {
        const int fd = sock_open(target, 0);
        set_everything(fd);
        /* with TCP_FASTOPEN_CONNECT the connection begins with the first bytes */
        sock_expect(connect(fd, (const struct sockaddr *)&target->address, target->length) == 0, "connect");
        text_send(fd, 0, 100, 100, 1);
        set_everything(fd);
        text_send(fd, 100, TEXT_BYTES - 100, 7000, 1);
        sock_expect(shutdown(fd, SHUT_WR) == 0, "shutdown");
        text_receive(fd, 0, TEXT_BYTES, 9000, 2);
        text_expect_end(fd);
        (void)close(fd);
        _exit(0);
    }
    const int fd = sock_accept(listener);
    set_everything(fd);
    text_receive(fd, 0, TEXT_BYTES, 9000, 1);
    text_expect_end(fd);
    text_send(fd, 0, TEXT_BYTES, 7000, 2);
    (void)close(fd);
    sock_expect(sock_reap(client) == 0, "the client");
    (void)close(listener);
}

/* --- before the connection --- */

static void before(const struct sock_target *target)
{
    const int fd = sock_open(target, 0);
    (void)granted(fd, SOL_SOCKET, PEEK_OFF, 0, EOPNOTSUPP);
    (void)granted(fd, IPPROTO_TCP, INQ, 1, ENOPROTOOPT);
    (void)granted(fd, SOL_SOCKET, SO_TIMESTAMP, 1, ENOPROTOOPT);
    (void)granted(fd, SOL_SOCKET, SO_ZEROCOPY, 1, EOPNOTSUPP);
    (void)close(fd);
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {.name = "peek_offset", .server = peek_offset, .client = send_text},
        {.name = "controls", .server = controls, .client = send_parts},
        {.name = "relayed", .server = relayed, .client = send_text},
        {.name = "zero_copy_receive", .server = zero_copy_receive, .client = send_text},
        {.name = "everything", .alone = everything},
        {.name = "before", .alone = before},
        {.name = NULL},
    };
    return scenario_main(argc, argv, scenarios);
}
