/*
 * In the shared object of `make check-sanitized`: shows that it is loaded and that its sanitizer reports something.
 * With PFSWRAP_SANITIZER_PROBE in the environment, the process makes one mistake of the kind that the sanitizer
 * looks for.
 */
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static volatile int number = INT_MAX;

#if defined(__SANITIZE_ADDRESS__)
static void make_mistake(void)
{
    char bytes[4];
    memset(bytes, 0, (size_t)number - INT_MAX + sizeof bytes + 1);
    __asm__ volatile("" : : "r"(bytes) : "memory");
}
#elif defined(__SANITIZE_THREAD__)
static void *write_number(void *nothing)
{
    number = 1;
    return nothing;
}

static void make_mistake(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, write_number, NULL) != 0)
        return;
    number = 2;
    (void)pthread_join(thread, NULL);
}
#else
static void make_mistake(void)
{
    number = number + 1;
}
#endif

/* After the shim's own constructor, which the sanitizer checks as well. */
__attribute__((constructor(65535))) static void probe(void)
{
    if (getenv("PFSWRAP_SANITIZER_PROBE") != NULL)
        make_mistake();
}
