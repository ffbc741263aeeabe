/*
 * Reads the logs for `pfswrap report --verify`, and prints what is wrong: FILE:LINE: what. See verify.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "reader.h"
#include "seal/keyring.h"
#include "sources.h"
#include "verify.h"
#include "../message.h"

enum { PROBLEMS_SHOWN = 100, OPEN_SHOWN = 20 };

static struct reader reader;
static struct verifier verifier;
static uint64_t problems, foreign;

static void tell(const char *path, uint64_t line, const char *subject, const char *problem)
{
    char clean[TALLY_KEY_MAX + 1];
    (void)tally_clean(clean, path);
    if (problems++ < PROBLEMS_SHOWN)
        out("%s:%" PRIu64 ": %s %s\n", clean, line, subject, problem);
}

static void verify_record(const char *path, const struct record *record)
{
    const struct verify_place place = {
        .path = path,
        .line = reader.line,
        .program = record_text(record, FIELD_PROGRAM),
        .pid = record_text(record, FIELD_PID),
        .is_end = record->event == EVENT_END,
    };
    char problem[VERIFY_PROBLEM];
    if (!verifier_add(&verifier, reader.raw, reader.raw_length, &place, problem))
        tell(path, reader.line, "the line", problem);
}

static void verify_source(struct source *source, struct progress *progress)
{
    enum { PROGRESS_LINES = 4096 };
    struct record record;
    enum damage damage;
    enum reading reading;
    if (reader_open(&reader, source->path, source->problem, sizeof source->problem) < 0)
        return;
    while ((reading = reader_next(&reader, &record, &damage)) != READING_END) {
        if (source->lines++ % PROGRESS_LINES == 0)
            progress_show(progress, log_stream_position(&reader.stream));
        if (reading == READING_RECORD)
            verify_record(source->path, &record);
        else if (reading == READING_DAMAGED)
            tell(source->path, reader.line, "the line is", damage_words[damage]);
        else
            foreign++;
    }
    (void)log_stream_close(&reader.stream, false, source->problem, sizeof source->problem);
}

/* Chains without an end: their processes may still run. */
static void write_open(void)
{
    uint64_t open = 0;
    for (size_t i = 0; i < 2 * (size_t)VERIFY_CHAINS_MAX; i++) {
        const struct verified_chain *const chain = verifier.slots[i];
        char program[TALLY_KEY_MAX + 1], path[TALLY_KEY_MAX + 1];
        if (chain == NULL || !chain->has_lines || chain->has_end || open++ >= OPEN_SHOWN)
            continue;
        (void)tally_clean(program, chain->program);
        (void)tally_clean(path, chain->path);
        out("no end: %s, pid %s: line %" PRIu64 " of chain %s is its last one (%s:%" PRIu64 ")\n", program,
            chain->pid, chain->next - 1, chain->name, path, chain->line);
    }
    if (open > 0)
        out("chains without an end: %" PRIu64 " (the process runs, was killed, or its last lines were removed)\n",
            open);
}

static int finish(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        if (sources->list[i].problem[0] != '\0') {
            message("%s was not read to its end: %s", sources->list[i].path, sources->list[i].problem);
            problems++;
        }
    if (problems > PROBLEMS_SHOWN)
        out("%" PRIu64 " more problems\n", problems - PROBLEMS_SHOWN);
    write_open();
    if (foreign > 0)
        out("lines of other programs: %" PRIu64 "\n", foreign);
    out("lines as they were written: %" PRIu64 ", chains: %zu, problems: %" PRIu64 "\n", verifier.verified,
        verifier.chains, problems);
    return out_finish() != 0 || problems > 0 ? 1 : 0;
}

int report_verify(char **paths, size_t count, const char *key_file)
{
    struct pfswrap_keys_error error;
    struct sources sources = {0};
    struct progress progress;
    uint8_t master[CHAIN_KEY_BYTES];
    uint64_t total = 0;
    if (keyfile_load_secret(master, key_file, &error) != 0) {
        message("--verify %s", error.text);
        return 2;
    }
    const bool is_started = verifier_start(&verifier, master);
    sodium_memzero(master, sizeof master);
    if (!is_started) {
        message("not enough memory to verify logs");
        return 1;
    }
    if (sources_open(&sources, paths, count) < 0)
        return 1;
    for (size_t i = 0; i < count; i++)
        total += sources.list[i].is_skipped ? 0 : sources.list[i].size;
    progress_start(&progress, total);
    for (size_t i = 0; i < count; i++) {
        if (sources.list[i].is_skipped)
            continue;
        verify_source(&sources.list[i], &progress);
        progress_next(&progress, sources.list[i].size);
    }
    progress_end(&progress);
    const int status = finish(&sources);
    verifier_wipe(&verifier);
    free(sources.list);
    return status;
}
