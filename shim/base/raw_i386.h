/*
 * System calls of i386 (int 0x80). Calls on sockets go through socketcall(2), as glibc's do: system call filters of
 * 32-bit programs are written for that call, and Linux before 4.3 has no other. Only for raw_syscall.h.
 */
#ifndef PFSWRAP_BASE_RAW_I386_H
#define PFSWRAP_BASE_RAW_I386_H

#include <linux/net.h>

/* The sixth argument is in ebp, which the compiler may need for itself. */
static inline long kernel_enter(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    __asm__ volatile("pushl %[f]\n\t"
                     "pushl %%ebp\n\t"
                     "movl 4(%%esp), %%ebp\n\t"
                     "int $0x80\n\t"
                     "popl %%ebp\n\t"
                     "addl $4, %%esp"
                     : "=a"(result)
                     : "0"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e), [f] "g"(f)
                     : "memory", "cc");
    return result;
}

/* The number in socketcall(2), or 0. The calls for several messages have always had numbers of their own. */
static inline long socketcall_of(long number)
{
    switch (number) {
    case SYS_socket:
        return SYS_SOCKET;
    case SYS_bind:
        return SYS_BIND;
    case SYS_connect:
        return SYS_CONNECT;
    case SYS_listen:
        return SYS_LISTEN;
    case SYS_accept4:
        return SYS_ACCEPT4;
    case SYS_getsockname:
        return SYS_GETSOCKNAME;
    case SYS_getpeername:
        return SYS_GETPEERNAME;
    case SYS_socketpair:
        return SYS_SOCKETPAIR;
    case SYS_sendto:
        return SYS_SENDTO;
    case SYS_recvfrom:
        return SYS_RECVFROM;
    case SYS_shutdown:
        return SYS_SHUTDOWN;
    case SYS_setsockopt:
        return SYS_SETSOCKOPT;
    case SYS_getsockopt:
        return SYS_GETSOCKOPT;
    case SYS_sendmsg:
        return SYS_SENDMSG;
    case SYS_recvmsg:
        return SYS_RECVMSG;
    default:
        return 0;
    }
}

static inline long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    const long socketcall = socketcall_of(number);
    if (socketcall == 0)
        return kernel_enter(number, a, b, c, d, e, f);
    const long arguments[] = {a, b, c, d, e, f};
    return kernel_enter(SYS_socketcall, socketcall, (long)arguments, 0, 0, 0, 0);
}

#endif
