/*
 * What lets the runtime of ThreadSanitizer start behind the shared object that it checks. The programs are linked
 * with the runtime, so it is before libc, and the shim's own calls of libc are seen by it. When it starts, it looks
 * for the functions of libc by dlsym(3) and dlvsym(3), which are the shim's, and until it has them its own
 * functions, which stand for those of libc, must not be called. Until then the calls are answered here, by the
 * shim's code that reads mapped objects, and the objects are those of the loader's list for debuggers (_r_debug).
 */
#include <dlfcn.h>
#include <link.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "base/elf.h"
#include "base/interposed.h"
#include "base/tail_call.h"

typedef int object_visitor(struct dl_phdr_info *info, size_t size, void *argument);

__attribute__((visibility("hidden"))) int __wrap_dl_iterate_phdr(object_visitor *visit, void *argument);
int __real_dl_iterate_phdr(object_visitor *visit, void *argument);
__attribute__((visibility("hidden"))) int plain_strcmp(const char *one, const char *other);
void *entered_dlsym(void *handle, const char *name);
void *entered_dlvsym(void *handle, const char *name, const char *version);

static int is_ready;

/* The runtime starts before any constructor, or with one that is called before those of the objects that need it.
 */
__attribute__((constructor(101))) static void be_ready(void)
{
    is_ready = 1;
}

/* For the shim's files that run before. */
int plain_strcmp(const char *one, const char *other)
{
    while (*one != '\0' && *one == *other) {
        one++;
        other++;
    }
    return (unsigned char)*one - (unsigned char)*other;
}

static void describe(const struct link_map *map, struct dl_phdr_info *info)
{
    const ElfW(Ehdr) *header = (const void *)map->l_addr;
    info->dlpi_addr = map->l_addr;
    info->dlpi_name = map->l_name;
    if (map == _r_debug.r_map) { /* the executable, which may have a fixed address */
        info->dlpi_phdr = (const void *)getauxval(AT_PHDR);
        info->dlpi_phnum = (ElfW(Half))getauxval(AT_PHNUM);
    } else {
        info->dlpi_phdr = (const void *)(map->l_addr + header->e_phoff);
        info->dlpi_phnum = header->e_phnum;
    }
}

int __wrap_dl_iterate_phdr(object_visitor *visit, void *argument)
{
    int result = 0;
    if (is_ready)
        return __real_dl_iterate_phdr(visit, argument);
    for (const struct link_map *map = _r_debug.r_map; map != NULL && result == 0; map = map->l_next) {
        struct dl_phdr_info info = {0};
        describe(map, &info);
        result = visit(&info, sizeof info, argument);
    }
    return result;
}

struct search {
    const char *name;
    void *found;
};

static bool look_in_libc(const struct elf_object *object, void *argument)
{
    struct search *search = argument;
    if (!elf_is_libc(object))
        return false;
    search->found = elf_symbol(object, search->name);
    return true;
}

static __attribute__((noinline)) void *find_in_libc(const char *name)
{
    struct search search = {name, NULL};
    (void)elf_each(look_in_libc, &search);
    return search.found;
}

/* Both must end in tail calls: what RTLD_NEXT finds depends on the caller. */
PFSWRAP_EXPORT TAIL_CALLER void *dlsym(void *handle, const char *name)
{
    void *(*real)(void *, const char *) = is_ready ? entered_dlsym : find_in_libc("dlsym");
    TAIL_CALL return real(handle, name);
}

PFSWRAP_EXPORT TAIL_CALLER void *dlvsym(void *handle, const char *name, const char *version)
{
    void *(*real)(void *, const char *, const char *) = is_ready ? entered_dlvsym : find_in_libc("dlvsym");
    TAIL_CALL return real(handle, name, version);
}
