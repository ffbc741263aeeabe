/* See search.h. */
#include "search.h"

#include <check.h>
#include <pthread.h>
#include <sys/mman.h>

/* valgrind treats the stack of an ended thread as out of bounds. This function reads it on purpose. */
#ifdef __has_include
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif
#endif
#ifndef VALGRIND_MAKE_MEM_DEFINED
#define VALGRIND_MAKE_MEM_DEFINED(address, length) ((void)(address), (void)(length))
#endif

enum { PIECE = 16, MASK = 0x5A };

uint8_t *stack;

void __attribute__((noinline)) remember(struct secret *secret, const uint8_t *key, size_t length)
{
    for (size_t i = 0; i < length; i++)
        secret->masked[i] = key[i] ^ MASK;
    secret->length = length;
}

static bool matches(const uint8_t *at, const uint8_t *masked)
{
    for (size_t i = 0; i < PIECE; i++)
        if ((at[i] ^ MASK) != masked[i])
            return false;
    return true;
}

bool __attribute__((noinline)) finds(const struct secret *secret, const void *segment, size_t size)
{
    const uint8_t *bytes = segment;

    for (size_t piece = 0; piece + PIECE <= secret->length; piece += 8) {
        for (size_t i = 0; i + PIECE <= size; i++)
            if (matches(bytes + i, secret->masked + piece))
                return true;
    }
    return false;
}

void run_on_own_stack(void *(*job)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;

    stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(stack, MAP_FAILED);
    ck_assert_int_eq(0, pthread_attr_init(&attributes));
    ck_assert_int_eq(0, pthread_attr_setstack(&attributes, stack, STACK_BYTES));
    ck_assert_int_eq(0, pthread_create(&thread, &attributes, job, argument));
    ck_assert_int_eq(0, pthread_join(thread, NULL));
    pthread_attr_destroy(&attributes);
    (void)VALGRIND_MAKE_MEM_DEFINED(stack, STACK_BYTES);
}
