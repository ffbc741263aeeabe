/*
 * What a plane does with its descriptors in place of the kernel, or around its system call. An interposed call asks
 * for the operations of its descriptor (fd_operations_of() in fd/plane.h), and calls the one that it needs. An
 * operation that is NULL means that the kernel does it.
 */
#ifndef PFSWRAP_FD_OPERATIONS_H
#define PFSWRAP_FD_OPERATIONS_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/transport.h"

struct epoll_event;

/* What a call returns after a step of it: 0, or -1 with errno. `error`: 0 or a negative errno value. */
static inline int fd_call_result(int error)
{
    if (error == 0)
        return 0;
    errno = -error;
    return -1;
}

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

    /*
     * poll(2) and select(2), with events as in poll(2). poll_concerns(): whether the kernel's events of the number
     * need the other two. poll_ask(), before a wait: returns the events to ask the kernel for, if the program asks
     * for `events`, and sets *held_back if the wait must not be long, since another thread or process may change
     * them. poll_answer(), after it: returns the events for the program, of the kernel's `revents`. 0: none, and
     * the call waits again.
     */
    bool (*poll_concerns)(int fd);
    short (*poll_ask)(int fd, short events, bool *held_back);
    short (*poll_answer)(int fd, short events, short revents);

    /* shutdown(2). Or FD_FOREIGN. */
    int (*shutdown)(int fd, int how);

    /* --- calls that a plane makes, or makes first --- */

    /* fcntl(2) and ioctl(2), with all commands and requests. Or FD_FOREIGN. */
    int (*fcntl)(int fd, int command, long argument);
    int (*ioctl)(int fd, unsigned long request, void *argument);

    /*
     * getsockopt(2) and setsockopt(2) of options that have the decision HONOUR (socket/option_list.h). Or
     * FD_FOREIGN: the kernel's answer is right.
     */
    int (*get_option)(int fd, int level, int option, void *value, socklen_t *length);
    int (*set_option)(int fd, int level, int option, const void *value, socklen_t length);
    /* epoll_ctl(2). Or FD_FOREIGN. */
    int (*epoll_control)(int epoll, int operation, int fd, struct epoll_event *event);

    /* --- duplicates --- */

    /*
     * Duplicates the number to `lowest` or above; to exactly `fd2`, another number. `cloexec`: the flag that the
     * program asked for. Returns the number; -1 with errno of dup(2); or FD_FOREIGN.
     */
    int (*dup)(int fd, int lowest, bool cloexec);
    int (*dup_to)(int fd, int fd2, bool cloexec);

    /*
     * The kernel has duplicated the number to `copy`, which has this word in the table. Keeps errno. `fd` had no
     * plane when the call began, or has a record.
     */
    void (*copied)(int fd, int copy, uint64_t word);

    /*
     * The same for a number that dup2(2) is replacing. Returns the bits for its word (plane_record_word()); 0:
     * there are none. The caller stores them, or passes them to fd_dropped().
     */
    uint64_t (*share)(int fd);

    /* --- other programs --- */

    /*
     * Another program gets the number, and may run without pfswrap (SCM_RIGHTS, posix_spawn(3)). From then on, the
     * kernel's calls work on it, and on all duplicates in this process. Returns 0, or a negative errno
     * value; -EBADF: the number is not open.
     */
    int (*export_bare)(int fd);
    /*
     * A program under pfswrap gets the number: returns a new descriptor that it can take in its place
     * (`imported`, `inherited` in fd/plane.h), with close-on-exec, and *ticket; or a negative errno value. The
     * caller closes the descriptor. forget_export(): it was not passed on.
     */
    int (*export_handoff)(int fd, uint64_t *ticket);
    void (*forget_export)(int fd, uint64_t ticket);

    /* Whether the number's record is of the socket that the number is now. If not, it is dropped. Keeps errno. */
    bool (*is_current)(int fd);
};

#endif
