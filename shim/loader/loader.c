/*
 * dlopen, dlsym, dlvsym: what would go around interposition. The meaning of these calls depends on who calls them
 * (RTLD_NEXT, RTLD_DEFAULT, RUNPATH, $ORIGIN), so each ends in a tail call that leaves the caller's return address
 * in place; tests prove that it does. Knows the list of interposed names, and nothing of what they do.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "gnutls/library.h"
#include "config/init.h"
#include "config/override.h"
#include "base/interposed.h"
#include "base/elf.h"
#include "base/libc.h"
#include "base/tail_call.h"
#include "tls/libssl.h"

/* Our own definition of `name`, or NULL if it is not on the list. */
static void *ours_by_name(const char *name)
{
    static struct elf_object self;
    static atomic_bool known;
    if (!atomic_load_explicit(&known, memory_order_acquire)) {
        struct elf_object found;
        if (!elf_object_of(&known, &found))
            return NULL;
        self = found; /* the same bytes, whoever writes them */
        atomic_store_explicit(&known, true, memory_order_release);
    }
    return name != NULL ? elf_symbol(&self, name) : NULL;
}

/* What a lookup on a handle answers: our wrapper in place of the very function that the wrapper calls. */
static void *answer(const char *name, void *found)
{
    void *ours = found != NULL ? ours_by_name(name) : NULL;
    if (ours == NULL || ours == found)
        return found;
    return found == real_libc_by_name(name) || libssl_defines(found) || gnutls_library_defines(found) ? ours
                                                                                                      : found;
}

/* A weak probe for a library must not find us where there is no such library. */
static bool only_we_define(const char *name)
{
    if (ours_by_name(name) == NULL || real_libc_by_name(name) != NULL)
        return false;
    if (strncmp(name, "io_", 3) == 0)
        return true; /* liburing's */
    return strncmp(name, "gnutls_", 7) == 0 ? !gnutls_library_is_loaded() : !libssl_is_loaded();
}

/* What there is after us: nothing, and dlerror() says so. No tail call: the caller that counts is this object. */
static __attribute__((noinline)) void *nothing_found(const char *name)
{
    void *volatile found = real_libc()->dlsym(RTLD_NEXT, name);
    return found;
}

PFSWRAP_EXPORT TAIL_CALLER void *dlsym(void *restrict handle, const char *restrict name)
{
    if ((handle == RTLD_DEFAULT || handle == RTLD_NEXT) && only_we_define(name))
        return nothing_found(name);
    if (handle == RTLD_DEFAULT || handle == RTLD_NEXT)
        TAIL_CALL return real_libc()->dlsym(handle, name);
    return answer(name, real_libc()->dlsym(handle, name));
}

PFSWRAP_EXPORT TAIL_CALLER void *dlvsym(void *restrict handle, const char *restrict name,
                                        const char *restrict version)
{
    if (handle == RTLD_DEFAULT || handle == RTLD_NEXT)
        TAIL_CALL return real_libc()->dlvsym(handle, name, version);
    return answer(name, real_libc()->dlvsym(handle, name, version));
}

/* RTLD_DEEPBIND would let an object reach libssl past us. */
static int mode_without_deepbind(const char *file, int mode)
{
    if ((mode & RTLD_DEEPBIND) == 0 || !pfswrap_enforces())
        return mode;
    override_report("RTLD_DEEPBIND", file != NULL ? file : "", "without");
    return mode & ~RTLD_DEEPBIND;
}

PFSWRAP_EXPORT TAIL_CALLER void *dlopen(const char *file, int mode)
{
    mode = mode_without_deepbind(file, mode);
    TAIL_CALL return real_libc()->dlopen(file, mode);
}
