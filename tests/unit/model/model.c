/* The scheduler and the kernel of model.h. Coroutines begin on contexts and switch by _longjmp, which makes no
 * call. */
#include "model.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "connection/endpoint.h"
#include "base/raw_syscall.h"

/* Stacks are far apart, since valgrind takes a small change of the stack pointer for a large frame. */
enum { THREADS_MOST = 4, STEPS_MOST = 20000, STACK_BYTES = 8 << 20, TRACE = 4096 };

/* --- scheduler --- */

struct coroutine {
    ucontext_t first;
    jmp_buf here;
    bool begun, over, waits;
    int error; /* errno is each thread's own */
};

struct choice {
    uint8_t taken, count; /* of the threads that can run, in order: the one that runs first */
    uint8_t preemptions;  /* before it */
    bool runs;            /* the first of them is the thread that ran before, so that another one preempts it */
};

static const struct model_scenario *scenario;
static struct coroutine coroutines[THREADS_MOST];
static uint8_t *stacks[THREADS_MOST];
static struct choice choices[STEPS_MOST];
static int depth, replay, current = -1;
static ucontext_t scheduler;
static char trace[TRACE][48];
static unsigned traced;

static void tell(const char *what, long a)
{
    (void)snprintf(trace[traced++ % TRACE], sizeof trace[0], "thread %d: %s(%ld)", current, what, a);
}

void model_expect(bool holds, const char *what)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s: %s. The steps that led there:\n", scenario->name, what);
    for (unsigned i = traced > 300 ? traced - 300 : 0; i < traced; i++)
        (void)fprintf(stderr, "  %s\n", trace[i % TRACE]);
    (void)fflush(stderr);
    ck_abort_msg("%s: %s", scenario->name, what);
}

/* The thread that runs now. */
static int choose(void)
{
    uint8_t can[THREADS_MOST], count = 0;
    const bool runs = !coroutines[current].over && !coroutines[current].waits;
    if (runs)
        can[count++] = (uint8_t)current;
    for (int i = 0; i < scenario->threads; i++)
        if (i != current && !coroutines[i].over && !coroutines[i].waits)
            can[count++] = (uint8_t)i;
    model_expect(count > 0, "all threads wait for each other");
    if (count == 1)
        return can[0];
    model_expect(depth < STEPS_MOST, "it does not come to an end");
    struct choice *choice = &choices[depth];
    if (depth < replay) {
        model_expect(choice->runs == runs && choice->count <= count,
                     "a repeated order runs otherwise than before: something of an execution is left");
    } else {
        const struct choice *before = depth > 0 ? &choices[depth - 1] : NULL;
        *choice = (struct choice){.count = count, .runs = runs};
        if (before != NULL)
            choice->preemptions = (uint8_t)(before->preemptions + (before->runs && before->taken > 0));
        if (runs && choice->preemptions >= scenario->bound)
            choice->count = 1;
    }
    depth++;
    return can[choice->taken];
}

static void start(void)
{
    scenario->run(current);
    tell("ends", 0);
    coroutines[current].over = true;
    for (int i = 0; i < scenario->threads; i++)
        if (!coroutines[i].over) {
            for (int k = 0; k < scenario->threads; k++)
                coroutines[k].waits = false;
            current = choose();
            if (coroutines[current].begun)
                _longjmp(coroutines[current].here, 1);
            coroutines[current].begun = true;
            (void)setcontext(&coroutines[current].first);
        }
    (void)setcontext(&scheduler);
}

/* Lets the scheduler choose. Outside of the threads, as at the beginning of a scenario, nothing happens. */
static void step(void)
{
    if (current < 0)
        return;
    const int before = current;
    const int next = choose();
    if (next == before)
        return;
    coroutines[before].error = errno;
    if (_setjmp(coroutines[before].here) == 0) {
        current = next;
        if (coroutines[next].begun)
            _longjmp(coroutines[next].here, 1);
        coroutines[next].begun = true;
        (void)setcontext(&coroutines[next].first);
    }
    errno = coroutines[before].error;
}

/* A thread that waits looks again after each step of another thread that changes something. */
static void change(void)
{
    if (current < 0)
        return;
    for (int i = 0; i < scenario->threads; i++)
        if (i != current)
            coroutines[i].waits = false;
}

void model_wait(void)
{
    tell("waits", 0);
    coroutines[current].waits = true;
    step();
}

int model_self(void)
{
    return current < 0 ? THREADS_MOST : current;
}

