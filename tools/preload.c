/*
 * Finds and checks libpfswrap.so. ld.so starts programs without a library that it cannot preload, so everything
 * that can go wrong is checked here. See preload.h.
 */
#include "preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "children/executable.h"
#include "machine.h"

/* The path of the object that was built with this tool. */
static int native_path(char path[static PATH_MAX], char *problem, size_t problem_size)
{
    static const char installed[] = "/libexec/pfswrap";
    char tool[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", tool, sizeof tool - 1);
    if (length <= 0) {
        (void)snprintf(problem, problem_size, "cannot find libpfswrap.so: /proc/self/exe: %m");
        return -1;
    }
    tool[length] = '\0';
    *strrchr(tool, '/') = '\0';
    size_t used = strlen(tool);
    const char *below = "";
    if (used >= sizeof installed - 1 && strcmp(tool + used - (sizeof installed - 1), installed) == 0) {
        tool[used - (sizeof installed - 1)] = '\0';
        below = "/lib/pfswrap";
    }
    int size = snprintf(path, PATH_MAX, "%s%s/libpfswrap.so", tool, below);
    if (size < 0 || size >= PATH_MAX) {
        (void)snprintf(problem, problem_size, "cannot find libpfswrap.so: its path is too long");
        return -1;
    }
    return 0;
}

/* What is wrong with the open library; NULL: it can be preloaded, and no other user can have changed it. */
static const char *library_problem(int fd)
{
    static struct executable file;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return strerror(errno);
    const int error = -executable_read_library(fd, &file);
    if (error != 0)
        return strerror(error);
    const bool is_native = file.kind == EXECUTABLE_KIND_STATIC || file.kind == EXECUTABLE_KIND_DYNAMIC;
    if (!is_native || file.type != ET_DYN)
        return "is no shared object for this machine";
    if (status.st_mode & S_IWOTH)
        return "is writable by others, expected chmod o-w";
    return NULL;
}

int preload_path(char path[static PRELOAD_PATH_MAX], enum object_kind kind, char *problem, size_t problem_size)
{
    char native[PATH_MAX];
    if (native_path(native, problem, problem_size) < 0)
        return -1;
    const struct object_place place = object_place_of(native);
    (void)object_path(path, &place, kind);
    return 0;
}

int preload_find(char path[static PRELOAD_PATH_MAX], enum object_kind kind, char *problem, size_t problem_size)
{
    if (preload_path(path, kind, problem, problem_size) < 0)
        return -1;
    /* ld.so splits LD_PRELOAD at colons and blanks, and replaces $ORIGIN and similar words (ld.so(8)). */
    if (strpbrk(path, ": \t\n$") != NULL) {
        (void)snprintf(problem, problem_size, "%s cannot be preloaded, expected a path without blanks, ':' and '$'",
                       path);
        return -1;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(problem, problem_size, "%s cannot be read: %m", path);
        return -1;
    }
    const char *why = library_problem(fd);
    close(fd);
    if (why != NULL) {
        (void)snprintf(problem, problem_size, "%s %s", path, why);
        return -1;
    }
    return 0;
}

int preload_set(const char *native, enum object_kind kind)
{
    const struct object_place place = object_place_of(native);
    const char *present = getenv("LD_PRELOAD");
    if (present == NULL)
        present = "";
    if (object_is_preloaded(present, &place, kind, true))
        return 0; /* this program was itself started by pfswrap run */
    char *value = malloc(strlen(present) + strlen(native) + OBJECT_PATH_MORE);
    if (value == NULL)
        return -ENOMEM;
    (void)object_preload(value, present, &place, kind, true);
    const int result = setenv("LD_PRELOAD", value, 1) == 0 ? 0 : -errno;
    free(value);
    return result;
}
