/*
 * Looks up the real functions of libc. This may be the first code of the shim that runs in a process, so it calls
 * dl_iterate_phdr(3) and nothing else.
 */
#include "base/libc.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/elf.h"
#include "base/libc_newer.h"

struct real_libc real_libc_table;
atomic_bool real_libc_resolved;

/* The names, in one constant without pointers: a pointer would have to be relocated in every process. */
static const struct names {
#define X(call) char call[sizeof #call];
    PFSWRAP_LIBC_CALLS(X) PFSWRAP_LOADER_CALLS(X)
#undef X
} names = {
#define X(call) #call,
    PFSWRAP_LIBC_CALLS(X) PFSWRAP_LOADER_CALLS(X)
#undef X
};

static const struct entry {
    uint16_t name;   /* in names */
    uint16_t offset; /* of the pointer in struct real_libc */
} entries[] = {
#define X(call) {offsetof(struct names, call), offsetof(struct real_libc, call)},
    PFSWRAP_LIBC_CALLS(X) PFSWRAP_LOADER_CALLS(X)
#undef X
};

enum { ENTRY_COUNT = sizeof entries / sizeof entries[0] };

static const char *name_of(size_t i)
{
    return (const char *)&names + entries[i].name;
}

struct search {
    void *found[ENTRY_COUNT];
    bool is_past_shim;
};

static bool resolve_from(const struct elf_object *object, void *argument)
{
    struct search *search = argument;
    if (!search->is_past_shim) {
        uintptr_t here = (uintptr_t)&real_libc_table;
        search->is_past_shim = here >= object->first && here < object->last;
        return false;
    }
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (search->found[i] == NULL)
            search->found[i] = elf_symbol(object, name_of(i));
    return false;
}

/* What stands for a function that this libc does not have; NULL: `name` is in every libc. */
static void *stand_in(const char *name)
{
    for (size_t i = 0; libc_newer[i].name != NULL; i++)
        if (strcmp(libc_newer[i].name, name) == 0)
            return (void *)libc_newer[i].function;
    return NULL;
}

void real_libc_resolve(void)
{
    struct search search = {0};
    elf_each(resolve_from, &search);
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        if (search.found[i] == NULL)
            search.found[i] = stand_in(name_of(i));
        void **slot = (void **)((char *)&real_libc_table + entries[i].offset);
        __atomic_store_n(slot, search.found[i], __ATOMIC_RELAXED);
    }
    atomic_store_explicit(&real_libc_resolved, true, memory_order_release);
}

bool real_libc_has(const char *name, void **function)
{
    const struct real_libc *table = real_libc();
    for (size_t i = 0; i < ENTRY_COUNT; i++) {
        void *const *slot = (void *const *)((const char *)table + entries[i].offset);
        if (strcmp(name_of(i), name) != 0)
            continue;
        if (*slot == NULL)
            real_libc_resolve(); /* it may be in another library, which was loaded later */
        *function = *slot != stand_in(name) ? *slot : NULL;
        return true;
    }
    *function = NULL;
    return false;
}
