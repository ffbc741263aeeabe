/*
 * pfswrap install DIR: copies this installation to DIR, as bin, libexec, lib and share. It is how pfswrap gets from
 * a container image that has no shell and no cp(1) into a volume that another container mounts
 * (docs/CONTAINERS.md).
 */
#include "commands.h"
#include "copy.h"
#include "message.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] = "expected pfswrap install DIR";

/* The command comes last: who finds it finds the library that it needs. */
static const char *const folders[] = {"lib/pfswrap", "share/pfswrap", "libexec/pfswrap"};

/* Opens the folder in which this program is installed. Returns a descriptor, or -1 after a message. */
static int open_prefix(void)
{
    static const char below[] = "/libexec/pfswrap/pfswrap-tool";
    char path[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0) {
        message("/proc/self/exe: %s, expected proc(5) to be mounted", strerror(errno));
        return -1;
    }
    path[length] = '\0';
    const size_t prefix = (size_t)length - (sizeof below - 1);
    if ((size_t)length < sizeof below - 1 || strcmp(path + prefix, below) != 0) {
        message("%s is not an installed pfswrap, expected PREFIX%s; in a build tree, use make install", path,
                below);
        return -1;
    }
    path[prefix] = '\0';
    const int fd = open(prefix == 0 ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        message("%s: %s", path, strerror(errno));
    return fd;
}

/* Copies one of the folders. One that the installation does not have is left out. Returns 0, or -1 after a message.
 */
static int install_folder(int prefix, int target, const char *name, const char *shown)
{
    char path[PATH_MAX];
    const int from = openat(prefix, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (from < 0 && errno == ENOENT)
        return 0;
    if (from < 0) {
        message("%s of this installation: %s", name, strerror(errno));
        return -1;
    }
    const int to = copy_make_folder(target, name, shown);
    int result = -1;
    if (to >= 0) {
        (void)snprintf(path, sizeof path, "%s/%s", shown, name);
        result = copy_folder(from, to, path);
        close(to);
    }
    close(from);
    return result;
}

static int install(const char *directory)
{
    const int prefix = open_prefix();
    if (prefix < 0)
        return -1;
    int result = -1, bin = -1;
    const int target = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (target < 0) {
        message("%s: %s", directory, strerror(errno));
    } else {
        result = 0;
        for (size_t i = 0; i < sizeof folders / sizeof folders[0] && result == 0; i++)
            result = install_folder(prefix, target, folders[i], directory);
        bin = result == 0 ? copy_make_folder(target, "bin", directory) : -1;
        result = bin < 0 ? -1 : copy_link(bin, "pfswrap", "../libexec/pfswrap/pfswrap-tool", directory);
    }
    if (bin >= 0)
        close(bin);
    if (target >= 0)
        close(target);
    close(prefix);
    return result;
}

int command_install(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--") == 0) {
        argc--;
        argv++;
    } else if (argc > 1 && argv[1][0] == '-') {
        message("unknown option %.80s of install, %s", argv[1], usage);
        return 2;
    }
    if (argc != 2 || argv[1][0] == '\0') {
        message("install %s, %s", argc > 2 ? "takes one DIR" : "lacks a DIR", usage);
        return 2;
    }
    char *directory = argv[1];
    for (size_t length = strlen(directory); length > 1 && directory[length - 1] == '/'; length--)
        directory[length - 1] = '\0';
    if (strpbrk(directory, ": \t\n$") != NULL) {
        message("%s cannot be preloaded from, expected a path without blanks, ':' and '$'", directory);
        return 2;
    }
    /* chmod, since a umask must not keep the program's user out */
    const bool is_new = mkdir(directory, 0755) == 0;
    if ((is_new && chmod(directory, 0755) < 0) || (!is_new && errno != EEXIST)) {
        message("%s: %s, expected a folder, or one above it that user %u can write", directory, strerror(errno),
                geteuid());
        return 1;
    }
    if (install(directory) < 0)
        return 1;
    out("pfswrap %s is installed: %s/bin/pfswrap run -- PROGRAM\n", PFSWRAP_VERSION, directory);
    return out_finish();
}
