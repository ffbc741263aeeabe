/*
 * Converts the text of values that several sections use: choices, paths, names, numbers, durations, base64 and
 * comma-separated lists. Each message names the key and what was expected.
 */
#include "base/large.h"
#include "policy/parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const policy_words_mode[] = {"enforce", "audit", NULL};
const char *const policy_words_log_failure[] = {"continue", "refuse", NULL};
const char *const policy_words_log_handshakes[] = {"all", "summary", "off", NULL};
const char *const policy_words_children[] = {"protect", "allow", "require", NULL};
const char *const policy_words_io_uring[] = {"log", "no-new-privs", "require", NULL};
const char *const policy_words_tickets[] = {"allow", "refuse", NULL};
const char *const policy_words_verify[] = {"application", "require", NULL};
const char *const policy_words_dtls[] = {"ecdhe", "refuse", NULL};
const char *const policy_words_wire_tls[] = {"pfs", "log", "off", NULL};
const char *const policy_words_finding[] = {"off", "log", NULL};
const char *const policy_words_plaintext[] = {"log", "refuse", "starttls", "allow", NULL};
const char *const policy_words_seal[] = {"off", "require", "prefer", NULL};
const char *const policy_words_post_quantum[] = {"off", "allow", "require", NULL};
const char *const policy_words_padding[] = {"off", "allow", "padme", NULL}; /* or block:BYTES */
const char *const policy_words_layer[] = {"socket", "tls", NULL};
const char *const policy_words_reload[] = {"off", "request", "auto", NULL};
const char *const policy_words_removal[] = {"rehandshake", "now", NULL};
const char *const policy_words_transparency[] = {"off", "log", "require", NULL};
const char *const policy_words_expired[] = {"log", "refuse", NULL};
const char *const policy_words_direction[] = {"listen", "connect", NULL};

int policy_value_choose(struct policy_parser *parser, const char *value, const char *const words[])
{
    char expected[128] = "";
    size_t used = 0;
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(value, words[i]) == 0)
            return i;
        const char *between = i == 0 ? "" : words[i + 1] != NULL ? ", " : " or ";
        if (used < sizeof expected)
            used += (size_t)snprintf(expected + used, sizeof expected - used, "%s%s", between, words[i]);
    }
    return policy_fail(parser, "%s = %.80s, expected %s", parser->key->name, value, expected);
}

/*
 * The folder for credentials, as the environment had it when the policy was first read. A reload reads it in a
 * thread of its own, beside a program that may be changing its environment (setenv(3)).
 */
LARGE static char credentials[PATH_MAX];
static bool has_credentials; /* false: the variable is not set, or is no absolute path */

void policy_read_environment(void)
{
    const char *const folder = secure_getenv("CREDENTIALS_DIRECTORY");
    has_credentials = folder != NULL && folder[0] == '/' && strlen(folder) < sizeof credentials;
    if (has_credentials)
        memcpy(credentials, folder, strlen(folder) + 1);
}

/*
 * The one variable that a path may begin with: the folder in which systemd lays the credentials of a service
 * (systemd.exec(5)). Sets *rest to what follows it. Returns the folder; "" if `value` does not begin with the
 * variable; or NULL after policy_fail().
 */
static const char *credentials_folder(struct policy_parser *parser, const char *value, const char **rest)
{
    static const char variable[] = "$CREDENTIALS_DIRECTORY";
    *rest = value;
    if (strncmp(value, variable, sizeof variable - 1) != 0 || value[sizeof variable - 1] != '/')
        return "";
    if (has_credentials) {
        *rest = value + sizeof variable - 1;
        return credentials;
    }
    (void)policy_fail(parser,
                      "%s = %.80s, but the variable is not set, expected a systemd service with credentials",
                      parser->key->name, value);
    return NULL;
}

int policy_value_path(struct policy_parser *parser, const char *value, char *path)
{
    const char *rest, *const folder = credentials_folder(parser, value, &rest);
    if (folder == NULL)
        return -1;
    if (rest[0] != '/')
        return policy_fail(parser, "%s = %.80s, expected an absolute path", parser->key->name, value);
    const size_t length = strlen(rest), used = strlen(folder);
    if (used + length >= PATH_MAX)
        return policy_fail(parser, "%s has a path of %zu bytes, expected at most %d", parser->key->name,
                           used + length, PATH_MAX - 1);
    (void)stpcpy(stpcpy(path, folder), rest);
    return 0;
}

int policy_value_name(struct policy_parser *parser, const char *value, char *name)
{
    size_t length = strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-@");
    const char *what = parser->key != NULL ? parser->key->name : "name";
    if (length == 0 || value[length] != '\0')
        return policy_fail(parser, "%s = %.80s, expected a name of letters, digits, '.', '_', '-' and '@'", what,
                           value);
    if (length >= POLICY_NAME_MAX)
        return policy_fail(parser, "%s has a name of %zu characters, expected at most %d", what, length,
                           POLICY_NAME_MAX - 1);
    memcpy(name, value, length + 1);
    return 0;
}

