/*
 * Calls on small stacks: each call is made on a stack of 8 KiB (small_stack.h). With SOCK_STACKS=show the program
 * prints how much of it each call has used.
 */
#include "../lib/small_stack.h"
#include "../lib/sock.h"

#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>

enum { TEXT_BYTES = 400, LARGE_BYTES = 40000 };

/* What the calls work on. */
static struct {
    const struct sock_target *target;
    int listener, fd, other; /* `other`: an epoll instance, a duplicate or a file */
    char *bytes;
    size_t size;
} call;

#define ON_STACK(name) small_stack_call(#name, do_##name)
#define CALL(name, ...)                                                                                            \
    static void do_##name(void)                                                                                    \
    {                                                                                                              \
        small_stack_returned(__VA_ARGS__);                                                                         \
    }

static struct iovec vector;
static struct mmsghdr message;

static struct iovec *vector_of_call(void)
{
    vector = (struct iovec){.iov_base = call.bytes, .iov_len = call.size};
    return &vector;
}

static struct mmsghdr *message_of_call(void)
{
    message = (struct mmsghdr){.msg_hdr = {.msg_iov = vector_of_call(), .msg_iovlen = 1}};
    return &message;
}

/* One of a message in a call for many is its length. */
static ssize_t one_of(int count)
{
    return count == 1 ? (ssize_t)message.msg_len : count;
}

static ssize_t by_sendfile(void)
{
    off_t at = 0;
    return sendfile(call.fd, call.other, &at, call.size);
}

CALL(connect, connect(call.fd, (const struct sockaddr *)&call.target->address, call.target->length))
CALL(accept, call.fd = accept(call.listener, NULL, NULL))
CALL(accept4, call.fd = accept4(call.listener, NULL, NULL, SOCK_CLOEXEC))
CALL(write, write(call.fd, call.bytes, call.size))
CALL(writev, writev(call.fd, vector_of_call(), 1))
CALL(pwritev2, pwritev2(call.fd, vector_of_call(), 1, -1, 0))
CALL(send, send(call.fd, call.bytes, call.size, MSG_NOSIGNAL))
CALL(sendto, sendto(call.fd, call.bytes, call.size, MSG_NOSIGNAL, NULL, 0))
CALL(sendmsg, sendmsg(call.fd, &message_of_call()->msg_hdr, MSG_NOSIGNAL))
CALL(sendmmsg, one_of(sendmmsg(call.fd, message_of_call(), 1, MSG_NOSIGNAL)))
CALL(sendfile, by_sendfile())
CALL(write_by_number, syscall(SYS_write, call.fd, call.bytes, call.size))
CALL(dprintf, dprintf(call.fd, "%.*s", (int)call.size, call.bytes))
CALL(read, read(call.fd, call.bytes, call.size))
CALL(readv, readv(call.fd, vector_of_call(), 1))
CALL(preadv2, preadv2(call.fd, vector_of_call(), 1, -1, 0))
CALL(recv, recv(call.fd, call.bytes, call.size, 0))
CALL(peek, recv(call.fd, call.bytes, call.size, MSG_PEEK))
CALL(recvfrom, recvfrom(call.fd, call.bytes, call.size, 0, NULL, NULL))
CALL(recvmsg, recvmsg(call.fd, &message_of_call()->msg_hdr, 0))
CALL(recvmmsg, one_of(recvmmsg(call.fd, message_of_call(), 1, MSG_WAITFORONE, NULL)))
CALL(read_by_number, syscall(SYS_read, call.fd, call.bytes, call.size))
CALL(close, close(call.fd))
CALL(close_range, close_range((unsigned)call.fd, (unsigned)call.fd, 0))
CALL(dup, call.other = dup(call.fd))
CALL(dup2, dup2(call.fd, call.other))
CALL(dup3, dup3(call.fd, call.other, O_CLOEXEC))
CALL(duplicate_by_fcntl, fcntl(call.fd, F_DUPFD_CLOEXEC, 50))
CALL(get_flags, fcntl(call.fd, F_GETFL))
CALL(shut, shutdown(call.fd, SHUT_WR))

static void do_poll(void)
{
    struct pollfd poll_of = {.fd = call.fd, .events = POLLIN};
    small_stack_returned(poll(&poll_of, 1, SOCK_DEADLINE_MS));
}

static void do_ppoll(void)
{
    struct pollfd poll_of = {.fd = call.fd, .events = POLLIN};
    const struct timespec deadline = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    small_stack_returned(ppoll(&poll_of, 1, &deadline, NULL));
}

static void do_select(void)
{
    struct timeval deadline = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(call.fd, &set);
    small_stack_returned(select(call.fd + 1, &set, NULL, NULL, &deadline));
}

static void do_pselect(void)
{
    const struct timespec deadline = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(call.fd, &set);
    small_stack_returned(pselect(call.fd + 1, &set, NULL, NULL, &deadline, NULL));
}

