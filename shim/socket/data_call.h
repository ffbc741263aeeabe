/*
 * The common part of the interposed calls that move bytes. Each is two functions: the interposed one, which makes
 * the real call if nothing is recorded about the number, and another one for all other numbers. So in the first
 * function the real call is the only call, and the compiler needs no stack frame for it.
 */
#ifndef PFSWRAP_SOCKET_DATA_CALL_H
#define PFSWRAP_SOCKET_DATA_CALL_H

#include <errno.h>

#include "base/libc.h"
#include "base/trace.h"
#include "fd/plane.h"
#include "reload/watch.h"

/* Marks the second function. */
#define KNOWN_CALL static __attribute__((noinline))

/* The return address in the program, for audit events. Only for use in an interposed function. */
#define CALLER __builtin_return_address(0)

/* For the trace: the call as text, with the real name (wide_offset.h). */
#define CALL_TEXT(call) CALL_TEXT_OF(call)
#define CALL_TEXT_OF(call) #call

/*
 * The body of an interposed call. For a foreign number it costs one load and one compare, after a compare of the
 * number with the size of the table; the real function's pointer is never NULL (base/libc.h).
 */
#define REAL_OR_KNOWN(fd, real_call, known)                                                                        \
    do {                                                                                                           \
        if (!fd_is_known(fd))                                                                                      \
            return real_libc_table.real_call;                                                                      \
        return (known);                                                                                            \
    } while (0)

/*
 * The body of the other function, for a call that receives, or sends, `count` vectors. A number may have another
 * plane by now (FD_FOREIGN): another thread has closed it, and the kernel has given it out again.
 */
#define RECEIVE_KNOWN(fd, vectors, count, flags, call, caller, real_call)                                          \
    do {                                                                                                           \
        const struct fd_operations *operations_ = fd_operations_of(fd);                                            \
        if (operations_ != NULL && operations_->receive != NULL) {                                                 \
            watch_check_inherited();                                                                               \
            const ssize_t count_ = operations_->receive(fd, vectors, count, flags, call);                          \
            TRACE_CALL(CALL_TEXT(real_call), fd, count_);                                                          \
            if (count_ != FD_FOREIGN)                                                                              \
                return count_;                                                                                     \
            operations_ = fd_operations_of(fd);                                                                    \
        }                                                                                                          \
        const ssize_t got_ = real_libc()->real_call;                                                               \
        TRACE_CALL(CALL_TEXT(real_call), fd, got_);                                                                \
        return operations_ != NULL && operations_->received != NULL                                                \
                   ? operations_->received(fd, vectors, count, got_, flags, caller)                                \
                   : got_;                                                                                         \
    } while (0)

#define SEND_KNOWN(fd, vectors, count, flags, call, caller, real_call)                                             \
    do {                                                                                                           \
        const struct fd_operations *operations_ = fd_operations_of(fd);                                            \
        if (operations_ != NULL && operations_->send != NULL) {                                                    \
            watch_check_inherited();                                                                               \
            const ssize_t count_ = operations_->send(fd, vectors, count, flags, call);                             \
            TRACE_CALL(CALL_TEXT(real_call), fd, count_);                                                          \
            if (count_ != FD_FOREIGN)                                                                              \
                return count_;                                                                                     \
            operations_ = fd_operations_of(fd);                                                                    \
        }                                                                                                          \
        uint32_t ticket_ = 0;                                                                                      \
        if (operations_ != NULL && operations_->before_send != NULL &&                                             \
            operations_->before_send(fd, vectors, count, caller, &ticket_) != 0)                                   \
            return -1;                                                                                             \
        const ssize_t sent_ = real_libc()->real_call;                                                              \
        TRACE_CALL(CALL_TEXT(real_call), fd, sent_);                                                               \
        if (operations_ != NULL && operations_->sent != NULL)                                                      \
            operations_->sent(fd, vectors, count, sent_, ticket_);                                                 \
        return sent_;                                                                                              \
    } while (0)

/* Whether the descriptor's bytes must pass an interposed call. */
static inline bool fd_has_operations(int fd)
{
    return fd_word(fd) != 0 && fd_operations_of(fd) != NULL;
}

/* Whether a plane makes the bytes of the stream: the kernel has others. */
static inline bool fd_has_own_stream(int fd)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->receive != NULL;
}

/* Before libc sends bytes without an interposed call. 0, or -1 with errno. */
static inline int fd_before_unseen(int fd, const void *caller)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->before_unseen != NULL ? operations->before_unseen(fd, caller) : 0;
}

/* The same before stdio gets a stream on the descriptor. */
static inline int fd_before_stream(int fd, const void *caller)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->before_stream != NULL ? operations->before_stream(fd, caller) : 0;
}

/* Whether a call must be refused that moves bytes within the kernel, or later. */
static inline bool fd_refuses_unseen(int fd)
{
    const struct fd_operations *operations = fd_operations_if_known(fd);
    return operations != NULL && operations->refuses_unseen != NULL && operations->refuses_unseen(fd);
}

#endif
