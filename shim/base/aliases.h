/*
 * Declarations of functions that no header of libc declares: second names of calls (__read), and the variants that
 * fortified programs call (_FORTIFY_SOURCE). They are interposed like the calls they stand for. Also the functions
 * of liburing and libaio.
 */
#ifndef PFSWRAP_BASE_ALIASES_H
#define PFSWRAP_BASE_ALIASES_H

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __GLIBC__
ssize_t __read(int fd, void *bytes, size_t size);
ssize_t __write(int fd, const void *bytes, size_t size);
int __close(int fd);
int __connect(int fd, const struct sockaddr *address, socklen_t length);
ssize_t __send(int fd, const void *bytes, size_t size, int flags);
ssize_t __recv(int fd, void *bytes, size_t size, int flags);
int __sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __dup2(int fd, int fd2) __THROW;
int __fcntl(int fd, int command, ...);
int __libc_fcntl64(int fd, int command, ...);

/* The real functions end the program if `room` is less than `size` (feature_test_macros(7)). */
ssize_t __read_chk(int fd, void *bytes, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *bytes, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *bytes, size_t size, size_t room, int flags, struct sockaddr *address,
                       socklen_t *length);
int __poll(struct pollfd *fds, nfds_t count, int timeout);
int __poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
                size_t room);
int __select(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct timeval *timeout);

#if defined(__i386__)
/*
 * What programs call that were built with a time_t of 64 bits (_TIME_BITS=64). The structures are those of the
 * kernel (linux/time_types.h), except that a timeout's microseconds and nanoseconds have 32 bits and padding behind
 * them.
 */
struct time64_timespec {
    int64_t tv_sec;
    int32_t tv_nsec, padding;
};
struct time64_timeval {
    int64_t tv_sec, tv_usec;
};
int __fcntl_time64(int fd, int command, ...);
int __ioctl_time64(int fd, unsigned long request, ...);
int __prctl_time64(int option, ...);
int __getsockopt64(int fd, int level, int option, void *value, socklen_t *length);
int __setsockopt64(int fd, int level, int option, const void *value, socklen_t length);
ssize_t __recvmsg64(int fd, struct msghdr *message, int flags);
int __recvmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags, struct time64_timespec *timeout);
ssize_t __sendmsg64(int fd, const struct msghdr *message, int flags);
int __sendmmsg64(int fd, struct mmsghdr *messages, unsigned count, int flags);
int __select64(int count, fd_set *readable, fd_set *writable, fd_set *exceptional, struct time64_timeval *timeout);
int __pselect64(int count, fd_set *readable, fd_set *writable, fd_set *exceptional,
                const struct time64_timespec *timeout, const sigset_t *mask);
int __ppoll64(struct pollfd *fds, nfds_t count, const struct time64_timespec *timeout, const sigset_t *mask);
struct epoll_event;
int __epoll_pwait2_time64(int epoll, struct epoll_event *events, int room, const struct time64_timespec *timeout,
                          const sigset_t *mask);
#endif

FILE *_IO_fdopen(int fd, const char *mode) __THROW;
int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
int __vdprintf_chk(int fd, int flag, const char *format, va_list list) __attribute__((format(printf, 3, 0)));
int __vasprintf_chk(char **text, int flag, const char *format, va_list list) __attribute__((format(printf, 3, 0)));

void __backtrace_symbols_fd(void *const *frames, int count, int fd);

/* Types of parameters that differ between C libraries. */
typedef int messages_flags;                /* of sendmmsg and recvmmsg */
typedef unsigned long ioctl_request;       /* of ioctl */
typedef struct aiocb *const aio_list_item; /* of lio_listio */
#else
#include "base/musl.h"
#endif

/* liburing and libaio. Their headers need not be installed. */
struct io_uring;
struct io_uring_params;
struct io_context;
struct iocb;
int io_uring_queue_init(unsigned entries, struct io_uring *ring, unsigned flags);
int io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *parameters);
int io_uring_queue_init_mem(unsigned entries, struct io_uring *ring, struct io_uring_params *parameters,
                            void *memory, size_t size);
int io_uring_queue_init_try_nosqarr(unsigned entries, struct io_uring *ring, struct io_uring_params *parameters);
int io_uring_setup(unsigned entries, struct io_uring_params *parameters);
int io_submit(struct io_context *context, long count, struct iocb **requests);

/*
 * Makes `name` another name of `call`, which is defined in the same file. libc's headers may give the two different
 * attributes: gcc 9 and later copy those of `call`, and the pragma is for what else differs.
 */
#if defined(__clang__)
#define PFSWRAP_ALIAS(name, call) extern __typeof__(call) name __attribute__((alias(#call), visibility("default")))
#else
#if __GNUC__ >= 9
#define PFSWRAP_COPY(call) copy(call),
#else
#define PFSWRAP_COPY(call)
#endif
#define PFSWRAP_ALIAS(name, call)                                                                                  \
    _Pragma("GCC diagnostic push")                                                                                 \
        _Pragma("GCC diagnostic ignored \"-Wmissing-attributes\"") extern __typeof__(call) name                    \
        __attribute__((PFSWRAP_COPY(call) alias(#call), visibility("default")));                                   \
    _Pragma("GCC diagnostic pop") _Static_assert(true, "a semicolon follows")

#endif

#endif
