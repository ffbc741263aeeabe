/*
 * The shim's system calls for the sources that the model runs: the model's kernel answers them (model.h).
 */
#ifndef PFSWRAP_BASE_RAW_SYSCALL_H
#define PFSWRAP_BASE_RAW_SYSCALL_H

#include <stdint.h>
#include <sys/syscall.h>

#include "base/raw_numbers.h"

long model_kernel(long number, long a, long b, long c, long d, long e);

#define RAW_ARGUMENT(value) ((long)(value))
#define RAW_SYSCALL_0(n) model_kernel((n), 0, 0, 0, 0, 0)
#define RAW_SYSCALL_1(n, a) model_kernel((n), RAW_ARGUMENT(a), 0, 0, 0, 0)
#define RAW_SYSCALL_2(n, a, b) model_kernel((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), 0, 0, 0)
#define RAW_SYSCALL_3(n, a, b, c) model_kernel((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), 0, 0)
#define RAW_SYSCALL_4(n, a, b, c, d)                                                                               \
    model_kernel((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), 0)
#define RAW_SYSCALL_5(n, a, b, c, d, e)                                                                            \
    model_kernel((n), RAW_ARGUMENT(a), RAW_ARGUMENT(b), RAW_ARGUMENT(c), RAW_ARGUMENT(d), RAW_ARGUMENT(e))
#define RAW_SYSCALL_6(n, a, b, c, d, e, f) RAW_SYSCALL_5(n, a, b, c, d, e)
#define RAW_SYSCALL_PICK(n, a, b, c, d, e, f, chosen, ...) chosen
#define raw_syscall(...)                                                                                           \
    RAW_SYSCALL_PICK(__VA_ARGS__, RAW_SYSCALL_6, RAW_SYSCALL_5, RAW_SYSCALL_4, RAW_SYSCALL_3, RAW_SYSCALL_2,       \
                     RAW_SYSCALL_1, RAW_SYSCALL_0, )                                                               \
    (__VA_ARGS__)

#if defined(__i386__)
/* The model's kernel knows each call by its own number. */
static inline long socketcall_of(long number)
{
    (void)number;
    return 0;
}
#endif

#endif
