/*
 * Copies a tree. Each file and link is made under another name, and renamed when it is whole: rename(2) replaces
 * the old one in one step, and a program that has mapped the old file keeps it. See copy.h.
 */
#include "copy.h"
#include "message.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 8, FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

static int copy_folder_at(int from, int to, const char *shown, int depth);

/* Says what failed at shown/name. Returns -1. */
static int failed(const char *shown, const char *name)
{
    const int error = errno;
    const bool is_denied = error == EACCES || error == EPERM || error == EROFS;
    if (is_denied)
        message("%s/%s: %s, expected a folder that user %u can write", shown, name, strerror(error), geteuid());
    else
        message("%s/%s: %s", shown, name, strerror(error));
    return -1;
}

/* Puts the name under which the file is made into temporary[0..NAME_MAX]. Returns 0, or -1 with errno. */
static int temporary_name(char temporary[static NAME_MAX + 1], const char *name)
{
    const int length = snprintf(temporary, NAME_MAX + 1, ".%s.new", name);
    if (length > 0 && length <= NAME_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

/* Opens or makes one folder. Returns a descriptor, or -1 after a message. */
static int make_folder(int under, const char *name, const char *shown)
{
    struct stat status;
    if (mkdirat(under, name, 0755) < 0 && errno != EEXIST)
        return failed(shown, name);
    const int fd = openat(under, name, FOLDER_FLAGS);
    /* fchmod, since a umask must not keep the program's user out */
    if (fd < 0 || fstat(fd, &status) < 0 ||
        (status.st_uid == geteuid() && fchmod(fd, (status.st_mode & 07777) | 0555) < 0))
        (void)failed(shown, name);
    else if (status.st_uid != 0 && status.st_uid != geteuid())
        message("%s/%s: owned by user %u, expected root or user %u", shown, name, status.st_uid, geteuid());
    else if (status.st_mode & S_IWOTH)
        message("%s/%s: writable by others, expected chmod o-w", shown, name);
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

int copy_make_folder(int under, const char *path, const char *shown)
{
    char names[PATH_MAX], here[PATH_MAX], *rest = names;
    size_t used = strlen(shown);
    if (snprintf(names, sizeof names, "%s", path) >= (int)sizeof names || used + strlen(path) + 2 > sizeof here) {
        errno = ENAMETOOLONG;
        return failed(shown, path);
    }
    memcpy(here, shown, used + 1);
    int folder = under;
    for (const char *name = strsep(&rest, "/"); name != NULL; name = strsep(&rest, "/")) {
        const int next = make_folder(folder, name, here);
        if (folder != under)
            close(folder);
        if (next < 0)
            return -1;
        folder = next;
        used += (size_t)snprintf(here + used, sizeof here - used, "/%s", name);
    }
    return folder;
}

/* Copies the bytes. Returns 0, or -1 with errno. */
static int copy_bytes(int from, int to)
{
    static char buffer[1 << 16];
    for (;;) {
        const ssize_t length = read(from, buffer, sizeof buffer);
        if (length == 0)
            return 0;
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return -1;
        for (ssize_t done = 0; done < length;) {
            const ssize_t taken = write(to, buffer + done, (size_t)(length - done));
            if (taken < 0 && errno != EINTR)
                return -1;
            if (taken > 0)
                done += taken;
        }
    }
}

static int copy_file(int source, mode_t mode, int to, const char *name, const char *shown)
{
    char temporary[NAME_MAX + 1];
    if (temporary_name(temporary, name) < 0)
        return failed(shown, name);
    (void)unlinkat(to, temporary, 0); /* of an earlier attempt */
    const int fd = openat(to, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(shown, name);
    const bool is_whole = copy_bytes(source, fd) == 0 && fchmod(fd, (mode & 0755) | 0444) == 0 && fsync(fd) == 0;
    const int error = errno;
    if ((close(fd) == 0) & is_whole && renameat(to, temporary, to, name) == 0)
        return 0;
    if (!is_whole)
        errno = error;
    (void)failed(shown, name);
    (void)unlinkat(to, temporary, 0);
    return -1;
}

int copy_link(int to, const char *name, const char *target, const char *shown)
{
    char temporary[NAME_MAX + 1];
    if (temporary_name(temporary, name) < 0)
        return failed(shown, name);
    (void)unlinkat(to, temporary, 0);
    if (symlinkat(target, to, temporary) == 0 && renameat(to, temporary, to, name) == 0)
        return 0;
    (void)failed(shown, name);
    (void)unlinkat(to, temporary, 0);
    return -1;
}

/* Copies what has this name, of whatever kind it is. */
static int copy_entry(int from, int to, const char *name, const char *shown, int depth)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct stat status;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        snprintf(path, sizeof path, "%s/%s", shown, name) >= (int)sizeof path)
        return failed(shown, name);
    if (S_ISLNK(status.st_mode)) {
        const ssize_t length = readlinkat(from, name, target, sizeof target - 1);
        if (length < 0)
            return failed(shown, name);
        target[length] = '\0';
        return copy_link(to, name, target, shown);
    }
    if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        message("%s: no file, folder or link in its source", path);
        return -1;
    }
    const int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (source < 0)
        return failed(shown, name);
    int result = -1;
    if (S_ISREG(status.st_mode)) {
        result = copy_file(source, status.st_mode, to, name, shown);
    } else {
        const int folder = make_folder(to, name, shown);
        if (folder >= 0)
            result = copy_folder_at(source, folder, path, depth + 1);
        if (folder >= 0)
            close(folder);
    }
    close(source);
    return result;
}

static int copy_folder_at(int from, int to, const char *shown, int depth)
{
    if (depth > DEPTH_MAX) {
        message("%s: more than %d folders deep", shown, DEPTH_MAX);
        return -1;
    }
    const int again = openat(from, ".", FOLDER_FLAGS);
    DIR *folder = again < 0 ? NULL : fdopendir(again); /* closedir() closes it */
    if (folder == NULL) {
        if (again >= 0)
            close(again);
        return failed(shown, ".");
    }
    int result = 0;
    const struct dirent *entry;
    // cppcheck-suppress readdirCalled
    while (result == 0 && (errno = 0, entry = readdir(folder)) != NULL)
        if (entry->d_name[0] != '.')
            result = copy_entry(from, to, entry->d_name, shown, depth);
    if (result == 0 && errno != 0)
        result = failed(shown, ".");
    closedir(folder);
    return result;
}

int copy_folder(int from, int to, const char *shown)
{
    return copy_folder_at(from, to, shown, 0);
}
