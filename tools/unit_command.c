/*
 * Splits a command line into words without changing them, and puts `pfswrap run` in front. See unit_command.h.
 */
#include "unit_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t";
static const char prefixes[] = "@-:+!";

/* The end of the word at `s`: the next blank that is not quoted. NULL: a quote is not closed. */
static const char *word_end(const char *s)
{
    char quote = '\0';
    for (; *s != '\0' && (quote != '\0' || strchr(blanks, *s) == NULL); s++)
        if (*s == '\\' && s[1] != '\0')
            s++;
        else if (quote != '\0' && *s == quote)
            quote = '\0';
        else if (quote == '\0' && (*s == '"' || *s == '\''))
            quote = *s;
    return quote == '\0' ? s : NULL;
}

static const char *skip_blanks(const char *s)
{
    return s + strspn(s, blanks);
}

/* The character of an escape at *s, behind the backslash; moves *s behind it. '\0': an unknown one. */
static char unescape(const char **s)
{
    static const char letters[] = "abfnrtvs\\\"'", values[] = "\a\b\f\n\r\t\v \\\"'";
    const char *const found = **s != '\0' ? strchr(letters, **s) : NULL;
    char digits[3] = "";
    if (found != NULL) {
        (*s)++;
        return values[found - letters];
    }
    if (**s == 'x' && strspn(*s + 1, "0123456789abcdefABCDEF") >= 2) {
        memcpy(digits, *s + 1, 2);
        *s += 3;
        return (char)strtoul(digits, NULL, 16);
    }
    return '\0';
}

/* A part of the unit's name: %n, %N, %p, %i, %j and those that a folder stands for. NULL: it is not known here. */
static const char *specifier(char letter, const char *unit, char *buffer, size_t size)
{
    const char *const at = strchr(unit, '@'), *const end = strrchr(unit, '.');
    const int stem = (int)(end - unit), name = at != NULL ? (int)(at - unit) : stem;
    static const struct {
        char letter;
        const char *folder;
    } folders[] = {{'t', "/run"}, {'S', "/var/lib"}, {'C', "/var/cache"}, {'L', "/var/log"},
                   {'E', "/etc"}, {'T', "/tmp"},     {'V', "/var/tmp"},   {'%', "%"}};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
        if (folders[i].letter == letter)
            return folders[i].folder;
    switch (letter) {
    case 'n':
        return unit;
    case 'N':
        (void)snprintf(buffer, size, "%.*s", stem, unit);
        return buffer;
    case 'p':
        (void)snprintf(buffer, size, "%.*s", name, unit);
        return buffer;
    case 'i':
        if (at == NULL || at + 1 == end)
            return NULL; /* a template without an instance */
        (void)snprintf(buffer, size, "%.*s", (int)(end - at) - 1, at + 1);
        return buffer;
    default:
        return NULL;
    }
}

/* Writes the word without quotes and with its specifiers replaced to `path`. False: a part of it is not known. */
static bool decode(char path[static PATH_MAX], const char *word, size_t length, const char *unit)
{
    size_t used = 0;
    char quote = '\0', part[NAME_MAX + 1];
    for (const char *s = word; s < word + length;) {
        char letter[2] = {*s++, '\0'};
        const char *add = letter;
        if (quote == '\0' && (letter[0] == '"' || letter[0] == '\'')) {
            quote = letter[0];
            continue;
        }
        if (quote != '\0' && letter[0] == quote) {
            quote = '\0';
            continue;
        }
        if (letter[0] == '\\')
            letter[0] = unescape(&s);
        else if (letter[0] == '%')
            add = specifier(*s++, unit, part, sizeof part);
        if (add == NULL || add[0] == '\0' || used + strlen(add) >= PATH_MAX)
            return false;
        memcpy(path + used, add, strlen(add));
        used += strlen(add);
    }
    path[used] = '\0';
    return used > 0;
}

/* Reads the prefix characters. Returns the executable's first character, or NULL: they are wrong. */
static const char *read_prefix(struct unit_command *command, const char *s)
{
    size_t used = 0;
    for (; *s != '\0' && strchr(prefixes, *s) != NULL; s++)
        if (*s == '@')
            command->has_argv0 = true;
        else if (used + 1 < sizeof command->prefix)
            command->prefix[used++] = *s;
        else
            return NULL;
    command->prefix[used] = '\0';
    /* systemd looks for the prefix inside of quotes, too */
    return (*s == '"' || *s == '\'') && s[1] != '\0' && strchr(prefixes, s[1]) != NULL ? NULL : s;
}

