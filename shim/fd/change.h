/*
 * How a number changes its kind (fd/table.h has the kinds). For the modules that open, close and replace
 * descriptors. Everything here may run in signal handlers.
 */
#ifndef PFSWRAP_FD_CHANGE_H
#define PFSWRAP_FD_CHANGE_H

#include "fd/table.h"

/*
 * Closing a number takes three steps: its word becomes closing, the kernel closes or replaces it, and fd_vacate()
 * makes it foreign. A generation ties the three together; one call may use one generation for several numbers.
 * Never 0.
 */
uint32_t fd_next_generation(void);

static inline uint64_t fd_word_closing(uint32_t generation)
{
    return (uint64_t)generation << FD_WORD_ID_SHIFT | FD_WORD_CLOSING;
}

/*
 * Waits a little for another thread's step; `round` counts the waits for the same step from 0. Returns false after
 * about `most_ms`. Makes no system call in a sandbox.
 */
bool fd_wait(int round, int most_ms);

/* Stores the word of a number that no other thread may change now. Returns the word before; see fd_dropped(). */
uint64_t fd_table_put(int fd, uint64_t word);

/* A foreign number that no call has claimed. */
static inline bool fd_word_is_free(uint64_t word)
{
    return word == 0 || (word & (FD_WORD_FOREIGN | FD_WORD_CLAIMED)) == FD_WORD_FOREIGN;
}

/* Stores `word` if the number has exactly the word `before`. Returns the word it had. */
uint64_t fd_table_swap(int fd, uint64_t before, uint64_t word);

/* Stores the word if the number still has the word `before`, whatever the program's close-on-exec flag is. */
bool fd_table_exchange(int fd, uint64_t before, uint64_t word);

/*
 * Stores the word if the number is foreign and not claimed; *before is the word that it had. fd_table_take() waits
 * while the number is closing or claimed. False: it is not foreign.
 */
bool fd_table_try(int fd, uint64_t word, uint64_t *before);
bool fd_table_take(int fd, uint64_t word, uint64_t *before);

/*
 * A foreign number becomes closing; or, with `passes`, claimed, so that other threads' calls on it go on. *before:
 * its word. False: it is not foreign, or another call has claimed it.
 */
bool fd_claim(int fd, uint32_t generation, bool passes, uint64_t *before);

/*
 * A number that is closing or claimed in this generation becomes foreign, with this word. Another number stays as
 * it is.
 */
bool fd_vacate_as(int fd, uint32_t generation, uint64_t word);
static inline void fd_vacate(int fd, uint32_t generation)
{
    (void)fd_vacate_as(fd, generation, 0);
}

/* The same for each number in [first, last]. `close`: the kernel has not closed them; this does. */
void fd_vacate_range(unsigned first, unsigned last, uint32_t generation, bool close);

/*
 * A foreign number is about to be closed: nothing is recorded about it any more. The shim's own files stay. The
 * range form does so for each number in [first, last].
 */
void fd_forget(int fd);
void fd_forget_range(unsigned first, unsigned last);

/*
 * In a child of a fork: numbers that other threads of the parent were closing become foreign, since those threads
 * do not exist here. A number for which `must_close` returns true is closed first.
 */
void fd_end_closing(bool (*must_close)(int fd));

/*
 * The number no longer has this word, which fd_table_put(), fd_table_take() or fd_claim() has returned. Notifies
 * the plane that it belonged to (fd/plane.h).
 */
void fd_dropped(int fd, uint64_t word);

#endif
