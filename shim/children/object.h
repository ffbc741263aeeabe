/*
 * Which of pfswrap's shared objects belongs into a program, and where it lies. One object serves the programs of
 * one machine, word size and C library. The object of the system's own programs is DIR/libpfswrap.so. The others
 * are beside it: DIR/NAME/libpfswrap.so, for example DIR/i386/libpfswrap.so. A process finds DIR by the path of its
 * own object.
 *
 * Nothing here makes a system call except object_of_program(), nothing allocates memory, and nothing keeps state.
 * So every function may run in signal handlers and in children of vfork().
 */
#ifndef PFSWRAP_CHILDREN_OBJECT_H
#define PFSWRAP_CHILDREN_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum object_kind {
    OBJECT_NONE, /* there is no object for such programs */
    OBJECT_X86_64,
    OBJECT_I386,
    OBJECT_AARCH64,
    OBJECT_X86_64_MUSL,
    OBJECT_I386_MUSL,
    OBJECT_AARCH64_MUSL,
    OBJECT_KINDS,
};

/* The one that this code is part of, or, in a tool, the one that was built with it. */
#if defined(__i386__)
#define OBJECT_OF_GLIBC OBJECT_I386
#define OBJECT_OF_MUSL OBJECT_I386_MUSL
#elif defined(__aarch64__)
#define OBJECT_OF_GLIBC OBJECT_AARCH64
#define OBJECT_OF_MUSL OBJECT_AARCH64_MUSL
#else
#define OBJECT_OF_GLIBC OBJECT_X86_64
#define OBJECT_OF_MUSL OBJECT_X86_64_MUSL
#endif
#ifdef __GLIBC__
#define OBJECT_OWN OBJECT_OF_GLIBC
#else
#define OBJECT_OWN OBJECT_OF_MUSL
#endif

/* NAME: "i386", "x86_64-musl"; "none" for OBJECT_NONE. */
const char *object_name(enum object_kind kind);

/*
 * Whether that object has the same structures in memory as the own one: it is for the same machine and word size,
 * whichever C library. The memory that programs share says in addition how large it takes them to be
 * (transfer/handoff.c).
 */
bool object_is_alike(enum object_kind kind);

/* Whether any object is for that machine (e_machine, elf(5)) and word size. */
bool object_has_machine(uint16_t machine, bool is_64_bit);

/*
 * The object for a program of that machine and word size whose program interpreter is `interpreter` (PT_INTERP):
 * the interpreter must be the ld.so of one of the C libraries, perhaps under another path.
 */
enum object_kind object_of_program(uint16_t machine, bool is_64_bit, const char *interpreter);

/* Where the objects are. */
struct object_place {
    const char *own;         /* the path of this process's object */
    size_t folder;           /* the bytes of it that are DIR */
    enum object_kind native; /* the one at DIR/libpfswrap.so */
};

/* Finds out where the objects are, from the path of this process's own one; *place refers to `own`. */
struct object_place object_place_of(const char *own);

/* Bytes of an object's path that go beyond the own one's, at most. */
enum { OBJECT_PATH_MORE = 32 };

/*
 * Writes the path of the object `kind` (OBJECT_NONE: of the own one) and a zero byte to `path`, which has room for
 * strlen(place->own) + OBJECT_PATH_MORE bytes. Returns where the zero byte is.
 */
char *object_path(char *path, const struct object_place *place, enum object_kind kind);

/*
 * Whether LD_PRELOAD = `preload` loads the object `kind`, and no other object of pfswrap, into a program. With
 * `first`: before everything else. NULL is an empty one.
 */
bool object_is_preloaded(const char *preload, const struct object_place *place, enum object_kind kind, bool first);

/*
 * Writes a value of LD_PRELOAD that does so. All other entries stay, in their order. The object stands at the
 * beginning if `first` is set or there was none of pfswrap's, and in the place of the first of them otherwise.
 * `room` has strlen(preload) + strlen(place->own) + OBJECT_PATH_MORE bytes. Returns where the zero byte is.
 */
char *object_preload(char *room, const char *preload, const struct object_place *place, enum object_kind kind,
                     bool first);

#endif
