/*
 * Finds the record in a line. See reader.h; reader_export.c has the entries of `journalctl -o export`.
 */
#include "reader.h"

#include <stdio.h>
#include <string.h>

#include "json_line.h"
#include "reader_export.h"

int reader_open(struct reader *reader, const char *path, char *problem, size_t size)
{
    reader->line = 0;
    reader->is_export = false;
    reader->format = NULL;
    reader->host[0] = reader->excerpt[0] = '\0';
    return log_stream_open(&reader->stream, path, problem, size);
}

void reader_keep_excerpt(struct reader *reader, const char *line, size_t length)
{
    const size_t shown = length < READER_EXCERPT_MAX ? length : READER_EXCERPT_MAX;
    memcpy(reader->excerpt, line, shown);
    reader->excerpt[shown] = '\0';
    for (char *c = reader->excerpt; c < reader->excerpt + shown; c++)
        if (*c == '\0')
            *c = '?';
}

static void put(void *record, const char *key, char *value)
{
    record_put(record, key, value);
}

/* Keeps the text, which is changed when it is read. */
static void keep_raw(struct reader *reader, const char *text, size_t length)
{
    reader->raw_length = length <= READER_RAW_MAX ? length : 0;
    memcpy(reader->raw, text, reader->raw_length);
}

/* MESSAGE of a program that logs to standard error or syslog: a line of JSON within the entry. */
static bool read_message(struct reader *reader, struct record *record)
{
    char *const message = record->message;
    struct record inner = {.host = record->host, .unit = record->unit};
    enum damage damage;
    if (message != NULL)
        keep_raw(reader, message, strlen(message));
    if (message == NULL || message[0] != '{' || !json_line_read(message, strlen(message), put, &inner) ||
        !record_finish(&inner, &damage))
        return false;
    inner.is_journal = true;
    *record = inner;
    return true;
}

enum reading reader_finish_entry(struct reader *reader, struct record *record, enum damage *damage)
{
    (void)snprintf(reader->host, sizeof reader->host, "%s", record->host != NULL ? record->host : "");
    record->is_journal = true;
    if (record->text[FIELD_EVENT] != NULL)
        return record_finish(record, damage) ? READING_RECORD : READING_DAMAGED;
    return read_message(reader, record) ? READING_RECORD : READING_FOREIGN;
}

/*
 * The JSON behind the prefix that a syslog daemon writes: "Nov 22 03:12:04 web pfswrap[2313]: {...}", or with a
 * time of RFC 3339. Returns the line itself if there is no such prefix, NULL for the line of another program.
 */
static char *skip_prefix(struct reader *reader, char *line)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const size_t old = strnlen(line, 16) == 16 && line[3] == ' ' && line[6] == ' ' && line[15] == ' ' ? 16 : 0;
    char first[4] = {0};
    if (old != 0)
        memcpy(first, line, sizeof first - 1);
    char *at = line;
    reader->host[0] = '\0';
    if (old != 0 && strstr(months, first) != NULL)
        at += old;
    else if (strncmp(line, "20", 2) == 0 && strnlen(line, 20) == 20 && line[10] == 'T' && strchr(line, ' ') != NULL)
        at = strchr(line, ' ') + 1;
    else
        return line;
    char *const name = strchr(at, ' ');
    if (name == NULL || strncmp(name, " pfswrap[", 9) != 0)
        return NULL;
    (void)snprintf(reader->host, sizeof reader->host, "%.*s", (int)(name - at), at);
    char *const json = strstr(name, "]: {");
    return json != NULL ? json + 3 : NULL;
}

static enum reading read_line(struct reader *reader, char *line, size_t length, bool is_cut, struct record *record,
                              enum damage *damage)
{
    line[length] = '\0';
    reader_keep_excerpt(reader, line, length);
    *damage = DAMAGE_UTF8;
    if (!utf8_check(line, length))
        return READING_DAMAGED;
    *damage = is_cut ? DAMAGE_CUT : DAMAGE_NO_JSON;
    char *const json = skip_prefix(reader, line);
    if (json == NULL)
        return READING_FOREIGN;
    keep_raw(reader, json, length - (size_t)(json - line));
    if (json[0] != '{' || !json_line_read(json, length - (size_t)(json - line), put, record))
        return READING_DAMAGED;
    if (!record->is_journal) {
        reader->format = json == line ? "lines of JSON" : "syslog";
        return record_finish(record, damage) ? READING_RECORD : READING_DAMAGED;
    }
    reader->format = "journal, JSON";
    reader->raw_length = 0;
    return reader_finish_entry(reader, record, damage);
}

/* Whether the line consists of blanks. */
static bool is_empty(const char *line, size_t length)
{
    size_t i = 0;
    while (i < length && (line[i] == ' ' || line[i] == '\r'))
        i++;
    return i == length;
}

enum reading reader_next(struct reader *reader, struct record *record, enum damage *damage)
{
    for (;;) {
        char *line;
        size_t length;
        *record = (struct record){0};
        reader->raw_length = 0;
        const enum stream_result result = log_stream_line(&reader->stream, &line, &length);
        if (result == STREAM_END)
            return READING_END;
        reader->line++;
        if (result == STREAM_LONG) {
            reader_keep_excerpt(reader, line, length);
            *damage = DAMAGE_LONG;
            return READING_DAMAGED;
        }
        if (is_empty(line, length))
            continue;
        if (!reader->is_export && reader->format == NULL && length > 9 && memcmp(line, "__CURSOR=", 9) == 0) {
            reader->is_export = true;
            reader->format = "journal, export";
        }
        if (reader->is_export)
            return reader_export_entry(reader, line, length, result == STREAM_CUT, record, damage);
        return read_line(reader, line, length, result == STREAM_CUT, record, damage);
    }
}
