/*
 * Formats events: JSON (RFC 8259), and times in UTC (RFC 3339). sink.c writes the lines. See audit.h.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "base/process.h"
#include "base/utf8.h"
#include "base/workspace.h"

/* The line so far. When it is full, nothing more is added but its end. */
struct line {
    char *text;
    size_t length;
};

enum { LINE_ROOM = AUDIT_LINE_MAX - 4 }; /* the rest is for `"}` and the newline */

static bool line_put(struct line *line, const char *bytes, size_t length)
{
    if (line->length + length > LINE_ROOM)
        return false;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
    return true;
}

static bool line_puts(struct line *line, const char *text)
{
    return line_put(line, text, strlen(text));
}

/* Adds a decimal number with leading zeros up to `width`. With printf() this would take half the time of a line. */
static void line_put_digits(struct line *line, unsigned long long value, int width)
{
    enum { DIGITS_MAX = 20 };
    char digits[DIGITS_MAX];
    int first = DIGITS_MAX;
    for (; value != 0 || width > 0; value /= 10, width--)
        digits[--first] = (char)('0' + value % 10);
    line_put(line, digits + first, (size_t)(DIGITS_MAX - first));
}

static void line_put_number(struct line *line, long long value)
{
    if (value < 0)
        line_puts(line, "-");
    line_put_digits(line, value < 0 ? 0ULL - (unsigned long long)value : (unsigned long long)value, 1);
}

/* Length of the ASCII text at `s` that needs no escape in JSON. */
static size_t plain_length(const unsigned char *s)
{
    size_t length = 0;
    while (s[length] >= 0x20 && s[length] < 0x7f && s[length] != '"' && s[length] != '\\')
        length++;
    return length;
}

/* Adds as much of the text as there is room for. Returns whether that is all of it. */
static bool line_put_plain(struct line *line, const unsigned char *s, size_t length)
{
    size_t room = line->length < LINE_ROOM ? LINE_ROOM - line->length : 0;
    line_put(line, (const char *)s, length < room ? length : room);
    return length <= room;
}

static void line_put_string(struct line *line, const char *value)
{
    line_puts(line, "\"");
    for (const unsigned char *s = (const unsigned char *)value; *s != '\0';) {
        size_t plain = plain_length(s);
        if (!line_put_plain(line, s, plain))
            break;
        s += plain;
        if (*s == '\0')
            break;
        size_t length = utf8_length(s);
        bool fits;
        if (length == 0) {
            fits = line_puts(line, "\\ufffd");
            length = 1;
        } else if (*s == '"' || *s == '\\') {
            fits = line_put(line, (char[]){'\\', (char)*s}, 2);
        } else if (*s < 0x20 || *s == 0x7f) {
            static const char hex[] = "0123456789abcdef";
            fits = line_put(line, (char[]){'\\', 'u', '0', '0', hex[*s >> 4], hex[*s & 0xf]}, 6);
        } else {
            fits = line_put(line, (const char *)s, length);
        }
        if (!fits)
            break;
        s += length;
    }
    line->text[line->length++] = '"'; /* there is room behind LINE_ROOM */
}

static void line_put_field(struct line *line, const struct audit_field *field)
{
    enum { NUMBER_MAX = 24 };
    if (field->type == AUDIT_STRING && field->value.string == NULL)
        return;
    /* A key is added only if a number fits behind it. */
    if (line->length + strlen(field->key) + NUMBER_MAX + 8 > LINE_ROOM)
        return;
    line_puts(line, ",\"");
    line_puts(line, field->key);
    line_puts(line, "\":");
    switch (field->type) {
    case AUDIT_STRING:
        line_put_string(line, field->value.string);
        break;
    case AUDIT_NUMBER:
        line_put_number(line, field->value.number);
        break;
    case AUDIT_BOOLEAN:
        line_puts(line, field->value.boolean ? "true" : "false");
        break;
    }
}

