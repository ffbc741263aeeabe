/*
 * The shim's system calls for the sources that the model runs: the model's kernel answers them (model.h).
 */
#ifndef PFSWRAP_REAL_KERNEL_H
#define PFSWRAP_REAL_KERNEL_H

#include <stdint.h>
#include <sys/syscall.h>

long model_kernel(long number, long a, long b, long c, long d, long e);

#define KERNEL_ARGUMENT(value) ((long)(value))
#define KERNEL_0(n) model_kernel((n), 0, 0, 0, 0, 0)
#define KERNEL_1(n, a) model_kernel((n), KERNEL_ARGUMENT(a), 0, 0, 0, 0)
#define KERNEL_2(n, a, b) model_kernel((n), KERNEL_ARGUMENT(a), KERNEL_ARGUMENT(b), 0, 0, 0)
#define KERNEL_3(n, a, b, c) model_kernel((n), KERNEL_ARGUMENT(a), KERNEL_ARGUMENT(b), KERNEL_ARGUMENT(c), 0, 0)
#define KERNEL_4(n, a, b, c, d)                                                                                    \
    model_kernel((n), KERNEL_ARGUMENT(a), KERNEL_ARGUMENT(b), KERNEL_ARGUMENT(c), KERNEL_ARGUMENT(d), 0)
#define KERNEL_5(n, a, b, c, d, e)                                                                                 \
    model_kernel((n), KERNEL_ARGUMENT(a), KERNEL_ARGUMENT(b), KERNEL_ARGUMENT(c), KERNEL_ARGUMENT(d),              \
                 KERNEL_ARGUMENT(e))
#define KERNEL_6(n, a, b, c, d, e, f) KERNEL_5(n, a, b, c, d, e)

#endif
