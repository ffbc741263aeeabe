/*
 * Calls that wait for descriptors. One of these is a connection whose peer never sends a byte; if it is sealed, it
 * is in its handshake. Nothing may be reported for it, and everything else must be as it is bare.
 */
#include "../lib/sock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>

enum call { BY_POLL, BY_PPOLL, BY_SELECT, BY_PSELECT, BY_WAIT, BY_PWAIT, BY_PWAIT2, CALLS };

static const char *const names[CALLS] = {"poll",       "ppoll",       "select",      "pselect",
                                         "epoll_wait", "epoll_pwait", "epoll_pwait2"};

static struct timeval select_left;

/* Waits by any of the calls until the descriptor is readable; `ms` < 0: without a limit. Returns the call's result.
 */
static int wait_by(enum call call, int fd, int ms, const sigset_t *mask)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    const struct timespec *limit = ms < 0 ? NULL : &time;
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 77};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    select_left = (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000L};
    static int epoll = -1; /* if a jump leaves the call it is not closed, but the process ends soon */
    if (call >= BY_WAIT && epoll < 0) {
        epoll = epoll_create1(EPOLL_CLOEXEC);
        sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    }
    switch (call) {
    case BY_POLL:
        return poll(&one, 1, ms);
    case BY_PPOLL:
        return ppoll(&one, 1, limit, mask);
    case BY_SELECT:
        return select(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &select_left);
    case BY_PSELECT:
        return pselect(fd + 1, &set, NULL, NULL, limit, mask);
    case BY_WAIT:
        return epoll_wait(epoll, &event, 1, ms);
    case BY_PWAIT:
        return epoll_pwait(epoll, &event, 1, ms, mask);
    case BY_PWAIT2:
        return epoll_pwait2(epoll, &event, 1, limit, mask);
    case CALLS:
        break;
    }
    return -2;
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void timeouts(int fd)
{
    for (enum call call = 0; call < CALLS; call++)
        for (int ms = 0; ms < 200; ms = ms * 2 + 1) {
            const int64_t before = now_ms();
            errno = 4711;
            sock_expect(wait_by(call, fd, ms, NULL) == 0, "%s with a timeout of %d ms", names[call], ms);
            sock_expect(errno == 4711, "%s touches errno", names[call]);
            sock_expect(now_ms() - before >= ms - 1, "%s returns before its timeout of %d ms", names[call], ms);
            sock_expect(call != BY_SELECT || (select_left.tv_sec == 0 && select_left.tv_usec == 0),
                        "select leaves a rest of its timeout");
        }
}

static volatile sig_atomic_t handled;

static void handle(int number)
{
    handled = handled + (number != 0);
}

static void on_signal(int number, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    sock_expect(sigaction(number, &action, NULL) == 0, "sigaction");
}

static void tick(long ms)
{
    const struct itimerval timer = {.it_value.tv_usec = ms * 1000, .it_interval.tv_usec = ms * 1000};
    sock_expect(setitimer(ITIMER_REAL, &timer, NULL) == 0, "setitimer");
}

static void interrupted(int fd)
{
    for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
        on_signal(SIGALRM, handle, flags); /* these calls are never restarted: signal(7) */
        for (enum call call = 0; call < CALLS; call++) {
            handled = 0;
            tick(30);
            sock_expect(wait_by(call, fd, -1, NULL) == -1 && errno == EINTR, "%s: expected EINTR", names[call]);
            tick(0);
            sock_expect(handled > 0, "%s: EINTR without a signal", names[call]);
        }
    }
}

