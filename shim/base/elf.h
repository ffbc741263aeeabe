/*
 * The ELF objects that are mapped into this process, and the symbols that they define. This replaces dlsym(3),
 * which takes the loader's lock, changes the state of dlerror(3), and is interposed by the shim. Calls
 * dl_iterate_phdr(3) and reads mapped memory, nothing else.
 */
#ifndef PFSWRAP_BASE_ELF_H
#define PFSWRAP_BASE_ELF_H

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>

/* A mapped object. Valid while the object stays loaded; nothing has to be freed. */
struct elf_object {
    const char *name;      /* as the loader has it; "" for the executable */
    const char *soname;    /* DT_SONAME, or NULL */
    uintptr_t base;        /* what the addresses in the file are relative to */
    uintptr_t first, last; /* the range of its loadable segments, `last` exclusive */
    const ElfW(Dyn) * dynamic;
    const ElfW(Sym) * symbols;
    const char *strings;
    const uint32_t *gnu_hash; /* NULL: the object has the old table only */
    const uint32_t *sysv_hash;
    const ElfW(Half) * versions; /* DT_VERSYM, or NULL */
    unsigned order;              /* position in the loader's list; the executable is 0 */
};

/*
 * Calls visit(object, argument) for each object, in the loader's order, until it returns true. Returns whether it
 * did.
 */
bool elf_each(bool (*visit)(const struct elf_object *object, void *argument), void *argument);

/* Finds the object whose segments contain `address`. Returns false if there is none (a JIT compiler's code). */
bool elf_object_of(const void *address, struct elf_object *object);

/* The address of the function or variable `name` that `object` itself defines, in its default version, or NULL. */
void *elf_symbol(const struct elf_object *object, const char *name);

/* That address in the first object that defines `name`, as the loader would bind it, or NULL. */
void *elf_find(const char *name);

/* As elf_symbol(), also for a name that `object` defines for old binaries only (a hidden version). */
void *elf_symbol_any_version(const struct elf_object *object, const char *name);

/* Whether `object` is the C library. musl's has no DT_SONAME in some distributions: it is where errno comes from.
 */
bool elf_is_libc(const struct elf_object *object);

/* Whether `object` names `soname` among its DT_NEEDED entries. */
bool elf_needs(const struct elf_object *object, const char *soname);

#endif
