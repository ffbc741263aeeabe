/*
 * A page that fork() wipes (MADV_WIPEONFORK, madvise(2)) and vfork() shares tells the three kinds of process apart.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/raw_syscall.h"

enum { PAGE = 4096 };

bool process_sandboxed;

static atomic_uint before_start = 1;
static atomic_uint *generation_page = &before_start; /* `generation`; 0 in a child that is not known yet */
static atomic_uint generation;
static pid_t own_pid;
static uint32_t own_space;

static __thread struct process_thread self __attribute__((tls_model("initial-exec")));
static __thread unsigned self_generation __attribute__((tls_model("initial-exec")));

/*
 * Ids of processes mean nothing outside their namespace (pid_namespaces(7)), whose number every process in it reads
 * alike, also after an exec. Without /proc only descendants know each other.
 */
static uint32_t find_space(void)
{
    struct stat status = {0};
    uint32_t random = 0;
    if (raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &status, 0) == 0 && (uint32_t)status.st_ino != 0)
        return (uint32_t)status.st_ino;
    (void)raw_syscall(SYS_getrandom, &random, sizeof random, GRND_NONBLOCK);
    return random | 1;
}

/* Process 1 is the first in a new one. */
static void enter_space(void)
{
    own_pid = (pid_t)raw_syscall(SYS_getpid);
    if (own_space == 0 || own_pid == 1)
        own_space = find_space();
}

int process_start(void)
{
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -1;
    if (madvise(page, PAGE, MADV_WIPEONFORK) != 0) {
        int error = errno;
        (void)munmap(page, PAGE);
        errno = error;
        return -1;
    }
    generation_page = page;
    process_adopt();
    return 0;
}

bool process_is_unknown(void)
{
    return atomic_load_explicit(generation_page, memory_order_relaxed) == 0;
}

void process_adopt(void)
{
    enter_space();
    unsigned next = atomic_fetch_add(&generation, 1) + 1;
    atomic_store(generation_page, next);
}

void process_tell_child(void)
{
    for (const struct process_observer *const *observer = process_observers; *observer != NULL; observer++)
        (*observer)->after_fork_in_child();
}

bool process_is_vfork_child(void)
{
    /* A filter may not allow the question, and one that is up allows no vfork in all likelihood. */
    return !process_sandboxed && !process_is_unknown() && (pid_t)raw_syscall(SYS_getpid) != own_pid;
}

struct process_thread process_thread(void)
{
    unsigned now = atomic_load_explicit(generation_page, memory_order_relaxed);
    if (__builtin_expect(self_generation != now || now == 0, false)) {
        self.id = (uint32_t)raw_syscall(SYS_gettid);
        self.space = own_space;
        self_generation = now;
    }
    return self;
}

unsigned long process_threads(void)
{
    enum { LINKS = 2 }; /* of a folder without folders in it */
    struct stat tasks = {0};
    if (process_sandboxed || raw_syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/task", &tasks, 0) != 0)
        return 0;
    return tasks.st_nlink > LINKS ? tasks.st_nlink - LINKS : 0;
}

pid_t process_id(void)
{
    return own_pid;
}

enum process_life process_thread_life(struct process_thread thread)
{
    if (thread.space != own_space)
        return PROCESS_UNKNOWN;
    return raw_syscall(SYS_tkill, thread.id, 0) == -ESRCH ? PROCESS_DEAD : PROCESS_ALIVE;
}

bool process_is_dead(pid_t pid, uint32_t space)
{
    if (space != own_space || process_sandboxed)
        return false;
    siginfo_t info = {0};
    return raw_syscall(SYS_kill, pid, 0) == -ESRCH ||
           (raw_syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL) == 0 &&
            info.si_pid == pid);
}