bool model_wait_or_time_out(void)
{
    for (int i = 0; i < scenario->threads; i++)
        if (i != current && !coroutines[i].over && !coroutines[i].waits) {
            model_wait();
            return true;
        }
    return false;
}

void model_step(void)
{
    step();
}

void model_changed(void)
{
    if (current >= 0)
        change();
}

/* Reading wakes no thread: two threads that wait for a third would wake each other without end. */
void model_look(const volatile void *word)
{
    const uintptr_t at = (uintptr_t)word, table = (uintptr_t)fd_table;
    if (current < 0 || at < table || at >= table + MODEL_NUMBERS * sizeof fd_table[0] || (at - table) / 8 < 3)
        return;
    step();
    tell("table", (long)(at - table) / 8);
}

void model_touch(const volatile void *word)
{
    model_look(word);
    model_changed();
}

static bool next_execution(void)
{
    while (depth > 0) {
        struct choice *last = &choices[depth - 1];
        if (last->taken + 1 < last->count) {
            last->taken++;
            replay = depth;
            return true;
        }
        depth--;
    }
    return false;
}

/* --- kernel --- */

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
    step();
    const int fd = new_file(false);
    tell("open", fd);
    change();
    return fd;
}

int model_socket(void)
{
    step();
    const int fd = new_file(true);
    tell("socket", fd);
    change();
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
    case SYS_fcntl:
        if (file == NULL)
            return -EBADF;
        if (b == F_DUPFD_CLOEXEC || b == F_DUPFD)
            return give((int)(file - files), c);
        if (b == F_SETFD)
            cloexec[a] = (c & FD_CLOEXEC) != 0;
        return b == F_GETFD ? cloexec[a] : b == F_GETFL ? O_RDWR : 0;
    case SYS_fstat:
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
    step();
    char name[24];
    (void)snprintf(name, sizeof name, "call %ld", number);
    tell(name, number == SYS_ppoll && a != 0 ? ((const struct pollfd *)a)->fd : a);
    change();
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
    step();
    struct file *file = file_at(fd);
    const enum model_peer peer =
        (enum model_peer)(ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port) - 1000);
    tell("connect", fd);
    change();
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
    return with_errno(model_kernel(SYS_fcntl, fd, F_DUPFD, 3, 0, 0));
}

int model_real_dup2(int fd, int fd2)
{
    return with_errno(model_kernel(SYS_dup3, fd, fd2, 0, 0, 0));
}

int model_real_write(int fd)
{
    step();
    const struct file *file = file_at(fd);
    tell("write", fd);
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
    step();
    tell("close_range", (long)first);
    change();
    for (unsigned fd = first; fd <= last && fd < MODEL_NUMBERS; fd++)
        if (file_at(fd) != NULL)
            drop(fd);
    return 0;
}

/* --- executions --- */

static void reset(void)
{
    memset(files, 0, sizeof files);
    memset(numbers, 0, sizeof numbers);
    last_number = 0;
    traced = 0;
    depth = 0;
}

static void execute(void)
{
    reset();
    current = -1;
    if (scenario->begin != NULL)
        scenario->begin();
    for (int i = 0; i < scenario->threads; i++) {
        struct coroutine *coroutine = &coroutines[i];
        *coroutine = (struct coroutine){0};
        /* cppcheck-suppress getcontextCalled */
        (void)getcontext(&coroutine->first);
        coroutine->first.uc_stack = (stack_t){.ss_sp = stacks[i], .ss_size = STACK_BYTES};
        /* cppcheck-suppress makecontextCalled */
        makecontext(&coroutine->first, start, 0);
    }
    current = 0;
    coroutines[0].begun = true;
    /* cppcheck-suppress swapcontextCalled */
    (void)swapcontext(&scheduler, &coroutines[0].first);
    current = -1;
    for (int fd = 0; fd < MODEL_NUMBERS; fd++) {
        model_expect(numbers[fd] == 0, "a descriptor is left open");
        model_expect(MODEL_LOAD(&fd_table[fd]) == 0, "the table still has something for a number");
    }
}

long model_explore(const struct model_scenario *explored)
{
    long executions = 0;
    scenario = explored;
    replay = 0;
    for (int i = 0; i < THREADS_MOST; i++)
        stacks[i] =
            mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    do {
        execute();
        executions++;
    } while (next_execution());
    for (int i = 0; i < THREADS_MOST; i++)
        (void)munmap(stacks[i], STACK_BYTES);
    return executions;
}
