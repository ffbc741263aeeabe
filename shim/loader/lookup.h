/*
 * What the interposed calls of the dynamic loader do differently from the real ones.
 */
#ifndef PFSWRAP_LOADER_LOOKUP_H
#define PFSWRAP_LOADER_LOOKUP_H

#include <stdbool.h>

/*
 * The answer to a look-up of `name` in a particular object, which found `found` (NULL: nothing). If the shim
 * interposes that function, returns the shim's function, else `found`. A function of the same name in another
 * library is not replaced.
 */
void *lookup_answer(const char *name, void *found);

/*
 * Whether only the shim defines `name` at the moment, since the library that the function belongs to is not loaded.
 * A program that probes for the library must not find the shim's function.
 */
bool lookup_is_shim_only(const char *name);

/*
 * The mode for dlopen(3) of `file`. If the policy is enforced, without RTLD_DEEPBIND: an object that is bound in
 * this way reaches libssl without passing the shim. Reports the override.
 */
int lookup_open_mode(const char *file, int mode);

#endif
