/*
 * The report for machines: one JSON object. docs/AUDIT.md describes its members.
 */
#include <inttypes.h>
#include <string.h>

#include "moment.h"
#include "report.h"
#include "../json.h"
#include "../message.h"

static void write_number(const char *key, uint64_t value)
{
    out("\"%s\": %" PRIu64, key, value);
}

static void write_moment(const char *key, int64_t moment)
{
    char text[MOMENT_TEXT];
    json_write_member(key, moment < 0 || moment == INT64_MAX ? NULL : moment_write_rfc3339(text, moment));
}

/* A table: `parts` and `sums` are the names of what its entries have, with NULL at their ends. */
static void write_table(const char *name, const struct tally *tally, const char *const *parts,
                        const char *const *sums)
{
    out(",\n\"%s\": [", name);
    for (size_t i = 0; i < tally->count; i++) {
        const struct tally_entry *const entry = &tally->entries[i];
        out(i > 0 ? ",\n {" : "\n {");
        for (size_t j = 0; parts[j] != NULL; j++) {
            json_write_member(parts[j], entry->parts[j]);
            out(", ");
        }
        for (size_t j = 0; sums != NULL && sums[j] != NULL; j++) {
            write_number(sums[j], entry->sums[j]);
            out(", ");
        }
        write_number("count", entry->count);
        out(", ");
        write_moment("first", entry->first);
        out(", ");
        write_moment("last", entry->last);
        out("}");
    }
    out("],\n\"%s_left_out\": %" PRIu64, name, tally->left_out);
}

static void write_tables(const struct evidence *evidence)
{
    static const char *const handshake[] = {"plane", "role", "version", "group", "cipher", "resumed", NULL};
    static const char *const verified[] = {"role", "verified", NULL};
    static const char *const incident[] = {"kind", "program", "role", "peer", "rule", "reason", NULL};
    static const char *const override[] = {"event", "program", "setting", "asked", "forced", NULL};
    static const char *const sealed[] = {"program", "role", "rule", "layer", "peer_name", "pattern", NULL};
    static const char *const sealed_sums[] = {
        "opened", "closed", "sent_bytes", "received_bytes", "chunks", "rekeys", "rehandshakes", "clean", NULL};
    static const char *const end[] = {"end", "program", "rule", "peer_name", "reason", NULL};
    static const char *const service[] = {"program", NULL};
    static const char *const service_sums[] = {"sealed", "tls", "wire", "open", "refused", NULL};
    static const char *const policy[] = {"origin", "program", "policy", "mode", "version", NULL};
    static const char *const change[] = {"origin", "program", "from", "to", "time", NULL};
    static const char *const program[] = {"origin", "program", NULL};
    static const char *const program_sums[] = {"lines", "starts", "lines_before_policy", NULL};
    write_table("handshakes", &evidence->handshakes, handshake, NULL);
    write_table("verified", &evidence->verified, verified, NULL);
    write_table("incidents", &evidence->incidents, incident, NULL);
    write_table("overrides", &evidence->overrides, override, NULL);
    write_table("sealed", &evidence->sealed, sealed, sealed_sums);
    write_table("ends", &evidence->ends, end, NULL);
    write_table("services", &evidence->services, service, service_sums);
    write_table("policies", &evidence->policies, policy, NULL);
    write_table("mode_changes", &evidence->mode_changes, change, NULL);
    write_table("programs", &evidence->processes.programs, program, program_sums);
}

static void write_history(const char *name, const struct history *history, bool is_last)
{
    const size_t length = history_length(history);
    out("\"%s\": {", name);
    write_moment("start", history->width > 0 ? history->start : MOMENT_NONE);
    out(", \"seconds\": %" PRId64 ", \"series\": {", history->width / MOMENT_SECOND);
    for (size_t i = 0; i < history->count; i++) {
        out(i > 0 ? ", " : "");
        json_write_string(history->names[i]);
        out(": [");
        for (size_t j = 0; j < length; j++)
            out("%s%" PRIu64, j > 0 ? ", " : "", history->counts[i][j]);
        out("]");
    }
    out(is_last ? "}}" : "}}, ");
}

