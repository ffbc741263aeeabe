/*
 * Changes of files that are whole or not made at all, also if the command is killed or the machine stops between
 * two system calls: a new content is written to FILE.rotate, is on the disk, and takes its name in one step. A
 * FILE.rotate that an interrupted command has left is written anew. See rotate.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "../message.h"
#include "policy/reader.h"
#include "rotate.h"

#define TEMPORARY_SUFFIX ".rotate"

enum { TEXT_MAX = 16 * 1024 * 1024, ATTRIBUTES_MAX = 4096, ATTRIBUTE_MAX = 64 * 1024 };

static int fail(const char *path)
{
    message("%s: %s", path, strerror(errno));
    return -1;
}

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

/* Opens the folder of a file. Returns a descriptor, or -1 after a message. */
static int open_folder(const char *path)
{
    char folder[PATH_MAX];
    const int length = (int)(name_of(path) - path);
    (void)snprintf(folder, sizeof folder, "%.*s", length, path);
    const int fd = open(length > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        (void)fail(folder);
    return fd;
}

/* Whether the path still leads to the open file. */
static bool is_at(int fd, const char *path)
{
    struct stat status, opened;
    return fstat(fd, &opened) == 0 && stat(path, &status) == 0 && status.st_dev == opened.st_dev &&
           status.st_ino == opened.st_ino;
}

int rotate_lock(const char *path)
{
    enum { TRIES = 10 }; /* another command may put a new file in its place */
    for (int i = 0; i < TRIES; i++) {
        const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (fd < 0)
            return fail(path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            message("%s: another pfswrap rotate works on it", path);
            (void)close(fd);
            return -1;
        }
        if (is_at(fd, path))
            return fd;
        (void)close(fd);
    }
    message("%s: it is replaced all the time", path);
    return -1;
}

char *rotate_read_text(const char *path, size_t *length)
{
    struct stat status;
    char *text = NULL;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    *length = 0;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size > TEXT_MAX ||
        (text = malloc((size_t)status.st_size + 1)) == NULL) {
        message("%s: %s", path, fd < 0 ? strerror(errno) : "expected a regular file of at most 16 MiB");
        if (fd >= 0)
            (void)close(fd);
        return NULL;
    }
    ssize_t n = 1;
    while (*length < (size_t)status.st_size && n != 0) {
        n = read(fd, text + *length, (size_t)status.st_size - *length);
        if (n < 0 && errno != EINTR)
            break;
        *length += n > 0 ? (size_t)n : 0;
    }
    text[*length] = '\0';
    (void)close(fd);
    if (n >= 0)
        return text;
    (void)fail(path);
    free(text);
    return NULL;
}

/* Access control lists, labels and the like. Returns 0, or -1 with errno: the new file would have fewer. */
static int copy_attributes(int from, int to)
{
    char names[ATTRIBUTES_MAX];
    char *const value = malloc(ATTRIBUTE_MAX);
    const ssize_t size = flistxattr(from, names, sizeof names);
    int result = size >= 0 || errno == EOPNOTSUPP ? 0 : -1;
    if (value == NULL)
        return -1;
    for (ssize_t at = 0; result == 0 && at < size; at += (ssize_t)strlen(names + at) + 1) {
        if (strcmp(names + at, "security.ima") == 0 || strcmp(names + at, "security.evm") == 0)
            continue; /* they are about the content, too */
        const ssize_t length = fgetxattr(from, names + at, value, ATTRIBUTE_MAX);
        char now[1];
        if (length >= 0 && fsetxattr(to, names + at, value, (size_t)length, 0) != 0 &&
            fgetxattr(to, names + at, now, 0) != length) /* the system may have set it already */
            result = -1;
    }
    free(value);
    return result;
}

