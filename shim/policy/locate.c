/*
 * Finds the policy file for a program by its name. Does not open the file.
 */
#include "policy/locate.h"
#include "policy/policy.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Whether the file exists. True as well if that is unknown: the search goes on only if it certainly does not. */
static bool exists(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Writes the words, one behind the other. Not by snprintf(3), which every program would pay for at its start. */
static int path_join(char *path, size_t size, const char *const words[4])
{
    size_t used = 0;
    for (int i = 0; i < 4; i++) {
        const size_t length = strlen(words[i]);
        if (length >= size - used)
            return -1;
        memcpy(path + used, words[i], length + 1);
        used += length;
    }
    return 0;
}

int policy_locate_in(char *path, size_t size, const char *directory, const char *program)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash != NULL ? slash + 1 : program;
    if (name[0] != '\0') {
        if (path_join(path, size, (const char *const[]){directory, "/", name, ".conf"}) < 0)
            return -1;
        if (exists(path))
            return 0;
    }
    if (path_join(path, size, (const char *const[]){directory, "/", "default", ".conf"}) < 0)
        return -1;
    if (exists(path))
        return 0;
    return path_join(path, size, (const char *const[]){"builtin", "", "", ""});
}

int policy_locate(char *path, size_t size, const char *program)
{
    const char *chosen = getenv("PFSWRAP_POLICY");
    if (chosen != NULL && chosen[0] != '\0')
        return path_join(path, size, (const char *const[]){chosen, "", "", ""});
    return policy_locate_in(path, size, "/etc/pfswrap", program);
}