static void write_sources(const struct sources *sources)
{
    out(",\n\"logs\": [");
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *const source = &sources->list[i];
        out(i > 0 ? ",\n {" : "\n {");
        json_write_member("path", source->path);
        out(", ");
        json_write_member("series", source->series);
        out(", ");
        json_write_member("format", source->format);
        out(", ");
        write_number("lines", source->lines);
        out(", ");
        write_number("events", source->events);
        out(", ");
        write_number("damaged", source->damaged);
        out(", ");
        write_number("foreign", source->foreign);
        out(", ");
        write_moment("first", source->first);
        out(", ");
        write_moment("last", source->last);
        out(", ");
        json_write_member("problem", source->problem[0] != '\0' ? source->problem : NULL);
        out("}");
    }
    out("],\n\"damaged\": [");
    for (size_t i = 0; i < sources->example_count; i++) {
        const struct example *const example = &sources->examples[i];
        out(i > 0 ? ",\n {" : "\n {");
        json_write_member("log", example->source->path);
        out(", ");
        write_number("line", example->line);
        out(", ");
        json_write_member("why", damage_words[example->damage]);
        out(", ");
        json_write_member("begins", example->excerpt);
        out("}");
    }
    out("]");
}

static void write_findings(const struct findings *findings)
{
    out(",\n\"findings\": [");
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *const finding = &findings->list[i];
        out(i > 0 ? ",\n {" : "\n {");
        json_write_member("id", finding->id);
        out(", ");
        json_write_member("level", finding->level == FINDING_GAP ? "gap" : "note");
        out(", ");
        write_number("count", finding->count);
        out(", ");
        json_write_member("text", finding->text);
        out("}");
    }
    out("],\n\"findings_left_out\": %" PRIu64, findings->left_out);
}

static void write_line(void *context, const char *section, const char *line)
{
    bool *const is_first = context;
    out(*is_first ? "{" : ", {");
    json_write_member("section", section);
    out(", ");
    json_write_member("line", line);
    out("}");
    *is_first = false;
}

static void write_held(const struct policies *policies, const char *lines)
{
    for (size_t i = 0; i < policies->count; i++) {
        bool is_first = true;
        out(i > 0 ? ", {" : "{");
        json_write_member("policy", policies->list[i].path);
        out(", \"known\": %s, \"lines\": [", policies->list[i].text != NULL ? "true" : "false");
        policy_each_line(&policies->list[i], lines, write_line, &is_first);
        out("]}");
    }
}

static void write_control(const struct report *report, size_t number)
{
    const struct control *const control = &controls[number];
    const struct verdict *const verdict = &report->verdicts[number];
    char text[METRIC_TEXT];
    const char *between = "";
    out("{");
    json_write_member("id", control->id);
    out(", ");
    json_write_member("source", control->source);
    out(", ");
    json_write_member("title", control->title);
    out(", ");
    json_write_member("asks", control->asks);
    out(", ");
    json_write_member("not_proved", control->not_proved);
    out(", ");
    json_write_member("verdict", verdict_ids[verdict->kind]);
    out(", ");
    write_number("shown_by", verdict->shown_by);
    out(", ");
    write_number("gaps", verdict->gaps);
    out(", ");
    write_number("scan_outside", verdict->scan_outside);
    out(",\n  \"held_by\": [");
    write_held(&report->policies, control->lines);
    out("],\n  \"proved_by\": {");
    for (size_t i = 0; i < METRICS_MAX && control->metrics[i] != METRIC_NONE; i++)
        if (metric_write(&report->evidence, control->metrics[i], text)) {
            out("%s", between);
            json_write_member(metric_names[control->metrics[i]], text);
            between = ", ";
        }
    out("},\n  \"exceptions\": {");
    between = "";
    for (size_t i = 0; i < INCIDENT_COUNT; i++)
        if (verdict->incidents[i] > 0) {
            out("%s", between);
            write_number(incident_ids[i], verdict->incidents[i]);
            between = ", ";
        }
    out("}}");
}

