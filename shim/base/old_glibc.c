/*
 * Functions that glibc 2.17, the oldest one that the shared object runs on, lacks or has in libpthread. The linker
 * sends the shared object's references to them here (--wrap in the Makefile), and the test of the shared object
 * checks that no other reference needs a newer glibc. So one object serves every glibc from 2.17 on.
 *
 * Before glibc 2.34, the functions for threads are in libpthread, which a program without threads has not loaded.
 * They are looked up when they are needed: without libpthread, a thread cannot be made, and no thread can be
 * cancelled. Calls dl_iterate_phdr(3), system calls and what it finds.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/elf.h"
#include "base/random.h"
#include "base/raw_file.h"

/* --wrap=NAME makes the linker look for __wrap_NAME. */
#define WRAP(name) __wrap_##name

/* On i386, these functions take their argument in a register (pthread.h). */
#ifndef __cleanup_fct_attribute
#define __cleanup_fct_attribute
#endif
typedef __cleanup_fct_attribute void cancel_function(__pthread_unwind_buf_t *buffer);

int WRAP(stat)(const char *path, struct stat *status);
int WRAP(fstat)(int fd, struct stat *status);
ssize_t WRAP(getrandom)(void *buffer, size_t size, unsigned flags);
void WRAP(__explicit_bzero_chk)(void *at, size_t size, size_t room);
int WRAP(pthread_sigmask)(int how, const sigset_t *set, sigset_t *before);
int WRAP(pthread_atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void));
int WRAP(pthread_once)(pthread_once_t *once, void (*run)(void));
void WRAP(pthread_testcancel)(void);
int WRAP(pthread_create)(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);
int WRAP(pthread_join)(pthread_t thread, void **result);
int WRAP(pthread_attr_setstacksize)(pthread_attr_t *attributes, size_t size);
cancel_function WRAP(__pthread_register_cancel);
cancel_function WRAP(__pthread_unregister_cancel);
cancel_function WRAP(__pthread_unwind_next);

/* Below glibc 2.33, the names are macros over functions with the version of the structure. */
int WRAP(stat)(const char *path, struct stat *status)
{
    const long result = raw_stat(path, status);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

int WRAP(fstat)(int fd, struct stat *status)
{
    const long result = raw_fstat(fd, status);
    if (result == 0)
        return 0;
    errno = (int)-result;
    return -1;
}

#if defined(__i386__)
/* With offsets of 64 bits, the same functions have these names (feature_test_macros(7), _FILE_OFFSET_BITS). */
_Static_assert(sizeof(off_t) == 8, "struct stat is struct stat64 here");
int WRAP(stat64)(const char *path, struct stat *status) __attribute__((alias("__wrap_stat")));
int WRAP(fstat64)(int fd, struct stat *status) __attribute__((alias("__wrap_fstat")));
#endif

/* glibc 2.25 */
ssize_t WRAP(getrandom)(void *buffer, size_t size, unsigned flags)
{
    const long result = random_read(buffer, size, flags);
    if (result >= 0)
        return result;
    errno = (int)-result;
    return -1;
}

/* glibc 2.25. The compiler has checked `room` where it could. */
void WRAP(__explicit_bzero_chk)(void *at, size_t size, size_t room)
{
    if (size > room)
        __builtin_trap();
    memset(at, 0, size);
    __asm__ volatile("" : : "r"(at) : "memory");
}

enum wanted {
    CREATE,
    JOIN,
    SET_STACK_SIZE,
    TEST_CANCEL,
    REGISTER_CANCEL,
    UNREGISTER_CANCEL,
    UNWIND_NEXT,
    FUNCTIONS,
};

static const char *const names[FUNCTIONS] = {
    [CREATE] = "pthread_create",
    [JOIN] = "pthread_join",
    [SET_STACK_SIZE] = "pthread_attr_setstacksize",
    [TEST_CANCEL] = "pthread_testcancel",
    [REGISTER_CANCEL] = "__pthread_register_cancel",
    [UNREGISTER_CANCEL] = "__pthread_unregister_cancel",
    [UNWIND_NEXT] = "__pthread_unwind_next",
};

static void *_Atomic found[FUNCTIONS];
static atomic_ullong objects_seen; /* how many objects had been loaded at the last search */

static int count_loaded(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    *(unsigned long long *)argument = info->dlpi_adds;
    return 1; /* the number is the same for all objects */
}

/* Looks for a function that has not been found yet. Not inline, so that its variables are not below a cancellation.
 */
static __attribute__((noinline)) void *look_for(enum wanted wanted)
{
    unsigned long long loaded = 0;
    (void)dl_iterate_phdr(count_loaded, &loaded);
    if (wanted == TEST_CANCEL && atomic_load(&objects_seen) == loaded)
        return NULL; /* called often; nothing has been loaded since */
    void *const at = elf_find(names[wanted]);
    if (at != NULL)
        atomic_store_explicit(&found[wanted], at, memory_order_release);
    else if (wanted == TEST_CANCEL)
        atomic_store(&objects_seen, loaded);
    return at;
}

/* The function; NULL: no object defines it. */
static inline void *function(enum wanted wanted)
{
    void *const at = atomic_load_explicit(&found[wanted], memory_order_acquire);
    return __builtin_expect(at != NULL, 1) ? at : look_for(wanted);
}

/* What pthread_atfork(3) is in every glibc. It is in an archive, so the linker would place it far from its caller.
 */
int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *object);
extern void *__dso_handle __attribute__((visibility("hidden")));

