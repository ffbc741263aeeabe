/*
 * The page by which `pfswrap reload` reaches a process. It is a memory file of the process, and the command opens
 * it as /proc/PID/fd/NUMBER: the kernel lets root do that, and the process's own user (proc(5), ptrace(2),
 * PTRACE_MODE_READ). Nothing is stopped and no signal is sent. A child of a fork has its parent's page until it
 * makes its own. The page vanishes with the last process that has it.
 *
 * Each side treats what the other one has written as a claim. The process only looks whether `request` has changed,
 * and the command prints the texts. The layout is the same in every build: a newer one appends members, and raises
 * `layout` if an older command would misread it.
 */
#ifndef PFSWRAP_RELOAD_CONTROL_H
#define PFSWRAP_RELOAD_CONTROL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTROL_FILE "pfswrap-control" /* the name of the memory file (memfd_create(2)) */
#define CONTROL_MAGIC "pfswrap control"

enum { CONTROL_BYTES = 4096, CONTROL_LAYOUT = 1, CONTROL_TEXT_BYTES = 1024, CONTROL_VERSION_BYTES = 32 };

/* Why the process will answer, or not. */
enum control_state {
    CONTROL_IDLE,      /* it has not made a connection; its first one reads the files */
    CONTROL_WATCHING,  /* a thread waits for requests */
    CONTROL_NO_THREAD, /* no thread could be made */
    CONTROL_SANDBOXED, /* a system call filter forbids to open files */
};

enum control_result {
    CONTROL_NOTHING,   /* the files were not read again yet */
    CONTROL_UNCHANGED, /* they say what they said before */
    CONTROL_APPLIED,   /* the new state is in force */
    CONTROL_REFUSED,   /* the old state stays in force; `text` says why */
};

struct control {
    char magic[16];
    uint32_t layout, pid;                /* the pid as the process itself sees it */
    char version[CONTROL_VERSION_BYTES]; /* of pfswrap */
    _Atomic uint32_t request;            /* futex(2): the command increments it */
    _Atomic uint32_t answered;           /* futex(2): the request that the members below answer */
    _Atomic uint32_t state, result;      /* enum control_state, enum control_result */
    _Atomic uint32_t generation;         /* of the state in force; 1: that of the start */
    _Atomic uint32_t ended;              /* connections that on-removal = now has ended */
    _Atomic uint32_t writing;            /* odd while the process writes the text */
    char text[CONTROL_TEXT_BYTES];       /* with CONTROL_REFUSED: why */
};
_Static_assert(sizeof(struct control) <= CONTROL_BYTES, "the page has room for it");

/*
 * Makes the page of this process, in place of its parent's. False: the kernel refused it, or no descriptor is left.
 * Makes system calls only.
 */
bool control_make(void);

/* The page, or the parent's; NULL: there is none. And whether it is this process's own. */
struct control *control_page(void);
bool control_is_own(void);

/* Writes the answer to `request`, and wakes the commands that wait for it. */
void control_answer(uint32_t request, enum control_result result, uint32_t generation, uint32_t ended,
                    const char *text);

/* Says why there will be no answers, or that there will be some. Nothing happens to a parent's page. */
void control_set_state(enum control_state state);

/* Waits until the page has another request than `seen`, at most `timeout_ms` (0: no limit), or for control_wake().
 */
void control_wait(uint32_t seen, uint32_t timeout_ms);
void control_wake(void);

#endif
