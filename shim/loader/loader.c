/*
 * dlopen, dlsym and dlvsym, by which a program could reach functions without interposition. What these calls do
 * depends on their caller (RTLD_NEXT, RTLD_DEFAULT, RUNPATH, $ORIGIN). So each ends in a tail call, which leaves
 * the caller's return address in place. The tests prove that the compiler makes tail calls.
 */
#include <dlfcn.h>

#include "base/interposed.h"
#include "base/libc.h"
#include "base/tail_call.h"
#include "loader/lookup.h"

/*
 * Returns NULL and sets the error of dlerror(3): no object after the shim defines `name`. Not a tail call, since
 * RTLD_NEXT must mean "after the shim".
 */
static __attribute__((noinline)) void *nothing_found(const char *name)
{
    void *volatile found = real_libc()->dlsym(RTLD_NEXT, name);
    return found;
}

PFSWRAP_EXPORT TAIL_CALLER void *dlsym(void *restrict handle, const char *restrict name)
{
    if ((handle == RTLD_DEFAULT || handle == RTLD_NEXT) && lookup_is_shim_only(name))
        return nothing_found(name);
    if (handle == RTLD_DEFAULT || handle == RTLD_NEXT)
        TAIL_CALL return real_libc()->dlsym(handle, name);
    return lookup_answer(name, real_libc()->dlsym(handle, name));
}

#ifdef __GLIBC__
PFSWRAP_EXPORT TAIL_CALLER void *dlvsym(void *restrict handle, const char *restrict name,
                                        const char *restrict version)
{
    if (handle == RTLD_DEFAULT || handle == RTLD_NEXT)
        TAIL_CALL return real_libc()->dlvsym(handle, name, version);
    return lookup_answer(name, real_libc()->dlvsym(handle, name, version));
}
#endif

PFSWRAP_EXPORT TAIL_CALLER void *dlopen(const char *file, int mode)
{
    mode = lookup_open_mode(file, mode);
    TAIL_CALL return real_libc()->dlopen(file, mode);
}
