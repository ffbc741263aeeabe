/*
 * An entry is lines NAME=VALUE up to an empty line. A value with a newline, or one that is not UTF-8, is written
 * otherwise: NAME, a newline, its length as 8 bytes (little-endian), the value, a newline. See reader_export.h.
 */
#include "reader_export.h"

#include <string.h>

#include "json_line.h"

enum { NAME_MAX = 64 /* bytes of a field's name, with the terminator (systemd) */ };

struct entry {
    struct reader *reader;
    struct record *record;
    size_t used; /* of reader->entry */
    bool is_broken;
    enum damage damage;
};

/* Only these values are kept. */
static bool is_wanted(const char *name)
{
    return strncmp(name, "PFSWRAP_", 8) == 0 || strcmp(name, "MESSAGE") == 0 || strcmp(name, "_HOSTNAME") == 0 ||
           strcmp(name, "_SYSTEMD_UNIT") == 0;
}

static void break_entry(struct entry *entry, enum damage damage)
{
    if (!entry->is_broken)
        entry->damage = damage;
    entry->is_broken = true;
}

/* Keeps a value whose bytes are already at reader->entry + used. */
static void keep(struct entry *entry, const char *name, size_t length)
{
    char *const value = entry->reader->entry + entry->used;
    value[length] = '\0';
    if (!utf8_check(value, length)) {
        if (strncmp(name, "PFSWRAP_", 8) == 0)
            break_entry(entry, DAMAGE_UTF8);
        return;
    }
    entry->used += length + 1;
    record_put(entry->record, name, value);
}

/* Whether there is room for a value. pfswrap writes none that is longer. */
static bool has_room(struct entry *entry, const char *name, uint64_t length)
{
    if (length <= READER_FIELD_MAX && entry->used + length + 1 < READER_ENTRY_MAX)
        return true;
    if (strncmp(name, "PFSWRAP_", 8) == 0)
        break_entry(entry, DAMAGE_LONG);
    return false;
}

/* Reads the value behind a line that is only a name. */
static void read_sized(struct entry *entry, const char *name)
{
    struct stream *const stream = &entry->reader->stream;
    unsigned char bytes[8];
    uint64_t length = 0;
    if (!log_stream_take(stream, (char *)bytes, sizeof bytes)) {
        break_entry(entry, DAMAGE_CUT);
        return;
    }
    for (size_t i = sizeof bytes; i > 0; i--)
        length = length << 8 | bytes[i - 1];
    const bool is_kept = is_wanted(name) && has_room(entry, name, length);
    char newline = '\0';
    if (!log_stream_take(stream, is_kept ? entry->reader->entry + entry->used : NULL, length) ||
        !log_stream_take(stream, &newline, 1))
        break_entry(entry, DAMAGE_CUT);
    else if (newline != '\n')
        break_entry(entry, DAMAGE_NO_JSON);
    else if (is_kept)
        keep(entry, name, (size_t)length);
}

static void read_field(struct entry *entry, char *line, size_t length)
{
    const char *const equals = memchr(line, '=', length);
    const size_t name_length = equals != NULL ? (size_t)(equals - line) : length;
    char name[NAME_MAX + 1];
    if (name_length == 0 || name_length > NAME_MAX || memchr(line, '\0', name_length) != NULL) {
        break_entry(entry, DAMAGE_NO_JSON);
        return;
    }
    memcpy(name, line, name_length);
    name[name_length] = '\0';
    if (equals == NULL) {
        read_sized(entry, name);
        return;
    }
    const size_t value_length = length - name_length - 1;
    if (name[0] == '_' && name[1] == '_')
        record_put(entry->record, name, name);
    if (!is_wanted(name) || !has_room(entry, name, value_length))
        return;
    memcpy(entry->reader->entry + entry->used, equals + 1, value_length);
    keep(entry, name, value_length);
}

enum reading reader_export_entry(struct reader *reader, char *line, size_t length, bool is_cut,
                                 struct record *record, enum damage *damage)
{
    struct entry entry = {.reader = reader, .record = record};
    enum stream_result result = is_cut ? STREAM_CUT : STREAM_LINE;
    reader_keep_excerpt(reader, line, length);
    while (length > 0 && result != STREAM_END) {
        if (result == STREAM_LONG && strncmp(line, "PFSWRAP_", 8) == 0)
            break_entry(&entry, DAMAGE_LONG);
        else if (result != STREAM_LONG)
            read_field(&entry, line, length);
        if (result == STREAM_CUT)
            break;
        length = 0;
        result = log_stream_line(&reader->stream, &line, &length);
        reader->line++;
    }
    /* journalctl ends the last entry with an empty line, too. */
    if (result == STREAM_CUT || result == STREAM_END)
        break_entry(&entry, DAMAGE_CUT);
    *damage = entry.damage;
    if (!entry.is_broken)
        return reader_finish_entry(reader, record, damage);
    return record->text[FIELD_EVENT] != NULL || entry.damage == DAMAGE_CUT ? READING_DAMAGED : READING_FOREIGN;
}
