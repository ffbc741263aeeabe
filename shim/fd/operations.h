/*
 * What the kinds of descriptors do in place of the kernel, or around its system call. A kind is one constant
 * structure; an interposed call asks for the structure of its descriptor, and calls the entry that it needs. An
 * entry that is NULL means that the kernel does it. A new kind needs a new structure, and its place in
 * shim/order.c.
 */
#ifndef PFSWRAP_FD_OPERATIONS_H
#define PFSWRAP_FD_OPERATIONS_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/transport.h"
#include "fd/table.h"

/*
 * The functions return what the call returns, with errno, unless they say otherwise. `caller` is a return address
 * in the program.
 */
struct fd_operations {
    /* Move the bytes. The vectors come from the program, and may be invalid in any way. Or FD_FOREIGN. */
    ssize_t (*receive)(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call);
    ssize_t (*send)(int fd, const struct iovec *vectors, long count, int flags, enum transport_call call);

    /*
     * Around the kernel's call. before_send() returns 0, and *ticket to be passed to sent(); or -1 with errno, and
     * the call fails. received() gets the kernel's result, and returns what the program gets.
     */
    int (*before_send)(int fd, const struct iovec *vectors, long count, const void *caller, uint32_t *ticket);
    void (*sent)(int fd, const struct iovec *vectors, long count, ssize_t sent, uint32_t ticket);
    ssize_t (*received)(int fd, const struct iovec *vectors, long count, ssize_t got, int flags,
                        const void *caller);

    /* How many bytes a call can receive now (FIONREAD, tcp(7)). Or FD_FOREIGN. */
    ssize_t (*available)(int fd);

    /* sendfile(2). Or FD_FOREIGN. */
    ssize_t (*send_file)(int fd, int file, int64_t *offset, size_t count);

    /*
     * Before a call of libc that sends bytes without an interposed call: the bytes of a file or a text
     * (before_unseen), or those of a new stdio stream (before_stream). 0, or -1 with errno.
     */
    int (*before_unseen)(int fd, const void *caller);
    int (*before_stream)(int fd, const void *caller);

    /* Whether calls must be refused that move bytes within the kernel, or later: splice(2), aio(7). */
    bool (*refuses_unseen)(int fd);

    /* shutdown(2). Or FD_FOREIGN. */
    int (*shutdown)(int fd, int how);
};

enum fd_kind { FD_KIND_SEALED /* also hidden */, FD_KIND_INSPECTED, FD_KINDS };
extern const struct fd_operations *const fd_operations[FD_KINDS]; /* in shim/order.c */

/* The operations of a number; NULL: it is foreign, and not inspected. Waits while the number is closing. */
static inline const struct fd_operations *fd_operations_of(int fd)
{
    uint64_t word = fd_word(fd);
    if ((word & (FD_WORD_FOREIGN | FD_WORD_CLOSING)) == FD_WORD_CLOSING)
        word = fd_settled_word(fd);
    if (!fd_word_is_foreign(word))
        return fd_operations[FD_KIND_SEALED];
    return fd_word_record(word) != 0 ? fd_operations[FD_KIND_INSPECTED] : NULL;
}

#endif
