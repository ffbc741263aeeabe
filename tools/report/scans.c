/*
 * Reads what `pfswrap scan --json` printed. See scans.h.
 */
#include "scans.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "json_line.h"
#include "tally.h"
#include "../message.h"

enum { FILE_MAX = 32 * 1024 * 1024, OBJECT_MAX = 64 * 1024, DEPTH_TARGET = 2, DEPTH_ROW = 3 };

const char *const scanned_answer_ids[SCANNED_ANSWERS] = {"accepted", "refused", "unclear", "not-probed"};

/* The members of one object, as they are read. */
struct members {
    struct scanned_target target;
    char offered[SCANNED_TEXT], detail[SCANNED_TEXT], policy[SCANNED_TEXT], answer[SCANNED_TEXT];
    char schema[8];
};

static void copy(char *to, size_t size, const char *value)
{
    char clean[TALLY_KEY_MAX + 1];
    (void)tally_clean(clean, value);
    (void)snprintf(to, size, "%s", clean);
}

static void take_member(void *context, const char *key, char *value)
{
    struct members *const members = context;
    struct scanned_target *const target = &members->target;
    const struct {
        const char *key;
        char *to;
        size_t size;
    } known[] = {
        {"time", target->made, SCANNED_TEXT},
        {"address", target->address, SCANNED_TEXT},
        {"name", target->name, SCANNED_TEXT},
        {"program", target->program, SCANNED_TEXT},
        {"mode", target->mode, SCANNED_TEXT},
        {"rule", target->rule, SCANNED_TEXT},
        {"offered", members->offered, SCANNED_TEXT},
        {"detail", members->detail, SCANNED_TEXT},
        {"answer", members->answer, SCANNED_TEXT},
        {"policy", members->policy, SCANNED_TEXT},
        {"schema", members->schema, sizeof members->schema},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(key, known[i].key) == 0)
            copy(known[i].to, known[i].size, value);
}

/* Reads the members of the object at text[0..length), which stays as it is. False: it is wrong, or too large. */
static bool read_object(const char *text, size_t length, struct members *members)
{
    char *const object = malloc(length + 1);
    *members = (struct members){.schema = ""};
    if (object == NULL)
        return false;
    memcpy(object, text, length);
    object[length] = '\0';
    const bool is_good = json_line_read(object, length, take_member, members);
    free(object);
    return is_good;
}

static bool add_row(struct scans *scans, const struct members *members)
{
    size_t answer = 0;
    while (answer < SCANNED_ANSWERS && strcmp(members->answer, scanned_answer_ids[answer]) != 0)
        answer++;
    if (answer == SCANNED_ANSWERS || members->offered[0] == '\0')
        return false;
    struct scanned_target *const target = &scans->targets[scans->target_count - 1];
    const bool is_outside = answer == SCANNED_ACCEPTED && strcmp(members->policy, "forbids") == 0;
    target->answers[answer]++;
    target->outside += is_outside;
    scans->is_cut |= scans->row_count == SCANNED_ROWS_MAX;
    if (scans->row_count == SCANNED_ROWS_MAX)
        return true;
    const struct scanned_row row = {strdup(members->offered),
                                    strdup(members->detail),
                                    strdup(members->policy),
                                    (enum scanned_answer)answer,
                                    is_outside,
                                    scans->target_count - 1};
    scans->rows[scans->row_count++] = row;
    return row.offered != NULL && row.detail != NULL && row.policy != NULL;
}

/* Begins a target; its members come when its object has ended. False: there is no more room. */
static bool begin_target(struct scans *scans, const char *file)
{
    scans->is_cut |= scans->target_count == SCANNED_MAX;
    if (scans->target_count == SCANNED_MAX)
        return false;
    scans->targets[scans->target_count++] = (struct scanned_target){.file = file};
    return true;
}

static bool end_target(struct scans *scans, const struct members *members)
{
    struct scanned_target *const target = &scans->targets[scans->target_count - 1];
    struct scanned_target named = members->target;
    named.file = target->file;
    memcpy(named.answers, target->answers, sizeof named.answers);
    named.outside = target->outside;
    (void)snprintf(named.policy, sizeof named.policy, "%s", members->policy);
    *target = named;
    return named.address[0] != '\0';
}

