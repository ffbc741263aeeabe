// link: -pthread
/*
 * A connect() that is left half way: a signal handler jumps out of it, or its thread is cancelled.
 */
#include "../lib/connecting.h"
#include "../lib/sock.h"
#include "../lib/threads.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/syscall.h>

enum { PIECE = 1000, GIVE_UP_S = 30 };

/* --- a connect() that blocks, since nothing accepts, and is left by a jump or by a cancelled thread --- */

static int left_fd;
static pid_t left_thread;         /* the thread that connects */
static atomic_bool left_is_begun; /* the thread is about to call it */
static pthread_t left_handle;
static sigjmp_buf left_back;

static struct tcp_info tcp_info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    sock_expect(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0, "TCP_INFO");
    return info;
}

/* A listener whose queue is full: the kernel answers no further connection request (listen(2)). */
static int listen_full(const struct sock_target *target)
{
    int listener = sock_listen(target);
    sock_expect(listen(listener, 0) == 0, "listen");
    (void)connecting_call(sock_open(target, SOCK_NONBLOCK), &sock_target_global);
    while (tcp_info_of(listener).tcpi_unacked == 0) /* the length of the queue */
        (void)poll(NULL, 0, 1);
    return listener;
}

static void wait_until_connecting(void)
{
    while (!atomic_load(&left_is_begun) || sock_state_of(left_thread) != 'S' ||
           tcp_info_of(left_fd).tcpi_state != TCP_SYN_SENT)
        (void)poll(NULL, 0, 1);
}

static void jump_back(int number)
{
    (void)number;
    siglongjmp(left_back, 1);
}

static void *interrupt(void *argument)
{
    wait_until_connecting();
    sock_expect(pthread_kill(left_handle, SIGUSR1) == 0, "pthread_kill");
    return argument;
}

static void connect_and_jump(void)
{
    struct sigaction action = {.sa_handler = jump_back};
    pthread_t thread;
    left_thread = (pid_t)syscall(SYS_gettid);
    left_handle = pthread_self();
    sock_expect(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    thread_start(&thread, interrupt, NULL);
    if (sigsetjmp(left_back, 1) == 0) {
        atomic_store(&left_is_begun, true);
        sock_fail("connect returned %d", connecting_call(left_fd, &sock_target_global));
    }
    thread_join(thread);
}

static void *connect_in_thread(void *argument)
{
    left_thread = (pid_t)syscall(SYS_gettid);
    atomic_store(&left_is_begun, true);
    (void)connecting_call(left_fd, &sock_target_global);
    return argument;
}

static void connect_and_cancel(void)
{
    pthread_t thread;
    void *result = NULL;
    thread_start(&thread, connect_in_thread, NULL);
    wait_until_connecting();
    sock_expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0, "pthread_cancel");
    sock_expect(result == PTHREAD_CANCELED, "the thread was not cancelled");
}

/* SIGALRM ends a thread that spins here without end. */
static void expect_refusal(int fd)
{
    unsigned char text[PIECE];
    int result;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)alarm(GIVE_UP_S);
    do
        result = connecting_call(fd, &sock_target_global);
    while (result < 0 && (errno == EALREADY || errno == EINTR) && poll(NULL, 0, 1) == 0);
    sock_expect(result < 0 && errno == ECONNREFUSED, "connect returned %d, expected a refusal", result);
    text_fill(text, PIECE, 0, 1);
    ssize_t count = write(fd, text, PIECE);
    sock_expect(count < 0 && errno != EAGAIN && errno != EINTR, "write returned %zd, expected an error", count);
    (void)alarm(0);
}

static void leave_connect(const struct sock_target *target, void (*leave)(void))
{
    int listener = listen_full(target);
    left_fd = sock_open(target, 0);
    leave();
    sock_expect(close(listener) == 0, "close");
    expect_refusal(left_fd);
}

static void jumped(const struct sock_target *target)
{
    leave_connect(target, connect_and_jump);
}

static void cancelled(const struct sock_target *target)
{
    leave_connect(target, connect_and_cancel);
}

static const struct scenario scenarios[] = {
    {"jumped", NULL, NULL, jumped},
    {"cancelled", NULL, NULL, cancelled},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
