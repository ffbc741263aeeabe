/*
 * The descriptors that this process has, without opendir(3): what is looked at must not change by looking.
 */
#ifndef PFSWRAP_FD_LIST_H
#define PFSWRAP_FD_LIST_H

/*
 * Calls `visit` for each number that is open, but for the shim's own; without /proc for each that may be, up to
 * 1,023. Allocates nothing; may be called in a child of vfork().
 */
void list_descriptors(void (*visit)(int fd, void *argument), void *argument);

#endif
