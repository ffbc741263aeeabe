/*
 * System calls on files whose arguments or structures differ between machines: i386 passes an offset in two
 * registers, and has several structures of stat(2). They return what the kernel returns (raw_syscall.h).
 */
#ifndef PFSWRAP_BASE_RAW_FILE_H
#define PFSWRAP_BASE_RAW_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "base/raw_syscall.h"

#if defined(__i386__)

/* struct stat64 of the kernel (arch/x86/include/uapi/asm/stat.h), with the members that the shim uses by name. */
struct raw_stat64 {
    uint64_t device;
    uint32_t padding, short_inode;
    uint32_t mode, links, user, group;
    uint64_t special;
    uint32_t more_padding;
    int64_t size;
    uint32_t block_size;
    uint64_t blocks;
    uint32_t times[6];
    uint64_t inode;
} __attribute__((packed));
_Static_assert(sizeof(struct raw_stat64) == 96, "the kernel's structure");

static inline long raw_stat_convert(long result, const struct raw_stat64 *from, struct stat *status)
{
    if (result != 0)
        return result;
    memset(status, 0, sizeof *status);
    status->st_dev = (__typeof__(status->st_dev))from->device;
    status->st_ino = (__typeof__(status->st_ino))from->inode;
    status->st_mode = from->mode;
    status->st_nlink = from->links;
    status->st_uid = from->user;
    status->st_gid = from->group;
    status->st_rdev = (__typeof__(status->st_rdev))from->special;
    status->st_size = (__typeof__(status->st_size))from->size;
    status->st_mtim.tv_sec = (__typeof__(status->st_mtime))from->times[2];
    status->st_mtim.tv_nsec = (long)from->times[3];
    status->st_ctim.tv_sec = (__typeof__(status->st_ctime))from->times[4];
    status->st_ctim.tv_nsec = (long)from->times[5];
    return 0;
}

static inline long raw_fstat(int fd, struct stat *status)
{
    struct raw_stat64 found;
    return raw_stat_convert(raw_syscall(RAW_FSTAT, fd, &found), &found, status);
}

static inline long raw_stat(const char *path, struct stat *status)
{
    struct raw_stat64 found;
    return raw_stat_convert(raw_syscall(RAW_FSTATAT, AT_FDCWD, path, &found, 0), &found, status);
}

static inline long raw_pread(int fd, void *bytes, size_t size, uint64_t offset)
{
    return raw_syscall(SYS_pread64, fd, bytes, size, (uint32_t)offset, (uint32_t)(offset >> 32));
}

/* Returns 0 and the new offset in *result, which has to be there. */
static inline long raw_lseek(int fd, int64_t offset, int from, int64_t *result)
{
    return raw_syscall(RAW_LSEEK, fd, (uint32_t)((uint64_t)offset >> 32), (uint32_t)offset, result, from);
}

static inline long raw_ftruncate(int fd, uint64_t size)
{
    return raw_syscall(RAW_FTRUNCATE, fd, (uint32_t)size, (uint32_t)(size >> 32));
}

static inline long raw_fstatfs_flags(int fd, uint64_t *flags)
{
    struct statfs64 status;
    memset(&status, 0, sizeof status);
    const long result = raw_syscall(RAW_FSTATFS, fd, 84 /* packed, in the kernel */, &status);
    *flags = (uint64_t)status.f_flags;
    return result;
}

#else

static inline long raw_fstat(int fd, struct stat *status)
{
    return raw_syscall(RAW_FSTAT, fd, status);
}

static inline long raw_stat(const char *path, struct stat *status)
{
    return raw_syscall(RAW_FSTATAT, AT_FDCWD, path, status, 0);
}

static inline long raw_pread(int fd, void *bytes, size_t size, uint64_t offset)
{
    return raw_syscall(SYS_pread64, fd, bytes, size, offset);
}

/* Returns 0 and the new offset in *result, which has to be there. */
static inline long raw_lseek(int fd, int64_t offset, int from, int64_t *result)
{
    *result = raw_syscall(RAW_LSEEK, fd, offset, from);
    return *result < 0 ? *result : 0;
}

static inline long raw_ftruncate(int fd, uint64_t size)
{
    return raw_syscall(RAW_FTRUNCATE, fd, size);
}

/* The mount's flags (ST_NOEXEC and others, statvfs(3)). */
static inline long raw_fstatfs_flags(int fd, uint64_t *flags)
{
    struct statfs status;
    memset(&status, 0, sizeof status);
    const long result = raw_syscall(RAW_FSTATFS, fd, &status);
    *flags = (uint64_t)status.f_flags;
    return result;
}

#endif

#endif