static void do_epoll_wait(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    int ready = epoll_ctl(epoll, EPOLL_CTL_ADD, call.fd, &event);
    ready = ready == 0 ? epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) : ready;
    (void)close(epoll);
    small_stack_returned(ready);
}

static void do_epoll_pwait2(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    const struct timespec deadline = {.tv_sec = SOCK_DEADLINE_MS / 1000};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    int ready = epoll_ctl(epoll, EPOLL_CTL_ADD, call.fd, &event);
    ready = ready == 0 ? epoll_pwait2(epoll, &event, 1, &deadline, NULL) : ready;
    (void)close(epoll);
    small_stack_returned(ready);
}

static void do_options(void)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int value = 1;
    small_stack_returned(setsockopt(call.fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value) != 0 ||
                         getsockname(call.fd, (struct sockaddr *)&address, &length) != 0 ||
                         getpeername(call.fd, (struct sockaddr *)&address, &length) != 0 ||
                         ioctl(call.fd, FIONREAD, &value) != 0 || (length = sizeof value) == 0 ||
                         getsockopt(call.fd, SOL_SOCKET, SO_ERROR, &value, &length) != 0);
}

struct way {
    const char *name;
    void (*body)(void);
};

#define WAY(name)                                                                                                  \
    {                                                                                                              \
#name, do_##name                                                                                           \
    }
static const struct way sends[] = {WAY(write),    WAY(send),     WAY(sendto),   WAY(writev),          WAY(sendmsg),
                                   WAY(sendmmsg), WAY(pwritev2), WAY(sendfile), WAY(write_by_number), WAY(dprintf)};
static const struct way receives[] = {WAY(read),     WAY(recv),    WAY(recvfrom), WAY(readv), WAY(recvmsg),
                                      WAY(recvmmsg), WAY(preadv2), WAY(peek),     WAY(recv),  WAY(read_by_number)};
static const struct way waits[] = {WAY(poll),    WAY(ppoll),      WAY(select),      WAY(pselect),
                                   WAY(options), WAY(epoll_wait), WAY(epoll_pwait2)};
enum { WAYS = sizeof sends / sizeof sends[0], WAITS = sizeof waits / sizeof waits[0] };

static void send_in(size_t way, size_t size)
{
    size_t done = 0;
    while (done < size) {
        call.bytes = calloc(1, size + 1);
        text_fill(call.bytes, size, 0, 1);
        memmove(call.bytes, call.bytes + done, size - done);
        call.size = size - done;
        call.other = memfd_create("text", MFD_CLOEXEC);
        sock_expect(call.bytes != NULL && call.other >= 0 &&
                        write(call.other, call.bytes, call.size) == (ssize_t)call.size,
                    "a file");
        const ssize_t sent = small_stack_call(sends[way].name, sends[way].body);
        sock_expect(sent > 0, "%s: %zd", sends[way].name, sent);
        done += (size_t)sent;
        (void)close(call.other);
        free(call.bytes);
    }
}

static void receive_in(size_t way, size_t size)
{
    char *all = calloc(1, size);
    const bool peeks = receives[way].body == do_peek;
    if (way % 2 == 0) {
        const struct way *wait = &waits[way / 2 % WAITS];
        const ssize_t ready = small_stack_call(wait->name, wait->body);
        sock_expect(ready == (wait->body != do_options), "%s: %zd", wait->name, ready);
    }
    for (size_t done = 0; done < size;) {
        call.bytes = all + done;
        call.size = size - done;
        const ssize_t got = small_stack_call(receives[way].name, receives[way].body);
        sock_expect(got > 0, "%s: %zd", receives[way].name, got);
        text_check(call.bytes, (size_t)got, done, 1);
        if (peeks)
            sock_expect(recv(call.fd, call.bytes, (size_t)got, 0) == got, "what was peeked");
        done += (size_t)got;
    }
    free(all);
}

/* Both ends do the same, in the opposite order. The last messages are larger than a frame. */
static void talk(bool begins)
{
    for (size_t i = 0; i < (size_t)2 * WAYS; i++) {
        const size_t size = i < WAYS ? TEXT_BYTES : LARGE_BYTES;
        for (int turn = 0; turn < 2; turn++)
            if ((turn == 0) == begins)
                send_in(i % WAYS, size);
            else
                receive_in(i % WAYS, size);
    }
}

static void end(void)
{
    const int kept = call.fd;
    sock_expect(ON_STACK(get_flags) >= 0, "F_GETFL");
    sock_expect(ON_STACK(dup) >= 0 && ON_STACK(dup2) == call.other && ON_STACK(dup3) == call.other, "dup");
    call.fd = (int)ON_STACK(duplicate_by_fcntl);
    sock_expect(call.fd >= 50 && ON_STACK(close) == 0, "F_DUPFD_CLOEXEC and close");
    call.fd = call.other;
    sock_expect(ON_STACK(close_range) == 0, "close_range");
    call.fd = kept;
    sock_expect(ON_STACK(shut) == 0, "shutdown");
    text_expect_end(call.fd);
    sock_expect(ON_STACK(close) == 0, "close");
}

