/*
 * Reads the program headers and dynamic sections that the loader has mapped (System V gABI, chapter 5). GNU hash
 * tables are read as glibc's dl-lookup.c does it.
 */
#include "base/elf.h"

#include <errno.h>
#include <string.h>

enum { VERSION_HIDDEN = 0x8000 }; /* in DT_VERSYM: not the default version */

/*
 * glibc relocates most pointers of dynamic sections in place. Those of the vDSO, and of some machines, stay
 * relative.
 */
static const void *dynamic_pointer(uintptr_t base, ElfW(Addr) value)
{
    return (const void *)(value < base ? base + value : value);
}

static void object_read_dynamic(struct elf_object *object)
{
    ElfW(Xword) soname = 0;
    bool has_soname = false;
    for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++) {
        const void *pointer = dynamic_pointer(object->base, entry->d_un.d_ptr);
        switch (entry->d_tag) {
        case DT_SYMTAB:
            object->symbols = pointer;
            break;
        case DT_STRTAB:
            object->strings = pointer;
            break;
        case DT_GNU_HASH:
            object->gnu_hash = pointer;
            break;
        case DT_HASH:
            object->sysv_hash = pointer;
            break;
        case DT_VERSYM:
            object->versions = pointer;
            break;
        case DT_SONAME:
            soname = entry->d_un.d_val;
            has_soname = true;
            break;
        default:
            break;
        }
    }
    if (has_soname && object->strings != NULL)
        object->soname = object->strings + soname;
}

/* Fills *object with what the loader reports. Returns false for an object without symbols (a static executable). */
static bool object_read(struct elf_object *object, const struct dl_phdr_info *info, unsigned order)
{
    *object = (struct elf_object){
        .name = info->dlpi_name != NULL ? info->dlpi_name : "",
        .base = info->dlpi_addr,
        .first = UINTPTR_MAX,
        .order = order,
    };
    for (unsigned i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + header->p_vaddr;
        if (header->p_type == PT_LOAD) {
            if (start < object->first)
                object->first = start;
            if (start + header->p_memsz > object->last)
                object->last = start + header->p_memsz;
        } else if (header->p_type == PT_DYNAMIC) {
            object->dynamic = (const void *)start;
        }
    }
    if (object->dynamic == NULL)
        return false;
    object_read_dynamic(object);
    return object->symbols != NULL && object->strings != NULL;
}

struct walk {
    bool (*visit)(const struct elf_object *object, void *argument);
    void *argument;
    unsigned order;
};

static int walk_object(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    struct walk *walk = argument;
    struct elf_object object;
    unsigned order = walk->order++;
    return object_read(&object, info, order) && walk->visit(&object, walk->argument) ? 1 : 0;
}

bool elf_each(bool (*visit)(const struct elf_object *object, void *argument), void *argument)
{
    struct walk walk = {.visit = visit, .argument = argument};
    return dl_iterate_phdr(walk_object, &walk) != 0;
}

struct containing {
    uintptr_t address;
    struct elf_object *object;
};

static bool object_contains(const struct elf_object *object, void *argument)
{
    struct containing *containing = argument;
    if (containing->address < object->first || containing->address >= object->last)
        return false;
    *containing->object = *object;
    return true;
}

bool elf_object_of(const void *address, struct elf_object *object)
{
    struct containing containing = {.address = (uintptr_t)address, .object = object};
    return elf_each(object_contains, &containing);
}

static bool symbol_is(const struct elf_object *object, uint32_t index, const char *name, bool any_version)
{
    const ElfW(Sym) *symbol = &object->symbols[index];
    unsigned type = ELF64_ST_TYPE(symbol->st_info);
    if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC && type != STT_OBJECT && type != STT_NOTYPE))
        return false;
    if (!any_version && object->versions != NULL && (object->versions[index] & VERSION_HIDDEN) != 0)
        return false;
    return strcmp(object->strings + symbol->st_name, name) == 0;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++)
        hash = hash * 33 + *c;
    return hash;
}

static uint32_t gnu_lookup(const struct elf_object *object, const char *name, bool any_version)
{
    const uint32_t *table = object->gnu_hash;
    uint32_t bucket_count = table[0];
    uint32_t symbol_base = table[1];
    uint32_t bloom_count = table[2];
    uint32_t bloom_shift = table[3];
    const ElfW(Addr) *bloom = (const ElfW(Addr) *)&table[4];
    const uint32_t *buckets = (const uint32_t *)&bloom[bloom_count];
    const uint32_t *chains = &buckets[bucket_count];
    enum { WORD_BITS = 8 * sizeof(ElfW(Addr)) };

    uint32_t hash = gnu_hash(name);
    ElfW(Addr) word = bloom[(hash / WORD_BITS) % bloom_count];
    if (((word >> (hash % WORD_BITS)) & (word >> ((hash >> bloom_shift) % WORD_BITS)) & 1) == 0)
        return 0;
    uint32_t index = buckets[hash % bucket_count];
    if (index < symbol_base)
        return 0;
    for (;; index++) {
        uint32_t chained = chains[index - symbol_base];
        if ((chained | 1) == (hash | 1) && symbol_is(object, index, name, any_version))
            return index;
        if ((chained & 1) != 0)
            return 0;
    }
}

static uint32_t sysv_lookup(const struct elf_object *object, const char *name, bool any_version)
{
    uint32_t hash = 0;
    for (const unsigned char *c = (const unsigned char *)name; *c != '\0'; c++) {
        hash = (hash << 4) + *c;
        hash ^= (hash >> 24) & 0xf0;
        hash &= 0x0fffffff;
    }
    uint32_t bucket_count = object->sysv_hash[0];
    const uint32_t *buckets = &object->sysv_hash[2];
    const uint32_t *chains = &buckets[bucket_count];
    uint32_t index = buckets[hash % bucket_count];
    while (index != STN_UNDEF && !symbol_is(object, index, name, any_version))
        index = chains[index];
    return index;
}

static void *lookup(const struct elf_object *object, const char *name, bool any_version)
{
    uint32_t index = 0;
    if (object->gnu_hash != NULL && object->gnu_hash[0] != 0 && object->gnu_hash[2] != 0)
        index = gnu_lookup(object, name, any_version);
    else if (object->sysv_hash != NULL && object->sysv_hash[0] != 0)
        index = sysv_lookup(object, name, any_version);
    if (index == 0)
        return NULL;
    return (void *)(object->base + object->symbols[index].st_value);
}

void *elf_symbol(const struct elf_object *object, const char *name)
{
    return lookup(object, name, false);
}

void *elf_symbol_any_version(const struct elf_object *object, const char *name)
{
    return lookup(object, name, true);
}

bool elf_needs(const struct elf_object *object, const char *soname)
{
    for (const ElfW(Dyn) *entry = object->dynamic; entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == DT_NEEDED && strcmp(object->strings + entry->d_un.d_val, soname) == 0)
            return true;
    return false;
}

bool elf_is_libc(const struct elf_object *object)
{
#ifdef __GLIBC__
    return object->soname != NULL && strcmp(object->soname, "libc.so.6") == 0;
#else
    const uintptr_t function = (uintptr_t)__errno_location;
    return function >= object->first && function < object->last;
#endif
}

struct finding {
    const char *name;
    void *at;
};

static bool defines(const struct elf_object *object, void *argument)
{
    struct finding *finding = argument;
    finding->at = elf_symbol(object, finding->name);
    return finding->at != NULL;
}

void *elf_find(const char *name)
{
    struct finding finding = {name, NULL};
    return elf_each(defines, &finding) ? finding.at : NULL;
}