static void masks(int fd)
{
    sigset_t blocked, none;
    (void)sigemptyset(&none);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGUSR1);
    on_signal(SIGUSR1, handle, 0);
    sock_expect(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0, "sigprocmask");
    for (enum call call = 0; call < CALLS; call++) {
        const bool takes_mask = call == BY_PPOLL || call == BY_PSELECT || call >= BY_PWAIT;
        handled = 0;
        sock_expect(raise(SIGUSR1) == 0, "raise");
        sock_expect(wait_by(call, fd, 20, NULL) == 0 && handled == 0, "%s lets in a blocked signal", names[call]);
        if (takes_mask)
            sock_expect(wait_by(call, fd, -1, &none) == -1 && errno == EINTR && handled == 1,
                        "%s with a mask: expected EINTR once", names[call]);
        else
            sock_expect(sigwaitinfo(&blocked, NULL) == SIGUSR1, "sigwaitinfo");
        sock_expect(wait_by(call, fd, 20, &blocked) == 0 && handled == takes_mask, "%s after that", names[call]);
    }
}

struct waiting {
    enum call call;
    int fd;
    _Atomic pid_t id; /* 0: the thread has not begun */
};

static void *wait_for_ever(void *argument)
{
    struct waiting *waiting = argument;
    atomic_store(&waiting->id, gettid());
    (void)wait_by(waiting->call, waiting->fd, -1, NULL);
    return NULL;
}

/* The state letter of a thread of this process: S sleeps. */
static char state_of_thread(pid_t id)
{
    return id == 0 ? 'X' : sock_state_of(id);
}

static void cancelled(int fd)
{
    for (enum call call = 0; call < CALLS; call++) {
        struct waiting waiting = {.call = call, .fd = fd};
        pthread_t thread;
        void *result = NULL;
        sock_expect(pthread_create(&thread, NULL, wait_for_ever, &waiting) == 0, "pthread_create");
        while (state_of_thread(atomic_load(&waiting.id)) != 'S')
            (void)sched_yield();
        sock_expect(pthread_cancel(thread) == 0 && pthread_join(thread, &result) == 0, "pthread_cancel");
        sock_expect(result == PTHREAD_CANCELED, "%s is no cancellation point", names[call]);
        sock_expect(wait_by(call, fd, 1, NULL) == 0, "%s after that", names[call]);
    }
}

static sigjmp_buf out;

static void jump(int number)
{
    siglongjmp(out, number);
}

static void jumped_out(int fd)
{
    on_signal(SIGALRM, jump, 0);
    for (volatile int call = 0; call < CALLS; call++) {
        if (sigsetjmp(out, 1) == 0) {
            tick(30);
            (void)wait_by((enum call)call, fd, -1, NULL);
            sock_fail("%s returns", names[call]);
        }
        tick(0);
        sock_expect(wait_by((enum call)call, fd, 1, NULL) == 0, "%s after that", names[call]);
    }
}

static void many(int fd)
{
    enum { MANY = 3000, HIGH = 2000, BITS = 8 * sizeof(long) };
    static struct pollfd polls[MANY];
    static unsigned long in[4096 / BITS], out_set[4096 / BITS];
    struct rlimit limit;
    int ends[2];
    sock_expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = 4096 < limit.rlim_max ? 4096 : limit.rlim_max;
    sock_expect(setrlimit(RLIMIT_NOFILE, &limit) == 0 && pipe(ends) == 0, "setrlimit, pipe");
    for (int i = 0; i < MANY; i++)
        polls[i] = (struct pollfd){.fd = i % 3 == 0 ? fd : -1 - i, .events = POLLIN};
    sock_expect(poll(polls, MANY, 20) == 0, "poll of %d", MANY);
    polls[MANY - 1] = (struct pollfd){.fd = ends[1], .events = POLLOUT};
    sock_expect(poll(polls, MANY, -1) == 1 && polls[MANY - 1].revents == POLLOUT, "poll finds the last of %d",
                MANY);
    sock_expect(dup2(fd, HIGH) == HIGH && dup2(ends[1], HIGH + 1) == HIGH + 1, "dup2");
    struct timeval none = {.tv_usec = 20000};
    in[HIGH / BITS] |= 1UL << (HIGH % BITS);
    sock_expect(select(HIGH + 2, (fd_set *)in, NULL, NULL, &none) == 0 && in[HIGH / BITS] == 0,
                "select above 1,024");
    in[HIGH / BITS] |= 1UL << (HIGH % BITS);
    out_set[(HIGH + 1) / BITS] |= 1UL << ((HIGH + 1) % BITS);
    sock_expect(select(HIGH + 2, (fd_set *)in, (fd_set *)out_set, NULL, NULL) == 1 && in[HIGH / BITS] == 0 &&
                    out_set[(HIGH + 1) / BITS] == 1UL << ((HIGH + 1) % BITS),
                "select finds what is above 1,024");
}

