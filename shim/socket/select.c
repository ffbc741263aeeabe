/*
 * select, pselect: the same as in poll.c, with copies of the program's sets. The real select(2) is called, not
 * poll(2): poll(2) fails for more entries than RLIMIT_NOFILE, and a system call filter may forbid it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "base/aliases.h"
#include "base/filter.h"
#include "base/interposed.h"
#include "base/libc.h"
#include "base/raw_syscall.h"
#include "fd/events.h"
#include "reload/watch.h"
#include "socket/timeout.h"
#include "socket/wait_loop.h"
#include "socket/scratch.h"

enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };

enum {
    WORD_BITS = (int)(CHAR_BIT * sizeof(unsigned long)),
    FEW_WORDS = FD_SETSIZE / WORD_BITS, /* of a set that is copied to the stack */
};

struct request {
    int count;
    unsigned long *sets[SETS]; /* the program's */
    uint64_t allowed;
    bool masks; /* pselect, with `mask` */
    const sigset_t *mask;
    unsigned long *copies[SETS]; /* the kernel's */
    size_t words;                /* of each copy */
};

static bool has(const unsigned long *set, int fd)
{
    return set != NULL && (set[fd / WORD_BITS] >> (fd % WORD_BITS) & 1) != 0;
}

static void put(unsigned long *set, int fd, bool on)
{
    const unsigned long bit = 1UL << (fd % WORD_BITS);
    set[fd / WORD_BITS] = on ? set[fd / WORD_BITS] | bit : set[fd / WORD_BITS] & ~bit;
}

/* A descriptor's bits in the three sets as events of poll(2). The kernel does the same. */
static short events_of(unsigned long *const sets[SETS], int fd)
{
    return (short)((has(sets[SET_READ], fd) ? POLLIN : 0) | (has(sets[SET_WRITE], fd) ? POLLOUT : 0) |
                   (has(sets[SET_EXCEPT], fd) ? POLLPRI : 0));
}

static void set_events(unsigned long *const sets[SETS], int fd, short events)
{
    put(sets[SET_READ], fd, (events & POLLIN) != 0);
    put(sets[SET_WRITE], fd, (events & POLLOUT) != 0);
    put(sets[SET_EXCEPT], fd, (events & POLLPRI) != 0);
}

/* The lowest number from `first` on that the table knows, and that is in a set; -1: there is none. */
static int next_known(const struct request *request, int first)
{
    for (int fd = first; fd < request->count; fd++)
        if (fd_is_known(fd) && events_of(request->sets, fd) != 0)
            return fd;
    return -1;
}

/* Whether the sets need the checks here, as in poll.c. */
static bool needs_checks(const struct request *request)
{
    if (events_due_ms() != UINT64_MAX)
        return true;
    for (int fd = next_known(request, 0); fd >= 0; fd = next_known(request, fd + 1))
        if (events_concern(fd))
            return true;
    return false;
}

/* Fails with EBADF if a number is not open for the program. */
static bool ask(void *call, bool *held_back)
{
    const struct request *request = call;
    for (int i = 0; i < SETS; i++)
        if (request->sets[i] != NULL)
            memcpy(request->copies[i], request->sets[i], request->words * sizeof(unsigned long));
        else
            memset(request->copies[i], 0, request->words * sizeof(unsigned long));
    for (int fd = next_known(request, 0); fd >= 0; fd = next_known(request, fd + 1)) {
        if (!events_concern(fd))
            continue;
        if (fd_is_hidden(fd)) {
            errno = EBADF;
            return false;
        }
        set_events(request->copies, fd, events_ask(fd, events_of(request->sets, fd), held_back));
    }
    return true;
}

static int answer(void *call, int reported)
{
    const struct request *request = call;
    int left = reported;
    for (int fd = next_known(request, 0); fd >= 0; fd = next_known(request, fd + 1)) {
        const short events = events_of(request->sets, fd), revents = events_of(request->copies, fd);
        if (revents == 0)
            continue;
        const short kept = (short)(events_answer(fd, events, revents) & events);
        set_events(request->copies, fd, kept);
        left -= __builtin_popcount((unsigned)revents) - __builtin_popcount((unsigned)kept);
    }
    return left;
}

static int wait_once(void *call, uint64_t slice)
{
    const struct request *request = call;
    fd_set *sets[SETS];
    struct timespec time;
    for (int i = 0; i < SETS; i++)
        sets[i] = (fd_set *)request->copies[i];
    if (request->masks)
        return real_libc()->pselect(request->count, sets[SET_READ], sets[SET_WRITE], sets[SET_EXCEPT],
                                    timeout_to(slice, &time), request->mask);
    struct timeval value = {.tv_sec = (time_t)(slice / NS_PER_SECOND),
                            .tv_usec = (suseconds_t)((slice % NS_PER_SECOND + NS_PER_US - 1) / NS_PER_US)};
    return real_libc()->select(request->count, sets[SET_READ], sets[SET_WRITE], sets[SET_EXCEPT],
                               slice == TIMEOUT_NEVER ? NULL : &value);
}

