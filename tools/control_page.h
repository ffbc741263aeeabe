/*
 * The page by which `pfswrap reload` reaches a process (shim/reload/control.h), found through /proc.
 */
#ifndef PFSWRAP_TOOLS_CONTROL_PAGE_H
#define PFSWRAP_TOOLS_CONTROL_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "process.h"
#include "reload/control.h"

enum page_state {
    PAGE_FOUND,
    PAGE_NONE,    /* the process has none: its policy has reload = off */
    PAGE_DENIED,  /* this user may not look */
    PAGE_GONE,    /* the process has ended */
    PAGE_INVALID, /* what is there is not such a page, or of a build that this command does not know */
};

struct control_page {
    enum page_state state;
    struct control *control; /* with PAGE_FOUND: mapped, until the command ends */
    uint64_t inode;          /* of the page's file: processes of a fork may have the same */
    bool is_owner;           /* the page is the process's own, not its parent's */
};

void control_page_find(struct control_page *page, const struct process *process);

#endif
