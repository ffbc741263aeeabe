/* See differ_waits.h. */
#include "differ_waits.h"
#include "differ.h"

#include <pthread.h>
#include <setjmp.h>
#include <sys/time.h>

struct late {
    int fd;
    pid_t thread; /* the thread whose sleep is waited for */
    const char *text;
    int number; /* a signal to send to it first */
    pthread_t target;
};

/* Waits until the other thread sleeps, interrupts it, and then sends what it waits for. */
static void *come_late(void *argument)
{
    const struct late *late = argument;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", late->thread);
    for (int asleep = 0; asleep < 5;) {
        asleep = sock_state_of(late->thread) == 'S' ? asleep + 1 : 0;
        (void)poll(NULL, 0, 3);
    }
    if (late->number != 0) {
        (void)pthread_kill(late->target, late->number);
        (void)poll(NULL, 0, 20);
    }
    if (late->text != NULL)
        sock_expect(send(late->fd, late->text, strlen(late->text), MSG_NOSIGNAL) > 0, "sending late");
    return NULL;
}

static sigjmp_buf jump;

static atomic_int handled;

static void handle(int number)
{
    atomic_fetch_add(&handled, 1);
    if (number == SIGUSR2)
        siglongjmp(jump, 1);
}

void story_interrupt(void)
{
    int fds[2];
    char text[16] = "";
    static pthread_t thread; /* kept over a jump */
    connect_two(fds);
    const bool restarts = random_chance(50), jumps = random_chance(30);
    struct late late = {fds[0], gettid(), "late", jumps ? SIGUSR2 : SIGUSR1, pthread_self()};
    struct sigaction action = {.sa_handler = handle, .sa_flags = restarts ? SA_RESTART : 0};
    sock_expect(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &action, NULL) == 0, "sigaction");
    if (sigsetjmp(jump, 1) == 0) {
        sock_expect(pthread_create(&thread, NULL, come_late, &late) == 0, "a thread");
        (void)traced(recv(fds[1], text, 4, random_chance(50) ? MSG_WAITALL : 0), "interrupted recv, restart %d",
                     restarts);
    } else {
        (void)printf("jumped\n");
    }
    (void)pthread_join(thread, NULL);
    if (text[0] == 0)
        (void)traced(recv(fds[1], text, 4, 0), "recv after it");
    (void)printf("%s, %d handled\n", text, atomic_exchange(&handled, 0));
    (void)signal(SIGUSR1, SIG_DFL);
    (void)signal(SIGUSR2, SIG_DFL);
    two_close(fds[0], fds[1]);
}

void story_time_out(void)
{
    const struct timeval soon = {.tv_usec = 30000};
    int fds[2];
    char byte;
    connect_two(fds);
    sock_expect(setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) == 0, "SO_RCVTIMEO");
    (void)traced(recv(fds[0], &byte, 1, 0), "recv in time");
    (void)traced(read(fds[0], &byte, 1), "read in time");
    (void)traced(recv(fds[0], &byte, 0, 0), "recv of nothing in time");
    (void)traced(recv(fds[0], &byte, 1, MSG_PEEK), "peek in time");
    (void)traced(send(fds[1], "x", 1, 0), "send");
    (void)traced(recv(fds[0], &byte, 1, 0), "recv");
    struct pollfd one = {.fd = fds[0], .events = POLLIN};
    (void)traced(poll(&one, 1, 20), "poll in time");
    two_close(fds[0], fds[1]);
}

static void *wait_to_be_cancelled(void *argument)
{
    const struct late *late = argument;
    char byte;
    struct pollfd one = {.fd = late->fd, .events = POLLIN};
    switch (late->number) {
    case 0:
        (void)recv(late->fd, &byte, 1, 0);
        break;
    case 1:
        sock_expect(read(late->fd, &byte, 1) >= 0, "read");
        break;
    case 2:
        (void)poll(&one, 1, -1);
        break;
    case 3:
        (void)recvmsg(late->fd, &(struct msghdr){.msg_iov = &(struct iovec){&byte, 1}, .msg_iovlen = 1}, 0);
        break;
    }
    return argument;
}

void story_cancel(void)
{
    int fds[2];
    void *result = NULL;
    pthread_t thread;
    connect_two(fds);
    struct late late = {.fd = fds[0], .number = (int)random_below(4)};
    sock_expect(pthread_create(&thread, NULL, wait_to_be_cancelled, &late) == 0, "a thread");
    (void)poll(NULL, 0, (int)random_below(20));
    sock_expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0, "pthread_cancel");
    (void)printf("cancelled %d: %s\n", late.number, result == PTHREAD_CANCELED ? "yes" : "no");
    greet(fds[0], fds[1]);
    two_close(fds[0], fds[1]);
}

static void *shut_down_late(void *argument)
{
    const struct late *late = argument;
    for (int asleep = 0; asleep < 5;) {
        asleep = sock_state_of(late->thread) == 'S' ? asleep + 1 : 0;
        (void)poll(NULL, 0, 3);
    }
    sock_expect(shutdown(late->fd, late->number) == 0, "shutdown");
    return NULL;
}

void story_shut_under_waiter(void)
{
    int fds[2] = {-1, -1};
    char byte;
    pthread_t thread;
    const unsigned way = random_below(3);
    const int listener = way == 0 ? listener_open(3) : -1;
    if (way != 0)
        connect_two(fds);
    struct late late = {.fd = way == 0 ? listener : fds[0], .thread = gettid(), .number = SHUT_RDWR};
    sock_expect(pthread_create(&thread, NULL, shut_down_late, &late) == 0, "a thread");
    if (way == 0) {
        (void)traced(accept(listener, NULL, NULL), "accept that is shut down");
    } else if (way == 1) {
        (void)traced(recv(fds[0], &byte, 1, 0), "recv that is shut down");
    } else {
        struct pollfd one = {.fd = fds[0], .events = POLLIN};
        const int n = poll(&one, 1, -1);
        (void)traced(n, "poll that is shut down %x", one.revents & POLLIN);
    }
    (void)pthread_join(thread, NULL);
    if (way == 0)
        (void)close(listener);
    else
        two_close(fds[0], fds[1]);
}
