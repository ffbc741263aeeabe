/*
 * Reads the logs, those of one series in the order of their first records. See sources.h.
 */
#include "sources.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "moment.h"
#include "../message.h"

enum { PEEK_LINES = 10000, PROGRESS_LINES = 4096 };

static struct reader reader; /* too large for the stack */

/* Cuts a suffix of digits behind `separator`, with a minimum of them. */
static void cut_number(char *name, char separator, size_t minimum)
{
    char *const at = strrchr(name, separator);
    if (at == NULL || at == name)
        return;
    const size_t length = strspn(at + 1, "0123456789");
    if (length >= minimum && at[1 + length] == '\0')
        *at = '\0';
}

static void name_series(struct source *source)
{
    static const char *const endings[] = {".gz", ".xz", ".bz2", ".zst"};
    char *const name = source->series;
    (void)tally_clean(name, source->path);
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        const size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0) {
            name[length - ending] = '\0';
            break;
        }
    }
    cut_number(name, '.', 1); /* audit.jsonl.2 */
    cut_number(name, '-', 8); /* audit.jsonl-20261122 */
}

/* Reads the beginning of a log: when it begins, and with which line. */
static void peek(struct source *source)
{
    struct record record;
    enum damage damage;
    char ignored[SOURCE_PROBLEM];
    source->begins = INT64_MAX;
    if (strcmp(source->path, "-") == 0 || reader_open(&reader, source->path, ignored, sizeof ignored) < 0)
        return;
    for (int i = 0; i < PEEK_LINES && source->begins == INT64_MAX; i++) {
        const enum reading reading = reader_next(&reader, &record, &damage);
        if (reading == READING_END)
            break;
        if (source->first_hash == 0)
            source->first_hash = tally_hash(reader.excerpt, strlen(reader.excerpt)) | 1;
        if (reading == READING_RECORD)
            source->begins = record.time;
    }
    (void)log_stream_close(&reader.stream, true, ignored, sizeof ignored);
}

static int compare(const void *left, const void *right)
{
    const struct source *const a = left, *const b = right;
    const int order = strcmp(a->series, b->series);
    if (order != 0)
        return order;
    if (a->begins != b->begins)
        return a->begins < b->begins ? -1 : 1;
    return strcmp(a->path, b->path);
}

/* Finds logs that are the same file, or that seem to be copies. */
static void find_copies(struct sources *sources)
{
    for (size_t i = 1; i < sources->count; i++)
        for (size_t j = 0; j < i; j++) {
            struct source *const one = &sources->list[i];
            const struct source *const other = &sources->list[j];
            if (other->is_skipped)
                continue;
            if (one->inode != 0 && one->inode == other->inode && one->device == other->device)
                one->is_skipped = true;
            if (one->is_skipped || (one->first_hash != 0 && one->first_hash == other->first_hash &&
                                    one->begins == other->begins && one->begins != INT64_MAX))
                one->copy_of = other->path;
        }
}

int sources_open(struct sources *sources, char **paths, size_t count)
{
    sources->list = calloc(count, sizeof *sources->list);
    if (sources->list == NULL) {
        message("not enough memory for %zu logs", count);
        return -1;
    }
    sources->count = count;
    for (size_t i = 0; i < count; i++) {
        struct source *const source = &sources->list[i];
        struct stat status;
        source->path = paths[i];
        source->first = source->last = MOMENT_NONE;
        name_series(source);
        if (strcmp(source->path, "-") != 0 && stat(source->path, &status) == 0 && S_ISREG(status.st_mode)) {
            source->device = status.st_dev;
            source->inode = status.st_ino;
            source->size = (uint64_t)status.st_size;
            peek(source);
        } else {
            source->begins = INT64_MAX;
        }
    }
    qsort(sources->list, count, sizeof *sources->list, compare);
    find_copies(sources);
    return 0;
}

/* Where a record comes from: the unit of a machine, a machine, or the series of its file. */
static const char *origin_of(const struct source *source, const struct record *record, char origin[ORIGIN_MAX])
{
    if (record->is_journal && record->unit != NULL)
        (void)snprintf(origin, ORIGIN_MAX, "%s%s%s", reader.host, reader.host[0] != '\0' ? ", " : "", record->unit);
    else if (reader.host[0] != '\0')
        (void)snprintf(origin, ORIGIN_MAX, "%s", reader.host);
    else
        (void)snprintf(origin, ORIGIN_MAX, "%s", source->series);
    return origin;
}

static void add_damage(struct sources *sources, struct source *source, enum damage damage)
{
    source->damaged++;
    sources->damaged[damage]++;
    source->ends_within_line |= damage == DAMAGE_CUT;
    if (sources->example_count == EXAMPLES_MAX)
        return;
    struct example *const example = &sources->examples[sources->example_count++];
    *example = (struct example){.source = source, .line = reader.line, .damage = damage};
    (void)tally_clean(example->excerpt, reader.excerpt);
}

static void add_record(struct source *source, const struct source_receiver *receiver, const struct record *record)
{
    char origin[ORIGIN_MAX];
    source->events++;
    if (source->first == MOMENT_NONE || record->time < source->first)
        source->first = record->time;
    if (record->time > source->last)
        source->last = record->time;
    if (receiver->add != NULL)
        receiver->add(receiver->context, record, origin_of(source, record, origin));
    if (receiver->add_line != NULL)
        receiver->add_line(receiver->context, record, source->path, &reader);
}

static void read_source(struct sources *sources, struct source *source, const struct source_receiver *receiver,
                        struct progress *progress)
{
    struct record record;
    enum damage damage;
    enum reading reading;
    if (reader_open(&reader, source->path, source->problem, sizeof source->problem) < 0)
        return;
    while ((reading = reader_next(&reader, &record, &damage)) != READING_END) {
        if (source->lines++ % PROGRESS_LINES == 0)
            progress_show(progress, log_stream_position(&reader.stream));
        if (reading == READING_RECORD) {
            add_record(source, receiver, &record);
        } else if (reading == READING_DAMAGED) {
            add_damage(sources, source, damage);
            if (receiver->add_damage != NULL)
                receiver->add_damage(receiver->context, damage, source->path, reader.line);
        } else {
            source->foreign++;
        }
    }
    sources->foreign += source->foreign;
    source->format = reader.format;
    (void)log_stream_close(&reader.stream, false, source->problem, sizeof source->problem);
}

void sources_read(struct sources *sources, const struct source_receiver *receiver, struct progress *progress)
{
    uint64_t total = 0;
    for (size_t i = 0; i < sources->count; i++)
        total += sources->list[i].is_skipped ? 0 : sources->list[i].size;
    progress_start(progress, total);
    for (size_t i = 0; i < sources->count; i++) {
        struct source *const source = &sources->list[i];
        if (source->is_skipped)
            continue;
        read_source(sources, source, receiver, progress);
        progress_next(progress, source->size);
    }
    progress_end(progress);
}

bool sources_are_whole(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->list[i].problem[0] != '\0')
            return false;
    return true;
}
