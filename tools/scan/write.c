/*
 * The rows of a scan, and how they are written: as a table for people, as JSON for machines.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "scan.h"
#include "../json.h"
#include "../message.h"
#include "../safe_text.h"

enum {
    WORDS_WIDTH = 44,
    RUN_MIN =
        10, /* as many rows with the same answer become one, such as each offer of TLS to a server without it */
};

static const char *const result_words[] = {"refused", "accepted", "unclear", "not probed"};
static const char *const result_ids[] = {"refused", "accepted", "unclear", "not-probed"};
static const char *const policy_ids[] = {"forbids", "allows", "says-nothing"};
static const char *const policy_words[] = {"no", "yes", "-"};

struct scan_row *scan_add(struct scan_target *target, const char *id, const char *words, enum scan_result result,
                          enum scan_policy policy, const char *detail)
{
    if (target->count == SCAN_ROWS_MAX)
        return NULL;
    struct scan_row *const row = &target->rows[target->count++];
    row->result = result;
    row->policy = policy;
    (void)snprintf(row->id, sizeof row->id, "%s", id);
    (void)snprintf(row->words, sizeof row->words, "%s", words);
    (void)snprintf(row->detail, sizeof row->detail, "%s", detail);
    (void)safe_text(row->id, sizeof row->id);
    (void)safe_text(row->words, sizeof row->words);
    (void)safe_text(row->detail, sizeof row->detail);
    return row;
}

bool scan_is_outside(const struct scan_row *row)
{
    return row->result == SCAN_ACCEPTED && row->policy == SCAN_FORBIDS;
}

static void write_row(const struct scan_row *row)
{
    const int width = WORDS_WIDTH + (int)(strlen(row->words) - text_columns(row->words));
    out("%c %-*s %-10s %-7s %s\n", scan_is_outside(row) ? '!' : ' ', width, row->words, result_words[row->result],
        policy_words[row->policy], row->detail);
}

/* Whether the row is about TLS. Plaintext and the seal always have rows of their own. */
static bool is_tls(const struct scan_row *row)
{
    return strcmp(row->id, "plaintext") != 0 && strcmp(row->id, "seal") != 0;
}

/* How many rows from this one on have the same answer, which is not that something was accepted. */
static size_t length_of_run(const struct scan_target *target, size_t first)
{
    const struct scan_row *const row = &target->rows[first];
    size_t end = first + 1;
    while (row->result != SCAN_ACCEPTED && end < target->count && is_tls(&target->rows[end]) &&
           target->rows[end].result == row->result && strcmp(target->rows[end].detail, row->detail) == 0)
        end++;
    return end - first;
}

static void write_run(const struct scan_row *first, size_t length)
{
    char words[sizeof first->words + 40];
    (void)snprintf(words, sizeof words, "%s and %zu more (--json has each)", first->words, length - 1);
    out("  %-*s %-10s %-7s %s\n", WORDS_WIDTH, words, result_words[first->result], "-", first->detail);
}

void scan_write_text(const struct scan_target *target)
{
    size_t outside = 0, unclear = 0, skipped = 0;
    out("%s%s%s%s%s\n", target->text, target->name != NULL ? ", " : "", target->name != NULL ? target->name : "",
        target->program[0] != '\0' ? ", " : "", target->program);
    out("policy: %s%s\n", target->policy->path,
        target->policy->mode == POLICY_AUDIT ? " (mode = audit: it changes nothing)" : "");
    if (target->rule != NULL)
        out("rule: [listen %s]\n", target->rule->name);
    out("\n  %-*s %-10s %-7s\n", WORDS_WIDTH, "OFFERED", "ANSWER", "ALLOWED");
    for (size_t i = 0, run_end = 0; i < target->count; i++) {
        const size_t run = length_of_run(target, i);
        if (i >= run_end && run >= RUN_MIN) {
            write_run(&target->rows[i], run);
            run_end = i + run;
        }
        if (i >= run_end)
            write_row(&target->rows[i]);
        outside += scan_is_outside(&target->rows[i]);
        unclear += target->rows[i].result == SCAN_UNCLEAR;
        skipped += target->rows[i].result == SCAN_NOT_PROBED;
    }
    out("\n%zu accepted outside the policy (marked !), %zu unclear, %zu not probed\n\n", outside, unclear, skipped);
}

static void write_target(const struct scan_target *target)
{
    out("{");
    json_write_member("address", target->text);
    out(", ");
    json_write_member("name", target->name);
    out(", ");
    json_write_member("program", target->program[0] != '\0' ? target->program : NULL);
    out(", ");
    json_write_member("policy", target->policy->path);
    out(", ");
    json_write_member("mode", target->policy->mode == POLICY_AUDIT ? "audit" : "enforce");
    out(", ");
    json_write_member("rule", target->rule != NULL ? target->rule->name : NULL);
    out(", \"rows\": [");
    for (size_t i = 0; i < target->count; i++) {
        const struct scan_row *const row = &target->rows[i];
        out(i > 0 ? ", {" : "{");
        json_write_member("id", row->id);
        out(", ");
        json_write_member("offered", row->words);
        out(", ");
        json_write_member("answer", result_ids[row->result]);
        out(", ");
        json_write_member("policy", policy_ids[row->policy]);
        out(", \"outside\": %s, ", scan_is_outside(row) ? "true" : "false");
        json_write_member("detail", row->detail[0] != '\0' ? row->detail : NULL);
        out("}");
    }
    out("]}");
}

void scan_write_json(struct scan_target *const *targets, size_t count)
{
    char made[sizeof "2026-11-22T03:12:04Z"];
    const time_t now = time(NULL);
    struct tm utc;
    (void)strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    out("{\"schema\": 1, ");
    json_write_member("time", made);
    out(", \"targets\": [");
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            out(", ");
        write_target(targets[i]);
    }
    out("]}\n");
}
