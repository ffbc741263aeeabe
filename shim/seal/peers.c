/*
 * Parses the text of a peers file: one key in each line, perhaps with a date until which it is valid. Messages have
 * the number of the line.
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "seal/keyring.h"

struct words {
    const char *at[4];
    size_t length[4];
    size_t count; /* 4 means more than a line may have */
};

static void split_words(const char *line, size_t length, struct words *words)
{
    size_t i = 0;

    words->count = 0;
    while (words->count < 4) {
        while (i < length && (line[i] == ' ' || line[i] == '\t'))
            i++;
        if (i == length)
            return;
        words->at[words->count] = line + i;
        while (i < length && line[i] != ' ' && line[i] != '\t')
            i++;
        words->length[words->count] = (size_t)(line + i - words->at[words->count]);
        words->count++;
    }
}

/*
 * Reads `count` digits at *text and, unless it is 0, the character `then`, and moves *text behind them. Returns the
 * number, or -1 if something else is there.
 */
static int read_number(const char **text, const char *end, int count, char then)
{
    int number = 0;

    if (end - *text < count + (then != 0))
        return -1;
    for (; count > 0; count--, (*text)++) {
        if (**text < '0' || **text > '9')
            return -1;
        number = number * 10 + (**text - '0');
    }
    if (then != 0 && *(*text)++ != then)
        return -1;
    return number;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 in the Gregorian calendar; the year is 1970 or later. */
static int64_t days_since_epoch(int year, int month, int day)
{
    const int64_t before = year - 1;
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400 - 719162;

    for (int m = 1; m < month; m++)
        days += days_in_month(year, m);
    return days + day - 1;
}

int64_t keyring_read_date(const char *text, size_t length)
{
    const char *const end = text + length;
    const bool whole_day = length == strlen("YYYY-MM-DD");
    const int year = read_number(&text, end, 4, '-');
    const int month = read_number(&text, end, 2, '-');
    const int day = read_number(&text, end, 2, whole_day ? 0 : 'T');
    int hour = 23, minute = 59, second = 59;

    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return -1;
    if (!whole_day) {
        hour = read_number(&text, end, 2, ':');
        minute = read_number(&text, end, 2, ':');
        second = read_number(&text, end, 2, 'Z');
    }
    if (text != end || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return -1;
    return ((days_since_epoch(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
}

/* Reads the optional third word. Returns 0, or -1 with *error filled. */
static int read_option(const char *word, size_t length, int64_t *not_after, struct pfswrap_keys_error *error)
{
    static const char key[] = "not-after=";
    const size_t prefix = sizeof key - 1;

    if (length < prefix || memcmp(word, key, prefix) != 0) {
        keys_error_set(error, "expected not-after=DATE, found \"%.*s\"", (int)(length < 64 ? length : 64), word);
        return -1;
    }
    if ((*not_after = keyring_read_date(word + prefix, length - prefix)) < 0) {
        keys_error_set(error, "expected a date YYYY-MM-DD or YYYY-MM-DDThh:mm:ssZ, found \"%.*s\"",
                       (int)(length - prefix < 64 ? length - prefix : 64), word + prefix);
        return -1;
    }
    return 0;
}

static int read_line(struct pfswrap_keyring *keyring, const char *line, size_t length,
                     struct pfswrap_keys_error *error)
{
    uint8_t public_key[PFSWRAP_KEY_BYTES];
    int64_t not_after = PFSWRAP_NEVER;
    char name[PFSWRAP_NAME_BYTES] = {0};
    struct words words;

    if (memchr(line, '\0', length) != NULL) {
        keys_error_set(error, "the line has a zero byte in it");
        return -1;
    }
    split_words(line, length, &words);
    if (words.count == 0 || words.at[0][0] == '#')
        return 0;
    if (words.count < 2 || words.count > 3) {
        keys_error_set(error, "expected NAME BASE64-PUBLIC-KEY [not-after=DATE], found %s",
                       words.count < 2 ? "one word" : "more than three words");
        return -1;
    }
    if (words.length[0] >= sizeof name) {
        keys_error_set(error, "a name is at most %zu characters, this one has %zu", sizeof name - 1,
                       words.length[0]);
        return -1;
    }
    memcpy(name, words.at[0], words.length[0]);
    if (pfswrap_key_decode(public_key, words.at[1], words.length[1]) != 0) {
        keys_error_set(error,
                       "expected a public key of %d characters in base64, found %zu characters that are not a key",
                       PFSWRAP_KEY_TEXT_BYTES - 1, words.length[1]);
        return -1;
    }
    if (words.count == 3 && read_option(words.at[2], words.length[2], &not_after, error) != 0)
        return -1;
    return pfswrap_keyring_add_peer(keyring, name, public_key, not_after, error);
}

static int read_lines(struct pfswrap_keyring *keyring, const char *text, size_t length, const char *file,
                      struct pfswrap_keys_error *error)
{
    unsigned number = 1;

    for (size_t start = 0; start < length; number++) {
        const char *const newline = memchr(text + start, '\n', length - start);
        const size_t end = newline != NULL ? (size_t)(newline - text) : length;
        size_t line = end - start;
        struct pfswrap_keys_error reason;

        if (line > 0 && text[start + line - 1] == '\r')
            line--;
        if (read_line(keyring, text + start, line, &reason) != 0) {
            keys_error_set(error, "%.350s:%u: %.200s", file, number, reason.text);
            return -1;
        }
        start = end + 1;
    }
    return 0;
}

int pfswrap_keyring_parse_peers(struct pfswrap_keyring *keyring, const char *text, size_t length, const char *file,
                                struct pfswrap_keys_error *error)
{
    int result;

    if (keyring == NULL || file == NULL || (text == NULL && length > 0)) {
        keys_error_set(error, "an argument is missing");
        return -1;
    }
    if (keyring_begin_adding(keyring) != 0) {
        keys_error_set(error, "%.400s: the keyring cannot be made writable", file);
        return -1;
    }
    result = read_lines(keyring, text, length, file, error);
    keyring_end_adding(keyring);
    return result;
}
