// link: -ldl
/*
 * An unrelated preload: it interposes a few functions of libssl and libc, counts the calls, passes each on to the
 * next definition (RTLD_NEXT), and prints the counts at the end.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

static unsigned contexts;
static unsigned connects;
static unsigned closes;

/* The next definition of `name`; the test is wrong if there is none. */
static uintptr_t next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL) {
        (void)fprintf(stderr, "no next %s\n", name);
        abort();
    }
    return (uintptr_t)found;
}

EXPORT void *SSL_CTX_new(const void *method);
EXPORT void *SSL_CTX_new(const void *method)
{
    contexts++;
    return ((void *(*)(const void *))next("SSL_CTX_new"))(method);
}

EXPORT int SSL_connect(void *ssl);
EXPORT int SSL_connect(void *ssl)
{
    connects++;
    return ((int (*)(void *))next("SSL_connect"))(ssl);
}

EXPORT int close(int fd);
EXPORT int close(int fd)
{
    closes++;
    return ((int (*)(int))next("close"))(fd);
}

__attribute__((destructor)) static void say(void)
{
    (void)printf("counted SSL_CTX_new %u SSL_connect %u close %s\n", contexts, connects,
                 closes > 0 ? "some" : "none");
    (void)fflush(stdout);
}
