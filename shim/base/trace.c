/*
 * The trace (base/trace.h). Lines are put together without libc, and written by one system call each, so that lines
 * of threads and processes do not mix.
 */
#include "base/trace.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/process.h"
#include "base/raw_syscall.h"

unsigned trace_categories;

static void (*output)(const char *line, size_t length);
static uint64_t started_ms;

static const struct {
    const char *name;
    enum trace_category category;
} categories[] = {{"calls", TRACE_CALLS}, {"fd", TRACE_FD}, {"handshake", TRACE_HANDSHAKE}};

enum { CATEGORIES = sizeof categories / sizeof categories[0], LINE_MAX_BYTES = 256, DECIMAL_DIGITS = 20 };

int trace_parse(const char *list, unsigned *chosen, const char **bad, size_t *length)
{
    *chosen = 0;
    for (const char *word = list;; word += *length + 1) {
        size_t i = 0;
        *length = strcspn(word, ",");
        while (i < CATEGORIES &&
               (strlen(categories[i].name) != *length || strncmp(word, categories[i].name, *length) != 0))
            i++;
        if (i == CATEGORIES) {
            *bad = word;
            return -1;
        }
        *chosen |= categories[i].category;
        if (word[*length] == '\0')
            return 0;
    }
}

void trace_start(unsigned chosen, void (*emit)(const char *line, size_t length))
{
    output = emit;
    started_ms = clock_ms();
    trace_categories = chosen;
}

/* A line that is being put together. Anything that does not fit is left out. */
struct line {
    char text[LINE_MAX_BYTES];
    size_t length;
};

static void put_text(struct line *line, const char *text, char end)
{
    for (; *text != '\0' && *text != end && line->length < sizeof line->text - 1; text++)
        line->text[line->length++] = *text;
}

/* At least `width` digits. */
static void put_number(struct line *line, long long value, int width)
{
    char digits[DECIMAL_DIGITS + 1];
    int count = 0;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        put_text(line, "-", '\0');
    do
        digits[count++] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0 || count < width);
    while (count > 0 && line->length < sizeof line->text - 1)
        line->text[line->length++] = digits[--count];
}

static const char *name_of(enum trace_category category)
{
    for (size_t i = 0; i < CATEGORIES; i++)
        if (categories[i].category == category)
            return categories[i].name;
    return "";
}

void trace_write(enum trace_category category, const char *event, int fd, const char *name, long long value)
{
    struct line line = {.length = 0};
    if (process_sandboxed) /* a filter may end the process for a write(2) */
        return;
    const uint64_t now = clock_ms() - started_ms;
    put_number(&line, (long long)(now / 1000), 1);
    put_text(&line, ".", '\0');
    put_number(&line, (long long)(now % 1000), 3);
    put_text(&line, " ", '\0');
    put_number(&line, raw_syscall(SYS_getpid), 1);
    put_text(&line, "/", '\0');
    put_number(&line, raw_syscall(SYS_gettid), 1);
    put_text(&line, " ", '\0');
    put_text(&line, name_of(category), '\0');
    put_text(&line, " ", '\0');
    put_text(&line, event, '(');
    put_text(&line, " fd=", '\0');
    put_number(&line, fd, 1);
    put_text(&line, " ", '\0');
    put_text(&line, name, '\0');
    put_text(&line, "=", '\0');
    put_number(&line, value, 1);
    line.text[line.length++] = '\n';
    output(line.text, line.length);
}
