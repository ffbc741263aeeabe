/*
 * In libpfswrap.so of `make coverage` only. gcov writes its counters when a process calls exit(), but the programs
 * under test also end by _exit(), exec(), signals and in relays, in sandboxes, behind chroot() and as other users.
 * So all processes share one copy of the counters, in a file that they map; counters.ld places these on pages of
 * their own. With PFSWRAP_COVERAGE_WRITE in its environment, a process writes the shared counters to the .gcda
 * files at its exit.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/raw_syscall.h"

extern uint64_t coverage_counters_begin[], coverage_counters_end[];

void __wrap___gcov_exit(void);
void __real___gcov_exit(void);

static bool shared;

/* Before the program's first descriptor, user change, chroot() and system call filter. */
__attribute__((constructor(101))) static void share_counters(void)
{
    const size_t bytes = (uintptr_t)coverage_counters_end - (uintptr_t)coverage_counters_begin;
    const int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, PFSWRAP_COVERAGE_FILE, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)raw_syscall(SYS_ftruncate, fd, bytes); /* the same size for all */
    uint64_t *const sum = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (sum != MAP_FAILED) {
        for (size_t i = 0; i < bytes / sizeof *sum; i++)
            (void)__atomic_fetch_add(&sum[i], coverage_counters_begin[i], __ATOMIC_RELAXED);
        shared = mmap(coverage_counters_begin, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) !=
                 MAP_FAILED;
        (void)munmap(sum, bytes);
    }
    (void)raw_syscall(SYS_close, fd);
}

/* The end of a process, which the linker puts in place of gcov's own (--wrap). */
void __wrap___gcov_exit(void)
{
    if (shared && getenv("PFSWRAP_COVERAGE_WRITE") != NULL)
        __real___gcov_exit();
}
