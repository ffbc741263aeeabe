/*
 * Times and durations as text. Dates are computed by eras of 400 years, without libc's time zones. See moment.h.
 */
#include "moment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DAYS_PER_ERA = 146097, DAYS_TO_EPOCH = 719468, DAY = 86400 };

/* Days since 1970-01-01; eras begin on 1 March. */
static int64_t day_of_date(int year, int month, int day)
{
    const int64_t shifted = year - (month <= 2);
    const int64_t era = shifted / 400;
    const int64_t of_era = shifted % 400;
    const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * DAYS_PER_ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_EPOCH;
}

/* Reads `width` digits. -1: there are fewer. */
static int digits(const char **text, int width)
{
    int value = 0;
    for (; width > 0; width--, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        value = 10 * value + (**text - '0');
    }
    return value;
}

/* Whether the next character is this one; steps over it. */
static bool is_next(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static bool read_date(const char **text, int64_t *day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int year = digits(text, 4);
    if (year < 1970 || !is_next(text, '-'))
        return false;
    const int month = digits(text, 2);
    if (month < 1 || month > 12 || !is_next(text, '-'))
        return false;
    const int of_month = digits(text, 2);
    const bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (of_month < 1 || of_month > days[month - 1] + (month == 2 && is_leap))
        return false;
    *day = day_of_date(year, month, of_month);
    return true;
}

bool moment_read(const char *text, int64_t *moment)
{
    int64_t day, fraction = 0, unit = MOMENT_SECOND;
    if (!read_date(&text, &day))
        return false;
    *moment = day * DAY * MOMENT_SECOND;
    if (*text == '\0')
        return true;
    if (!is_next(&text, 'T'))
        return false;
    const int hour = digits(&text, 2);
    if (hour < 0 || hour > 23 || !is_next(&text, ':'))
        return false;
    const int minute = digits(&text, 2);
    if (minute < 0 || minute > 59 || !is_next(&text, ':'))
        return false;
    const int second = digits(&text, 2);
    if (second < 0 || second > 60)
        return false;
    if (is_next(&text, '.')) {
        if (*text < '0' || *text > '9')
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            unit /= 10;
            fraction += (*text - '0') * unit;
        }
    }
    *moment += ((int64_t)hour * 3600 + (int64_t)minute * 60 + second) * MOMENT_SECOND + fraction;
    return strcmp(text, "Z") == 0;
}

static void write_date(char text[MOMENT_TEXT], int64_t moment, char between, bool is_exact)
{
    const int64_t seconds = moment / MOMENT_SECOND;
    const int64_t shifted = seconds / DAY + DAYS_TO_EPOCH;
    const int64_t era = shifted / DAYS_PER_ERA, of_era = shifted % DAYS_PER_ERA;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t shifted_month = (5 * of_year + 2) / 153;
    const int day = (int)(of_year - (153 * shifted_month + 2) / 5 + 1);
    const int month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    const int year = (int)(year_of_era + era * 400 + (month <= 2));
    const int of_day = (int)(seconds % DAY);
    int length = snprintf(text, MOMENT_TEXT, "%04d-%02d-%02d%c%02d:%02d:%02d", year, month, day, between,
                          of_day / 3600, of_day / 60 % 60, of_day % 60);
    if (is_exact)
        (void)snprintf(text + length, (size_t)(MOMENT_TEXT - length), ".%06dZ", (int)(moment % MOMENT_SECOND));
}

const char *moment_write(char text[MOMENT_TEXT], int64_t moment)
{
    if (moment < 0)
        (void)snprintf(text, MOMENT_TEXT, "-");
    else
        write_date(text, moment, ' ', false);
    return text;
}

const char *moment_write_rfc3339(char text[MOMENT_TEXT], int64_t moment)
{
    write_date(text, moment < 0 ? 0 : moment, 'T', true);
    return text;
}

bool duration_read(const char *text, int64_t *duration)
{
    static const struct {
        char letter;
        int seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', DAY}};
    const size_t length = strspn(text, "0123456789");
    if (length == 0 || length > 9)
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (text[length] == units[i].letter && text[length + 1] == '\0') {
            *duration = strtoll(text, NULL, 10) * units[i].seconds * MOMENT_SECOND;
            return *duration > 0;
        }
    return false;
}

const char *duration_write(char text[MOMENT_TEXT], int64_t duration)
{
    const long long seconds = duration / MOMENT_SECOND;
    if (seconds >= DAY)
        (void)snprintf(text, MOMENT_TEXT, "%lld d %lld h", seconds / DAY, seconds % DAY / 3600);
    else if (seconds >= 3600)
        (void)snprintf(text, MOMENT_TEXT, "%lld h %lld min", seconds / 3600, seconds % 3600 / 60);
    else if (seconds >= 60)
        (void)snprintf(text, MOMENT_TEXT, "%lld min %lld s", seconds / 60, seconds % 60);
    else
        (void)snprintf(text, MOMENT_TEXT, "%lld.%02lld s", seconds,
                       (long long)(duration % MOMENT_SECOND) / (MOMENT_SECOND / 100));
    return text;
}
