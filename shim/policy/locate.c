/*
 * Finds the policy file for a program by its name. Does not open the file.
 */
#include "policy/locate.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the file exists. True as well if that is unknown: the search goes on only if it certainly does not. */
static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

__attribute__((format(printf, 3, 4))) static int path_format(char *path, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(path, size, format, arguments);
    va_end(arguments);
    return length >= 0 && (size_t)length < size ? 0 : -1;
}

int policy_locate_in(char *path, size_t size, const char *directory, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    if (name[0] != '\0') {
        if (path_format(path, size, "%s/%s.conf", directory, name) < 0)
            return -1;
        if (exists(path))
            return 0;
    }
    if (path_format(path, size, "%s/default.conf", directory) < 0)
        return -1;
    if (exists(path))
        return 0;
    return path_format(path, size, "builtin");
}

int policy_locate(char *path, size_t size, const char *program)
{
    const char *chosen = getenv("PFSWRAP_POLICY");
    if (chosen != NULL && chosen[0] != '\0')
        return path_format(path, size, "%s", chosen);
    return policy_locate_in(path, size, "/etc/pfswrap", program);
}
