/*
 * Adds the variables that are missing in an environment (environ(7), ld.so(8)). The program's own values stay:
 * other libraries in LD_PRELOAD, and a policy in PFSWRAP_POLICY. See environment.h.
 */
#include "children/environment.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/init.h"
#include "config/keys.h"
#include "base/elf.h"
#include "base/large.h"
#include "base/raw_syscall.h"
#include "base/workspace.h"

static const char preload_name[] = "LD_PRELOAD=";
static const char policy_name[] = "PFSWRAP_POLICY=";
static const char child_name[] = PFSWRAP_CHILD_VARIABLE "=";

static const char *library; /* absolute path of this shared object; NULL before environment_start() */

void environment_start(void)
{
    LARGE static char path[PATH_MAX];
    struct elf_object self;
    if (!elf_object_of(&library, &self) || strlen(self.name) >= sizeof path)
        return;
    /* This is the name in LD_PRELOAD. It must be absolute, because a child may start in another directory. */
    if (self.name[0] == '/')
        library = self.name; /* the loader's, which stays as long as this object */
    else if ((library = realpath(self.name, path)) == NULL)
        pfswrap_die("cannot find libpfswrap.so, expected an absolute path of it in LD_PRELOAD");
}

/* The value of a variable, or NULL. `name` ends with "=". */
static const char *value_of(char *const environment[], const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        if (strncmp(environment[i], name, length) == 0)
            return environment[i] + length;
    return NULL;
}

/* Whether PFSWRAP_CHILD is set, or not needed because no rule seals. */
static bool is_marked(char *const environment[])
{
    return !keys_in_use() || value_of(environment, child_name) != NULL;
}

bool environment_is_guarded(void)
{
    return library != NULL;
}

const char *environment_library(void)
{
    return library;
}

size_t environment_room(char *const environment[], enum object_kind object)
{
    if (!environment_is_guarded())
        return 0;
    const struct object_place place = object_place_of(library);
    const char *preload = value_of(environment, preload_name);
    bool has_policy = value_of(environment, policy_name) != NULL;
    if (has_policy && object_is_preloaded(preload, &place, object, false) && is_marked(environment))
        return 0;
    size_t count = 0;
    while (environment != NULL && environment[count] != NULL)
        count++;
    return (count + 4) * sizeof(char *) + sizeof preload_name + strlen(library) + OBJECT_PATH_MORE +
           (preload != NULL ? strlen(preload) : 0) + sizeof policy_name + strlen(pfswrap_policy()->path) +
           sizeof child_name + 1;
}

/* Appends `first` and `second` at *at, moves *at to their terminator, and returns where they begin. */
static char *put(char **at, const char *first, const char *second)
{
    char *begin = *at;
    *at = stpcpy(stpcpy(begin, first), second);
    return begin;
}

char **environment_protect(char *const environment[], enum object_kind object, void *room)
{
    const struct object_place place = object_place_of(library);
    char **copy = room;
    const char *preload = value_of(environment, preload_name);
    bool has_policy = value_of(environment, policy_name) != NULL;
    size_t count = 0;
    for (size_t i = 0; environment != NULL && environment[i] != NULL; i++)
        if (strncmp(environment[i], preload_name, sizeof preload_name - 1) != 0)
            copy[count++] = environment[i];
    size_t total = count + 4;
    char *strings = (char *)&copy[total];
    copy[count++] = put(&strings, preload_name, "");
    if (object_is_preloaded(preload, &place, object, false))
        strings = stpcpy(strings, preload);
    else
        strings = object_preload(strings, preload, &place, object, false);
    strings++; /* behind the terminator */
    if (!has_policy)
        copy[count++] = put(&strings, policy_name, pfswrap_policy()->path);
    strings++;
    if (!is_marked(environment))
        copy[count++] = put(&strings, child_name, "1");
    copy[count] = NULL;
    return copy;
}

bool environment_restore(enum object_kind object)
{
    size_t size = environment_room(environ, object);
    if (size == 0)
        return true;
    /* Makes a protected copy, and sets the variables to the values in it. */
    void *room = malloc(size);
    if (room == NULL)
        return false;
    char **copy = environment_protect(environ, object, room);
    bool done = setenv("LD_PRELOAD", value_of(copy, preload_name), 1) == 0 &&
                setenv("PFSWRAP_POLICY", value_of(copy, policy_name), 0) == 0 &&
                (is_marked(environ) || setenv(PFSWRAP_CHILD_VARIABLE, "1", 0) == 0);
    free(room);
    return done;
}

static bool is_readable(const char *path)
{
    const long fd = raw_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)raw_syscall(SYS_close, fd);
    /* access(2) ignores capabilities of a user other than root, as the exec takes them away. */
    return raw_syscall(SYS_faccessat, AT_FDCWD, path, R_OK) == 0;
}

bool environment_is_reachable(enum object_kind object)
{
    if (object == OBJECT_NONE || object == OBJECT_OWN)
        return is_readable(library);
    const struct object_place place = object_place_of(library);
    char *path = workspace_take();
    if (path == NULL)
        return false;
    (void)object_path(path, &place, object);
    const bool reachable = is_readable(path);
    workspace_give(path);
    return reachable;
}
