/*
 * How a number of any kind is closed or replaced, by close(2), close_range(2) and dup2(2). fd/change.h has the
 * three steps; the planes end their connections in the first one (struct plane, `release`). For the interposed
 * calls, and for planes that close numbers of their own.
 */
#ifndef PFSWRAP_FD_CLOSE_H
#define PFSWRAP_FD_CLOSE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * close(2) of a number about which something is recorded (fd_is_known()). Returns what close(2) does, or
 * FD_FOREIGN: make the real call. In a child of vfork(), only the descriptor is closed.
 */
int fd_close(int fd);

/*
 * The kernel has closed `fd`, which was foreign before the call, and now the table has something for it: another
 * thread has made it known meanwhile. The planes find out whether that was for the file that is closed now. Keeps
 * errno.
 */
void fd_closed(int fd);

/*
 * The system call for a number that is closing in this generation, which is foreign afterwards. Where a filter
 * (seccomp) does not allow close(2), the number stays open and becomes hidden. Returns 0 or a negative errno value.
 */
long fd_close_closing(int fd, uint32_t generation);

/*
 * Around dup2(2) onto `fd`, which may be of any kind. No other thread changes the kind of the number between the
 * two calls. begin: a plane's number is released, even if the kernel does not replace it later. `passes`: other
 * threads' calls on a foreign number go on meanwhile. Returns 0, or -EBUSY if other calls keep the number for a
 * second. end: `replaced` says whether the kernel has replaced the number, and `word` is its new word (0, a
 * note or a record). Neither changes anything in a child of vfork().
 */
struct fd_replacement {
    int fd;
    uint32_t generation; /* 0: nothing to do */
    uint64_t before;     /* the word of a foreign number */
    bool released;       /* it was a plane's, or hidden */
};
int fd_begin_replace(int fd, bool passes, struct fd_replacement *replacement);
void fd_end_replace(const struct fd_replacement *replacement, bool replaced, uint64_t word);

/*
 * dup2(2) and dup3(2) of the number to `fd` have returned `result`; -EBUSY: the kernel is
 * just giving out that number to another thread (dup(2)). Most likely the shim is making a duplicate for itself,
 * and will move it. Waits, and returns whether to retry; *round is 0 at first.
 */
bool fd_must_retry(long result, int *round);

/*
 * While `fd` is closing, other threads' calls on it wait for dup2(2). If the socket there has SO_LINGER
 * (socket(7)), the system call might take long, since it closes the socket. A hidden duplicate prevents that, and
 * is closed by fd_unreserve(). Returns it; -1: it is not needed.
 */
int fd_keep_lingering(int fd);

/*
 * Before close_range(2): does everything about closing the planes' numbers in [first, last] except the system call.
 * Returns the generation for fd_vacate_range(); 0 in a child of vfork(): nothing to do. Keeps errno.
 */
uint32_t fd_begin_close_range(unsigned first, unsigned last);

#endif
