/*
 * The environment of the programs that a protected program executes. Daemons often start their helpers with a new
 * environment. Without LD_PRELOAD and PFSWRAP_POLICY in it, such a helper would run unprotected and nobody would
 * notice.
 */
#ifndef PFSWRAP_CHILDREN_ENVIRONMENT_H
#define PFSWRAP_CHILDREN_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "children/object.h"

/*
 * Remembers the path of this shared object. Called once before main(), and not at all with children = allow: then
 * the other functions change no environment.
 */
void environment_start(void);

/* Whether environment_start() was called, so that children are to be protected. */
bool environment_is_guarded(void);

/* The path of this shared object, or NULL if children are not protected; those of the others follow from it. */
const char *environment_library(void);

/*
 * Bytes that environment_protect() needs for its copy of `environment` (NULL means an empty one, as for execve(2)
 * on Linux); 0 if `environment` has all variables already. `object` is the one for the executed program;
 * OBJECT_NONE stands for this process's own. Both functions may run in a child of vfork() and in a signal handler:
 * they allocate nothing and take no lock.
 */
size_t environment_room(char *const environment[], enum object_kind object);

/*
 * Writes a copy of `environment` to `room` and returns it. In the copy, LD_PRELOAD has the object `object` and no
 * other one of pfswrap's (object.h), and PFSWRAP_POLICY names the policy of this process unless the variable is
 * already there. If a rule seals, PFSWRAP_CHILD is set as well (config/init.h). Strings that do not change are
 * shared with `environment`.
 */
char **environment_protect(char *const environment[], enum object_kind object, void *room);

/*
 * The same for the environment of this process, for system(3) and popen(3): `object` is the one for the shell, and
 * stays in LD_PRELOAD, since another thread may be at the same point. Allocates memory; returns false if there is
 * none.
 */
bool environment_restore(enum object_kind object);

/*
 * Whether an executed program will be able to open the object at its path: not after a chroot(2) to a directory
 * without it, or as a user who may not read it. Keeps errno.
 */
bool environment_is_reachable(enum object_kind object);

#endif
