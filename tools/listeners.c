/*
 * Reads /proc/PID/net/tcp and /proc/PID/fd. See listeners.h.
 */
#include "listeners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct listener {
    uint64_t inode;
    struct sockaddr_in6 address; /* IPv4 as IPv4-mapped IPv6 */
};

/* The listeners of one network namespace. */
static struct space {
    uint64_t number;
    struct listener *all;
    size_t count;
    struct space *next;
} * spaces;

/* "0100007F:1F90" or the same with 32 digits: words of the address in the machine's byte order, and the port. */
static bool parse_address(const char *text, struct sockaddr_in6 *address)
{
    char digits[33];
    unsigned port;
    uint32_t words[4];
    /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
    if (sscanf(text, "%32[0-9A-Fa-f]:%x", digits, &port) != 2 || port > UINT16_MAX)
        return false;
    const size_t length = strlen(digits);
    if (length != 8 && length != 32)
        return false;
    for (size_t i = 0; i < length / 8; i++)
        /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
        if (sscanf(digits + 8 * i, "%8" SCNx32, &words[i]) != 1)
            return false;
    *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (length == 32) {
        memcpy(&address->sin6_addr, words, sizeof words);
    } else {
        address->sin6_addr.s6_addr[10] = address->sin6_addr.s6_addr[11] = 0xff;
        memcpy(&address->sin6_addr.s6_addr[12], words, sizeof words[0]);
    }
    return true;
}

static void add(struct space *space, const char *line)
{
    char local[64];
    unsigned state;
    struct listener listener = {0};
    enum { LISTENING = 0x0a };
    /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
    if (sscanf(line, " %*d: %63s %*s %x %*s %*s %*s %*u %*d %" SCNu64, local, &state, &listener.inode) != 3 ||
        state != LISTENING || !parse_address(local, &listener.address))
        return;
    struct listener *more = realloc(space->all, (space->count + 1) * sizeof *more);
    if (more == NULL)
        return;
    space->all = more;
    space->all[space->count++] = listener;
}

static void read_table(struct space *space, pid_t pid, const char *name)
{
    char path[64], line[512];
    (void)snprintf(path, sizeof path, "/proc/%d/net/%s", (int)pid, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL)
        add(space, line);
    (void)fclose(file);
}

/* The namespace of the process; NULL: the kernel does not say. */
static const struct space *space_of(pid_t pid)
{
    char path[64];
    struct stat status;
    (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
    if (stat(path, &status) != 0)
        return NULL;
    for (const struct space *space = spaces; space != NULL; space = space->next)
        if (space->number == status.st_ino)
            return space;
    struct space *space = calloc(1, sizeof *space);
    if (space == NULL)
        return NULL;
    *space = (struct space){.number = status.st_ino, .next = spaces};
    read_table(space, pid, "tcp");
    read_table(space, pid, "tcp6");
    spaces = space;
    return space;
}

void listeners_each(pid_t pid, void (*call)(void *argument, const struct sockaddr_in6 *address), void *argument)
{
    char path[64], target[64];
    const struct space *space = space_of(pid);
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *folder = space != NULL && space->count > 0 ? opendir(path) : NULL;
    if (folder == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        uint64_t inode;
        const ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        target[length > 0 ? length : 0] = '\0';
        /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
        if (sscanf(target, "socket:[%" SCNu64 "]", &inode) != 1)
            continue;
        for (size_t i = 0; i < space->count; i++)
            if (space->all[i].inode == inode)
                call(argument, &space->all[i].address);
    }
    (void)closedir(folder);
}
