/*
 * Formats an event as an entry of systemd's journal, in its native protocol (systemd.io, "Native Journal
 * Protocol"): fields NAME=VALUE, one on each line. A value with a newline is written by its length instead, so no
 * value can forge a field. The fields are those of the JSON line, in capitals and with PFSWRAP_ in front, and the
 * usual ones of the journal: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, SYSLOG_FACILITY, MESSAGE_ID. See audit.h.
 */
#include <string.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "base/utf8.h"

enum {
    MESSAGE_MAX = 3072, /* bytes of MESSAGE; the fields have the rest */
    VALUE_MAX = 2048,   /* bytes of a field's value; more are cut */
    NUMBER_MAX = 24,    /* bytes of a number */
    LENGTH_BYTES = 8,   /* of the length in front of a value with a newline: little-endian */
};

/* Priorities of syslog(3). */
enum priority { WARNING = 4, NOTICE = 5, INFORMATION = 6 };

/* What the journal calls a kind of event: MESSAGE_ID never changes (journalctl(1), -x and MESSAGE_ID=...). */
static const struct kind {
    const char *event;
    enum priority priority;
    const char *id;
} kinds[] = {
    {"policy", INFORMATION, "55eb52580b5848e4b8c769be06c58321"},
    {"reload", NOTICE, "2042aea50eeecb2a225fb7d351cede9d"},
    {"lost", WARNING, "cd378d023efb43c39f2e688c326ce9d2"},
    {"expiring", NOTICE, "43a429984a224dae818657d32688568c"},
    {"expired", WARNING, "a2ed8bbd27d948c8ac2298549068c555"},
    {"handshake", INFORMATION, "6676808761784057b572bae0db666ec1"},
    {"override", NOTICE, "dc5e7e23990847b3b30594c6b2e57c68"},
    {"would-override", NOTICE, "cad0bdf27c4c417badd26ba52671e5f8"},
    {"refused", WARNING, "cf46b29d257b4155b91e2380e3eaf8f3"},
    {"would-refuse", WARNING, "680c7da5124d41d786b8ef695a1b204e"},
    {"failed", NOTICE, "164f581482714fa282ff60af62651c61"},
    {"unprotected", WARNING, "93dd9d5658a54711a70a067e3e7554f9"},
    {"opened", INFORMATION, "fc0074b72d464116a0a9e1ac5da362f3"},
    {"closed", INFORMATION, "46eac65c11e44816950e387c9bf78402"},
    {"plain", WARNING, "28228612648745579c4c91ca7ddc209a"},
    {"left", NOTICE, "77ea4a7b9538468baac362eaa8b21479"},
    {"observed", INFORMATION, "99c86f7e57b8467da1a615a13e54307d"},
    {"weak", WARNING, "e37eab6b16794fe7a3bcd5cfab8c32d8"},
    {"plaintext", NOTICE, "a8e5a7016b7a4db5ab939720e33a5898"},
    {"finding", NOTICE, "2b4ae74297eb474093c72250d503bdc0"},
    {"unjudged", NOTICE, "1b9e0f6644244c448f195970b880f147"},
};

static const struct kind *kind_of(const char *event)
{
    static const struct kind other = {.priority = NOTICE};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].event, event) == 0)
            return &kinds[i];
    return &other;
}

/* Adds text as it is, cut between two characters after VALUE_MAX bytes. A byte that is not UTF-8 becomes U+FFFD. */
static void put_text(struct line *line, const char *value)
{
    const size_t begin = line->length;
    for (const unsigned char *s = (const unsigned char *)value; *s != '\0';) {
        const size_t length = utf8_length(s);
        const char *const bytes = length != 0 ? (const char *)s : "\xef\xbf\xbd";
        const size_t added = length != 0 ? length : 3;
        if (line->length - begin + added > VALUE_MAX || !line_put(line, bytes, added))
            break;
        s += length != 0 ? length : 1;
    }
}

