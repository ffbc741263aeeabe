/*
 * System calls without libc: no errno, no cancellation point (pthreads(7)), no interposed function. This is how the
 * shim makes its own calls, also under locks and in children of vfork(). raw_syscall() returns what the kernel
 * returns: -4095 to -1 is a negative errno value.
 */
#ifndef PFSWRAP_BASE_RAW_SYSCALL_H
#define PFSWRAP_BASE_RAW_SYSCALL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/newer.h"
#include "base/raw_numbers.h"

#if defined(__x86_64__)
static inline long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
static inline long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}
#elif defined(__i386__)
#include "base/raw_i386.h"
#else
#error "pfswrap supports x86-64, i386 and 64-bit ARM only"
#endif

/* raw_syscall(number, up to six arguments of any scalar type). */
#define RAW_ARGUMENT(value) ((long)(value))
#define RAW_SYSCALL_0(n) kernel_call((n), 0, 0, 0, 0, 0, 0)
#define RAW_SYSCALL_1(n, a) kernel_call((n), RAW_ARGUMENT(a), 0, 0, 0, 0, 0)
#define RAW_SYSCALL_2(n, a, b) kernel_call((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), 0, 0, 0, 0)
#define RAW_SYSCALL_3(n, a, b, c) kernel_call((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), 0, 0, 0)
#define RAW_SYSCALL_4(n, a, b, c, d)                                                                               \
    kernel_call((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), 0, 0)
#define RAW_SYSCALL_5(n, a, b, c, d, e)                                                                            \
    kernel_call((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), RAW_ARGUMENT(e), 0)
#define RAW_SYSCALL_6(n, a, b, c, d, e, f)                                                                         \
    kernel_call((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), RAW_ARGUMENT(e),          \
                RAW_ARGUMENT(f))
#define RAW_SYSCALL_PICK(n, a, b, c, d, e, f, chosen, ...) chosen
#define raw_syscall(...)                                                                                           \
    RAW_SYSCALL_PICK(__VA_ARGS__, RAW_SYSCALL_6, RAW_SYSCALL_5, RAW_SYSCALL_4, RAW_SYSCALL_3, RAW_SYSCALL_2,       \
                     RAW_SYSCALL_1, RAW_SYSCALL_0, )                                                               \
    (__VA_ARGS__)

/*
 * Whether to make a call again: a signal has interrupted it. Not for ever, since a system call filter may answer
 * EINTR each time. *count is 0 before the first call.
 */
static inline bool raw_is_interrupted(long result, int *count)
{
    enum { EINTR_OF_KERNEL = 4, INTERRUPTED_MAX = 100 };
    return result == -EINTR_OF_KERNEL && ++*count < INTERRUPTED_MAX;
}

/* Ends the process, whatever a system call filter says: by _exit(2), or else by SIGILL. */
_Noreturn static inline void raw_exit(int status)
{
    (void)raw_syscall(SYS_exit_group, status);
    (void)raw_syscall(SYS_exit, status);
    __builtin_trap();
}

#endif
