/*
 * #! lines as the kernel reads them (execve(2), "Interpreter scripts"): a path, then the rest of the line as one
 * argument. env(1) is looked into, since it is how most scripts name their interpreter. Opens nothing.
 */
#include "script.h"

#include <string.h>

static const char blanks[] = " \t";

/* Whether env(1) may set that variable without taking the preload or the policy away. */
static bool assignment_is_harmless(const char *word)
{
    return strncmp(word, "LD_", 3) != 0 && strncmp(word, "PFSWRAP_", 8) != 0 && strncmp(word, "PATH=", 5) != 0;
}

/* `rest` is env's one argument: NAME, or -S and words. Quotes and escapes of -S are not for us to interpret. */
static void parse_env(struct script *script, const char *rest)
{
    script->kind = SCRIPT_OPAQUE;
    memcpy(script->name, rest, strlen(rest) + 1);
    bool split = strncmp(rest, "-S", 2) == 0;
    if (split)
        rest += 2 + strspn(rest + 2, blanks);
    if (strpbrk(rest, "\\\"'$#") != NULL)
        return;
    for (;;) {
        size_t length = split ? strcspn(rest, blanks) : strlen(rest);
        if (length == 0 || rest[0] == '-')
            return;
        if (memchr(rest, '=', length) == NULL) {
            memcpy(script->name, rest, length);
            script->name[length] = '\0';
            script->kind = SCRIPT_ENV;
            return;
        }
        if (!assignment_is_harmless(rest))
            return;
        rest += length + strspn(rest + length, blanks);
    }
}

void script_parse(struct script *script, const char *text, size_t size)
{
    char line[SCRIPT_LINE_MAX];
    memset(script, 0, sizeof *script);
    if (size > sizeof line)
        size = sizeof line;
    if (size < 2 || memcmp(text, "#!", 2) != 0) {
        script->kind = size > 0 && memchr(text, '\0', size) != NULL ? SCRIPT_NONE : SCRIPT_SHELL;
        return;
    }
    const char *newline = memchr(text, '\n', size);
    size_t length = newline != NULL ? (size_t)(newline - text) : size;
    if (length == sizeof line || memchr(text, '\0', length) != NULL)
        return; /* cut off: the kernel does not run it either */
    memcpy(line, text, length);
    while (length > 2 && strchr(blanks, line[length - 1]) != NULL)
        length--;
    line[length] = '\0';

    const char *path = line + 2 + strspn(line + 2, blanks);
    size_t path_length = strcspn(path, blanks);
    if (path_length == 0)
        return;
    memcpy(script->interpreter, path, path_length);
    script->kind = SCRIPT_FILE;
    const char *slash = strrchr(script->interpreter, '/');
    if (strcmp(slash != NULL ? slash + 1 : script->interpreter, "env") == 0)
        parse_env(script, path + path_length + strspn(path + path_length, blanks));
}
