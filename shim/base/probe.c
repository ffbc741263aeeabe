/*
 * The child tries one call after the other, and says in shared memory which one comes next. If a filter ends the
 * child, that call is denied, and another child continues behind it. An error instead of the end is an answer that
 * the caller of the real call gets, too. Makes system calls only.
 */
#include "base/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/filter.h"
#include "base/page.h"
#include "base/raw_syscall.h"

/*
 * Calls for rare purposes, which service managers are asked to forbid (systemd.exec(5), SystemCallFilter=), and
 * without which the shim can do: code that makes one of them asks filter_allows() first. prctl(2) comes first,
 * since it keeps the kernel from writing a core file of the child.
 */
static const short rare_calls[] = {
    SYS_prctl, SYS_mlock, SYS_munlock, SYS_memfd_create, SYS_pidfd_open, SYS_prlimit64,
    SYS_kill,  SYS_tkill, SYS_waitid,  SYS_flock,        SYS_fdatasync,
};

enum { RARE_CALLS = sizeof rare_calls / sizeof rare_calls[0] };

/* The call, with arguments that change nothing: signal 0 is none (kill(2)), and the others are errors. */
static void try_call(long number)
{
    switch (number) {
    case SYS_prctl:
        (void)raw_syscall(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0);
        break;
    case SYS_flock: /* no file is open as -1 */
    case SYS_fdatasync:
        (void)raw_syscall(number, -1, 0);
        break;
    case SYS_waitid:
        (void)raw_syscall(SYS_waitid, -1, 0, NULL, 0, NULL);
        break;
    default:
        (void)raw_syscall(number, 0, 0, 0, 0, 0);
    }
}

/* Tries the calls from *next on, in a child. Returns whether there was a child. *next is where it has got to. */
static bool try_in_child(_Atomic int *next)
{
    int status = 0;
    const long child = raw_syscall(SYS_clone, 0, 0, NULL, NULL, 0); /* its end sends no signal */
    if (child == 0) {
        for (int i = atomic_load(next); i < RARE_CALLS; i++) {
            atomic_store(next, i);
            try_call(rare_calls[i]);
        }
        atomic_store(next, RARE_CALLS);
        raw_exit(0);
    }
    long ended = child;
    int interrupted = 0;
    if (child > 0)
        do
            ended = raw_syscall(SYS_wait4, child, &status, __WALL, NULL);
        while (raw_is_interrupted(ended, &interrupted));
    return ended > 0;
}

static void deny_from(int first)
{
    for (int i = first; i < RARE_CALLS; i++)
        filter_deny(rare_calls[i]);
}

static void try_all(void)
{
    const long mapping =
        raw_syscall(RAW_MMAP, NULL, PAGE_SMALLEST, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (mapping < 0 && mapping > -4096) {
        deny_from(0);
        return;
    }
    _Atomic int *next = (_Atomic int *)mapping;
    for (int tried = 0; tried < RARE_CALLS; tried = atomic_load(next)) {
        atomic_store(next, tried);
        if (!try_in_child(next)) {
            deny_from(tried);
            break;
        }
        if (atomic_load(next) >= RARE_CALLS)
            break;
        filter_deny(rare_calls[atomic_load(next)]);
        atomic_store(next, atomic_load(next) + 1);
    }
    (void)raw_syscall(SYS_munmap, mapping, PAGE_SMALLEST);
}

/* Whether the kernel reports that the process has no filter (proc(5), Seccomp). False also if it cannot be read. */
static bool has_none(void)
{
    static const char none[] = "\nSeccomp:\t0\n";
    enum { WORD = sizeof none - 1, BYTES = 4096 };
    char text[WORD + BYTES];
    size_t kept = 0;
    bool found = false;
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    for (long count; !found && (count = raw_syscall(SYS_read, fd, text + kept, BYTES)) > 0;) {
        const size_t length = kept + (size_t)count;
        for (size_t i = 0; i + WORD <= length && !found; i++)
            found = memcmp(text + i, none, WORD) == 0;
        kept = length < WORD ? length : WORD; /* the words may be cut by the end of a read */
        memmove(text, text + length - kept, kept);
    }
    (void)raw_syscall(SYS_close, fd);
    return found;
}

void probe_filters(void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    if (!has_none())
        try_all();
}
