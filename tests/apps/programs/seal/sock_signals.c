// link: -pthread
/*
 * Signals, long jumps and cancellation: interrupted calls fail with EINTR or are restarted as the program asked,
 * lose nothing that was sent, and leave the connection and every lock usable for the next call.
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/syscall.h>
#include <sys/time.h>

enum { MEGABYTE = 1 << 20, ROUNDS = 20 };

static volatile sig_atomic_t rings;
static sigjmp_buf jump_back;
static volatile sig_atomic_t jump_armed;
static int handler_fd = -1;
static volatile size_t handler_sent, handler_refused;

static void on_ring(int number)
{
    rings += number == SIGALRM;
}

static void on_ring_tell(int number)
{
    static const uint64_t word = 3;
    if (number == SIGALRM && ++rings == 3)
        (void)!write(sock_side, &word, sizeof word);
}

static void on_ring_jump(int number)
{
    if (number == SIGALRM && jump_armed) {
        jump_armed = 0;
        siglongjmp(jump_back, 1);
    }
}

static void ring_with(void (*handler)(int), int flags, int every_ms)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    struct itimerval timer = {.it_interval.tv_usec = every_ms * 1000, .it_value.tv_usec = every_ms * 1000};
    sock_expect(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");
}

static void ring_no_more(void)
{
    struct itimerval none = {0};
    sock_expect(setitimer(ITIMER_REAL, &none, NULL) == 0, "setitimer");
}

/* Without SA_RESTART a blocked receive fails with EINTR, also the first one of a connection. */
static void interrupted_server(int fd)
{
    char byte;
    ring_with(on_ring, 0, 5);
    for (int round = 0; round < 3; round++) {
        ssize_t n = round == 1 ? read(fd, &byte, 1) : recv(fd, &byte, 1, 0);
        sock_expect(n == -1 && errno == EINTR, "a blocked receive returned %zd, expected EINTR", n);
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        n = poll(&wait, 1, -1);
        sock_expect(n == -1 && errno == EINTR, "poll returned %zd, expected EINTR", n);
        if (round == 0) {
            side_send(0); /* now the client may begin the handshake of a sealed connection, and do nothing else */
            (void)side_receive();
        }
    }
    ring_no_more();
    side_send(0);
    text_receive(fd, 0, 1000, 1000, 1);
    text_expect_end(fd);
}

static void interrupted_client(int fd)
{
    char byte;
    (void)side_receive();
    sock_expect(recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN, "recv: expected EAGAIN");
    side_send(0);
    (void)side_receive();
    text_send(fd, 0, 1000, 1000, 1);
}

/* With SA_RESTART it continues to wait. */
static void restarted_server(int fd)
{
    char byte;
    ring_with(on_ring_tell, SA_RESTART, 5);
    ssize_t n = recv(fd, &byte, 1, 0); /* the third signal asks the peer to send */
    sock_expect(n == 1 && rings >= 3, "recv returned %zd after %d signals", n, (int)rings);
    rings = 0;
    n = read(fd, &byte, 1);
    sock_expect(n == 1 && rings >= 3, "read returned %zd after %d signals", n, (int)rings);
    ring_no_more();
    text_expect_end(fd);
}

static void restarted_client(int fd)
{
    for (size_t i = 0; i < 2; i++) {
        (void)side_receive();
        text_send(fd, i, 1, 1, 1);
    }
}

/* A long stream while signals arrive at both ends all the time, with and without restarting. */
static void rain(int fd, bool sends, int flags)
{
    ring_with(on_ring, flags, 1);
    sock_set_nodelay(fd);
    if (sends)
        text_send(fd, 0, 24 * MEGABYTE, 300000, 1);
    else
        text_receive(fd, 0, 24 * MEGABYTE, 50000, 1);
    if (!sends)
        sock_expect(rings > 0, "no signal came");
    ring_no_more();
    if (!sends)
        text_expect_end(fd);
}

static void rain_server(int fd)
{
    rain(fd, false, 0);
}

static void rain_client(int fd)
{
    rain(fd, true, 0);
}

static void rain_restarting_server(int fd)
{
    rain(fd, false, SA_RESTART);
}

static void rain_restarting_client(int fd)
{
    rain(fd, true, SA_RESTART);
}

