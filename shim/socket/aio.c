/*
 * POSIX asynchronous I/O (aio(7)): threads of libc move the bytes without interposed calls. It is refused on
 * descriptors whose plane refuses such bytes (fd/operations.h, `refuses_unseen`). The error is ENOSYS, "not
 * implemented": programs must expect it, and then use other calls.
 */
#include <aio.h>
#include <errno.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "socket/data_call.h"

static bool is_refused(int fd)
{
    if (!fd_refuses_unseen(fd))
        return false;
    errno = ENOSYS;
    return true;
}

PFSWRAP_EXPORT int aio_read(struct aiocb *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_read(request);
}

PFSWRAP_EXPORT int aio_write(struct aiocb *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_write(request);
}

PFSWRAP_EXPORT int aio_fsync(int operation, struct aiocb *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_fsync(operation, request);
}

/* All requests are checked before one of them begins. */
PFSWRAP_EXPORT int lio_listio(int mode, aio_list_item *restrict list, int count, struct sigevent *restrict event)
{
    for (int i = 0; i < count; i++)
        if (list[i] != NULL && list[i]->aio_lio_opcode != LIO_NOP && is_refused(list[i]->aio_fildes))
            return -1;
    return real_libc()->lio_listio(mode, list, count, event);
}

#ifdef __GLIBC__
PFSWRAP_EXPORT int aio_read64(struct aiocb64 *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_read64(request);
}

PFSWRAP_EXPORT int aio_write64(struct aiocb64 *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_write64(request);
}

PFSWRAP_EXPORT int aio_fsync64(int operation, struct aiocb64 *request)
{
    return is_refused(request->aio_fildes) ? -1 : real_libc()->aio_fsync64(operation, request);
}

PFSWRAP_EXPORT int lio_listio64(int mode, struct aiocb64 *const list[], int count, struct sigevent *event)
{
    for (int i = 0; i < count; i++)
        if (list[i] != NULL && list[i]->aio_lio_opcode != LIO_NOP && is_refused(list[i]->aio_fildes))
            return -1;
    return real_libc()->lio_listio64(mode, list, count, event);
}
#else
PFSWRAP_ALIAS(aio_read64, aio_read);
PFSWRAP_ALIAS(aio_write64, aio_write);
PFSWRAP_ALIAS(aio_fsync64, aio_fsync);
PFSWRAP_ALIAS(lio_listio64, lio_listio);
#endif
