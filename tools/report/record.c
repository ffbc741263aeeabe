/*
 * The fields of a line: where they are stored, and what every line must have. See record.h.
 */
#include "record.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "moment.h"

const char *const event_words[EVENT_COUNT] = {
#define X(name, word) word,
    REPORT_EVENTS(X)
#undef X
};

const char *const damage_words[DAMAGE_COUNT] = {
    [DAMAGE_NO_JSON] = "not one JSON object",
    [DAMAGE_CUT] = "the log ends in the middle of the line",
    [DAMAGE_LONG] = "longer than any line that pfswrap writes",
    [DAMAGE_UTF8] = "not UTF-8",
    [DAMAGE_FIELDS] = "without time, event, pid or program, or with a field that occurs twice",
    [DAMAGE_TIME] = "of a time that cannot be: before 2020 or in the future",
    [DAMAGE_EVENT] = "an event that this version does not know",
};

static const struct {
    const char *key;
    size_t length;
} fields[FIELD_COUNT_OF] = {
#define X(name, key) {key, sizeof(key) - 1},
    REPORT_FIELDS(X)
#undef X
};

static char **place_of(struct record *record, const char *key, size_t length)
{
    for (size_t i = 0; i < FIELD_COUNT_OF; i++)
        if (fields[i].length == length && memcmp(fields[i].key, key, length) == 0)
            return &record->text[i];
    return NULL;
}

/* A field of an entry of the journal: PFSWRAP_PEER_NAME is peer_name. */
static char **journal_place_of(struct record *record, const char *key)
{
    static const char prefix[] = "PFSWRAP_";
    char small[32];
    size_t length = 0;
    if (strcmp(key, "MESSAGE") == 0)
        return &record->message;
    if (strcmp(key, "_HOSTNAME") == 0)
        return &record->host;
    if (strcmp(key, "_SYSTEMD_UNIT") == 0)
        return &record->unit;
    if (strncmp(key, prefix, sizeof prefix - 1) != 0)
        return NULL;
    for (key += sizeof prefix - 1; *key != '\0' && length < sizeof small - 1; key++)
        small[length++] = (char)(*key >= 'A' && *key <= 'Z' ? *key - 'A' + 'a' : *key);
    return *key == '\0' ? place_of(record, small, length) : NULL;
}

void record_put(struct record *record, const char *key, char *value)
{
    const bool is_small = key[0] >= 'a' && key[0] <= 'z';
    if (strcmp(key, "__CURSOR") == 0 || strcmp(key, "__REALTIME_TIMESTAMP") == 0)
        record->is_journal = true;
    char **const place = is_small ? place_of(record, key, strlen(key)) : journal_place_of(record, key);
    if (place == NULL)
        return;
    record->has_repeated |= *place != NULL;
    *place = value;
}

const char *record_text(const struct record *record, enum field field)
{
    return record->text[field] != NULL ? record->text[field] : "";
}

uint64_t record_number(const struct record *record, enum field field)
{
    const char *const text = record_text(record, field);
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0')
        return 0;
    return strtoull(text, NULL, 10); /* a number that is too large becomes the largest one */
}

/* One line with a time of the year 9999 would make every chart useless. */
static bool is_possible(int64_t moment)
{
    static int64_t first, last;
    if (last == 0) {
        (void)moment_read("2020-01-01", &first);
        last = ((int64_t)time(NULL) + INT64_C(24) * 3600) * MOMENT_SECOND; /* clocks of machines differ */
    }
    return moment >= first && moment <= last;
}

/* A line with `count` was written after its events: `until` says when the last one happened. */
static void find_weight(struct record *record)
{
    record->weight = record->text[FIELD_COUNT] != NULL ? record_number(record, FIELD_COUNT) : 1;
    if (record->text[FIELD_UNTIL] == NULL || !moment_read(record->text[FIELD_UNTIL], &record->happened) ||
        record->happened > record->time || !is_possible(record->happened))
        record->happened = record->time;
}

bool record_finish(struct record *record, enum damage *damage)
{
    const char *const pid = record_text(record, FIELD_PID);
    const char *const event = record_text(record, FIELD_EVENT);
    *damage = DAMAGE_FIELDS;
    if (record->has_repeated || event[0] == '\0' || record->text[FIELD_PROGRAM] == NULL || pid[0] == '\0' ||
        pid[strspn(pid, "0123456789")] != '\0' || !moment_read(record_text(record, FIELD_TIME), &record->time))
        return false;
    *damage = DAMAGE_TIME;
    if (!is_possible(record->time))
        return false;
    for (size_t i = 0; i < EVENT_COUNT; i++)
        if (strcmp(event, event_words[i]) == 0) {
            record->event = (enum event)i;
            find_weight(record);
            return true;
        }
    *damage = DAMAGE_EVENT;
    return false;
}