/* The date of a day since 1970-01-01, by eras of 400 years. gmtime_r() would take libc's lock on time zones. */
static void date_of_day(int64_t day, int *year, int *month, int *day_of_month)
{
    enum { DAYS_PER_ERA = 146097, DAYS_TO_EPOCH = 719468 }; /* eras begin on 1 March of a year 0, 400, ... */
    int64_t shifted = day + DAYS_TO_EPOCH;
    int64_t era = shifted / DAYS_PER_ERA;
    int64_t of_era = shifted % DAYS_PER_ERA;
    int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * of_year + 2) / 153; /* March is 0 */
    *day_of_month = (int)(of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

static void line_put_time(struct line *line, int64_t time_ns)
{
    enum { SECOND = 1000000000, DAY_SECONDS = 86400 };
    int64_t seconds = time_ns / SECOND;
    int of_day = (int)(seconds % DAY_SECONDS);
    int year = 0;
    int month = 0;
    int day = 0;
    date_of_day(seconds / DAY_SECONDS, &year, &month, &day);
    const struct {
        int value, width;
        const char *end;
    } parts[] = {
        {year, 4, "-"},
        {month, 2, "-"},
        {day, 2, "T"},
        {of_day / 3600, 2, ":"},
        {of_day / 60 % 60, 2, ":"},
        {of_day % 60, 2, "."},
        {(int)(time_ns % SECOND / 1000), 6, "Z"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        line_put_digits(line, (unsigned)parts[i].value, parts[i].width);
        line_puts(line, parts[i].end);
    }
}

size_t audit_format(char *text, int64_t time_ns, long pid, const char *program, const char *event,
                    const struct audit_field *fields, size_t count)
{
    struct line line = {.text = text};
    line_puts(&line, "{\"time\":\"");
    line_put_time(&line, time_ns);
    line_puts(&line, "\"");
    struct audit_field common[] = {AUDIT_S("event", event), AUDIT_N("pid", pid), AUDIT_S("program", program)};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        line_put_field(&line, &common[i]);
    for (size_t i = 0; i < count; i++)
        line_put_field(&line, &fields[i]);
    text[line.length++] = '}';
    text[line.length++] = '\n';
    return line.length;
}

/* A copy of the program's name, because daemons overwrite the memory of argv[0] with a title. */
static char program_name[256];

/* The policy until the event "policy" has been written, then NULL. */
static _Atomic(const struct policy *) unannounced;

/* Events that could not be written since the last one that could, and whether that is a reason to refuse. */
static atomic_ulong lost;
static bool refuses;

/* Returns 0, or the errno of the log. */
static int line_write(const char *event, const struct audit_field *fields, size_t count)
{
    struct timespec now;
    char *line = workspace_take();
    if (line == NULL) {
        audit_sink_fail(ENOMEM);
        return ENOMEM;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    size_t length = audit_format(line, (int64_t)now.tv_sec * 1000000000 + now.tv_nsec, (long)process_running_id(),
                                 program_name, event, fields, count);
    const int error = audit_sink_write(line, length);
    workspace_give(line);
    return error;
}

/* Writes how many events are missing, if that is possible by now. */
static void lost_write(void)
{
    const unsigned long missing = atomic_exchange(&lost, 0);
    const struct audit_field fields[] = {AUDIT_N("events", (long long)missing)};
    if (missing > 0 && line_write("lost", fields, 1) != 0)
        atomic_fetch_add(&lost, missing);
}

static int event_write(const char *event, const struct audit_field *fields, size_t count)
{
    const int error = line_write(event, fields, count);
    if (error != 0)
        atomic_fetch_add(&lost, 1);
    else if (atomic_load_explicit(&lost, memory_order_relaxed) > 0)
        lost_write();
    return error;
}

static int announce(void)
{
    const struct policy *policy = atomic_exchange(&unannounced, NULL);
    if (policy == NULL)
        return 0;
    const struct audit_field fields[] = {
        AUDIT_S("policy", policy->path),
        AUDIT_S("mode", policy->mode == POLICY_ENFORCE ? "enforce" : "audit"),
        AUDIT_S("version", PFSWRAP_VERSION),
    };
    return event_write("policy", fields, sizeof fields / sizeof fields[0]);
}

int audit_start(const struct policy *policy)
{
    int error = errno;
    refuses = policy->log_failure == POLICY_LOG_FAILURE_REFUSE;
    (void)snprintf(program_name, sizeof program_name, "%s", program_invocation_short_name);
    audit_sink_quiet(refuses); /* the caller reports it */
    int failure = audit_sink_open(policy);
    atomic_store(&unannounced, policy);
    /* On standard error a process without other events writes nothing. */
    if (policy->log != POLICY_LOG_STDERR && (failure == 0 || !refuses))
        failure = announce();
    if (refuses)
        audit_sink_quiet(false);
    errno = error;
    return refuses ? failure : 0;
}

const char *audit_refusal(void)
{
    if (!refuses || atomic_load_explicit(&lost, memory_order_relaxed) == 0)
        return NULL;
    const int error = errno;
    lost_write();
    errno = error;
    return atomic_load(&lost) > 0 ? "the audit log cannot be written" : NULL;
}

void audit_lose(void)
{
    audit_sink_fail(ENOMEM);
    atomic_fetch_add(&lost, 1);
}

void audit_event(const char *event, const struct audit_field *fields, size_t count)
{
    int error = errno;
    if (atomic_load_explicit(&unannounced, memory_order_relaxed) != NULL)
        (void)announce();
    (void)event_write(event, fields, count);
    errno = error;
}