int unit_command_read(struct unit_command *command, const char **text, const char *unit, const char **why)
{
    const char *s = skip_blanks(*text);
    *command = (struct unit_command){.whole = s};
    *why = "a quote is not closed";
    if (*s == '\0')
        return 0;
    command->executable = read_prefix(command, s);
    if (command->executable == NULL) {
        *why = "a prefix is quoted or too long";
        return -1;
    }
    const char *end = word_end(command->executable);
    if (end == NULL)
        return -1;
    command->executable_length = (size_t)(end - command->executable);
    s = skip_blanks(end);
    if (command->has_argv0) {
        command->argv0 = s;
        end = word_end(s);
        if (end == NULL || end == s || (s[0] == '$' && s[1] != '{')) {
            *why = "@ needs a word for argv[0] that is always one word";
            return -1;
        }
        command->argv0_length = (size_t)(end - s);
        s = skip_blanks(end);
    }
    command->arguments = s;
    for (;; s = skip_blanks(end)) {
        if (*s == '\0' || (*s == ';' && (s[1] == '\0' || strchr(blanks, s[1]) != NULL)))
            break;
        end = word_end(s);
        if (end == NULL)
            return -1;
    }
    command->arguments_length = (size_t)(end - command->arguments);
    if (end < command->arguments)
        command->arguments_length = 0;
    command->whole_length = (size_t)(end - command->whole);
    *text = *s == ';' ? s + 1 : s;
    if (!decode(command->path, command->executable, command->executable_length, unit))
        command->path[0] = '\0';
    return 1;
}

/* The text as one word of a command line: with quotes and escapes where it needs them. free() it. NULL: no memory.
 */
static char *quote(const char *text)
{
    char *const quoted = malloc(2 * strlen(text) + 3);
    char *at = quoted;
    if (quoted == NULL)
        return NULL;
    const bool needs_quotes = text[0] == '\0' || strpbrk(text, " \t\"'\\;") != NULL;
    if (needs_quotes)
        *at++ = '"';
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *at++ = '\\';
        else if (*text == '%' || *text == '$')
            *at++ = *text; /* specifiers and variables */
        *at++ = *text;
    }
    if (needs_quotes)
        *at++ = '"';
    *at = '\0';
    return quoted;
}

/* The executable becomes an argument, in which systemd replaces variables. */
static char *executable_as_argument(const struct unit_command *command)
{
    const bool replaces = strchr(command->prefix, ':') == NULL;
    char *const text = malloc(2 * command->executable_length + 1), *at = text;
    for (size_t i = 0; text != NULL && i < command->executable_length; i++) {
        if (command->executable[i] == '$' && replaces)
            *at++ = '$';
        *at++ = command->executable[i];
    }
    if (text != NULL)
        *at = '\0';
    return text;
}

char *unit_command_wrap(const struct unit_command *command, const char *pfswrap, const char *policy,
                        const char *path)
{
    char *const tool = quote(pfswrap), *const file = quote(policy);
    char *const program = path != NULL ? quote(path) : executable_as_argument(command);
    /* A program that systemd would look up gets the name that was written as argv[0], as without pfswrap. */
    const char *const argv0 = command->has_argv0 ? command->argv0 : path != NULL ? command->executable : "";
    const size_t argv0_length = command->has_argv0 ? command->argv0_length
                                : path != NULL     ? command->executable_length
                                                   : 0;
    char *line = NULL;
    if (tool != NULL && file != NULL && program != NULL &&
        asprintf(&line, "%s%s run --policy %s%s%.*s -- %s%s%.*s", command->prefix, tool, file,
                 argv0_length > 0 ? " --argv0 " : "", (int)argv0_length, argv0, program,
                 command->arguments_length > 0 ? " " : "", (int)command->arguments_length, command->arguments) < 0)
        line = NULL;
    free(tool);
    free(file);
    free(program);
    return line;
}