/* Sets that end at the end of a mapping, and a count as getdtablesize(3) returns it in a container. */
static void claims_too_much(int fd)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct timeval none = {.tv_usec = 20000};
    sock_expect(pages != MAP_FAILED && mprotect(pages + page, page, PROT_NONE) == 0, "mprotect");
    fd_set *set = (fd_set *)(pages + page - sizeof(fd_set));
    FD_SET(fd, set);
    sock_expect(select(1 << 20, set, NULL, NULL, &none) == 0 && !FD_ISSET(fd, set), "select of 1,048,576");
}

static void few_files(int fd)
{
    struct rlimit limit;
    struct pollfd one = {.fd = fd, .events = POLLIN};
    sock_expect(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = 1;
    sock_expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    sock_expect(poll(&one, 1, 20) == 0, "poll of one");
    sock_expect(wait_by(BY_SELECT, fd, 20, NULL) == 0 && wait_by(BY_PSELECT, fd, 20, NULL) == 0, "select");
    limit.rlim_cur = 0;
    sock_expect(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    sock_expect(poll(&one, 1, 20) == -1 && errno == EINVAL, "poll of one where none may be: expected EINVAL");
    sock_expect(wait_by(BY_SELECT, fd, 20, NULL) == 0, "select");
}

static void bad_descriptors(int fd)
{
    struct pollfd polls[2] = {{.fd = fd, .events = POLLIN}, {.fd = 900, .events = POLLIN}};
    fd_set set;
    /* The kernel does not look at numbers above those that this process has ever used. */
    sock_expect(dup2(fd, 900) == 900 && close(900) == 0, "dup2");
    FD_ZERO(&set);
    FD_SET(fd, &set);
    FD_SET(900, &set);
    sock_expect(poll(polls, 2, -1) == 1 && polls[0].revents == 0 && polls[1].revents == POLLNVAL, "POLLNVAL");
    sock_expect(select(901, &set, NULL, NULL, NULL) == -1 && errno == EBADF, "select: expected EBADF");
    sock_expect(FD_ISSET(fd, &set) && FD_ISSET(900, &set), "select fails and changes the sets");
    struct timespec wrong = {.tv_nsec = 1000000000};
    sock_expect(ppoll(polls, 2, &wrong, NULL) == -1 && errno == EINVAL, "ppoll: expected EINVAL");
    FD_CLR(900, &set);
    sock_expect(pselect(fd + 1, &set, NULL, NULL, &wrong, NULL) == -1 && errno == EINVAL,
                "pselect: expected EINVAL");
    struct timeval negative = {.tv_sec = -1};
    sock_expect(select(fd + 1, &set, NULL, NULL, &negative) == -1 && errno == EINVAL, "select: expected EINVAL");
    struct epoll_event event = {.events = EPOLLIN};
    sock_expect(epoll_ctl(fd, EPOLL_CTL_ADD, fd, &event) == -1 && errno == EINVAL, "epoll_ctl: expected EINVAL");
    sock_expect(epoll_wait(fd, &event, 1, 0) == -1 && errno == EINVAL, "epoll_wait: expected EINVAL");
    const int none = errno == EINVAL ? 0 : 1; /* not a constant: lints would report it */
    int epoll = epoll_create1(0);
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == -1 && errno == ENOENT, "epoll_ctl: expected ENOENT");
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &event) == -1 && errno == ENOENT, "epoll_ctl: expected ENOENT");
    sock_expect(epoll_ctl(900, EPOLL_CTL_ADD, fd, &event) == -1 && errno == EBADF, "epoll_ctl: expected EBADF");
    sock_expect(epoll_ctl(epoll, 99, fd, &event) == -1 && errno == EINVAL, "epoll_ctl: expected EINVAL");
    sock_expect(epoll_wait(epoll, &event, none, 0) == -1 && errno == EINVAL, "epoll_wait: expected EINVAL");
}

