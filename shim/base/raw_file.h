/*
 * System calls on files whose numbers or arguments differ between machines. They return what the kernel returns
 * (raw_syscall.h).
 */
#ifndef PFSWRAP_BASE_RAW_FILE_H
#define PFSWRAP_BASE_RAW_FILE_H

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/raw_syscall.h"

static inline long raw_pread(int fd, void *bytes, size_t size, uint64_t offset)
{
    return raw_syscall(SYS_pread64, fd, bytes, size, offset);
}

static inline long raw_fstat(int fd, struct stat *status)
{
    return raw_syscall(SYS_fstat, fd, status);
}

static inline long raw_stat(const char *path, struct stat *status)
{
    return raw_syscall(SYS_newfstatat, AT_FDCWD, path, status, 0);
}

#endif
