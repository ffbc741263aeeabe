/*
 * Whether ld.so(8) will preload this library into a program. This is the only place that decides it: `pfswrap run`
 * and `pfswrap explain` ask it before a program starts, and the wrappers of exec*() and posix_spawn*() ask it for
 * each program that a protected one executes.
 *
 * Every function here may run in a signal handler and in a child of vfork(): they make system calls by number, call
 * nothing of libc but string functions (executable_find() also calls getenv(3)), and keep no state. They do not set
 * errno.
 */
#ifndef PFSWRAP_CHILDREN_EXECUTABLE_H
#define PFSWRAP_CHILDREN_EXECUTABLE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "children/object.h"

enum {
    EXECUTABLE_LINE_MAX = 256,      /* bytes of a script's first line that Linux looks at (BINPRM_BUF_SIZE) */
    EXECUTABLE_INTERPRETERS_MAX = 5 /* how often Linux goes on to another interpreter (ELOOP after that) */
};

/* Why a file cannot be protected, or cannot be executed at all. */
enum executable_reason {
    EXECUTABLE_OK,             /* ld.so preloads the library */
    EXECUTABLE_NOT_EXECUTABLE, /* the kernel refuses to execute it, so nothing runs unprotected */
    EXECUTABLE_OTHER_MACHINE,  /* a machine, word size or byte order without an object */
    EXECUTABLE_STATIC,         /* no program interpreter: ld.so is not involved */
    EXECUTABLE_PRIVILEGED,     /* it gains privileges: ld.so ignores LD_PRELOAD (secure-execution mode) */
    EXECUTABLE_OTHER_LOADER,   /* its program interpreter is not one that an object was built for (object.h) */
    EXECUTABLE_GO,             /* Go's runtime makes its system calls itself, past libc */
    EXECUTABLE_UNREADABLE,     /* it can be executed but not read, so nothing is known about it */
    EXECUTABLE_NO_OBJECT,      /* there is an object for such programs, but not in this installation */
    /* The program could be protected, but not here and now: see executable_check_library(). */
    EXECUTABLE_LIBRARY_BROKEN,  /* what is at the library's path is no shared object that ld.so maps */
    EXECUTABLE_LIBRARY_NO_EXEC, /* the library's code must not be mapped: a noexec mount, or a security module */
    EXECUTABLE_LIMIT_AS,        /* RLIMIT_AS leaves no room for the library (setrlimit(2)) */
    EXECUTABLE_LIMIT_DATA,      /* RLIMIT_DATA does not */
};

/* What a file is to execve(2). */
enum executable_kind {
    EXECUTABLE_KIND_UNKNOWN, /* none of the others */
    EXECUTABLE_KIND_TEXT,    /* no #! and no zero byte in its first line: execvp(3) runs it with /bin/sh */
    EXECUTABLE_KIND_SCRIPT,  /* #! and an interpreter */
    EXECUTABLE_KIND_BROKEN,  /* ELF headers that the kernel does not accept */
    EXECUTABLE_KIND_FOREIGN, /* ELF for a machine, word size or byte order without an object */
    EXECUTABLE_KIND_STATIC,  /* ELF without a program interpreter (shared objects are such files, too) */
    EXECUTABLE_KIND_DYNAMIC, /* ELF with a program interpreter */
};

/* What a program gains when it is executed; the first that applies. */
enum executable_privilege {
    EXECUTABLE_PRIVILEGE_NONE,
    EXECUTABLE_PRIVILEGE_USER,         /* set-user-ID */
    EXECUTABLE_PRIVILEGE_GROUP,        /* set-group-ID */
    EXECUTABLE_PRIVILEGE_CAPABILITIES, /* file capabilities (capabilities(7)) */
    EXECUTABLE_PRIVILEGE_UNKNOWN,      /* it may have file capabilities: they cannot be read */
};

/* What was found in one file. Holds no pointers. */
struct executable {
    enum executable_kind kind;
    enum object_kind object; /* by its `interpreter`; OBJECT_NONE also if it has none */
    uint16_t type, machine;  /* e_type and e_machine (elf(5)); 0: it is no ELF file */
    bool is_64_bit;
    bool is_set_user_id, is_set_group_id;
    bool has_capabilities;        /* or may have: see the next member */
    bool capabilities_unreadable; /* fgetxattr(2) failed for another reason than that there are none */
    uid_t owner;
    gid_t group;
    bool is_go;                 /* base/go.h */
    bool is_loadable;           /* as a shared object: it has all the bytes that ld.so maps */
    uint64_t memory, data;      /* bytes of its segments, in whole pages: all, and those that are writable */
    char interpreter[PATH_MAX]; /* PT_INTERP, or the path after #!; empty if there is none */
    char argument[EXECUTABLE_LINE_MAX]; /* what follows the path after #!: one argument, with blanks in it */
};