/* Adds the value of a string's field: behind "=", or behind its length if it has a newline. */
static void put_string_value(struct line *line, const char *value)
{
    if (strchr(value, '\n') == NULL) {
        line_puts(line, "=");
        put_text(line, value);
        return;
    }
    line_puts(line, "\n");
    const size_t place = line->length;
    line_put(line, (const char[LENGTH_BYTES]){0}, LENGTH_BYTES);
    put_text(line, value);
    const size_t length = line->length - place - LENGTH_BYTES;
    for (size_t i = 0; i < sizeof length; i++)
        line->text[place + i] = (char)(length >> (8 * i));
}

/* Adds a number or a boolean, as in JSON. */
static void put_other_value(struct line *line, const struct audit_field *field)
{
    if (field->type == AUDIT_NUMBER)
        line_put_number(line, field->value.number);
    else
        line_puts(line, field->value.boolean ? "true" : "false");
}

/* Whether the field has a value, and its name and a number fit before `room`. */
static bool is_written(const struct line *line, const struct audit_field *field)
{
    enum { AROUND_MAX = 32 }; /* the prefix, a length and newlines */
    return (field->type != AUDIT_STRING || field->value.string != NULL) &&
           line->length + strlen(field->key) + NUMBER_MAX + AROUND_MAX <= line->room;
}

static void put_field(struct line *line, const struct audit_field *field)
{
    if (!is_written(line, field))
        return;
    line_puts(line, "PFSWRAP_");
    for (const char *key = field->key; *key != '\0'; key++) {
        const bool is_small = *key >= 'a' && *key <= 'z';
        const char capital = (char)(is_small ? *key - 'a' + 'A' : *key);
        line_put(line, &capital, 1);
    }
    if (field->type == AUDIT_STRING) {
        put_string_value(line, field->value.string);
    } else {
        line_puts(line, "=");
        put_other_value(line, field);
    }
    line->text[line->length++] = '\n'; /* there is room behind line->room */
}

/* Whether the text can stand in MESSAGE without quotes. */
static bool is_a_word(const char *text)
{
    const char *s = text;
    while (*s > 0x20 && *s < 0x7f && *s != '"' && *s != '=' && *s != '\\')
        s++;
    return s > text && *s == '\0';
}

/* MESSAGE, for people: the event and its fields, as key=value. Text with blanks is quoted as in JSON. */
static void put_message(struct line *line, const char *event, const struct audit_field *fields, size_t count)
{
    const size_t room = line->room;
    line->room = MESSAGE_MAX;
    line_puts(line, "MESSAGE=");
    line_puts(line, event);
    for (size_t i = 0; i < count; i++) {
        if (!is_written(line, &fields[i]))
            continue;
        line_puts(line, " ");
        line_puts(line, fields[i].key);
        line_puts(line, "=");
        if (fields[i].type != AUDIT_STRING)
            put_other_value(line, &fields[i]);
        else if (!is_a_word(fields[i].value.string) || !line_puts(line, fields[i].value.string))
            line_put_string(line, fields[i].value.string);
    }
    line->text[line->length++] = '\n';
    line->room = room;
}

size_t audit_format_entry(char *entry, int64_t time_ns, long pid, const char *program, const char *event,
                          const struct audit_field *fields, size_t count)
{
    struct line line = {.text = entry, .room = AUDIT_ENTRY_MAX - 4};
    const struct kind *const kind = kind_of(event);
    put_message(&line, event, fields, count);
    line_puts(&line, "PRIORITY=");
    line_put_number(&line, (long long)kind->priority);
    line_puts(&line, "\nSYSLOG_IDENTIFIER=pfswrap\nSYSLOG_FACILITY=3\n"); /* daemon */
    if (kind->id != NULL) {
        line_puts(&line, "MESSAGE_ID=");
        line_puts(&line, kind->id);
        line_puts(&line, "\n");
    }
    line_puts(&line, "PFSWRAP_TIME=");
    line_put_time(&line, time_ns);
    line_puts(&line, "\n");
    const struct audit_field common[] = {AUDIT_S("event", event), AUDIT_N("pid", pid), AUDIT_S("program", program)};
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        put_field(&line, &common[i]);
    for (size_t i = 0; i < count; i++)
        put_field(&line, &fields[i]);
    return line.length;
}