static int epoll_with(int fd, uint32_t events, uint64_t data)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = events, .data.u64 = data};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD");
    return epoll;
}

static void closed(int fd)
{
    int ends[2], epoll = epoll_with(fd, EPOLLIN, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 2};
    sock_expect(epoll_wait(epoll, &event, 1, 10) == 0, "an event of a silent connection");
    (void)close(fd);
    sock_expect(epoll_wait(epoll, &event, 1, 10) == 0, "an event of a closed connection");
    sock_expect(pipe(ends) == 0 && ends[0] == fd, "the number is free");
    event = (struct epoll_event){.events = EPOLLIN, .data.u64 = 2};
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == -1 && errno == ENOENT, "its registration is gone");
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "EPOLL_CTL_ADD of the number's next owner");
    sock_expect(write(ends[1], "x", 1) == 1 && epoll_wait(epoll, &event, 1, -1) == 1 && event.data.u64 == 2,
                "an event of the number's next owner");
}

static void nested(int fd)
{
    int inner = epoll_with(fd, EPOLLIN, 1), outer = epoll_with(inner, EPOLLIN, 2);
    struct pollfd one = {.fd = outer, .events = POLLIN};
    struct epoll_event event;
    /* An inner epoll without an event may be reported once at most. */
    sock_expect(epoll_wait(inner, &event, 1, 10) == 0, "an event of a silent connection");
    sock_expect(epoll_wait(outer, &event, 1, 50) == 0, "the inner epoll is readable");
    sock_expect(poll(&one, 1, 50) == 0, "the outer epoll is readable");
}

static void duplicate(int fd)
{
    int copy = dup(fd), epoll = epoll_with(fd, EPOLLIN, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 2};
    sock_expect(copy >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &event) == 0, "EPOLL_CTL_ADD of a duplicate");
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &event) == -1 && errno == EEXIST, "twice: expected EEXIST");
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0, "an event of a silent connection");
    sock_expect(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL) == 0, "EPOLL_CTL_DEL");
    (void)close(fd);
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0, "an event of a silent connection, by its duplicate");
    (void)shutdown(copy, SHUT_RDWR);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && event.data.u64 == 2 &&
                    (event.events & EPOLLHUP) != 0,
                "the duplicate is shut down");
}

static void forked(int fd)
{
    int epoll = epoll_with(fd, EPOLLIN | EPOLLRDHUP, 1);
    struct epoll_event event;
    sock_expect(epoll_wait(epoll, &event, 1, 10) == 0, "an event of a silent connection");
    pid_t child = fork();
    if (child == 0) {
        (void)close(fd);
        (void)close(epoll);
        _exit(0);
    }
    sock_expect(sock_reap(child) == 0, "the child");
    sock_expect(epoll_wait(epoll, &event, 1, 20) == 0, "an event of a silent connection");
    (void)shutdown(fd, SHUT_RD);
    sock_expect(epoll_wait(epoll, &event, 1, SOCK_DEADLINE_MS) == 1 && (event.events & EPOLLRDHUP) != 0,
                "the parent's registration is gone");
}

static const struct scenario scenarios[] = {
    {"timeouts", timeouts, NULL, NULL},
    {"interrupted", interrupted, NULL, NULL},
    {"masks", masks, NULL, NULL},
    {"cancelled", cancelled, NULL, NULL},
    {"jumped_out", jumped_out, NULL, NULL},
    {"many", many, NULL, NULL},
    {"claims_too_much", claims_too_much, NULL, NULL},
    {"few_files", few_files, NULL, NULL},
    {"bad_descriptors", bad_descriptors, NULL, NULL},
    {"closed", closed, NULL, NULL},
    {"nested", nested, NULL, NULL},
    {"duplicate", duplicate, NULL, NULL},
    {"fork", forked, NULL, NULL},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
