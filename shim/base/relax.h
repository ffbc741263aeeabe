/*
 * What a thread does between two looks at a word that another thread is about to change: it tells the processor,
 * which then leaves more to the core's other thread. Makes no system call.
 */
#ifndef PFSWRAP_BASE_RELAX_H
#define PFSWRAP_BASE_RELAX_H

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
