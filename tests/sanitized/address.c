/*
 * The entries of the shared object that AddressSanitizer checks. Each interposed function is renamed to
 * entered_NAME in the object that defines it (mk/sanitized.mk), and the program calls the NAME of this file.
 *
 * An instrumented function marks the bytes around its variables and removes the marks when it returns. A frame that
 * is left by longjmp(3), by the end of a thread or by exec(3) in a child of vfork(2) keeps them. Calls that come
 * later in the same place of the stack would be taken for mistakes. So each entry first removes what is below the
 * stack pointer, where no frame is. Programs need not be built for this.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

#include "base/interposed.h"

enum { UNPREPARED, PREPARING, PREPARED };
__attribute__((visibility("hidden"))) int entries_state;
__attribute__((visibility("hidden"))) void entries_prepare(void);

void __asan_init(void);

/*
 * Lets the runtime map its shadow memory, when a library's constructor calls before the runtime's own, which has
 * priority 99, has run.
 */
__attribute__((constructor(101))) void entries_prepare(void)
{
    if (entries_state != UNPREPARED)
        return;
    entries_state = PREPARING;
    __asan_init();
    entries_state = PREPARED;
}

/*
 * Called before functions that do not return (execve, _exit). The runtime would look up the bounds of the stack,
 * which is not possible in children of vfork(2) and clone(2). What such a function leaves, the next entry removes.
 */
__attribute__((visibility("hidden"))) void __asan_handle_no_return(void);
void __asan_handle_no_return(void)
{
}

/*
 * Clears the shadow of the 64 KiB below the stack pointer: 8 KiB from (address >> 3) + 0x7fff8000 on, which is
 * gcc's shadow for x86-64. Then it continues with the function, with all registers as they were.
 */
#define ENTER(name, unprepared)                                                                                    \
    "endbr64\n"                                                                                                    \
    "cmpl $2, entries_state(%rip)\n"                                                                               \
    "jne 2f\n"                                                                                                     \
    "3:\n"                                                                                                         \
    "push %rax\n"                                                                                                  \
    "push %rcx\n"                                                                                                  \
    "push %rdi\n"                                                                                                  \
    "mov %rsp, %rdi\n"                                                                                             \
    "shr $3, %rdi\n"                                                                                               \
    "lea 0x7fff8000-8192(%rdi), %rdi\n"                                                                            \
    "xor %eax, %eax\n"                                                                                             \
    "mov $1024, %ecx\n"                                                                                            \
    "cld\n"                                                                                                        \
    "rep stosq\n"                                                                                                  \
    "pop %rdi\n"                                                                                                   \
    "pop %rcx\n"                                                                                                   \
    "pop %rax\n"                                                                                                   \
    "1: jmp entered_" #name "@PLT\n"                                                                               \
    "2:\n" unprepared

/* The runtime looks up functions while it prepares itself: nothing can be done for it. Otherwise it is prepared. */
#define LEAVE_IT "jmp 1b\n"
#define PREPARE_IT                                                                                                 \
    "cmpl $0, entries_state(%rip)\n"                                                                               \
    "jne 1b\n"                                                                                                     \
    "push %rdi\n"                                                                                                  \
    "push %rsi\n"                                                                                                  \
    "push %rdx\n"                                                                                                  \
    "push %rcx\n"                                                                                                  \
    "push %r8\n"                                                                                                   \
    "push %r9\n"                                                                                                   \
    "push %rax\n"                                                                                                  \
    "call entries_prepare\n"                                                                                       \
    "pop %rax\n"                                                                                                   \
    "pop %r9\n"                                                                                                    \
    "pop %r8\n"                                                                                                    \
    "pop %rcx\n"                                                                                                   \
    "pop %rdx\n"                                                                                                   \
    "pop %rsi\n"                                                                                                   \
    "pop %rdi\n"                                                                                                   \
    "jmp 3b\n"

#define ENTRY(name, symbol, unprepared)                                                                            \
    __asm__(".globl " symbol "\n"                                                                                  \
            ".type " symbol ", @function\n" symbol ":\n" ENTER(name, unprepared) ".size " symbol ", .-" symbol     \
                                                                                 "\n");
#define X(name) ENTRY(name, #name, PREPARE_IT)

__asm__(".text\n");
PFSWRAP_LIBC_CALLS(X)
PFSWRAP_LIBSSL_CALLS(X)
PFSWRAP_GNUTLS_CALLS(X)
ENTRY(dlopen, "dlopen", LEAVE_IT)
ENTRY(dlvsym, "dlvsym", LEAVE_IT)
ENTRY(dlsym, "enter_dlsym", LEAVE_IT)

void *enter_dlsym(void *handle, const char *name);

/*
 * The runtime looks for a function of ld.so behind itself. It is loaded behind libc, so ld.so may be before it.
 * Must end in a tail call: what RTLD_NEXT finds depends on the caller.
 */
PFSWRAP_EXPORT void *dlsym(void *handle, const char *name)
{
    if (handle == RTLD_NEXT && strcmp(name, "_dl_get_tls_static_info") == 0)
        handle = RTLD_DEFAULT;
    return enter_dlsym(handle, name);
}
