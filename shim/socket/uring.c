/*
 * If a plane enforces the policy (struct plane), io_uring is refused with ENOSYS, since requests in a ring pass no
 * interposed call. Programs that use io_uring support kernels without it. liburing makes its system
 * calls without libc, so its functions are interposed. io_submit() is refused only for requests that would move
 * bytes of a connection that a plane has.
 */
#include "socket/uring.h"

#include <errno.h>
#include <linux/aio_abi.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "fd/plane.h"
#include "socket/data_call.h"

/* The body of a function of liburing. These return a negative errno value. */
#define REFUSE_OR_REAL(call, ...)                                                                                  \
    do {                                                                                                           \
        if (planes_enforce())                                                                                      \
            return -ENOSYS;                                                                                        \
        if (real_libc()->call == NULL)                                                                             \
            real_libc_resolve(); /* liburing was loaded later than the shim */                                     \
        return real_libc()->call != NULL ? real_libc()->call(__VA_ARGS__) : -ENOSYS;                               \
    } while (0)

PFSWRAP_EXPORT int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags)
{
    REFUSE_OR_REAL(io_uring_queue_init, entries, ring, flags);
}

PFSWRAP_EXPORT int io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                              struct io_uring_params *parameters)
{
    REFUSE_OR_REAL(io_uring_queue_init_params, entries, ring, parameters);
}

PFSWRAP_EXPORT int io_uring_queue_init_mem(unsigned entries, struct io_uring *ring,
                                           struct io_uring_params *parameters, void *memory, size_t size)
{
    REFUSE_OR_REAL(io_uring_queue_init_mem, entries, ring, parameters, memory, size);
}

PFSWRAP_EXPORT int io_uring_queue_init_try_nosqarr(unsigned entries, struct io_uring *ring,
                                                   struct io_uring_params *parameters)
{
    REFUSE_OR_REAL(io_uring_queue_init_try_nosqarr, entries, ring, parameters);
}

PFSWRAP_EXPORT int io_uring_setup(unsigned entries, struct io_uring_params *parameters)
{
    REFUSE_OR_REAL(io_uring_setup, entries, parameters);
}

bool uring_matters(void)
{
    return planes_have_connections() || planes_enforce();
}

bool uring_refuses(long count, struct iocb *const *requests)
{
    for (long i = 0; i < count; i++)
        switch (requests[i]->aio_lio_opcode) {
        case IOCB_CMD_PREAD:
        case IOCB_CMD_PWRITE:
        case IOCB_CMD_PREADV:
        case IOCB_CMD_PWRITEV:
            if (fd_refuses_unseen((int)requests[i]->aio_fildes)) {
                errno = EOPNOTSUPP;
                return true;
            }
            break;
        default:
            break;
        }
    return false;
}

/* A function of libaio. It returns a negative errno value, too. */
PFSWRAP_EXPORT int io_submit(struct io_context *context, long count, struct iocb **requests)
{
    if (uring_matters() && uring_refuses(count, requests))
        return -EOPNOTSUPP;
    if (real_libc()->io_submit == NULL)
        real_libc_resolve();
    return real_libc()->io_submit != NULL ? real_libc()->io_submit(context, count, requests) : -ENOSYS;
}
