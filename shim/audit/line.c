/*
 * The parts of a line: bytes, numbers, JSON strings (RFC 8259) and times in UTC (RFC 3339). See line.h.
 */
#include "audit/line.h"

#include <string.h>

#include "base/utf8.h"

bool line_put(struct line *line, const char *bytes, size_t length)
{
    if (line->length + length > line->room)
        return false;
    memcpy(line->text + line->length, bytes, length);
    line->length += length;
    return true;
}

bool line_puts(struct line *line, const char *text)
{
    return line_put(line, text, strlen(text));
}

/* Adds a decimal number with leading zeros up to `width`. With printf() this would take half the time of a line. */
void line_put_digits(struct line *line, unsigned long long value, int width)
{
    enum { DIGITS_MAX = 20 };
    char digits[DIGITS_MAX];
    int first = DIGITS_MAX;
    for (; value != 0 || width > 0; value /= 10, width--)
        digits[--first] = (char)('0' + value % 10);
    line_put(line, digits + first, (size_t)(DIGITS_MAX - first));
}

void line_put_number(struct line *line, long long value)
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
    size_t room = line->length < line->room ? line->room - line->length : 0;
    line_put(line, (const char *)s, length < room ? length : room);
    return length <= room;
}

void line_put_string(struct line *line, const char *value)
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
    line->text[line->length++] = '"'; /* there is room behind line->room */
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

void line_put_time(struct line *line, int64_t time_ns)
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
