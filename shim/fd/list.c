/*
 * The descriptors that are open in this process, read from /proc without libc.
 */
#include "fd/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "base/raw_syscall.h"
#include "base/workspace.h"
#include "fd/table.h"

struct entry { /* getdents64(2) */
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

enum { ENTRIES_BYTES = 4096 };

/* These two are inline, since relays begin below them on small stacks (tests/lint/stack-rules.txt). */
#define INLINE static inline __attribute__((always_inline))

/* Calls `visit` for each number in the directory that is open at `list`. `buffer` has `room` bytes. */
INLINE void visit_listed(int list, char *buffer, size_t room, void (*visit)(int fd, void *argument), void *argument)
{
    long size;
    while ((size = raw_syscall(SYS_getdents64, list, buffer, room)) > 0)
        for (long at = 0; at < size;) {
            const struct entry *entry = (const void *)(buffer + at);
            int fd = 0;
            const char *digit = entry->name;
            for (; *digit >= '0' && *digit <= '9'; digit++)
                fd = fd * 10 + (*digit - '0');
            if (*digit == '\0' && fd != list && !fd_is_own(fd))
                visit(fd, argument);
            at += entry->length;
        }
}

INLINE void visit_all(char *buffer, size_t room, void (*visit)(int fd, void *argument), void *argument)
{
    enum { WITHOUT_PROC = 1024 };
    const long list =
        buffer != NULL ? raw_syscall(SYS_openat, AT_FDCWD, "/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
                       : -ENOMEM;
    if (list >= 0) {
        visit_listed((int)list, buffer, room, visit, argument);
        (void)raw_syscall(SYS_close, list);
    }
    for (int fd = 0; list < 0 && fd < WITHOUT_PROC; fd++)
        if (!fd_is_own(fd))
            visit(fd, argument);
}

void list_descriptors(void (*visit)(int fd, void *argument), void *argument)
{
    char *buffer = workspace_take();
    visit_all(buffer, ENTRIES_BYTES, visit, argument);
    workspace_give(buffer);
}

void list_descriptors_at_start(void (*visit)(int fd, void *argument), void *argument)
{
    alignas(struct entry) char buffer[ENTRIES_BYTES / 2] = {0};
    visit_all(buffer, sizeof buffer, visit, argument);
}
