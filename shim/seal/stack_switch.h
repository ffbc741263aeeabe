/*
 * Calls a function on other memory than the stack of the thread. Programs call on stacks of 8 KiB (coroutines,
 * sigaltstack(2)), and ML-KEM needs more. The function must return; it must not throw or jump out.
 *
 * The processor's stack of return addresses (CET) is not concerned: calls and returns stay in pairs. A debugger
 * that stops in the function may not find the frames of its callers.
 */
#ifndef PFSWRAP_SEAL_STACK_SWITCH_H
#define PFSWRAP_SEAL_STACK_SWITCH_H

#include <stdint.h>

#if defined __x86_64__ || defined __i386__ || defined __aarch64__
#define STACK_CAN_SWITCH 1
#else
#define STACK_CAN_SWITCH 0 /* the thread's own stack is used */
#endif

/* Calls function(argument) with the stack pointer at `top`, rounded down to 16 bytes. */
static __attribute__((noinline, unused)) void stack_switch(void (*function)(void *), void *argument, uint8_t *top)
{
    top -= (uintptr_t)top % 16;
#if defined __x86_64__
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[top], %%rsp\n\t"
                     "call *%[function]\n\t"
                     "movq %%rbx, %%rsp"
                     : "+D"(argument), [function] "+a"(function), [top] "+S"(top)
                     :
                     : "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4",
                       "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
                       "cc", "memory");
#elif defined __i386__
    __asm__ volatile("movl %%esp, %%esi\n\t"
                     "movl %[top], %%esp\n\t"
                     "subl $12, %%esp\n\t"
                     "pushl %[argument]\n\t"
                     "call *%[function]\n\t"
                     "movl %%esi, %%esp"
                     : [argument] "+d"(argument), [function] "+a"(function), [top] "+c"(top)
                     :
                     : "esi", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "cc", "memory");
#elif defined __aarch64__
    register void *first __asm__("x0") = argument;

    __asm__ volatile("mov x19, sp\n\t"
                     "mov sp, %[top]\n\t"
                     "blr %[function]\n\t"
                     "mov sp, x19"
                     : "+r"(first)
                     : [function] "r"(function), [top] "r"(top)
                     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x18", "x19", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
                       "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20",
                       "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "cc", "memory");
#else
    function(argument);
#endif
}

#endif
