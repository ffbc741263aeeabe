/*
 * Numbers of system calls that depend on the machine.
 */
#ifndef PFSWRAP_BASE_RAW_NUMBERS_H
#define PFSWRAP_BASE_RAW_NUMBERS_H

#include <sys/syscall.h>

/*
 * Where i386 has two calls, the one that libc makes: with offsets of 64 bits and ids of 32 bits. Those that take an
 * offset have functions in raw_file.h, since two registers hold it there.
 */
#if defined(__i386__)
#define RAW_FCNTL SYS_fcntl64
#define RAW_FSTAT SYS_fstat64
#define RAW_FSTATAT SYS_fstatat64
#define RAW_FSTATFS SYS_fstatfs64
#define RAW_FTRUNCATE SYS_ftruncate64
#define RAW_GETEGID SYS_getegid32
#define RAW_GETEUID SYS_geteuid32
#define RAW_GETGID SYS_getgid32
#define RAW_GETGROUPS SYS_getgroups32
#define RAW_GETUID SYS_getuid32
#define RAW_LSEEK SYS__llseek
#define RAW_MMAP SYS_mmap2
#else
#define RAW_FCNTL SYS_fcntl
#define RAW_FSTAT SYS_fstat
#define RAW_FSTATAT SYS_newfstatat
#define RAW_FSTATFS SYS_fstatfs
#define RAW_FTRUNCATE SYS_ftruncate
#define RAW_GETEGID SYS_getegid
#define RAW_GETEUID SYS_geteuid
#define RAW_GETGID SYS_getgid
#define RAW_GETGROUPS SYS_getgroups
#define RAW_GETUID SYS_getuid
#define RAW_LSEEK SYS_lseek
#define RAW_MMAP SYS_mmap
#endif

#endif
