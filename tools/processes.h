/*
 * The processes of this machine, as /proc shows them, and the page by which `pfswrap reload` reaches them
 * (shim/reload/control.h).
 */
#ifndef PFSWRAP_TOOLS_PROCESSES_H
#define PFSWRAP_TOOLS_PROCESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "reload/control.h"

enum { PROCESS_NAME_BYTES = 64 };

enum page_state {
    PAGE_FOUND,
    PAGE_NONE,    /* the process has none: it is not protected, or has reload = off */
    PAGE_DENIED,  /* this user may not look */
    PAGE_GONE,    /* the process has ended */
    PAGE_INVALID, /* what is there is not such a page, or of a build that this command does not know */
};

struct process {
    int pid;
    char name[PROCESS_NAME_BYTES]; /* the program's short name */
    enum page_state state;
    struct control *control; /* with PAGE_FOUND: mapped, until the command ends */
    uint64_t inode;          /* of the page's file: processes of a fork may have the same */
    bool is_owner;           /* the page is its own, not its parent's */
};

/* Whether the program's short name or its executable's is `name`. */
bool process_is_called(int pid, const char *name);

/* Fills everything but the pid, which the caller has set. */
void process_find_page(struct process *process);

/* The next process after `pid` in ascending order; 0: there is none. */
int process_next(int pid);

#endif
