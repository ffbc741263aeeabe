/*
 * Changes one line of a text and nothing else: comments and the order of lines stay. See rotate.h.
 */
#include <stdlib.h>
#include <string.h>

#include "rotate.h"

/* The first byte of line `number`, or the end of the text. */
static size_t line_begin(const char *text, size_t length, unsigned number)
{
    size_t at = 0;
    for (unsigned i = 1; i < number && at < length; i++) {
        const char *const newline = memchr(text + at, '\n', length - at);
        at = newline != NULL ? (size_t)(newline - text) + 1 : length;
    }
    return at;
}

char *rotate_text_insert(const char *text, size_t length, unsigned number, const char *line, size_t *new_length)
{
    const size_t at = line_begin(text, length, number + 1), added = strlen(line);
    const bool has_end = at == 0 || text[at - 1] == '\n';
    char *const result = malloc(length + added + 3), *end = result;
    if (result == NULL)
        return NULL;
    memcpy(end, text, at);
    end += at;
    if (!has_end)
        *end++ = '\n';
    memcpy(end, line, added);
    end += added;
    *end++ = '\n';
    memcpy(end, text + at, length - at);
    end += length - at;
    *end = '\0';
    *new_length = (size_t)(end - result);
    return result;
}

char *rotate_text_remove(const char *text, size_t length, unsigned number, size_t *new_length)
{
    const size_t from = line_begin(text, length, number), to = line_begin(text, length, number + 1);
    char *const result = malloc(length + 1);
    if (result == NULL)
        return NULL;
    memcpy(result, text, from);
    memcpy(result + from, text + to, length - to);
    *new_length = length - (to - from);
    result[*new_length] = '\0';
    return result;
}

unsigned rotate_text_find_peer(const char *text, size_t length, const char *key)
{
    static const char blanks[] = " \t";
    const char *const end = text + length;
    unsigned number = 1;
    for (const char *line = text; line < end; number++) {
        const char *const newline = memchr(line, '\n', (size_t)(end - line));
        const char *const behind = newline != NULL ? newline : end;
        const char *word = line + strspn(line, blanks);
        const bool is_comment = *word == '#';
        word += strcspn(word, " \t\n");
        word += strspn(word, blanks);
        if (!is_comment && word < behind && strncmp(word, key, strlen(key)) == 0)
            return number;
        line = behind + 1;
    }
    return 0;
}