static void connect_to(const struct sock_target *target)
{
    call.target = target;
    call.fd = sock_open(target, 0);
    sock_expect(ON_STACK(connect) == 0, "connect");
}

/* A connection whose two ends make every call on small stacks, the handshake included. */
static void calls(const struct sock_target *target)
{
    small_stack_make();
    call.listener = sock_listen(target);
    const pid_t client = sock_fork();
    if (client == 0) {
        connect_to(target);
        talk(true);
        end();
        _exit(0);
    }
    sock_expect(ON_STACK(accept4) >= 0, "accept4");
    talk(false);
    end();
    sock_expect(sock_reap(client) == 0, "the client");
    (void)close(call.listener);
}

/* --- processes --- */

static void do_fork(void)
{
    const pid_t child = fork();
    if (child == 0)
        _exit(call.fd >= 0 && write(call.fd, "PFSMARK:", 8) == 8 ? 0 : 1);
    small_stack_returned(child);
}

static void do_fork_raw(void)
{
    const pid_t child = _Fork();
    if (child == 0)
        _exit(call.fd >= 0 && write(call.fd, "PFSMARK:", 8) == 8 ? 0 : 1);
    small_stack_returned(child);
}

static void do_execve(void)
{
    char *const arguments[] = {(char *)(uintptr_t) "true", NULL};
    const pid_t child = fork();
    if (child == 0) {
        (void)execve("/bin/true", arguments, environ);
        _exit(127);
    }
    small_stack_returned(child);
}

static void do_execlp(void)
{
    const pid_t child = vfork();
    if (child == 0) {
        (void)execlp("true", "true", "an argument", (char *)NULL);
        _exit(127);
    }
    small_stack_returned(child);
}

static void do_posix_spawn(void)
{
    char *const arguments[] = {(char *)(uintptr_t) "true", NULL};
    pid_t child = -1;
    errno = posix_spawnp(&child, "true", NULL, NULL, arguments, environ);
    small_stack_returned(child);
}

static void do_system(void)
{
    small_stack_returned(system("exit 3") == 3 << 8 ? 0 : -1);
}

static void do_popen(void)
{
    FILE *stream = popen("exit 0", "r");
    small_stack_returned(stream != NULL ? pclose(stream) : -1);
}

static void expect_child(const char *name, void (*body)(void))
{
    const pid_t child = (pid_t)small_stack_call(name, body);
    sock_expect(child > 0 && sock_reap(child) == 0, "%s", name);
}

/* Forks, execs and spawns on small stacks while a connection is open. */
static void processes(const struct sock_target *target)
{
    small_stack_make();
    call.listener = sock_listen(target);
    const pid_t client = sock_fork();
    if (client == 0) {
        const int fd = sock_connect(target);
        sock_greet(fd);
        char text[16];
        for (size_t have = 0; have < sizeof text;) {
            const ssize_t got = recv(fd, text + have, sizeof text - have, 0);
            sock_expect(got > 0, "the children's bytes: %zd", got);
            have += (size_t)got;
        }
        sock_expect(memcmp(text, "PFSMARK:PFSMARK:", sizeof text) == 0, "the children's bytes");
        sock_greet(fd);
        _exit(0);
    }
    sock_expect(ON_STACK(accept) >= 0, "accept");
    sock_greet(call.fd);
    expect_child("fork", do_fork);
    expect_child("_Fork", do_fork_raw);
    expect_child("execve", do_execve);
    expect_child("execlp", do_execlp);
    expect_child("posix_spawn", do_posix_spawn);
    sock_expect(ON_STACK(system) == 0, "system");
    sock_expect(ON_STACK(popen) == 0, "popen");
    sock_greet(call.fd);
    sock_expect(sock_reap(client) == 0, "the client");
    (void)close(call.fd);
    (void)close(call.listener);
}

/* --- refusals --- */

/*
 * The peer, which is not under pfswrap, answers with plaintext: a sealed connection fails, and an inspected one is
 * plaintext, which the policy may refuse. Whatever the calls return, they return.
 */
static void refused(const struct sock_target *target)
{
    char text[TEXT_BYTES];
    small_stack_make();
    call.target = target;
    call.fd = sock_open(target, 0);
    call.bytes = text;
    call.size = sizeof text;
    memset(text, 'x', sizeof text);
    (void)ON_STACK(connect);
    (void)ON_STACK(send);
    (void)ON_STACK(poll);
    (void)ON_STACK(recv);
    (void)ON_STACK(send);
    (void)ON_STACK(recv);
    sock_expect(ON_STACK(close) == 0, "close");
}

int main(int argc, char **argv)
{
    static const struct scenario scenarios[] = {
        {.name = "calls", .alone = calls},
        {.name = "processes", .alone = processes},
        {.name = "refused", .alone = refused},
        {.name = NULL},
    };
    return scenario_main(argc, argv, scenarios);
}
