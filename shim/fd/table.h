/*
 * The table of descriptors: one 64-bit word for each descriptor number says what the number is. Every interposed
 * call begins here, with one load. The table may be read and changed anywhere: in signal handlers, before any
 * constructor, and in children of a fork. It uses base/ only.
 *
 * The low half of a word says the kind; the high half is an id: the generation of a connection or of a closing
 * call, or the id of a socket.
 *
 *     foreign   0                           calls go to the kernel as they are
 *               FOREIGN and any of          the same, and something is recorded about the number:
 *                 NOTED, id                 a TCP socket with several numbers, not connected yet
 *                 STREAM                    stdio has a stream on it
 *                 LINGER                    close(2) waits until what was sent is acknowledged (fd/linger.h)
 *                 OWN                       the shim's own file (fd/own.h); the program cannot reach it
 *                 a record, and a plane     a plane has a record of the connection (fd/plane.h)
 *                 CLAIMED, id               dup2(2) is replacing the number
 *     sealed    generation, index           a number of that endpoint (connection/); CLOEXEC: the program's flag
 *     hidden    HIDDEN, and an index or 0   opened by the shim, and not open for the program
 *     closing   CLOSING, id                 the kernel is about to close or replace the number
 *
 * A sealed or hidden number becomes closing first. The call that made it closing makes it foreign again, after the
 * kernel has closed or replaced the number. Until then, every other call on the number waits. So no call takes a
 * number for foreign while it still belongs to a sealed connection, and no call uses the old connection for a
 * number that the kernel has given out again. tests/unit/connection/test_numbers.c explores the orders of these
 * steps.
 */
#ifndef PFSWRAP_FD_TABLE_H
#define PFSWRAP_FD_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { FD_TABLE_SIZE = 1 << 20 }; /* higher numbers are always foreign: a sealed connection there is refused */

enum {
    FD_WORD_CLOEXEC = 0x40000000, /* sealed: the program asked for FD_CLOEXEC; the kernel's flag is always set */
    FD_WORD_HIDDEN = 0x20000000,
    FD_WORD_CLOSING = 0x10000000,
    FD_WORD_FOREIGN = 0x08000000,
    FD_WORD_TEMPORARY = 0x04000000, /* with HIDDEN: for the length of one call */
    FD_WORD_INDEX = 0x03ffffff,     /* sealed and hidden: the endpoint's index + 1; 0: no endpoint */
    /* With FOREIGN: */
    FD_WORD_NOTED = 0x01,
    FD_WORD_STREAM = 0x02,
    FD_WORD_CLAIMED = 0x04,
    FD_WORD_LINGER = 0x08,
    FD_WORD_OWN = 0x10,
    FD_WORD_RECORD_SHIFT = 5,
    FD_WORD_RECORD = 0x03ffffe0, /* the record's index + 1, shifted */
    FD_WORD_PLANE_SHIFT = 30,
    /* In every word: */
    FD_WORD_ID_SHIFT = 32,
};

/* With FOREIGN and a record: which plane of the list has it. */
#define FD_WORD_PLANE ((uint64_t)3 << FD_WORD_PLANE_SHIFT)

/*
 * Returned in place of a call's result for a number that is foreign, or has become so: make the real call. No call
 * returns it, and it is no errno value (-4095 to -1).
 */
enum { FD_FOREIGN = -4096 };

extern _Atomic uint64_t fd_table[FD_TABLE_SIZE] __attribute__((visibility("hidden")));

/* How many numbers are hidden without belonging to an endpoint. */
extern atomic_int fd_reserved;

/* The word of `fd`; 0 for a number above the table. One load, no waiting. */
static inline uint64_t fd_word(int fd)
{
    return (unsigned)fd < FD_TABLE_SIZE ? atomic_load_explicit(&fd_table[fd], memory_order_relaxed) : 0;
}

/*
 * The word of `fd`, after any call that is closing the number has finished. Waits up to 10 seconds, for a thread
 * that a busy machine keeps from running. `fd` is below FD_TABLE_SIZE. Keeps errno.
 */
uint64_t fd_settled_word(int fd);

static inline uint32_t fd_word_id(uint64_t word)
{
    return (uint32_t)(word >> FD_WORD_ID_SHIFT);
}

/* The word without the program's close-on-exec flag: it says what the number belongs to. */
static inline uint64_t fd_word_identity(uint64_t word)
{
    return (word & FD_WORD_FOREIGN) != 0 ? word : word & ~(uint64_t)FD_WORD_CLOEXEC;
}

/* Whether the number is neither sealed, nor hidden, nor closing. */
static inline bool fd_word_is_foreign(uint64_t word)
{
    return word == 0 || (word & FD_WORD_FOREIGN) != 0;
}

/* The index + 1 of the record of the connection; 0: no plane has one. And that plane's place in the list. */
static inline uint32_t fd_word_record(uint64_t word)
{
    return (word & FD_WORD_FOREIGN) != 0 ? ((uint32_t)word & FD_WORD_RECORD) >> FD_WORD_RECORD_SHIFT : 0;
}
static inline unsigned fd_word_plane(uint64_t word)
{
    return (unsigned)((word & FD_WORD_PLANE) >> FD_WORD_PLANE_SHIFT);
}

