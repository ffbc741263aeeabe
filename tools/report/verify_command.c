/*
 * Reads the logs for `pfswrap report --verify`, and prints what is wrong: FILE:LINE: what, or one JSON object.
 * Problems are printed as they are found, so the memory does not depend on their number. See verify.h;
 * docs/AUDIT.md describes the JSON.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "seal/keyring.h"
#include "sources.h"
#include "verify.h"
#include "../json.h"
#include "../message.h"

enum { PROBLEMS_SHOWN = 100, OPEN_SHOWN = 20 };

static struct verifier verifier;
static uint64_t problems;
static bool is_json;

/* Line 0 is the file as a whole. JSON has all problems, and the text the first ones. */
static void tell(const char *path, uint64_t line, const char *subject, const char *problem)
{
    char clean[TALLY_KEY_MAX + 1], text[VERIFY_PROBLEM + SOURCE_PROBLEM];
    (void)tally_clean(clean, path);
    (void)snprintf(text, sizeof text, "%s %s", subject, problem);
    const bool is_first = problems++ == 0;
    if (!is_json && problems <= PROBLEMS_SHOWN)
        out("%s:%" PRIu64 ": %s\n", clean, line, text);
    if (!is_json)
        return;
    out(is_first ? "\n {" : ",\n {");
    json_write_member("log", clean);
    if (line > 0)
        out(", \"line\": %" PRIu64 ", ", line);
    else
        out(", \"line\": null, ");
    json_write_member("problem", text);
    out("}");
}

static void verify_record(void *context, const struct record *record, const char *path, const struct reader *reader)
{
    const struct verify_place place = {
        .path = path,
        .line = reader->line,
        .program = record_text(record, FIELD_PROGRAM),
        .pid = record_text(record, FIELD_PID),
        .is_end = record->event == EVENT_END,
    };
    char problem[VERIFY_PROBLEM];
    (void)context;
    if (!verifier_add(&verifier, reader->raw, reader->raw_length, &place, problem))
        tell(path, reader->line, "the line", problem);
}

static void tell_damage(void *context, enum damage damage, const char *path, uint64_t line)
{
    (void)context;
    tell(path, line, "the line is", damage_words[damage]);
}

static void write_chain(const struct verified_chain *chain, bool is_first)
{
    char program[TALLY_KEY_MAX + 1], path[TALLY_KEY_MAX + 1];
    (void)tally_clean(program, chain->program);
    (void)tally_clean(path, chain->path);
    if (!is_json) {
        out("no end: %s, pid %s: line %" PRIu64 " of chain %s is its last one (%s:%" PRIu64 ")\n", program,
            chain->pid, chain->next - 1, chain->name, path, chain->line);
        return;
    }
    out(is_first ? "\n {" : ",\n {");
    json_write_member("program", program);
    out(", ");
    json_write_member("pid", chain->pid);
    out(", ");
    json_write_member("chain", chain->name);
    out(", \"seq\": %" PRIu64 ", ", chain->next - 1);
    json_write_member("log", path);
    out(", \"line\": %" PRIu64 "}", chain->line);
}

/* Chains without an end: their processes may still run. */
static uint64_t write_open(void)
{
    uint64_t open = 0;
    for (size_t i = 0; i < 2 * (size_t)VERIFY_CHAINS_MAX; i++) {
        const struct verified_chain *const chain = verifier.slots[i];
        if (chain == NULL || !chain->has_lines || chain->has_end)
            continue;
        if (is_json || open < OPEN_SHOWN)
            write_chain(chain, open == 0);
        open++;
    }
    return open;
}

static void finish_text(const struct sources *sources)
{
    if (problems > PROBLEMS_SHOWN)
        out("%" PRIu64 " more problems\n", problems - PROBLEMS_SHOWN);
    const uint64_t open = write_open();
    if (open > 0)
        out("chains without an end: %" PRIu64 " (the process runs, was killed, or its last lines were removed)\n",
            open);
    if (sources->foreign > 0)
        out("lines of other programs: %" PRIu64 "\n", sources->foreign);
    out("lines as they were written: %" PRIu64 ", chains: %zu, problems: %" PRIu64 "\n", verifier.verified,
        verifier.chains, problems);
}

static void finish_json(const struct sources *sources)
{
    out("],\n\"without_end\": [");
    const uint64_t open = write_open();
    out("],\n\"lines\": %" PRIu64 ", \"chains\": %zu, \"chains_without_end\": %" PRIu64
        ", \"lines_of_others\": %" PRIu64 ", \"problem_count\": %" PRIu64 "}\n",
        verifier.verified, verifier.chains, open, sources->foreign, problems);
}

static int finish(const struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *const source = &sources->list[i];
        if (source->problem[0] == '\0')
            continue;
        message("%s was not read to its end: %s", source->path, source->problem);
        if (is_json)
            tell(source->path, 0, "the log was not read to its end:", source->problem);
        else
            problems++;
    }
    if (is_json)
        finish_json(sources);
    else
        finish_text(sources);
    return out_finish() != 0 || problems > 0 ? 1 : 0;
}

int report_verify(char **paths, size_t count, const char *key_file, bool writes_json)
{
    const struct source_receiver receiver = {.add_line = verify_record, .add_damage = tell_damage};
    struct pfswrap_keys_error error;
    struct sources sources = {0};
    struct progress progress;
    uint8_t master[CHAIN_KEY_BYTES];
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
    is_json = writes_json;
    if (is_json) {
        out("{\"schema\": 1, ");
        json_write_member("pfswrap", PFSWRAP_VERSION);
        out(",\n\"problems\": [");
    }
    sources_read(&sources, &receiver, &progress);
    const int status = finish(&sources);
    verifier_wipe(&verifier);
    free(sources.list);
    return status;
}
