/*
 * The open descriptors of this process. opendir(3) is not used: it would allocate memory, and open a descriptor
 * that is listed, too.
 */
#ifndef PFSWRAP_FD_LIST_H
#define PFSWRAP_FD_LIST_H

/*
 * Calls `visit` for each open number that is not the shim's own file. Without /proc it is called for each number
 * from 0 to 1,023, open or not. Allocates nothing; may be called in a child of vfork().
 */
void list_descriptors(void (*visit)(int fd, void *argument), void *argument);

/* The same before main(), where the stack is large: no workspace has to be made for it. */
void list_descriptors_at_start(void (*visit)(int fd, void *argument), void *argument);

#endif
