/*
 * Looks into the argument of env(1), because most scripts name their interpreter through it: `#!/usr/bin/env
 * python3`,
 * `#!/usr/bin/env -S A=b sh -e`. Opens no file. See script.h.
 */
#include "script.h"

#include <string.h>

static const char blanks[] = " \t";

/* Whether env may set that variable: not if it could lose the preload, the policy or the program. */
static bool assignment_is_allowed(const char *word)
{
    return strncmp(word, "LD_", 3) != 0 && strncmp(word, "PFSWRAP_", 8) != 0 && strncmp(word, "PATH=", 5) != 0;
}

/*
 * `argument` is the one argument that the kernel passes to env: NAME, or -S and words. The quotes and escapes of -S
 * are not interpreted here: a script with any of them is SCRIPT_OPAQUE.
 */
static void read_env(struct script *script, const char *argument)
{
    const char *rest = argument;
    script->kind = SCRIPT_OPAQUE;
    memcpy(script->name, argument, strlen(argument) + 1);
    const bool is_split = strncmp(rest, "-S", 2) == 0;
    if (is_split)
        rest += 2 + strspn(rest + 2, blanks);
    if (strpbrk(rest, "\\\"'$#") != NULL)
        return;
    for (;;) {
        const size_t length = is_split ? strcspn(rest, blanks) : strlen(rest);
        if (length == 0 || rest[0] == '-')
            return;
        if (memchr(rest, '=', length) == NULL) {
            memcpy(script->name, rest, length);
            script->name[length] = '\0';
            script->kind = SCRIPT_ENV;
            return;
        }
        if (!assignment_is_allowed(rest))
            return;
        rest += length + strspn(rest + length, blanks);
    }
}

void script_read(struct script *script, const struct executable *file)
{
    memset(script, 0, sizeof *script);
    if (file->kind == EXECUTABLE_KIND_TEXT)
        script->kind = SCRIPT_SHELL;
    if (file->kind != EXECUTABLE_KIND_SCRIPT)
        return;
    script->kind = SCRIPT_FILE;
    memcpy(script->interpreter, file->interpreter, strnlen(file->interpreter, sizeof script->interpreter - 1));
    const char *slash = strrchr(script->interpreter, '/');
    if (strcmp(slash != NULL ? slash + 1 : script->interpreter, "env") == 0)
        read_env(script, file->argument);
}
