/*
 * A page that fork() wipes (MADV_WIPEONFORK, madvise(2)) and vfork() shares tells the kinds of process apart: in a
 * copy of this memory it is zero, and in this very memory it is not, but getpid(2) answers differently.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/filter.h"
#include "base/fork.h"
#include "base/large.h"
#include "base/page.h"
#include "base/raw_file.h"
#include "base/signals.h"

bool process_sandboxed;

static unsigned before_start = 1;
unsigned *process_generation = &before_start;

static atomic_uint generation;
static pid_t own_pid; /* 0: before the start */
static _Atomic uint32_t own_space;
static bool is_of_vfork_child; /* the sandbox that is being prepared */

__thread pid_t process_running __attribute__((tls_model("initial-exec")));

static __thread struct process_thread self __attribute__((tls_model("initial-exec")));
static __thread unsigned self_generation __attribute__((tls_model("initial-exec")));

/*
 * Process ids mean nothing outside their namespace (pid_namespaces(7)). Its inode is its number: every process in
 * it reads the same one, also after an exec. Without /proc only the descendants of one process know each other, by
 * `known` or, where that is 0, by a new random number.
 */
static uint32_t find_space(uint32_t known)
{
    struct stat status = {0};
    uint32_t random = 0;
    if (raw_stat("/proc/self/ns/pid", &status) == 0 && (uint32_t)status.st_ino != 0)
        return (uint32_t)status.st_ino;
    if (known != 0)
        return known;
    (void)raw_syscall(SYS_getrandom, &random, sizeof random, GRND_NONBLOCK);
    return random | 1;
}

/* Only sealed connections need it, and the first process that does finds it. `keeps`: it is this one's memory. */
static uint32_t space(bool keeps)
{
    uint32_t known = atomic_load_explicit(&own_space, memory_order_relaxed);
    if (known == 0) {
        const uint32_t found = find_space(0);
        if (!keeps)
            return found;
        if (atomic_compare_exchange_strong(&own_space, &known, found))
            return found;
    }
    return known;
}

/* Without /proc: process 1 is the first in its namespace, and a parent in another namespace has the id 0. */
static bool is_in_new_space(void)
{
    return own_pid == 1 || raw_syscall(SYS_getppid) == 0;
}

/* getpid(2), or what is known. */
static pid_t running(void)
{
    if (process_running != 0)
        return process_running;
    const pid_t pid = (pid_t)raw_syscall(SYS_getpid);
    if (signals_held)
        process_running = pid;
    return pid;
}

void process_keep_answer(void)
{
    process_running = own_pid;
}

void process_identify(void)
{
    process_running = 0;
    const pid_t pid = (pid_t)raw_syscall(SYS_getpid);
    const uint32_t before = atomic_load(&own_space);
    if (pid > 0) /* a filter may refuse to tell */
        own_pid = pid;
    if (before != 0 && !process_sandboxed)
        atomic_store(&own_space, find_space(is_in_new_space() ? 0 : before));
    unsigned next;
    do
        next = atomic_fetch_add(&generation, 1) + 1;
    while (next == 0); /* stands for a wiped page */
    __atomic_store_n(process_generation, next, __ATOMIC_SEQ_CST);
}

bool process_is_another(void)
{
    if (process_generation != &before_start)
        return process_is_unseen();
    return !process_sandboxed && (pid_t)raw_syscall(SYS_getpid) != own_pid;
}

static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_error;

/* In .bss, whose whole pages are anonymous memory, with pages to itself. */
LARGE static union {
    alignas(PAGE_LARGEST) unsigned generation;
    char pages[PAGE_LARGEST];
} page;

/*
 * The kernel refuses to wipe the pages of a file, such as this function's (madvise(2), EINVAL). An emulator that
 * takes every advice and follows none (qemu-user before 8.0) does not refuse, and its word for other memory is
 * worth nothing.
 */
static bool advice_is_followed(void)
{
    const uintptr_t size = getauxval(AT_PAGESZ), here = (uintptr_t)advice_is_followed;
    void *const at = (void *)(here & ~(size - 1)); /* NOLINT(performance-no-int-to-ptr) */
    if (size == 0 || madvise(at, size, MADV_WIPEONFORK) != 0)
        return size != 0;
    (void)madvise(at, size, MADV_KEEPONFORK);
    return false;
}

