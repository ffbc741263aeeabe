/*
 * A stack of 8 KiB with a page below it that cannot be used, as coroutines make them. It is filled with a pattern
 * before each call, so that the deepest use is known.
 */
#ifndef PFSWRAP_TESTS_SMALL_STACK_H
#define PFSWRAP_TESTS_SMALL_STACK_H

#include <sys/types.h>

/* Makes the stack. Once, before the first call. */
void small_stack_make(void);

/*
 * Runs `body` on the stack, which calls small_stack_returned() at its end. Returns that result, with errno as it
 * was there. With SOCK_STACKS=show, prints how many bytes were used, and the name.
 */
ssize_t small_stack_call(const char *name, void (*body)(void));
void small_stack_returned(ssize_t result);

#endif
