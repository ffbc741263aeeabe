/*
 * Whether ld.so will be able to map the preloaded library into a program. The reasons are those for which
 * elf/rtld.c of glibc goes on without a preload, after dl_map_object_from_fd() has failed. See executable.h.
 *
 * Behind a system call filter, only calls are made that every program makes before it executes another one: open,
 * read, mmap. fstatfs(2) is asked only if there is no memory for the mmap(2), and a memory limit that a filter does
 * not permit to ask for counts as none.
 */
#include "children/executable.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "base/filter.h"
#include "base/page.h"
#include "base/raw_file.h"

enum {
    /*
     * What takes memory before the library, beside the program: ld.so, its tables, the vDSO and the stack with the
     * arguments. libc takes nearly as much afterwards (2 MB, 80 KB of them writable), so that a program for which
     * the limit is too low by less than this would not start at all.
     */
    MEMORY_BESIDE = 2 << 20,
    DATA_BESIDE = 128 << 10,
};

/* Whether the library's code may not be mapped: the loader's own call, for one page. */
static bool is_not_executable(int fd)
{
    const long page = raw_syscall(RAW_MMAP, NULL, PAGE_SMALLEST, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    if (page >= 0 || page < -4095) {
        (void)raw_syscall(SYS_munmap, page, PAGE_SMALLEST);
        return false;
    }
    uint64_t flags = 0;
    if (page == -ENOMEM) /* of this process, which says nothing about the next one */
        return raw_fstatfs_flags(fd, &flags) == 0 && (flags & ST_NOEXEC) != 0;
    return page == -EPERM || page == -EACCES;
}

/* The soft limit that applies to the memory of the next program, in bytes. */
static uint64_t limit_of(int resource)
{
    struct rlimit limit = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    if (!filter_allows(SYS_prlimit64) || raw_syscall(SYS_prlimit64, 0, resource, NULL, &limit) != 0)
        return RLIM_INFINITY;
    /* Linux: a soft RLIMIT_DATA of 0 stands for the hard one (mm/mmap.c, may_expand_vm()). */
    return resource == RLIMIT_DATA && limit.rlim_cur == 0 ? limit.rlim_max : limit.rlim_cur;
}

/* `memory`, `data`: of the program and the library together. */
static uint64_t room_needed(uint64_t memory, uint64_t data, int resource)
{
    return resource == RLIMIT_AS ? memory + MEMORY_BESIDE : data + DATA_BESIDE;
}

uint64_t executable_room(const struct executable *file, const struct executable *shared, int resource)
{
    return room_needed(file->memory + shared->memory, file->data + shared->data, resource);
}

static bool is_too_low(int resource, uint64_t memory, uint64_t data)
{
    const uint64_t limit = limit_of(resource);
    return limit != RLIM_INFINITY && room_needed(memory, data, resource) > limit;
}

static bool is_mappable(const struct executable *shared)
{
    const bool is_native = shared->kind == EXECUTABLE_KIND_STATIC || shared->kind == EXECUTABLE_KIND_DYNAMIC;
    return is_native && shared->type == ET_DYN && shared->is_loadable;
}

enum executable_reason executable_check_library(struct executable *file, const char *library)
{
    uint64_t memory = file->memory, data = file->data;
    const enum object_kind object = file->object;
    const uint16_t machine = file->machine;
    const bool is_64_bit = file->is_64_bit;
    enum executable_reason reason = EXECUTABLE_OK;
    const int fd = (int)raw_syscall(SYS_openat, AT_FDCWD, library, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0)
        return (fd == -ENOENT || fd == -ENOTDIR) && object != OBJECT_OWN ? EXECUTABLE_NO_OBJECT : EXECUTABLE_OK;
    const bool is_read = executable_read_library(fd, file) == 0;
    const bool is_for_program = file->machine == machine && file->is_64_bit == is_64_bit;
    memory += file->memory;
    data += file->data;
    if (!is_read || !is_for_program || !is_mappable(file))
        reason = EXECUTABLE_LIBRARY_BROKEN;
    else if (is_not_executable(fd))
        reason = EXECUTABLE_LIBRARY_NO_EXEC;
    else if (is_too_low(RLIMIT_AS, memory, data))
        reason = EXECUTABLE_LIMIT_AS;
    else if (is_too_low(RLIMIT_DATA, memory, data))
        reason = EXECUTABLE_LIMIT_DATA;
    (void)raw_syscall(SYS_close, fd);
    return reason;
}

bool executable_reason_is_of_library(enum executable_reason reason)
{
    return reason >= EXECUTABLE_LIBRARY_BROKEN && reason <= EXECUTABLE_LIMIT_DATA;
}