/* Takes the targets and their rows out of a document that is JSON. NULL, or what is wrong with it. */
static const char *read_targets(struct scans *scans, const char *file, const char *text)
{
    const char *begin[DEPTH_ROW + 1] = {NULL};
    struct members members;
    size_t depth = 0;
    bool in_string = false;
    for (const char *at = text; *at != '\0'; at++) {
        if (in_string && *at == '\\' && at[1] != '\0')
            at++;
        else if (*at == '"')
            in_string = !in_string;
        else if (!in_string && *at == '{') {
            if (++depth > DEPTH_ROW)
                return "its objects are nested deeper than those of a scan";
            begin[depth] = at;
            if (depth == DEPTH_TARGET && !begin_target(scans, file))
                return NULL;
        } else if (!in_string && *at == '}') {
            const size_t length = (size_t)(at + 1 - begin[depth]);
            if (depth == DEPTH_ROW &&
                (length > OBJECT_MAX || !read_object(begin[depth], length, &members) || !add_row(scans, &members)))
                return "a row is not one of a scan";
            if (depth == DEPTH_TARGET &&
                (!read_object(begin[depth], length, &members) || !end_target(scans, &members)))
                return "a target is not one of a scan";
            depth--;
        }
    }
    return NULL;
}

static const char *read_text(struct scans *scans, const char *file, char *text, size_t length)
{
    const size_t first = scans->target_count;
    struct members members;
    for (char *at = text; *at != '\0'; at++) /* the reader takes one line */
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    if (strlen(text) != length || !utf8_check(text, length) || !read_object(text, length, &members))
        return "it is not JSON";
    if (strcmp(members.schema, "1") != 0)
        return "it lacks \"schema\": 1";
    const char *const problem = read_targets(scans, file, text);
    for (size_t i = first; i < scans->target_count; i++)
        (void)snprintf(scans->targets[i].made, SCANNED_TEXT, "%s", members.target.made);
    return problem;
}

static const char *read_file(struct scans *scans, const char *path)
{
    FILE *const file = fopen(path, "re");
    if (file == NULL)
        return strerror(errno);
    char *const text = malloc(FILE_MAX + 1);
    if (text == NULL) {
        (void)fclose(file);
        return strerror(ENOMEM);
    }
    const size_t length = fread(text, 1, FILE_MAX, file);
    const char *problem = ferror(file) ? strerror(errno) : length == FILE_MAX ? "it has 32 MiB or more" : NULL;
    text[length] = '\0';
    if (problem == NULL)
        problem = read_text(scans, path, text, length);
    free(text);
    (void)fclose(file);
    return problem;
}

int scans_load(struct scans *scans, const char *const *files, size_t count)
{
    if (count == 0)
        return 0;
    scans->targets = calloc(SCANNED_MAX, sizeof *scans->targets);
    scans->rows = calloc(SCANNED_ROWS_MAX, sizeof *scans->rows);
    if (scans->targets == NULL || scans->rows == NULL) {
        message("not enough memory for the scans");
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const char *const problem = read_file(scans, files[i]);
        if (problem != NULL) {
            message("--scan %s: %s, expected what pfswrap scan --json prints", files[i], problem);
            return -1;
        }
    }
    return 0;
}

uint64_t scans_outside(const struct scans *scans)
{
    uint64_t count = 0;
    for (size_t i = 0; i < scans->target_count; i++)
        count += scans->targets[i].outside;
    return count;
}

const char *scanned_verdict(char text[SCANNED_TEXT], const struct scanned_target *target)
{
    const uint64_t unclear = target->answers[SCANNED_UNCLEAR];
    if (target->outside > 0)
        (void)snprintf(text, SCANNED_TEXT, "%" PRIu64 " accepted outside the policy", target->outside);
    else if (target->answers[SCANNED_ACCEPTED] + target->answers[SCANNED_REFUSED] == 0)
        (void)snprintf(text, SCANNED_TEXT, "not shown: the port gave no clear answer");
    else
        (void)snprintf(text, SCANNED_TEXT, "nothing outside the policy%s",
                       unclear > 0 ? ", but not all is clear" : "");
    return text;
}