/* The process that executes a file: its real user and group id, and its own object (NULL: do not ask about it). */
struct executable_caller {
    uid_t user;
    gid_t group;
    const char *library;
};

/*
 * Looks into the open file `fd` and fills *file. Reads with pread(2), so the file offset stays. A file that is not
 * a regular one is EXECUTABLE_KIND_UNKNOWN. Returns 0, or a negative errno value of fstat(2) or pread(2), or
 * -ENOMEM.
 */
int executable_read(int fd, struct executable *file);

/* The same for pfswrap's own library, without a look for Go and for privileges. */
int executable_read_library(int fd, struct executable *file);

/*
 * What `file` gains when `caller` executes it; if `caller` is NULL, when any process does. A set-user-ID program of
 * root gives nothing to root, but it may drop its privileges and then execute itself to get them back. Makes no
 * system call.
 */
enum executable_privilege executable_privilege(const struct executable *file,
                                               const struct executable_caller *caller);

/*
 * Decides about one file; `caller` is as above. A script is EXECUTABLE_OK, because its interpreter decides. Never
 * returns EXECUTABLE_UNREADABLE, nor a reason of executable_check_library(). Makes no system call.
 */
enum executable_reason executable_decide(const struct executable *file, const struct executable_caller *caller);

/*
 * Whether anything keeps ld.so from mapping the shared object `library` into the program `file`, which this process
 * is about to execute. ld.so would print "cannot be preloaded: ignored" and start the program without it. There is
 * no such file: EXECUTABLE_NO_OBJECT if it is not the own one. EXECUTABLE_OK if the library cannot be opened for
 * another reason: environment_is_reachable() and the launcher report that.
 *
 * Memory limits: ld.so maps the library before the libraries of the program. So the limit must have room for the
 * program, ld.so, the stack and the library. As much room as libc takes is required in addition, since no program
 * starts without libc.
 *
 * *file describes the library afterwards, since such a structure is large for a thread with a small stack.
 */
enum executable_reason executable_check_library(struct executable *file, const char *library);

/* The least RLIMIT_AS or RLIMIT_DATA, in bytes, with which the library `shared` can be mapped into `file`. */
uint64_t executable_room(const struct executable *file, const struct executable *shared, int resource);

/* Whether executable_check_library() returned that reason. It lies in the surroundings, not in the program. */
bool executable_reason_is_of_library(enum executable_reason reason);

/* What becomes of an executed file: whether it can be protected, and by which object. */
struct executable_result {
    enum executable_reason reason;
    enum object_kind object; /* of the last interpreter; OBJECT_NONE if that is none that can be preloaded into */
};

/*
 * Decides about the file `path` (relative to the descriptor `directory`, or AT_FDCWD), for the open file `fd`, and
 * for the command `name` as execvp(3) finds it, text without #! included. They follow #! lines to the last
 * interpreter, and call executable_check_library() if `caller` has a library. An interpreter such as env(1) that
 * executes a further program is the end: that program is checked when it is executed.
 */
struct executable_result executable_check_path(int directory, const char *path,
                                               const struct executable_caller *caller);
struct executable_result executable_check_fd(int fd, const struct executable_caller *caller);
struct executable_result executable_check_command(const char *name, const struct executable_caller *caller);

/*
 * Returns 0 if `path` is a regular file that this process may execute (with its effective ids), or a negative errno
 * value.
 */
int executable_access(const char *path);

/*
 * Finds the file that execvp(3) executes for `name`: `name` itself if it has a slash or is empty, else in the
 * directories of $PATH, or of /bin:/usr/bin without that variable. Returns 0 with *path filled; -EACCES if there
 * are such files, none of which may be executed; or another negative errno value.
 */
int executable_find(char path[static PATH_MAX], const char *name);

/* The calling process, as `caller` above, with that library. */
struct executable_caller executable_caller_self(const char *library);

/*
 * The reason in words, as the audit log has it: "the program is statically linked". NULL for EXECUTABLE_OK.
 * `object` is the program's, which EXECUTABLE_NO_OBJECT names.
 */
const char *executable_reason_text(enum executable_reason reason, enum object_kind object);

#endif
