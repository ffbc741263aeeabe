/*
 * Functions that some supported libc does not have. A program can make their system calls by syscall(2) all the
 * same, and then the interposed function needs a real one.
 */
#ifndef PFSWRAP_BASE_LIBC_NEWER_H
#define PFSWRAP_BASE_LIBC_NEWER_H

struct libc_newer {
    const char *name;
    void (*function)(void); /* of the type that `name` has */
};

/* All of them; the last has no name. They set errno, and are no cancellation points. */
extern const struct libc_newer libc_newer[];

#endif
