/*
 * The report for a terminal: a page of verdicts, figures and findings.
 */
#include <inttypes.h>

#include "moment.h"
#include "report.h"
#include "../message.h"

enum { FINDINGS_SHOWN = 15, GROUPS_SHOWN = 3, SCANS_SHOWN = 20, OUTSIDE_SHOWN = 5 };

static void write_head(const struct report *report)
{
    const struct evidence *const evidence = &report->evidence;
    char from[MOMENT_TEXT], to[MOMENT_TEXT];
    uint64_t lines = 0;
    for (size_t i = 0; i < EVENT_COUNT; i++)
        tally_sum(&lines, evidence->events[i]);
    out("%s\n", report->title);
    out("%" PRIu64 " events from %zu log%s, %s to %s UTC\n\n", lines, report->sources.count,
        report->sources.count == 1 ? "" : "s", moment_write(from, evidence->first),
        moment_write(to, evidence->last));
}

static void write_exceptions(const struct report *report, size_t control)
{
    const struct verdict *const verdict = &report->verdicts[control];
    for (unsigned i = 0; i < INCIDENT_COUNT; i++) {
        size_t at = 0, shown = 0;
        if (verdict->incidents[i] == 0)
            continue;
        out("      %" PRIu64 " %s\n", verdict->incidents[i], incident_words[i]);
        for (const struct tally_entry *entry;
             shown < GROUPS_SHOWN && (entry = evidence_next(&report->evidence, (enum incident)i, &at)) != NULL;
             shown++)
            out("        %" PRIu64 " %s %s %s %s\n", entry->count, entry->parts[INCIDENT_PROGRAM],
                entry->parts[INCIDENT_ROLE], entry->parts[INCIDENT_PEER], entry->parts[INCIDENT_REASON]);
    }
    if (verdict->scan_outside > 0)
        out("      %" PRIu64 " accepted outside the policy in a scan, see below\n", verdict->scan_outside);
    if (verdict->gaps > 0)
        out("      %zu gaps in the evidence, see below\n", verdict->gaps);
}

static void write_scans(const struct scans *scans)
{
    char verdict[SCANNED_TEXT];
    if (scans->target_count == 0)
        return;
    out("\nFrom outside (pfswrap scan)\n");
    for (size_t i = 0; i < scans->target_count && i < SCANS_SHOWN; i++) {
        const struct scanned_target *const target = &scans->targets[i];
        size_t shown = 0;
        out("  %s%s%s: %s\n", target->address, target->program[0] != '\0' ? ", " : "", target->program,
            scanned_verdict(verdict, target));
        for (size_t j = 0; j < scans->row_count; j++)
            if (scans->rows[j].target == i && scans->rows[j].is_outside && shown++ < OUTSIDE_SHOWN)
                out("    %s %s\n", scans->rows[j].offered, scans->rows[j].detail);
        if (shown > OUTSIDE_SHOWN)
            out("    and %zu more (--html, --json)\n", shown - OUTSIDE_SHOWN);
    }
    if (scans->target_count > SCANS_SHOWN)
        out("  and %zu more ports (--html, --json)\n", scans->target_count - SCANS_SHOWN);
}

static void write_findings(const struct findings *findings)
{
    out(findings->count > 0 ? "\nFindings about the evidence\n" : "\nNo findings about the evidence.\n");
    for (size_t i = 0; i < findings->count && i < FINDINGS_SHOWN; i++)
        out("  %s %s\n", findings->list[i].level == FINDING_GAP ? "gap: " : "note:", findings->list[i].text);
    if (findings->count + findings->left_out > FINDINGS_SHOWN)
        out("  and %" PRIu64 " more (--html, --json)\n", findings->count + findings->left_out - FINDINGS_SHOWN);
}

void report_write_text(const struct report *report)
{
    char text[METRIC_TEXT];
    write_head(report);
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        out("  %-20s %s: %s\n", verdict_names[report->verdicts[i].kind], controls[i].source, controls[i].title);
        write_exceptions(report, i);
    }
    out("\nFigures\n");
    for (unsigned i = METRIC_NONE + 1; i < METRIC_COUNT; i++)
        if (metric_write(&report->evidence, (enum metric)i, text))
            out("  %s: %s\n", metric_names[i], text);
    write_scans(&report->scans);
    write_findings(&report->findings);
}
