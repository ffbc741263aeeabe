/*
 * An open-addressed hash table. Objects of the first library are not stored: an object that is not found belongs to
 * it. An entry is one atomic word, the object's address with the library's index in its low bits, so readers need
 * no lock. Writers use a lock, which lets them make removed slots empty again. Without that, a search for an object
 * that is not in the table would in the end visit every slot.
 */
#include "tls/object_map.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/mutex.h"
#include "config/init.h"

enum {
    SLOTS = 1 << 18,      /* a search stops after half of them, so the table holds at most as many objects */
    INDEX_MASK = 7,       /* malloc aligns objects to 16 bytes, so these bits of an address are zero */
    REMOVED = INDEX_MASK, /* a slot that was used: an index without an address */
};
_Static_assert(LIBSSL_MAX <= INDEX_MASK + 1, "the index fits the low bits");

static _Atomic(_Atomic uintptr_t *) table;
static struct mutex writers; /* each step of a writer is one store that leaves the table in order */

/* The table, which is created when first needed. The caller holds the lock. */
static _Atomic uintptr_t *table_get(void)
{
    _Atomic uintptr_t *slots = atomic_load(&table);
    if (slots != NULL)
        return slots;
    slots = mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return NULL;
    atomic_store(&table, slots);
    return slots;
}

static size_t slot_of(const void *object)
{
    uint64_t mixed = ((uint64_t)(uintptr_t)object >> 4) * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing */
    return (size_t)(mixed >> 46) & (SLOTS - 1);
}

void object_map_add(const void *object, const struct libssl *lib)
{
    if (lib->index == 0)
        return;
    mutex_lock(&writers);
    _Atomic uintptr_t *slots = table_get();
    for (size_t i = 0, at = slot_of(object); slots != NULL && i < SLOTS / 2; i++, at = (at + 1) & (SLOTS - 1)) {
        uintptr_t seen = atomic_load(&slots[at]);
        if (seen == 0 || seen == REMOVED) {
            atomic_store(&slots[at], (uintptr_t)object | (uintptr_t)lib->index);
            mutex_unlock(&writers);
            return;
        }
    }
    mutex_unlock(&writers);
    /* Without an entry, the object would be passed to another library's functions. */
    pfswrap_die("too many TLS objects of a second libssl in one process, expected at most 131072");
}

static _Atomic uintptr_t *find(const void *object)
{
    _Atomic uintptr_t *slots = atomic_load(&table);
    for (size_t i = 0, at = slot_of(object); slots != NULL && i < SLOTS / 2; i++, at = (at + 1) & (SLOTS - 1)) {
        uintptr_t seen = atomic_load(&slots[at]);
        if (seen == 0 || object == NULL)
            return NULL;
        if ((seen & ~(uintptr_t)INDEX_MASK) == (uintptr_t)object)
            return &slots[at];
    }
    return NULL;
}

void object_map_remove(const void *object)
{
    if (atomic_load(&table) == NULL)
        return;
    mutex_lock(&writers);
    _Atomic uintptr_t *slot = find(object);
    if (slot != NULL) {
        atomic_store(slot, REMOVED);
        /*
         * A search ends at an empty slot, so this slot and removed ones before it can be empty if the next one is.
         */
        _Atomic uintptr_t *slots = atomic_load(&table);
        size_t at = (size_t)(slot - slots);
        if (atomic_load(&slots[(at + 1) & (SLOTS - 1)]) == 0)
            for (; atomic_load(&slots[at]) == REMOVED; at = (at - 1) & (SLOTS - 1))
                atomic_store(&slots[at], 0);
    }
    mutex_unlock(&writers);
}

int object_map_index(const void *object)
{
    const _Atomic uintptr_t *slot = find(object);
    return slot != NULL ? (int)(atomic_load(slot) & INDEX_MASK) : 0;
}