/* siglongjmp out of a blocked receive: the stream continues where it was. */
static void jump_server(int fd)
{
    text_receive(fd, 0, 10, 10, 1);
    ring_with(on_ring_jump, 0, 5);
    for (volatile size_t round = 0; round < ROUNDS; round++) {
        static char buffer[64];
        if (sigsetjmp(jump_back, 1) == 0) {
            jump_armed = 1;
            (void)recv(fd, buffer, sizeof buffer, 0);
            sock_fail("recv returned though nothing was sent");
        }
        side_send(0);
        text_receive(fd, 10 + round * 64, 64, 64, 1);
    }
    ring_no_more();
    text_send(fd, 0, 100, 100, 2);
    text_expect_end(fd);
}

static void jump_client(int fd)
{
    text_send(fd, 0, 10, 10, 1);
    for (size_t round = 0; round < ROUNDS; round++) {
        (void)side_receive();
        text_send(fd, 10 + round * 64, 64, 64, 1);
    }
    text_receive(fd, 0, 100, 100, 2);
}

/* siglongjmp out of poll and out of the first receive, which has a handshake to do. */
static void jump_before_handshake_server(int fd)
{
    ring_with(on_ring_jump, 0, 5);
    for (volatile int round = 0; round < 4; round++) {
        char byte;
        if (sigsetjmp(jump_back, 1) == 0) {
            jump_armed = 1;
            if (round % 2)
                (void)recv(fd, &byte, 1, 0);
            else
                (void)sock_wait(fd, POLLIN);
            sock_fail("a wait ended though nothing was sent");
        }
    }
    ring_no_more();
    side_send(0);
    text_receive(fd, 0, 1000, 100, 1);
    text_send(fd, 0, 1000, 100, 2);
    text_expect_end(fd);
}

static void jump_before_handshake_client(int fd)
{
    (void)side_receive();
    text_send(fd, 0, 1000, 100, 1);
    text_receive(fd, 0, 1000, 100, 2);
}

/* siglongjmp out of a blocked send: how much was sent is unknown. The next call neither hangs nor mixes anything
 * in. */
static void jump_send_client(int fd)
{
    static char text[MEGABYTE];
    (void)signal(SIGPIPE, SIG_IGN);
    sock_greet(fd);
    ring_with(on_ring_jump, 0, 20);
    if (sigsetjmp(jump_back, 1) == 0) {
        jump_armed = 1;
        while (send(fd, text, sizeof text, 0) > 0)
            continue;
        sock_fail("send failed before the jump");
    }
    ring_no_more();
    side_send(0);
    ssize_t n = send(fd, "xxxxxxxxxx", 10, 0);
    sock_expect(n == 10 || (sock_is_sealed() && n == -1), "send returned %zd", n);
    (void)close(fd);
}

static void jump_send_server(int fd)
{
    static char buffer[65536];
    ssize_t n;
    sock_greet(fd);
    (void)side_receive();
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sock_expect(buffer[i] == 0 || buffer[i] == 'x', "byte 0x%02x was never sent", (unsigned)buffer[i]);
    sock_expect(n == 0 || sock_is_sealed(), "read");
}

/* pthread_cancel out of a blocked receive: another thread continues with the stream. */
static void *blocked_receive(void *argument)
{
    static char buffer[64];
    int *fd = argument;
    side_send((uint64_t)syscall(SYS_gettid));
    (void)recv(*fd, buffer, sizeof buffer, 0);
    sock_fail("recv returned though nothing was sent");
}

static void *blocked_send(void *argument)
{
    static char buffer[MEGABYTE];
    int *fd = argument;
    side_send((uint64_t)syscall(SYS_gettid));
    while (send(*fd, buffer, sizeof buffer, 0) > 0)
        continue;
    return NULL;
}

static void cancel_server(int fd)
{
    for (size_t round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        void *result = NULL;
        sock_expect(pthread_create(&thread, NULL, blocked_receive, &fd) == 0, "pthread_create");
        (void)side_receive(); /* the peer has seen the thread asleep */
        sock_expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED,
                    "pthread_cancel");
        side_send(0);
        text_receive(fd, round * 64, 64, 64, 1);
    }
    text_send(fd, 0, 100, 100, 2);
    text_expect_end(fd);
}

static void cancel_client(int fd)
{
    for (size_t round = 0; round < ROUNDS; round++) {
        pid_t thread = (pid_t)side_receive();
        while (sock_state_of(thread) != 'S')
            (void)poll(NULL, 0, 1);
        side_send(0);
        (void)side_receive();
        text_send(fd, round * 64, 64, 64, 1);
    }
    text_receive(fd, 0, 100, 100, 2);
}