static void write_numbers(const struct report *report)
{
    const struct evidence *const evidence = &report->evidence;
    out(",\n\"events\": {");
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        write_number(event_words[i], evidence->events[i]);
        out(i + 1 < EVENT_COUNT ? ", " : "},\n\"lines\": {");
    }
    for (size_t i = 0; i < DAMAGE_COUNT; i++) {
        json_write_string(damage_words[i]);
        out(": %" PRIu64 ", ", report->sources.damaged[i]);
    }
    write_number("of other programs", report->sources.foreign);
    out(", ");
    write_number("outside the period", evidence->outside);
    out("},\n\"incident_totals\": {");
    for (size_t i = 0; i < INCIDENT_COUNT; i++) {
        write_number(incident_ids[i], evidence->incident_totals[i]);
        out(i + 1 < INCIDENT_COUNT ? ", " : "},\n");
    }
    write_number("lost", evidence->lost);
    out(",\n\"processes\": {");
    write_number("seen", evidence->processes.count);
    out(", ");
    write_number("with_policy_line", evidence->processes.with_policy);
    out("},\n\"key_ages\": {");
    write_number("pairs", evidence->ages.pairs);
    out(", ");
    write_number("unpaired", evidence->ages.unpaired);
    out(", ");
    write_number("still_open", seal_ages_still_open(&evidence->ages));
    out(", ");
    write_number("longest_microseconds", (uint64_t)evidence->ages.longest);
    out(", ");
    write_number("longest_keys_microseconds", (uint64_t)evidence->ages.longest_keys);
    out("}");
}

static const char *or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

/* The answers of a target that are no refusals. */
static void write_scanned_rows(const struct scans *scans, size_t target)
{
    const char *between = "";
    for (size_t i = 0; i < scans->row_count; i++) {
        const struct scanned_row *const row = &scans->rows[i];
        if (row->target != target || row->answer == SCANNED_REFUSED)
            continue;
        out("%s\n  {", between);
        json_write_member("offered", row->offered);
        out(", ");
        json_write_member("answer", scanned_answer_ids[row->answer]);
        out(", ");
        json_write_member("policy", or_null(row->policy));
        out(", \"outside\": %s, ", row->is_outside ? "true" : "false");
        json_write_member("detail", or_null(row->detail));
        out("}");
        between = ",";
    }
}

static void write_scans(const struct scans *scans)
{
    char verdict[SCANNED_TEXT];
    out(",\n\"scans\": [");
    for (size_t i = 0; i < scans->target_count; i++) {
        const struct scanned_target *const target = &scans->targets[i];
        const struct {
            const char *key, *value;
        } members[] = {
            {"file", target->file}, {"made", target->made},       {"address", target->address},
            {"name", target->name}, {"program", target->program}, {"policy", target->policy},
            {"mode", target->mode}, {"rule", target->rule},       {"verdict", scanned_verdict(verdict, target)}};
        out(i > 0 ? ",\n {" : "\n {");
        for (size_t j = 0; j < sizeof members / sizeof members[0]; j++) {
            json_write_member(members[j].key, or_null(members[j].value));
            out(", ");
        }
        for (size_t j = 0; j < SCANNED_ANSWERS; j++) {
            write_number(scanned_answer_ids[j], target->answers[j]);
            out(", ");
        }
        write_number("outside", target->outside);
        out(", \"rows\": [");
        write_scanned_rows(scans, i);
        out("]}");
    }
    out("],\n\"scans_cut\": %s", scans->is_cut ? "true" : "false");
}

void report_write_json(const struct report *report)
{
    const struct evidence *const evidence = &report->evidence;
    out("{\"schema\": 1, ");
    json_write_member("pfswrap", PFSWRAP_VERSION);
    out(", ");
    json_write_member("title", report->title);
    out(", ");
    write_moment("made", report->made);
    out(",\n\"period\": {");
    write_moment("first", evidence->first);
    out(", ");
    write_moment("last", evidence->last);
    out(", ");
    write_moment("since", evidence->since);
    out(", ");
    write_moment("until", evidence->until);
    out("},\n\"controls\": [");
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        out(i > 0 ? ",\n " : "\n ");
        write_control(report, i);
    }
    out("]");
    write_numbers(report);
    write_scans(&report->scans);
    write_findings(&report->findings);
    write_sources(&report->sources);
    write_tables(evidence);
    out(",\n\"history\": {");
    write_history("versions", &evidence->versions, false);
    write_history("groups", &evidence->groups, false);
    write_history("exchanges", &evidence->exchanges, true);
    out("}}\n");
}
