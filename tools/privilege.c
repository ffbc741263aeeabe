/*
 * Set-user-ID, set-group-ID and file capabilities: the kernel starts such a program in secure-execution mode
 * (AT_SECURE, ld.so(8)) unless the caller has those privileges already. That exception does not help: a server of
 * that kind started by root drops its privileges, executes itself to regain them, and would be unprotected from
 * there on without a word. So these bits count whoever asks.
 */
#include "privilege.h"

#include <errno.h>
#include <stddef.h>
#include <sys/xattr.h>

const char *privilege_of_file(int fd, const struct stat *status)
{
    if (status->st_mode & S_ISUID)
        return "set-user-ID";
    /* Without group execute, the bit means mandatory locking, not a group. */
    if ((status->st_mode & S_ISGID) && (status->st_mode & S_IXGRP))
        return "set-group-ID";
    if (fgetxattr(fd, "security.capability", NULL, 0) >= 0)
        return "given file capabilities";
    /* ENODATA: none. ENOTSUP: the file system cannot have any. Anything else: it may. */
    if (errno != ENODATA && errno != ENOTSUP && errno != ENOSYS)
        return "maybe given file capabilities (they cannot be read)";
    return NULL;
}
