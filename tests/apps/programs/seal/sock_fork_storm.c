/*
 * Forks beside threads: threads accept, answer and close, or connect, ask and close, while other threads of the
 * same process, or a signal handler, make children of every kind. A child gets copies of connections that it does
 * not use, and not one of them may be lost by that. Each byte is compared, and each connection must end in order at
 * both ends.
 *
 * SOCK_CONNECTIONS in the environment says how many connections (default 1000), SOCK_SEED another sequence of
 * chance. SOCK_FORK (fork, vfork, clone or spawn) and SOCK_THEN (close, exec or exit) select one way to make
 * children, and what they do. Then no socket has close-on-exec. SOCK_PROGRAM is the program that they execute
 * (default: /bin/true), SOCK_FORKERS how many threads fork.
 */
// link: -pthread
#include "../lib/children.h"
#include "../lib/connecting.h"
#include "../lib/sock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/time.h>

enum {
    USERS = 4,   /* threads with connections, at each end */
    FORKERS = 2, /* threads that fork, if SOCK_FORKERS does not say how many */
    FORKERS_MAX = 16,
    SIZE_MAX_ = 4000,
    REPORTS = 5,    /* losses that are printed one by one */
    TIMEOUT_S = 30, /* what takes longer has hung, on a busy machine too */
};

/* Shared by the two processes. */
static struct counts {
    atomic_int begun, answered, served, lost, reported;
    atomic_int forks;
} * counts;
static int total, forkers_wanted = FORKERS;
static unsigned first_seed;
static struct children_choice chosen = {.program = "/bin/true"}; /* without `fork`: all ways, by chance */
static atomic_bool over;

static unsigned next_random(unsigned *state)
{
    *state = *state * 1664525U + 1013904223U;
    return *state >> 8;
}