/*
 * Reads the decimal digits at the beginning of `text`. Returns how many there are, or 0 if the number has a leading
 * zero. *number is UINT32_MAX for larger numbers.
 */
static size_t digits_scan(const char *text, uint32_t *number)
{
    size_t length = strspn(text, "0123456789");
    uint64_t sum = 0;
    for (size_t i = 0; i < length; i++) {
        sum = sum * 10 + (uint64_t)(text[i] - '0');
        if (sum > UINT32_MAX)
            sum = UINT32_MAX;
    }
    *number = (uint32_t)sum;
    return length > 1 && text[0] == '0' ? 0 : length;
}

int policy_value_number(struct policy_parser *parser, const char *value, uint32_t least, uint32_t most,
                        uint32_t *number)
{
    size_t length = digits_scan(value, number);
    if (length == 0 || value[length] != '\0' || *number < least || *number > most)
        return policy_fail(parser, "%s = %.80s, expected a whole number from %u to %u", parser->key->name, value,
                           least, most);
    return 0;
}

int policy_value_duration(struct policy_parser *parser, const char *value, uint32_t *milliseconds)
{
    static const struct {
        const char *unit;
        uint32_t milliseconds;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}};
    const uint32_t hour = 60 * 60 * 1000;
    uint32_t number;
    size_t length = digits_scan(value, &number);
    if (length > 0)
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
            if (strcmp(value + length, units[i].unit) == 0 && number > 0 &&
                number <= hour / units[i].milliseconds) {
                *milliseconds = number * units[i].milliseconds;
                return 0;
            }
    return policy_fail(parser, "%s = %.80s, expected a duration from 1ms to 1h, such as 500ms, 10s or 2m",
                       parser->key->name, value);
}

int policy_value_period(struct policy_parser *parser, const char *value, uint32_t *seconds)
{
    enum { HOUR = 3600, DAY = 24 * HOUR, DAYS_MAX = 3650 };
    uint32_t number;
    const size_t length = digits_scan(value, &number);
    const uint32_t unit = strcmp(value + length, "d") == 0 ? DAY : strcmp(value + length, "h") == 0 ? HOUR : 0;
    if (strcmp(value, "off") == 0) {
        *seconds = 0;
        return 0;
    }
    if (length > 0 && unit != 0 && number > 0 && number <= DAYS_MAX * (DAY / unit)) {
        *seconds = number * unit;
        return 0;
    }
    return policy_fail(parser, "%s = %.80s, expected off, or a time from 1h to %dd, such as 12h or 90d",
                       parser->key->name, value, DAYS_MAX);
}

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* 32 bytes are 43 characters and one of padding. The last 2 bits of the 43 characters must be 0. */
int policy_base64_decode(const char *text, uint8_t bytes[static 32])
{
    if (strlen(text) != 44 || text[43] != '=')
        return -1;
    uint32_t bits = 0;
    size_t used = 0;
    for (size_t i = 0; i < 43; i++) {
        const char *place = strchr(base64_alphabet, text[i]);
        if (place == NULL)
            return -1;
        bits = bits << 6 | (uint32_t)(place - base64_alphabet);
        /* In each group of four characters, all but the first complete a byte. */
        if (i % 4 != 0)
            bytes[used++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
    }
    return (bits & 3) == 0 ? 0 : -1;
}

void policy_base64_encode(const uint8_t bytes[static 32], char text[static 45])
{
    for (size_t i = 0; i < 43; i++) {
        size_t bit = i * 6, byte = bit / 8;
        uint32_t pair = (uint32_t)bytes[byte] << 8 | (byte + 1 < 32 ? bytes[byte + 1] : 0u);
        text[i] = base64_alphabet[pair >> (10 - bit % 8) & 63];
    }
    text[43] = '=';
    text[44] = '\0';
}

int policy_value_next(struct policy_parser *parser, const char **rest, char *entry)
{
    if (*rest == NULL)
        return 0;
    const char *begin = *rest + strspn(*rest, " \t");
    const char *comma = strchrnul(begin, ',');
    size_t length = (size_t)(comma - begin);
    while (length > 0 && (begin[length - 1] == ' ' || begin[length - 1] == '\t'))
        length--;
    if (length == 0)
        return policy_fail(parser, "%s has an empty entry, expected a list such as A, B", parser->key->name);
    if (length >= POLICY_ENTRY_MAX)
        return policy_fail(parser, "%s has an entry of %zu characters, expected at most %d", parser->key->name,
                           length, POLICY_ENTRY_MAX - 1);
    memcpy(entry, begin, length);
    entry[length] = '\0';
    *rest = *comma == ',' ? comma + 1 : NULL;
    return 1;
}