static const struct wait_steps steps = {.ask = ask, .wait = wait_once, .answer = answer};

/* The call, with memory for SETS copies of `words` words. */
static int select_with(struct request *request, const struct deadline *deadline, unsigned long *memory,
                       size_t words)
{
    request->words = words;
    for (size_t i = 0; i < SETS; i++)
        request->copies[i] = memory + i * words;
    const int ready = wait_loop(&steps, request, deadline);
    for (int i = 0; ready >= 0 && i < SETS; i++)
        if (request->sets[i] != NULL)
            memcpy(request->sets[i], request->copies[i], words * sizeof(unsigned long));
    return ready;
}

/*
 * How many bits the kernel reads of sets with `count` bits: at most as many as the process's table in the kernel
 * has entries (FDSize in proc(5)). Some programs pass a larger count than their sets have (getdtablesize(3)).
 */
static __attribute__((noinline)) int bits_taken(int count)
{
    static const char field[] = "\nFDSize:";
    char text[512]; /* the field is one of the first */
    if (count <= FD_SETSIZE)
        return count;
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/status", O_RDONLY | O_CLOEXEC, 0);
    long length = fd >= 0 ? raw_syscall(SYS_read, fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        (void)raw_syscall(SYS_close, fd);
    text[length > 0 ? length : 0] = '\0';
    const char *found = strstr(text, field);
    long size = found != NULL ? strtol(found + sizeof field - 1, NULL, 10) : 0;
    struct rlimit limit;
    if (size <= 0 && filter_allows(SYS_prlimit64) && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        size = limit.rlim_cur < INT_MAX ? (long)limit.rlim_cur : INT_MAX;
    return size < count ? (int)size : count;
}

static int select_many(struct request *request, const struct deadline *deadline, size_t words)
{
    int result;
    struct scratch scratch = scratch_take(SETS * words * sizeof(unsigned long));
    if (scratch.at == NULL)
        return -1; /* ENOMEM, which is an error of select(2), too */
    pthread_cleanup_push(scratch_give, &scratch);
    result = select_with(request, deadline, scratch.at, words);
    pthread_cleanup_pop(1);
    return result;
}

static int select_checked(struct request *request, const struct deadline *deadline)
{
    unsigned long few[SETS * FEW_WORDS];
    request->count = bits_taken(request->count);
    const size_t words = ((size_t)request->count + WORD_BITS - 1) / WORD_BITS;
    return words > FEW_WORDS ? select_many(request, deadline, words) : select_with(request, deadline, few, words);
}

static struct request request_of(int count, fd_set *readable, fd_set *writable, fd_set *exceptional)
{
    return (struct request){
        .count = count,
        .sets = {(unsigned long *)readable, (unsigned long *)writable, (unsigned long *)exceptional}};
}

static bool is_valid(const struct timeval *timeout)
{
    return timeout == NULL || (timeout->tv_sec >= 0 && timeout->tv_usec >= 0);
}

static uint64_t allowed_by(const struct timeval *timeout)
{
    if (timeout == NULL)
        return TIMEOUT_NEVER;
    const uint64_t more = (uint64_t)timeout->tv_usec * NS_PER_US;
    if ((uint64_t)timeout->tv_sec >= (TIMEOUT_NEVER - more) / NS_PER_SECOND)
        return TIMEOUT_NEVER;
    return (uint64_t)timeout->tv_sec * NS_PER_SECOND + more;
}

PFSWRAP_EXPORT int select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                          struct timeval *timeout)
{
    struct request request = request_of(count, readable, writable, exceptional);
    if (!events_are_filtered() || !is_valid(timeout) || !needs_checks(&request))
        return real_libc()->select(count, readable, writable, exceptional, timeout);
    watch_check_inherited();
    request.allowed = allowed_by(timeout);
    const struct deadline deadline = deadline_after(request.allowed);
    const int result = select_checked(&request, &deadline);
    if (timeout != NULL &&
        deadline.end != TIMEOUT_NEVER) { /* Linux stores the time that is left, also after a signal (select(2)) */
        const int saved = errno;
        const uint64_t left = deadline_left(&deadline);
        timeout->tv_sec = (time_t)(left / NS_PER_SECOND);
        timeout->tv_usec = (suseconds_t)(left % NS_PER_SECOND / NS_PER_US);
        errno = saved;
    }
    return result;
}
PFSWRAP_ALIAS(__select, select);

PFSWRAP_EXPORT int pselect(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                           const struct timespec *timeout, const sigset_t *mask)
{
    struct request request = request_of(count, readable, writable, exceptional);
    if (!events_are_filtered() || !timeout_is_valid(timeout) || !needs_checks(&request))
        return real_libc()->pselect(count, readable, writable, exceptional, timeout, mask);
    watch_check_inherited();
    request.allowed = timeout_from(timeout);
    request.masks = true;
    request.mask = mask;
    const struct deadline deadline = deadline_after(request.allowed);
    return select_checked(&request, &deadline);
}