/* Out of a blocked send: what was sent stays sent, and the next thread neither hangs nor corrupts the stream. */
static void cancel_send_server(int fd)
{
    static char buffer[65536];
    sock_greet(fd);
    pid_t thread = (pid_t)side_receive();
    while (sock_state_of(thread) != 'S')
        (void)poll(NULL, 0, 1);
    side_send(0);
    (void)side_receive();
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sock_expect(buffer[i] == 0 || buffer[i] == 'x', "byte 0x%02x was never sent", (unsigned)buffer[i]);
    sock_expect(n == 0 || sock_is_sealed(), "read"); /* a sealed connection may be broken after such a call */
}

static void cancel_send_client(int fd)
{
    pthread_t thread;
    void *result = NULL;
    (void)signal(SIGPIPE, SIG_IGN);
    sock_greet(fd);
    sock_expect(pthread_create(&thread, NULL, blocked_send, &fd) == 0, "pthread_create");
    (void)side_receive();
    sock_expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED,
                "pthread_cancel");
    side_send(0);
    ssize_t n = send(fd, "xxxxxxxxxx", 10, 0);
    sock_expect(n == 10 || (sock_is_sealed() && n == -1), "send returned %zd", n);
    (void)close(fd);
}

/* A handler sends on the descriptor whose call it interrupts: that works or is an error, and does not hang. */
static void on_ring_send(int number)
{
    int error = errno;
    ssize_t n = number == SIGALRM ? send(handler_fd, "h", 1, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    handler_sent += n == 1;
    handler_refused += n != 1;
    errno = error;
}

static void handler_client(int fd)
{
    static char text[65536];
    size_t sent = 0;
    memset(text, 'm', sizeof text);
    handler_fd = fd;
    ring_with(on_ring_send, SA_RESTART, 1);
    while (sent < 24 * (size_t)MEGABYTE || handler_sent + handler_refused == 0) {
        ssize_t n = send(fd, text, sizeof text, 0);
        sock_expect(n > 0 || errno == EINTR, "send returned %zd", n);
        sent += n > 0 ? (size_t)n : 0;
    }
    /* A blocked receive holds nothing that a handler would need. */
    handler_refused = 0;
    size_t before = handler_sent;
    char byte;
    ssize_t n;
    do
        n = recv(fd, &byte, 1, 0);
    while (n < 0 && errno == EINTR);
    sock_expect(n == 1 && handler_sent > before, "recv returned %zd, %zu sends by the handler, %zu refused", n,
                handler_sent - before, handler_refused);
    ring_no_more();
    side_send(sent);
    side_send(handler_sent);
}

static void handler_server(int fd)
{
    static char buffer[65536];
    size_t main_bytes = 0, handler_bytes = 0;
    bool asked = false;
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        sock_expect(n >= 0, "read");
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n; i++) {
            main_bytes += buffer[i] == 'm';
            handler_bytes += buffer[i] == 'h';
        }
        /* Three bytes in a row from the handler: the client's main thread is in its receive. */
        if (!asked && n <= 3 && buffer[n - 1] == 'h' && main_bytes >= 24 * (size_t)MEGABYTE) {
            asked = true;
            text_send(fd, 0, 1, 1, 2);
        }
    }
    size_t sent = (size_t)side_receive(), by_handler = (size_t)side_receive();
    sock_expect(main_bytes == sent && handler_bytes == by_handler, "%zu + %zu bytes of %zu + %zu arrived",
                main_bytes, handler_bytes, sent, by_handler);
}

static const struct scenario scenarios[] = {
    {"interrupted", interrupted_server, interrupted_client, NULL},
    {"restarted", restarted_server, restarted_client, NULL},
    {"rain", rain_server, rain_client, NULL},
    {"rain_restarting", rain_restarting_server, rain_restarting_client, NULL},
    {"jump", jump_server, jump_client, NULL},
    {"jump_before_handshake", jump_before_handshake_server, jump_before_handshake_client, NULL},
    {"jump_send", jump_send_server, jump_send_client, NULL},
    {"cancel", cancel_server, cancel_client, NULL},
    {"cancel_send", cancel_send_server, cancel_send_client, NULL},
    {"handler", handler_server, handler_client, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
