/*
 * Uses the list of interposed names only by what the shim exports, and the TLS modules only to ask which library
 * defines a function.
 */
#include "loader/lookup.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/elf.h"
#include "base/libc.h"
#include "config/init.h"
#include "config/override.h"
#include "gnutls/library.h"
#include "tls/libssl.h"

/*
 * The shim's function `name`, or NULL if it does not interpose that function. `any_version`: also one that old
 * binaries use.
 */
static void *shim_function(const char *name, bool any_version)
{
    static struct elf_object shim;
    static atomic_bool known;
    if (!atomic_load_explicit(&known, memory_order_acquire)) {
        struct elf_object found;
        if (!elf_object_of(&known, &found))
            return NULL;
        shim = found; /* threads that do this at the same time write the same bytes */
        atomic_store_explicit(&known, true, memory_order_release);
    }
    if (name == NULL)
        return NULL;
    return any_version ? elf_symbol_any_version(&shim, name) : elf_symbol(&shim, name);
}

static bool is_of_libc(const void *function)
{
    struct elf_object object;
    return elf_object_of(function, &object) && elf_is_libc(&object);
}

void *lookup_answer(const char *name, void *found)
{
    void *const function = found != NULL ? shim_function(name, true) : NULL;
    if (function == NULL || function == found)
        return found;
    void *real;
    const bool is_interposed = (real_libc_has(name, &real) && found == real) || is_of_libc(found) ||
                               libssl_defines(found) || gnutls_library_defines(found);
    return is_interposed ? function : found;
}

bool lookup_is_shim_only(const char *name)
{
    void *real;
    if (shim_function(name, false) == NULL)
        return false;
    if (real_libc_has(name, &real)) /* also finds functions of liburing and libaio once they are loaded */
        return real == NULL;
    return strncmp(name, "gnutls_", 7) == 0 ? !gnutls_library_is_loaded() : !libssl_is_loaded();
}

int lookup_open_mode(const char *file, int mode)
{
    if ((mode & RTLD_DEEPBIND) == 0 || !pfswrap_enforces())
        return mode;
    override_report("RTLD_DEEPBIND", file != NULL ? file : "", "without");
    return mode & ~RTLD_DEEPBIND;
}
