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

/*
 * What stands in the table until it is filled, for calls that most programs make most often. Other libraries may
 * call them before any constructor of the shim has run.
 */
#define EARLY(type, name, parameters, arguments)                                                                   \
    static type early_##name parameters                                                                            \
    {                                                                                                              \
        return real_libc()->name arguments;                                                                        \
    }
EARLY(ssize_t, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
EARLY(ssize_t, readv, (int fd, const struct iovec *vectors, int count), (fd, vectors, count))
EARLY(ssize_t, recv, (int fd, void *bytes, size_t size, int flags), (fd, bytes, size, flags))
EARLY(ssize_t, recvfrom, (int fd, void *bytes, size_t size, int flags, struct sockaddr *address, socklen_t *length),
      (fd, bytes, size, flags, address, length))
EARLY(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))
EARLY(ssize_t, write, (int fd, const void *bytes, size_t size), (fd, bytes, size))
EARLY(ssize_t, writev, (int fd, const struct iovec *vectors, int count), (fd, vectors, count))
EARLY(ssize_t, send, (int fd, const void *bytes, size_t size, int flags), (fd, bytes, size, flags))
EARLY(ssize_t, sendto,
      (int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address, socklen_t length),
      (fd, bytes, size, flags, address, length))
EARLY(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
EARLY(ssize_t, sendfile, (int fd, int file, off_t *offset, size_t count), (fd, file, offset, count))
EARLY(ssize_t, sendfile64, (int fd, int file, off64_t *offset, size_t count), (fd, file, offset, count))
EARLY(int, shutdown, (int fd, int how), (fd, how))

struct real_libc real_libc_table = {
    .read = early_read,
    .readv = early_readv,
    .recv = early_recv,
    .recvfrom = early_recvfrom,
    .recvmsg = early_recvmsg,
    .write = early_write,
    .writev = early_writev,
    .send = early_send,
    .sendto = early_sendto,
    .sendmsg = early_sendmsg,
    .sendfile = early_sendfile,
    .sendfile64 = early_sendfile64,
    .shutdown = early_shutdown,
};
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