static void lost(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void lost(const char *format, ...)
{
    const int error = errno;
    va_list list;
    atomic_fetch_add(&counts->lost, 1);
    if (atomic_fetch_add(&counts->reported, 1) >= REPORTS)
        return;
    char text[200];
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    (void)fprintf(stderr, "pid %d: lost: %s (errno %d, %s)\n", getpid(), text, error, strerror(error));
}

/* --- connections --- */

static bool send_all(int fd, const void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t n = send(fd, (const char *)bytes + done, size - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Returns how many bytes came before the end or an error, which *last says as recv() does. */
static size_t receive_all(int fd, void *bytes, size_t size, ssize_t *last)
{
    size_t done = 0;
    while (done < size) {
        *last = recv(fd, (char *)bytes + done, size - done, 0);
        if (*last < 0 && errno == EINTR)
            continue;
        if (*last <= 0)
            break;
        done += (size_t)*last;
    }
    return done;
}

static bool is_text(const unsigned char *bytes, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != text_byte(i, seed))
            return false;
    return true;
}

static bool ends(int fd)
{
    char byte;
    ssize_t last = -1;
    return receive_all(fd, &byte, 1, &last) == 0 && last == 0;
}

static void set_timeout(int fd)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
}

/* What a client says first. */
struct head {
    uint32_t size, seed;
    bool server_closes; /* first */
    char fill[7];
};

static bool serve(int fd)
{
    static _Thread_local unsigned char text[SIZE_MAX_];
    struct head head;
    ssize_t last = 0;
    size_t n = receive_all(fd, &head, sizeof head, &last);
    if (n != sizeof head || head.size > SIZE_MAX_) {
        lost("the server got %zu bytes of a head, then %zd", n, last);
        return false;
    }
    n = receive_all(fd, text, head.size, &last);
    if (n != head.size || !is_text(text, n, head.seed)) {
        lost("the server got %zu of %u bytes of a question, then %zd", n, head.size, last);
        return false;
    }
    text_fill(text, head.size, 0, head.seed + 1);
    if (!send_all(fd, text, head.size)) {
        lost("the server could not answer");
        return false;
    }
    if (!head.server_closes && !ends(fd)) {
        lost("the server saw no orderly end");
        return false;
    }
    return true;
}

static bool ask(int fd, unsigned *state)
{
    static _Thread_local unsigned char text[SIZE_MAX_];
    const struct head head = {.size = next_random(state) % SIZE_MAX_ + 1,
                              .seed = next_random(state),
                              .server_closes = next_random(state) % 2 != 0};
    ssize_t last = 0;
    text_fill(text, head.size, 0, head.seed);
    if (!send_all(fd, &head, sizeof head) || !send_all(fd, text, head.size)) {
        lost("the client could not ask");
        return false;
    }
    const size_t n = receive_all(fd, text, head.size, &last);
    if (n != head.size || !is_text(text, n, head.seed + 1)) {
        lost("the client got %zu of %u bytes of an answer, then %zd", n, head.size, last);
        return false;
    }
    if (head.server_closes && !ends(fd)) {
        lost("the client saw no orderly end");
        return false;
    }
    return true;
}

/* Some sockets survive an exec, in a program that does not know that it has them. */
static int close_on_exec(int number)
{
    return chosen.fork != NULL || number % 4 == 0 ? 0 : SOCK_CLOEXEC;
}

static void *accept_and_serve(void *argument)
{
    const int listener = *(int *)argument;
    while (atomic_load(&counts->served) < total) {
        struct pollfd wait = {.fd = listener, .events = POLLIN};
        if (poll(&wait, 1, 20) != 1)
            continue;
        const int fd = accept4(listener, NULL, NULL, close_on_exec(atomic_load(&counts->served)));
        if (fd < 0)
            continue; /* another thread had it */
        set_timeout(fd);
        (void)serve(fd);
        (void)close(fd);
        atomic_fetch_add(&counts->served, 1);
    }
    return NULL;
}

/* Only one thread forks in a signal handler, whatever it is doing: the first one that connects. */
static void mask_alarm(int how)
{
    sigset_t alarm;
    sock_expect(sigemptyset(&alarm) == 0 && sigaddset(&alarm, SIGALRM) == 0 &&
                    pthread_sigmask(how, &alarm, NULL) == 0,
                "pthread_sigmask");
}

static void *connect_and_ask(void *argument)
{
    unsigned state = first_seed * 100 + *(unsigned *)argument;
    if (*(unsigned *)argument == 0)
        mask_alarm(SIG_UNBLOCK);
    for (int number; (number = atomic_fetch_add(&counts->begun, 1)) < total;) {
        const int fd = socket(sock_target_global.address.ss_family, SOCK_STREAM | close_on_exec(number), 0);
        set_timeout(fd);
        if (!connecting_completes(fd, &sock_target_global)) {
            lost("connect");
            atomic_fetch_add(&counts->served, 1); /* nobody will accept it */
        } else if (ask(fd, &state)) {
            atomic_fetch_add(&counts->answered, 1);
        }
        (void)close(fd);
    }
    return NULL;
}

/* --- children --- */

static void *fork_children(void *argument)
{
    unsigned state = first_seed * 77 + *(unsigned *)argument;
    while (!atomic_load(&over)) {
        if (chosen.fork != NULL) {
            children_make_chosen(&chosen);
            (void)poll(NULL, 0, 5);
        } else {
            const unsigned way = next_random(&state), then = next_random(&state);
            children_make(way, then);
        }
        atomic_fetch_add(&counts->forks, 1);
    }
    return NULL;
}

/* The next signal comes 2 ms after this call, however long the handler takes. */
static void set_alarm(void)
{
    const struct itimerval soon = {.it_value.tv_usec = 2000};
    (void)setitimer(ITIMER_REAL, &soon, NULL);
}

/* The signal handler. Its thread may be inside a call on a connection. */
static void fork_in_handler(int number)
{
    const int saved = errno;
    int status = 0;
    const pid_t pid = _Fork();
    (void)number;
    if (pid == 0)
        _exit(0);
    if (pid > 0 && waitpid(pid, &status, 0) == pid && status == 0)
        atomic_fetch_add(&counts->forks, 1);
    set_alarm();
    errno = saved;
}

static void fork_by_timer(void)
{
    const struct sigaction action = {.sa_handler = fork_in_handler, .sa_flags = SA_RESTART};
    mask_alarm(SIG_BLOCK);
    sock_expect(sigaction(SIGALRM, &action, NULL) == 0, "sigaction");
    set_alarm();
}

/* --- a process with threads of all kinds --- */

/* What a process does: it accepts, connects, or both, and it may fork meanwhile. */
struct part {
    int listener; /* -1: it does not accept */
    bool connects, forks;
};

static void start(pthread_t *threads, size_t *count, void *(*function)(void *), void *argument)
{
    sock_expect(pthread_create(&threads[*count], NULL, function, argument) == 0, "pthread_create");
    (*count)++;
}

static void play(struct part part)
{
    pthread_t users[2 * USERS], forkers[FORKERS_MAX];
    size_t user_count = 0, forker_count = 0;
    unsigned numbers[FORKERS_MAX];
    for (unsigned i = 0; i < FORKERS_MAX; i++)
        numbers[i] = i;
    for (int i = 0; i < forkers_wanted && part.forks; i++)
        start(forkers, &forker_count, fork_children, &numbers[i]);
    for (unsigned i = 0; i < USERS && part.listener >= 0; i++)
        start(users, &user_count, accept_and_serve, &part.listener);
    for (unsigned i = 0; i < USERS && part.connects; i++)
        start(users, &user_count, connect_and_ask, &numbers[i]);
    for (size_t i = 0; i < user_count; i++)
        sock_expect(pthread_join(users[i], NULL) == 0, "pthread_join");
    atomic_store(&over, true);
    for (size_t i = 0; i < forker_count; i++)
        sock_expect(pthread_join(forkers[i], NULL) == 0, "pthread_join");
}

static void prepare(void)
{
    total = getenv("SOCK_CONNECTIONS") ? (int)strtol(getenv("SOCK_CONNECTIONS"), NULL, 10) : 1000;
    first_seed = getenv("SOCK_SEED") ? (unsigned)strtoul(getenv("SOCK_SEED"), NULL, 10) : 1;
    chosen.fork = getenv("SOCK_FORK");
    chosen.then = getenv("SOCK_THEN");
    if (getenv("SOCK_PROGRAM") != NULL)
        chosen.program = getenv("SOCK_PROGRAM");
    if (getenv("SOCK_FORKERS") != NULL)
        forkers_wanted = (int)strtol(getenv("SOCK_FORKERS"), NULL, 10);
    sock_expect(forkers_wanted > 0 && forkers_wanted <= FORKERS_MAX, "SOCK_FORKERS from 1 to %d", FORKERS_MAX);
    sock_expect((chosen.fork == NULL) == (chosen.then == NULL), "both SOCK_FORK and SOCK_THEN, or neither");
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sock_expect(counts != MAP_FAILED, "mmap");
}

static void conclude(void)
{
    (void)printf("connections %d answered %d lost %d forks %d\n", total, atomic_load(&counts->answered),
                 atomic_load(&counts->lost), atomic_load(&counts->forks));
    sock_expect(atomic_load(&counts->lost) == 0 && atomic_load(&counts->answered) == total,
                "%d of %d connections were answered, %d losses", atomic_load(&counts->answered), total,
                atomic_load(&counts->lost));
    sock_expect(atomic_load(&counts->forks) > 0, "nothing was forked");
}

static int listen_for_threads(const struct sock_target *target)
{
    const int listener = sock_listen(target);
    sock_set_nonblocking(listener, true);
    return listener;
}

/* Clients in a process of their own. */
static void run_two(const struct sock_target *target, bool server_forks, bool client_forks)
{
    const int listener = listen_for_threads(target);
    prepare();
    const pid_t client = fork();
    sock_expect(client >= 0, "fork");
    if (client == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(listener);
        play((struct part){.listener = -1, .connects = true, .forks = client_forks});
        exit(0);
    }
    play((struct part){.listener = listener, .forks = server_forks});
    sock_expect(sock_reap(client) == 0, "the client's process");
    (void)close(listener);
    conclude();
}

static void servers(const struct sock_target *target)
{
    run_two(target, true, false);
}

static void clients(const struct sock_target *target)
{
    run_two(target, false, true);
}

/* Both ends of every connection in the one process that forks. */
static void both_ends(const struct sock_target *target)
{
    const int listener = listen_for_threads(target);
    prepare();
    play((struct part){.listener = listener, .connects = true, .forks = true});
    (void)close(listener);
    conclude();
}

/* The same, but children are made in a signal handler only. */
static void handlers(const struct sock_target *target)
{
    const int listener = listen_for_threads(target);
    prepare();
    fork_by_timer();
    play((struct part){.listener = listener, .connects = true});
    (void)setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    (void)close(listener);
    conclude();
}

static const struct scenario scenarios[] = {
    {"servers", NULL, NULL, servers},
    {"clients", NULL, NULL, clients},
    {"both_ends", NULL, NULL, both_ends},
    {"handlers", NULL, NULL, handlers},
    {0},
};

int main(int argc, char **argv)
{
    return scenario_main(argc, argv, scenarios);
}
