/*
 * The descriptors that are open in this process, read from /proc without libc.
 */
#include "fd/list.h"

#include <fcntl.h>
#include <stdint.h>

#include "base/raw_syscall.h"
#include "fd/table.h"

struct entry { /* getdents64(2) */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

/* Calls `visit` for each number in the directory that is open at `list`. */
static void visit_listed(int list, void (*visit)(int fd, void *argument), void *argument)
{
    uint64_t buffer[512] = {0};
    long size;
    while ((size = raw_syscall(SYS_getdents64, list, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < size;) {
            const struct entry *entry = (const void *)((const char *)buffer + at);
            int fd = 0;
            const char *digit = entry->name;
            for (; *digit >= '0' && *digit <= '9'; digit++)
                fd = fd * 10 + (*digit - '0');
            if (*digit == '\0' && fd != list && !fd_is_own(fd))
                visit(fd, argument);
            at += entry->length;
        }
}

void list_descriptors(void (*visit)(int fd, void *argument), void *argument)
{
    enum { WITHOUT_PROC = 1024 };
    const long list = raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (list >= 0) {
        visit_listed((int)list, visit, argument);
        (void)raw_syscall(SYS_close, list);
    }
    for (int fd = 0; list < 0 && fd < WITHOUT_PROC; fd++)
        if (!fd_is_own(fd))
            visit(fd, argument);
}
