/*
 * Which library made an object, in a process with several. Objects of the first library are not remembered: what
 * is not here is its. An open-addressed table of atomics, each entry a pointer with the library's index in its low
 * bits, so that readers take no lock. Writers do: only so can a slot become empty again, without which each search
 * for what is not here would go through all slots in the end.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/fork.h"
#include "config/init.h"
#include "tls/libssl.h"

enum {
    SLOTS = 1 << 18,      /* objects of second and later libraries alive at once: half of this at the most */
    INDEX_MASK = 7,       /* objects come from malloc: 16-byte aligned */
    REMOVED = INDEX_MASK, /* a slot that was used; the index 7 with no pointer */
};
_Static_assert(LIBSSL_MAX <= INDEX_MASK + 1, "the index fits the low bits");

static _Atomic(_Atomic uintptr_t *) table;
static pthread_mutex_t writers = PTHREAD_MUTEX_INITIALIZER;

/*
 * A thread that was writing is not there any more. The table is in order all the same: each of a writer's steps is
 * one store that leaves it so.
 */
static void after_fork_in_child(enum process_fork kind)
{
    (void)kind;
    writers = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

const struct process_observer object_map_process_observer = {.after_fork_in_child = after_fork_in_child};

/* The table, made when first needed; the caller has the lock. */
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
    pthread_mutex_lock(&writers);
    _Atomic uintptr_t *slots = table_get();
    for (size_t i = 0, at = slot_of(object); slots != NULL && i < SLOTS / 2; i++, at = (at + 1) & (SLOTS - 1)) {
        uintptr_t seen = atomic_load(&slots[at]);
        if (seen == 0 || seen == REMOVED) {
            atomic_store(&slots[at], (uintptr_t)object | (uintptr_t)lib->index);
            pthread_mutex_unlock(&writers);
            return;
        }
    }
    pthread_mutex_unlock(&writers);
    /* An object whose library is unknown would be handed to another one's code. */
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
    pthread_mutex_lock(&writers);
    _Atomic uintptr_t *slot = find(object);
    if (slot != NULL) {
        atomic_store(slot, REMOVED);
        /* Before an empty slot no search has to go on: this one and the removed ones before it become empty too. */
        _Atomic uintptr_t *slots = atomic_load(&table);
        size_t at = (size_t)(slot - slots);
        if (atomic_load(&slots[(at + 1) & (SLOTS - 1)]) == 0)
            for (; atomic_load(&slots[at]) == REMOVED; at = (at - 1) & (SLOTS - 1))
                atomic_store(&slots[at], 0);
    }
    pthread_mutex_unlock(&writers);
}

int object_map_index(const void *object)
{
    const _Atomic uintptr_t *slot = find(object);
    return slot != NULL ? (int)(atomic_load(slot) & INDEX_MASK) : 0;
}
