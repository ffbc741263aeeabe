/*
 * What the headers of musl 1.2.3 lack, or define as macros that would hide a function of the list
 * (base/interposed.h). Declarations only.
 */
#ifndef PFSWRAP_BASE_MUSL_H
#define PFSWRAP_BASE_MUSL_H

#include <aio.h>
#include <dlfcn.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * Up to musl 1.2.3, the names for 64-bit offsets are macros. Programs that were linked before 1.2.4 may refer to
 * the functions.
 */
#undef aio_read64
#undef aio_write64
#undef aio_fsync64
#undef lio_listio64
#undef sendfile64
int aio_read64(struct aiocb *request);
int aio_write64(struct aiocb *request);
int aio_fsync64(int operation, struct aiocb *request);

ssize_t sendfile64(int fd, int file, off_t *offset, size_t count);
#ifndef off64_t
#define off64_t off_t
#endif

/* musl has these since 1.2.5. */
#undef preadv64v2
#undef pwritev64v2
ssize_t preadv2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
ssize_t pwritev2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
ssize_t preadv64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);
ssize_t pwritev64v2(int fd, const struct iovec *vectors, int count, off_t offset, int flags);

/* Types that musl's prototypes have in place of glibc's (base/aliases.h). */
typedef unsigned messages_flags;
typedef int ioctl_request;
typedef struct aiocb *restrict const aio_list_item;

int lio_listio64(int mode, aio_list_item *restrict list, int count, struct sigevent *restrict event);

/* musl looks up all symbols in one scope. */
#ifndef RTLD_DEEPBIND
#define RTLD_DEEPBIND 0
#endif

/* <linux/fs.h> has these flags, too, but also names of <sys/mount.h>. */
#ifndef RWF_HIPRI
#define RWF_HIPRI 1
#define RWF_DSYNC 2
#define RWF_SYNC 4
#define RWF_NOWAIT 8
#define RWF_APPEND 16
#endif

#endif
