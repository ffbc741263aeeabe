/*
 * Finds GnuTLS among the mapped objects. The table is filled once. GnuTLS is not unloaded while something uses it.
 */
#include "gnutls/library.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/elf.h"
#include "base/mutex.h"
#include "config/init.h"

/* The names, in one constant without pointers: a pointer would have to be relocated in every process. */
static const struct names {
#define X(call) char call[sizeof #call];
    GNUTLS_REQUIRED(X) GNUTLS_OPTIONAL(X)
#undef X
} names = {
#define X(call) #call,
    GNUTLS_REQUIRED(X) GNUTLS_OPTIONAL(X)
#undef X
};

static const struct symbol {
    uint16_t name;   /* in names */
    uint16_t offset; /* of the pointer in struct gnutls */
    bool required;
} symbols[] = {
#define X(call) {offsetof(struct names, call), offsetof(struct gnutls, call), true},
    GNUTLS_REQUIRED(X)
#undef X
#define X(call) {offsetof(struct names, call), offsetof(struct gnutls, call), false},
        GNUTLS_OPTIONAL(X)
#undef X
};

static struct gnutls library;
static atomic_bool known;
static struct mutex finding;

static bool is_shim(const struct elf_object *object)
{
    uintptr_t here = (uintptr_t)&known;
    return here >= object->first && here < object->last;
}

/* Not an executable that contains GnuTLS: its calls do not pass the dynamic linker, so they are not interposed. */
static bool looks_like_gnutls(const struct elf_object *object, void *argument)
{
    struct elf_object *found = argument;
    if (is_shim(object) || object->order == 0 || elf_symbol(object, "gnutls_global_init") == NULL ||
        elf_symbol(object, "gnutls_handshake") == NULL)
        return false;
    if (found != NULL)
        *found = *object;
    return true;
}

static void library_fill(const struct elf_object *object)
{
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        const char *name = (const char *)&names + symbols[i].name;
        void *address = elf_symbol(object, name);
        if (address == NULL && symbols[i].required && library.missing == NULL)
            library.missing = name;
        memcpy((char *)&library + symbols[i].offset, &address, sizeof address);
    }
    library.name = object->name;
    library.first = object->first;
    library.last = object->last;
    struct elf_object shim;
    if (elf_object_of(&known, &shim)) {
        library.shim_first = shim.first;
        library.shim_last = shim.last;
    }
}

/* Whether GnuTLS is loaded. Fills the table the first time. */
static bool library_find(void)
{
    struct elf_object object;
    if (atomic_load_explicit(&known, memory_order_acquire))
        return true;
    if (!elf_each(looks_like_gnutls, &object))
        return false;
    mutex_lock(&finding);
    if (!atomic_load(&known)) {
        library_fill(&object);
        atomic_store_explicit(&known, true, memory_order_release);
    }
    mutex_unlock(&finding);
    return true;
}

const struct gnutls *gnutls_library(void)
{
    return library_find() && library.missing == NULL ? &library : NULL;
}

bool gnutls_library_is_loaded(void)
{
    return elf_each(looks_like_gnutls, NULL);
}

bool gnutls_library_defines(const void *function)
{
    struct elf_object object;
    return elf_object_of(function, &object) && looks_like_gnutls(&object, NULL);
}

void gnutls_library_require_supported(void)
{
    if (!library_find() || library.missing == NULL)
        return;
    char message[512];
    (void)snprintf(message, sizeof message, "%.300s lacks %s, expected GnuTLS 3.6.3 or later", library.name,
                   library.missing);
    pfswrap_die(message);
}

static bool reporter_covers(const void *caller)
{
    const struct gnutls *lib = gnutls_library();
    return lib != NULL && gnutls_is_inside(lib, caller);
}

const struct handshake_reporter gnutls_reporter = {.covers = reporter_covers};