static int write_all(int fd, const char *text, size_t length)
{
    for (size_t done = 0; done < length;) {
        const ssize_t n = write(fd, text + done, length - done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* A new file beside others, which is like the file `like`. Returns 0, or -1 after a message. */
static int write_temporary(int folder, const char *temporary, const char *like, const char *text, size_t length)
{
    struct stat status;
    const int from = open(like, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (from < 0 || fstat(from, &status) != 0)
        return fail(like);
    (void)unlinkat(folder, temporary, 0);
    const int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    const bool is_whole =
        fd >= 0 && write_all(fd, text, length) == 0 && fchown(fd, status.st_uid, status.st_gid) == 0 &&
        fchmod(fd, status.st_mode & 07777) == 0 && copy_attributes(from, fd) == 0 && fsync(fd) == 0;
    const int error = errno;
    (void)close(from);
    if (fd >= 0)
        (void)close(fd);
    if (is_whole)
        return 0;
    if (fd >= 0)
        (void)unlinkat(folder, temporary, 0);
    message("%s: a new file beside it, with its owner and mode, cannot be made: %s", like, strerror(error));
    return -1;
}

static bool is_unchanged(const char *path, const struct stat *before)
{
    struct stat now;
    return stat(path, &now) == 0 && now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
           now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

int rotate_replace(const char *path, const struct stat *before, const char *text, size_t length)
{
    char temporary[NAME_MAX + sizeof TEMPORARY_SUFFIX];
    const int folder = open_folder(path);
    int result = -1;
    if (folder < 0)
        return -1;
    (void)snprintf(temporary, sizeof temporary, "%.*s%s", NAME_MAX, name_of(path), TEMPORARY_SUFFIX);
    if (write_temporary(folder, temporary, path, text, length) == 0) {
        if (!is_unchanged(path, before))
            message("%s: it has changed meanwhile, run the command again", path);
        else if (renameat(folder, temporary, folder, name_of(path)) != 0 || fsync(folder) != 0)
            (void)fail(path);
        else
            result = 0;
        if (result != 0)
            (void)unlinkat(folder, temporary, 0);
    }
    (void)close(folder);
    return result;
}

/* Gives the file its name, if there is no other file with it. Returns 0, or -1 with errno. */
static int name_file(int folder, const char *temporary, const char *name)
{
    if (syscall(SYS_renameat2, folder, temporary, folder, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL || linkat(folder, temporary, folder, name, 0) != 0) /* EINVAL: this file system cannot */
        return -1;
    return unlinkat(folder, temporary, 0);
}

int rotate_create(const char *path, const char *like, const char *text, size_t length)
{
    char temporary[NAME_MAX + sizeof TEMPORARY_SUFFIX];
    const int folder = open_folder(path);
    int result = -1;
    if (folder < 0)
        return -1;
    (void)snprintf(temporary, sizeof temporary, "%.*s%s", NAME_MAX, name_of(path), TEMPORARY_SUFFIX);
    if (write_temporary(folder, temporary, like, text, length) == 0) {
        result = name_file(folder, temporary, name_of(path)) == 0 && fsync(folder) == 0 ? 0 : fail(path);
        (void)unlinkat(folder, temporary, 0); /* if it could not be named */
    }
    (void)close(folder);
    return result;
}

void rotate_clean(const char *path)
{
    char temporary[PATH_MAX + sizeof TEMPORARY_SUFFIX];
    (void)snprintf(temporary, sizeof temporary, "%s%s", path, TEMPORARY_SUFFIX);
    (void)unlink(temporary);
}

int rotate_exchange(const char *one, const char *other)
{
    const int folder = open_folder(one);
    int result = -1;
    if (folder < 0)
        return -1;
    if (syscall(SYS_renameat2, folder, name_of(one), folder, name_of(other), RENAME_EXCHANGE) != 0)
        message("%s: %s; expected a file system on which two files can change places in one step (rename(2), "
                "RENAME_EXCHANGE)",
                one, strerror(errno));
    else
        result = fsync(folder) == 0 ? 0 : fail(one);
    (void)close(folder);
    return result;
}

int rotate_remove(const char *path)
{
    const int folder = open_folder(path);
    if (folder < 0)
        return -1;
    const int result = unlinkat(folder, name_of(path), 0) == 0 && fsync(folder) == 0 ? 0 : fail(path);
    (void)close(folder);
    return result;
}

static bool is_other_user;

void rotate_become_owner(const struct stat *status)
{
    if (geteuid() != 0 || (status->st_uid == 0 && status->st_gid == 0))
        return;
    is_other_user = true;
    (void)!setegid(status->st_gid);
    (void)!seteuid(status->st_uid); /* if it fails, root may do less: the check is that of root */
}

void rotate_become_root(void)
{
    if (!is_other_user)
        return;
    (void)!seteuid(0);
    (void)!setegid(0);
    is_other_user = false;
}