static void make_page(void)
{
    if (!advice_is_followed()) {
        start_error = -EOPNOTSUPP;
    } else if (madvise(&page, sizeof page, MADV_WIPEONFORK) != 0) {
        start_error = -errno;
    } else {
        page.generation = 1;
        __atomic_store_n(&process_generation, &page.generation, __ATOMIC_SEQ_CST);
    }
}

static void start(void)
{
    const int saved = errno;
    make_page();
    process_identify();
    const int error = process_register_fork();
    if (error != 0)
        start_error = error;
    errno = saved;
}

int process_start(void)
{
    (void)pthread_once(&started, start);
    return start_error;
}

bool process_is_vfork_child(void)
{
    process_check();
    /* A filter may not allow the question, and one that is in force allows no vfork in all likelihood. */
    return !process_sandboxed && own_pid != 0 && running() != own_pid;
}

/* An id for a thread that may not ask for its own. No thread has such a high one (proc(5), pid_max). */
static uint32_t next_unnamed(void)
{
    enum { FIRST = 1 << 30 };
    static _Atomic uint32_t count;
    return FIRST | (atomic_fetch_add(&count, 1) & (FIRST - 1));
}

/*
 * A child of vfork() that asks before its parent's thread has ever asked keeps nothing: the variables are that
 * thread's. It would lock with the id of a process that is gone, and other threads would take its locks from it.
 */
static __attribute__((noinline)) struct process_thread ask_thread(unsigned now)
{
    const pid_t pid = process_sandboxed || own_pid == 0 ? own_pid : running();
    const bool keeps = pid <= 0 || pid == own_pid; /* a filter may refuse to tell */
    const struct process_thread asked = {
        .id = filter_allows(SYS_gettid) ? (uint32_t)raw_syscall(SYS_gettid) : next_unnamed(),
        .space = space(keeps),
    };
    if (keeps) {
        self = asked;
        self_generation = now;
    }
    return asked;
}

struct process_thread process_thread(void)
{
    const unsigned now = __atomic_load_n(process_generation, __ATOMIC_RELAXED);
    return __builtin_expect(self_generation != now || now == 0, false) ? ask_thread(now) : self;
}

unsigned long process_threads(void)
{
    enum { LINKS = 2 }; /* of a folder without folders in it */
    struct stat tasks = {0};
    if (process_sandboxed || raw_stat("/proc/self/task", &tasks) != 0)
        return 0;
    return tasks.st_nlink > LINKS ? tasks.st_nlink - LINKS : 0;
}

pid_t process_id(void)
{
    return own_pid;
}

pid_t process_running_id(void)
{
    const pid_t pid = process_sandboxed && own_pid != 0 ? own_pid : running();
    return pid > 0 ? pid : own_pid; /* a filter may refuse to tell */
}

enum process_life process_thread_life(struct process_thread thread)
{
    if (thread.space != atomic_load(&own_space))
        return PROCESS_UNKNOWN;
    if (!filter_allows(SYS_tkill) || !filter_allows(SYS_gettid))
        return PROCESS_ALIVE; /* it cannot be found out */
    return raw_syscall(SYS_tkill, thread.id, 0) == -ESRCH ? PROCESS_DEAD : PROCESS_ALIVE;
}

bool process_is_dead(pid_t pid, uint32_t space_of_pid)
{
    if (space_of_pid != atomic_load(&own_space) || process_sandboxed)
        return false;
    siginfo_t info = {0};
    return (filter_allows(SYS_kill) && raw_syscall(SYS_kill, pid, 0) == -ESRCH) ||
           (filter_allows(SYS_waitid) &&
            raw_syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0 &&
            info.si_pid == pid);
}

void process_prepare_sandbox(void)
{
    is_of_vfork_child = process_is_vfork_child();
    (void)process_thread(); /* the answers are kept */
}

void process_enter_sandbox(void)
{
    if (!is_of_vfork_child)
        process_sandboxed = true;
}

void process_leave_sandbox(void)
{
    process_sandboxed = false;
}
