/*
 * Reads /proc and the memory of processes. See process.h.
 */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "safe_text.h"

/* The number in decimal digits; -1: it is none, or too large. */
static pid_t parse_pid(const char *text)
{
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    return text[0] >= '1' && text[0] <= '9' && *end == '\0' && errno == 0 && value <= INT32_MAX ? (pid_t)value : -1;
}

static int compare(const void *one, const void *other)
{
    const pid_t a = *(const pid_t *)one, b = *(const pid_t *)other;
    return (a > b) - (a < b);
}

int process_each(void (*call)(void *argument, pid_t pid), void *argument)
{
    DIR *folder = opendir("/proc");
    pid_t *list = NULL;
    size_t count = 0, room = 0;
    if (folder == NULL)
        return -errno;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const pid_t pid = parse_pid(entry->d_name);
        if (pid < 0)
            continue;
        if (count == room) {
            room = room == 0 ? 1024 : 2 * room;
            pid_t *more = realloc(list, room * sizeof *list);
            if (more == NULL)
                break;
            list = more;
        }
        list[count++] = pid;
    }
    (void)closedir(folder);
    if (count > 0)
        qsort(list, count, sizeof *list, compare);
    for (size_t i = 0; i < count; i++)
        call(argument, list[i]);
    free(list);
    return 0;
}

static int open_file(pid_t pid, const char *name)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
}

ssize_t process_read_file(pid_t pid, const char *name, char *text, size_t size)
{
    const int fd = open_file(pid, name);
    size_t used = 0;
    if (fd < 0)
        return -errno;
    while (used < size - 1) {
        const ssize_t count = read(fd, text + used, size - 1 - used);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        used += (size_t)count;
    }
    (void)close(fd);
    text[used] = '\0';
    return (ssize_t)used;
}

/* The name in parentheses and the start time, which are the fields 2 and 22. */
static bool read_stat(struct process *process)
{
    char text[1024];
    if (process_read_file(process->pid, "stat", text, sizeof text) <= 0)
        return false;
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (open == NULL || close == NULL || close < open)
        return false;
    (void)snprintf(process->name, sizeof process->name, "%.*s", (int)(close - open - 1), open + 1);
    (void)safe_text(process->name, sizeof process->name);
    const char *at = close;
    enum { START_FIELD = 22 };
    for (int field = 2; field < START_FIELD && at != NULL; field++)
        at = strchr(at + 1, ' ');
    /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
    return at != NULL && sscanf(at, " %" SCNu64, &process->start) == 1;
}

/* The effective user, and the id in the innermost namespace, which is the last one of NSpid. */
static void read_status(struct process *process)
{
    char text[4096];
    process->own_pid = process->pid;
    if (process_read_file(process->pid, "status", text, sizeof text) <= 0)
        return;
    const char *user = strstr(text, "\nUid:"), *ids = strstr(text, "\nNSpid:");
    if (user != NULL)
        /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
        (void)sscanf(user, "\nUid: %*u %u", &process->user);
    const char *end = ids != NULL ? strchr(ids + 1, '\n') : NULL;
    while (end != NULL && end > ids && end[-1] != '\t' && end[-1] != ' ')
        end--;
    if (end != NULL && end > ids)
        process->own_pid = (int32_t)strtol(end, NULL, 10);
}

bool process_describe(struct process *process, pid_t pid)
{
    *process = (struct process){.pid = pid};
    if (!read_stat(process))
        return false;
    read_status(process);
    return true;
}

/* Whether a line of maps is the beginning of a file of this name, also of a deleted one. Sets *base. */
static bool is_object(const char *line, size_t length, uint64_t *base)
{
    static const char name[] = "/libpfswrap.so", deleted[] = " (deleted)";
    enum { NAME = sizeof name - 1, DELETED = sizeof deleted - 1 };
    if (length > DELETED && memcmp(line + length - DELETED, deleted, DELETED) == 0)
        length -= DELETED;
    if (length < NAME || memcmp(line + length - NAME, name, NAME) != 0)
        return false;
    uint64_t end, offset;
    char mode[5];
    /* The kernel writes these numbers. NOLINTNEXTLINE(cert-err34-c) */
    return sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64, base, &end, mode, &offset) == 4 && offset == 0;
}

int process_objects(pid_t pid, uint64_t bases[PROCESS_OBJECTS_MAX])
{
    static char text[65536];
    int count = 0, error = 0;
    size_t used = 0;
    const int fd = open_file(pid, "maps");
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    for (;;) {
        const ssize_t got = read(fd, text + used, sizeof text - 1 - used);
        if (got < 0 && errno == EINTR)
            continue;
        error = got < 0 ? errno : 0;
        if (got <= 0)
            break;
        used += (size_t)got;
        size_t begin = 0;
        for (const char *end;
             count < PROCESS_OBJECTS_MAX && (end = memchr(text + begin, '\n', used - begin)) != NULL;) {
            const size_t length = (size_t)(end - text) - begin;
            text[begin + length] = '\0';
            if (is_object(text + begin, length, &bases[count]))
                count++;
            begin += length + 1;
        }
        if (count == PROCESS_OBJECTS_MAX || (begin == 0 && used == sizeof text - 1))
            break; /* no path is that long (PATH_MAX) */
        memmove(text, text + begin, used - begin);
        used -= begin;
    }
    (void)close(fd);
    return count > 0 || error == 0 ? count : -error;
}

static int read_memory(void *argument, const struct memory_part *parts, size_t count)
{
    enum { PARTS_MAX = 4 };
    struct iovec to[PARTS_MAX], from[PARTS_MAX];
    ssize_t size = 0;
    if (count > PARTS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].address > UINTPTR_MAX)
            return -EFAULT;
        to[i] = (struct iovec){parts[i].to, parts[i].size};
        from[i] = (struct iovec){(void *)(uintptr_t)parts[i].address, parts[i].size};
        size += (ssize_t)parts[i].size;
    }
    const ssize_t got = process_vm_readv(*(const pid_t *)argument, to, count, from, count, 0);
    return got == size ? 0 : got < 0 ? -errno : -EFAULT;
}

struct memory_source process_memory(pid_t *pid)
{
    return (struct memory_source){read_memory, pid};
}
