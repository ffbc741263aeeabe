/*
 * Memory for the length of one call, if the stack is too small for it. The calls that need it may be made in signal
 * handlers, so malloc(3) is not used, and they may be cancelled (pthreads(7)).
 */
#ifndef PFSWRAP_SOCKET_SCRATCH_H
#define PFSWRAP_SOCKET_SCRATCH_H

#include <stddef.h>
#include <sys/mman.h>

struct scratch {
    void *at; /* NULL: no memory, with errno ENOMEM */
    size_t bytes;
};

static inline struct scratch scratch_take(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return (struct scratch){at != MAP_FAILED ? at : NULL, bytes};
}

/* For pthread_cleanup_push(3). `argument`: a struct scratch. */
static inline void scratch_give(void *argument)
{
    const struct scratch *scratch = argument;
    (void)munmap(scratch->at, scratch->bytes);
}

#endif
