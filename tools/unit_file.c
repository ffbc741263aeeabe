/*
 * Parses units and looks their settings up. unit_path.c finds the files. See unit_file.h.
 */
#include "unit_file.h"
#include "unit_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static const char blanks[] = " \t\r\n";

/* Moves the text's end in front of the blanks there, and returns its first other character. */
static char *trim(char *text)
{
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]) != NULL)
        text[--length] = '\0';
    return text + strspn(text, blanks);
}

/* Whether the line goes on: it ends with a backslash that no other one escapes. */
static bool goes_on(const char *line)
{
    bool is_escaped = false;
    for (; *line != '\0'; line++)
        is_escaped = !is_escaped && *line == '\\';
    return is_escaped;
}

/* The parser's place in a file. */
struct reader {
    struct unit *unit;
    const char *file;
    unsigned line;   /* of what is being read */
    bool in_service; /* in the section [Service] */
    char *text;      /* a line with those that continue it */
    size_t length;
    unsigned first; /* the number of its first line */
};

/* Takes a whole line: a section or a setting. */
static int take(struct reader *reader, char *line)
{
    struct unit *const unit = reader->unit;
    if (line[0] == '\0')
        return 0;
    if (line[0] == '[') {
        reader->in_service = strcmp(line, "[Service]") == 0;
        return 0;
    }
    char *const equals = strchr(line, '=');
    if (!reader->in_service || equals == NULL)
        return 0; /* systemd ignores what is no setting, too */
    if (unit->setting_count == UNIT_SETTINGS_MAX)
        return -E2BIG;
    *equals = '\0';
    struct unit_setting *const setting = &unit->settings[unit->setting_count++];
    *setting = (struct unit_setting){
        .key = strdup(trim(line)), .value = strdup(trim(equals + 1)), .file = reader->file, .line = reader->first};
    return setting->key == NULL || setting->value == NULL ? -ENOMEM : 0;
}

/* Adds a line of the file to what was continued so far, and takes the whole if it ends here. */
static int add(struct reader *reader, char *line)
{
    const size_t length = strlen(line);
    const bool is_continued = goes_on(line);
    char *const text = realloc(reader->text, reader->length + length + 2);
    if (text == NULL)
        return -ENOMEM;
    reader->text = text;
    if (reader->length == 0)
        reader->first = reader->line;
    memcpy(text + reader->length, line, length + 1);
    reader->length += length;
    if (is_continued) {
        text[reader->length - 1] = ' ';
        return 0;
    }
    reader->length = 0;
    return take(reader, trim(text));
}

static int read_file(struct unit *unit, const char *path)
{
    struct reader reader = {.unit = unit, .file = path};
    FILE *const file = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int error = file == NULL ? -errno : 0;
    while (error == 0 && getline(&line, &size, file) >= 0) {
        char *const begin = line + strspn(line, blanks);
        reader.line++;
        line[strcspn(line, "\n")] = '\0';
        /* A comment does not end what is continued, and never goes on itself. */
        if (begin[0] != '#' && begin[0] != ';')
            error = add(&reader, reader.length == 0 ? begin : line);
    }
    if (error == 0 && reader.length > 0)
        error = take(&reader, trim(reader.text));
    if (file != NULL)
        (void)fclose(file);
    free(line);
    free(reader.text);
    return error;
}

int unit_load(struct unit *unit, const char *name, char *problem, size_t size)
{
    if (unit_find(unit, name, problem, size) != 0)
        return -1;
    for (size_t i = 0; i < unit->file_count; i++) {
        const int error = read_file(unit, unit->files[i]);
        if (error != 0) {
            (void)snprintf(problem, size, "%s: %s", unit->files[i], strerror(-error));
            return -1;
        }
    }
    return 0;
}

const struct unit_setting *unit_next(const struct unit *unit, const char *key, size_t *at)
{
    const struct unit_setting *found = NULL;
    size_t next = *at;
    for (size_t i = *at; i < unit->setting_count; i++) {
        const struct unit_setting *const setting = &unit->settings[i];
        if (strcmp(setting->key, key) != 0)
            continue;
        if (setting->value[0] == '\0') {
            found = NULL;
        } else if (found == NULL) {
            found = setting;
            next = i + 1;
        }
    }
    *at = found != NULL ? next : unit->setting_count;
    return found;
}

const char *unit_value(const struct unit *unit, const char *key)
{
    const char *value = NULL;
    for (size_t i = 0; i < unit->setting_count; i++)
        if (strcmp(unit->settings[i].key, key) == 0)
            value = unit->settings[i].value;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

bool unit_is_true(const struct unit *unit, const char *key)
{
    static const char *const words[] = {"1", "yes", "y", "true", "t", "on"};
    const char *const value = unit_value(unit, key);
    for (size_t i = 0; value != NULL && i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

bool unit_lists(const struct unit *unit, const char *key, const char *word, const char *ends)
{
    const size_t length = strlen(word);
    const struct unit_setting *setting;
    for (size_t at = 0; (setting = unit_next(unit, key, &at)) != NULL;)
        for (const char *s = setting->value; *s != '\0'; s += strcspn(s, blanks), s += strspn(s, blanks))
            if (strncmp(s, word, length) == 0 &&
                (strchr(blanks, s[length]) != NULL || strchr(ends, s[length]) != NULL))
                return true; /* strchr() also finds the end of the text */
    return false;
}
