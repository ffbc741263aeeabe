/*
 * The environment a program gives to another one that it executes. Daemons start their parts with an environment of
 * their own making; without our variables in it a part would run unprotected, and nothing would say so.
 */
#ifndef PFSWRAP_CHILDREN_ENVIRONMENT_H
#define PFSWRAP_CHILDREN_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Remembers where this shared object lies, so that children can be told. Call once, before main(); never called
 * with children = allow, and then everything below leaves environments as they are.
 */
void environment_start(void);

/* Whether children are to be protected, which is what the rest is for. */
bool environment_is_guarded(void);

/*
 * Bytes of room that environment_protect() needs for `environment` (NULL: empty, as Linux has it); 0: it is as it
 * must be. Neither call allocates or locks: they run in children of vfork() and in signal handlers.
 */
size_t environment_room(char *const environment[]);

/*
 * A copy of `environment` in `room`, with our library in LD_PRELOAD, before what is there, and with PFSWRAP_POLICY
 * naming the policy in force unless it names one; with rules that seal also PFSWRAP_CHILD, so that a child of
 * another user may start without keys. Strings are shared with the original. Returns `room`.
 */
char **environment_protect(char *const environment[], void *room);

/*
 * The same for the process's own environment, for calls that take no other. May allocate, as setenv(3) does;
 * returns false if it cannot.
 */
bool environment_restore(void);

/* Whether the loader can find our library from here: not in a chroot without it. */
bool environment_is_reachable(void);

#endif