int WRAP(pthread_atfork)(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return __register_atfork(prepare, parent, child, &__dso_handle);
}

/* In libc only since glibc 2.32. sigprocmask(2) does the same: on Linux, each thread has a mask of its own. */
int WRAP(pthread_sigmask)(int how, const sigset_t *set, sigset_t *before)
{
    const int saved = errno;
    const int error = sigprocmask(how, set, before) == 0 ? 0 : errno;
    errno = saved;
    return error;
}

enum { ONCE_NEW = PTHREAD_ONCE_INIT, ONCE_DONE = 1 };

/* A value of *once that only this process writes. All processes share one if a filter refuses to tell the id. */
static int once_running(void)
{
    const long pid = raw_syscall(SYS_getpid);
    return pid > 0 ? (int)pid + ONCE_DONE : INT_MAX;
}

/*
 * While `run` is running, *once is once_running(). In a child of a fork(2) beside it, nobody runs it, so the child
 * does.
 */
int WRAP(pthread_once)(pthread_once_t *once, void (*run)(void))
{
    while (__atomic_load_n(once, __ATOMIC_ACQUIRE) != ONCE_DONE) {
        const int mine = once_running();
        int seen = __atomic_load_n(once, __ATOMIC_ACQUIRE);
        if (seen == ONCE_DONE)
            break;
        if (seen == mine) {
            (void)raw_syscall(SYS_sched_yield);
            continue;
        }
        if (!__atomic_compare_exchange_n(once, &seen, mine, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        run();
        __atomic_store_n(once, ONCE_DONE, __ATOMIC_RELEASE);
    }
    return 0;
}

void WRAP(pthread_testcancel)(void)
{
    void (*test)(void) = function(TEST_CANCEL);
    if (test != NULL)
        test();
}

int WRAP(pthread_create)(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = function(CREATE);
    return create != NULL ? create(thread, attributes, run, argument) : EAGAIN;
}

int WRAP(pthread_join)(pthread_t thread, void **result)
{
    int (*join)(pthread_t, void **) = function(JOIN);
    return join != NULL ? join(thread, result) : ESRCH;
}

int WRAP(pthread_attr_setstacksize)(pthread_attr_t *attributes, size_t size)
{
    int (*set)(pthread_attr_t *, size_t) = function(SET_STACK_SIZE);
    return set != NULL ? set(attributes, size) : ENOSYS;
}

__cleanup_fct_attribute void WRAP(__pthread_register_cancel)(__pthread_unwind_buf_t *buffer)
{
    cancel_function *const enter = function(REGISTER_CANCEL);
    if (enter != NULL)
        enter(buffer);
}

__cleanup_fct_attribute void WRAP(__pthread_unregister_cancel)(__pthread_unwind_buf_t *buffer)
{
    cancel_function *const leave = function(UNREGISTER_CANCEL);
    if (leave != NULL)
        leave(buffer);
}

/* Runs in a thread that is being cancelled, so libpthread is there. */
__cleanup_fct_attribute void WRAP(__pthread_unwind_next)(__pthread_unwind_buf_t *buffer)
{
    cancel_function *const unwind = function(UNWIND_NEXT);
    if (unwind != NULL)
        unwind(buffer);
    __builtin_trap();
}