/* Whether anything is recorded about the number. */
static inline bool fd_is_known(int fd)
{
    return __builtin_expect(fd_word(fd) != 0, false);
}

/*
 * Whether calls on `fd` must not go to the kernel as they are. True for hidden numbers, too. For a number that is
 * closing, this waits, since the kernel may already have given the number to the program again. One load and one
 * compare for a number about which nothing is recorded.
 */
static inline bool fd_is_sealed(int fd)
{
    const uint64_t word = fd_word(fd);
    if (__builtin_expect(word == 0, true))
        return false;
    if (__builtin_expect((word & (FD_WORD_CLOSING | FD_WORD_FOREIGN)) == 0, true))
        return true;
    return (word & FD_WORD_FOREIGN) == 0 && !fd_word_is_foreign(fd_settled_word(fd));
}

/* Whether a plane has a record of the connection behind `fd`. Never true for a sealed one. */
static inline bool fd_has_record(int fd)
{
    return __builtin_expect(fd_word_record(fd_word(fd)) != 0, false);
}

/* Whether the number is hidden; is closing; is the shim's own file. */
static inline bool fd_is_hidden(int fd)
{
    return (fd_word(fd) & FD_WORD_HIDDEN) != 0;
}
static inline bool fd_is_closing(int fd)
{
    return (fd_word(fd) & FD_WORD_CLOSING) != 0;
}
static inline bool fd_is_own(int fd)
{
    const uint64_t word = fd_word(fd);
    return (word & FD_WORD_FOREIGN) != 0 && (word & FD_WORD_OWN) != 0;
}

/* The lowest number from `first` on that is not foreign; -1: there is none. */
int fd_next(unsigned first);

/* The lowest number from `first` on whose word is not 0; -1: there is none. */
int fd_next_known(unsigned first);

/* Whether nothing is recorded about the number, and it is above the limit of open files: dup2(2) returns EBADF. */
bool fd_is_beyond_limit(int fd);

/*
 * The program's close-on-exec flag of a sealed number. fd_set_cloexec() returns false for a number that is not
 * sealed. fd_set_cloexec_range() sets the flag of every sealed number in [first, last].
 */
static inline bool fd_word_cloexec(uint64_t word)
{
    return (word & (FD_WORD_CLOEXEC | FD_WORD_CLOSING | FD_WORD_FOREIGN)) == FD_WORD_CLOEXEC;
}
bool fd_cloexec(int fd);
bool fd_set_cloexec(int fd, bool cloexec);
void fd_set_cloexec_range(unsigned first, unsigned last);

/*
 * The id of the socket behind `fd`: the low half of its cookie (socket(7), SO_COOKIE), or of its inode number if
 * the kernel has no cookies. In a sandbox, where no system call is safe, the id that is noted already. Never 0.
 */
uint32_t fd_socket_id(int fd);

/* The whole cookie or inode number of the socket behind `fd`; 0: it is not a socket. */
uint64_t fd_socket_identity(int fd);

/*
 * The same, as *identity; 0: the kernel does not tell it (a system call filter may have come since the last time).
 * Returns false if the kernel says that there is no socket.
 */
bool fd_identify_socket(int fd, uint64_t *identity);

/*
 * Whether the socket with this identity, or id, can still be behind `fd`. If the kernel does not answer, it can: a
 * sealed number that is taken for another file would send plaintext.
 */
bool fd_may_be_socket(int fd, uint64_t identity);
bool fd_may_have_id(int fd, uint32_t id);

/*
 * Notes about sockets that are not connected yet. fd_note_of() returns the word of a foreign number with a note, or
 * 0. fd_note() records a note; `flags` is FD_WORD_STREAM or 0. fd_noted() returns the next number from `first` on
 * with this id, or -1. A note can be out of date, since libc closes descriptors by itself (fclose(3)): compare the
 * id with fd_may_have_id().
 */
uint64_t fd_note_of(int fd);
void fd_note(int fd, uint32_t id, unsigned flags);
int fd_noted(unsigned first, uint32_t id);
static inline uint64_t fd_note_word(uint32_t id, unsigned flags)
{
    return id == 0 ? 0 : (uint64_t)id << FD_WORD_ID_SHIFT | FD_WORD_FOREIGN | FD_WORD_NOTED | flags;
}

/* Sets or clears FD_WORD_LINGER or FD_WORD_OWN of a foreign number. Returns false if it is not foreign. */
bool fd_set_flag(int fd, unsigned flag, bool set);

/*
 * For fd/plane.c: adds the record and the plane that `word` has to a foreign number, or removes them. As
 * plane_add_record() and plane_remove_record().
 */
bool fd_add_record(int fd, uint64_t record_word);
bool fd_remove_record(int fd, uint64_t record_word);

#endif
