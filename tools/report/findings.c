/*
 * The findings, the gravest first. See findings.h.
 */
#include "findings.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "moment.h"

enum { GAPS_SHOWN = 10, PROGRAMS_SHOWN = 20, CHANGES_SHOWN = 20 };

__attribute__((format(printf, 5, 6))) static void
add(struct findings *findings, const char *id, enum finding_level level, uint64_t count, const char *format, ...)
{
    va_list arguments;
    if (findings->count == FINDINGS_MAX) {
        findings->left_out++;
        return;
    }
    struct finding *const finding = &findings->list[findings->count++];
    finding->id = id;
    finding->level = level;
    finding->count = count;
    va_start(arguments, format);
    (void)vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

static void look_at_sources(struct findings *findings, const struct sources *sources)
{
    char path[TALLY_KEY_MAX + 1], other[TALLY_KEY_MAX + 1], problem[TALLY_KEY_MAX + 1];
    for (size_t i = 0; i < sources->count; i++) {
        const struct source *const source = &sources->list[i];
        (void)tally_clean(problem, source->problem);
        (void)tally_clean(path, source->path);
        (void)tally_clean(other, source->copy_of);
        if (source->problem[0] != '\0')
            add(findings, "log-not-read", FINDING_GAP, 1, "%s was not read to its end: %s.", path, problem);
        if (source->ends_within_line)
            add(findings, "log-cut", FINDING_GAP, 1, "%s ends in the middle of a line: what follows is missing.",
                path);
        if (source->is_skipped)
            add(findings, "log-twice", FINDING_NOTE, 1, "%s is the same file as %s and was read once.", path,
                other);
        else if (source->copy_of != NULL)
            add(findings, "log-copy", FINDING_NOTE, 1,
                "%s and %s begin with the same line. If one is a copy, its lines are counted twice.", path, other);
        if (source->events == 0 && !source->is_skipped && source->problem[0] == '\0')
            add(findings, "log-empty", FINDING_NOTE, 1, "%s has no event.", path);
    }
}

static void look_at_lines(struct findings *findings, const struct evidence *evidence, const struct sources *sources)
{
    if (evidence->lost > 0)
        add(findings, "lost", FINDING_GAP, evidence->lost,
            "%" PRIu64 " events could not be written at the time (event lost, %" PRIu64 " times).", evidence->lost,
            evidence->events[EVENT_LOST]);
    if (evidence->findings_full > 0)
        add(findings, "findings-full", FINDING_GAP, evidence->findings_full,
            "%" PRIu64 " times a process had more hosts or certificates than it logs findings of.",
            evidence->findings_full);
    if (evidence->starts_without_handshakes > 0)
        add(findings, "no-handshakes", FINDING_GAP, evidence->starts_without_handshakes,
            "Processes started %" PRIu64 " times with log-handshakes = off: their handshakes are not in the log.",
            evidence->starts_without_handshakes);
    for (size_t i = 0; i < DAMAGE_COUNT; i++)
        if (sources->damaged[i] > 0)
            add(findings, "damaged", FINDING_GAP, sources->damaged[i], "%" PRIu64 " lines were not counted: %s.",
                sources->damaged[i], damage_words[i]);
    if (evidence->backwards > 0)
        add(findings, "backwards", FINDING_NOTE, evidence->backwards,
            "%" PRIu64
            " lines are more than a minute older than a line before them. A clock was set back, the logs "
            "overlap, or lines were moved.",
            evidence->backwards);
    if (sources->foreign > 0)
        add(findings, "foreign", FINDING_NOTE, sources->foreign,
            "%" PRIu64 " lines or entries are of other programs, and were left out.", sources->foreign);
    if (evidence->outside > 0)
        add(findings, "outside", FINDING_NOTE, evidence->outside,
            "%" PRIu64 " events are outside the period that was asked for, and were not counted.",
            evidence->outside);
}

static void look_at_gaps(struct findings *findings, const struct evidence *evidence)
{
    bool is_shown[GAPS_MAX] = {false};
    for (size_t shown = 0; shown < GAPS_SHOWN && shown < evidence->gap_count; shown++) {
        char from[MOMENT_TEXT], to[MOMENT_TEXT], length[MOMENT_TEXT];
        size_t first = 0;
        while (is_shown[first])
            first++;
        const struct gap *longest = &evidence->gaps[first];
        for (size_t i = first + 1; i < evidence->gap_count; i++) {
            const struct gap *const gap = &evidence->gaps[i];
            if (!is_shown[i] && gap->to - gap->from > longest->to - longest->from)
                longest = gap;
        }
        is_shown[longest - evidence->gaps] = true;
        add(findings, "silence", FINDING_NOTE, 1,
            "%s has no line from %s to %s (%s). Nothing happened, or lines are missing.", longest->origin,
            moment_write(from, longest->from), moment_write(to, longest->to),
            duration_write(length, longest->to - longest->from));
    }
    const uint64_t others = evidence->gap_count > GAPS_SHOWN ? evidence->gap_count - GAPS_SHOWN : 0;
    if (others + evidence->gaps_left_out > 0)
        add(findings, "silence", FINDING_NOTE, others + evidence->gaps_left_out,
            "There are %" PRIu64 " shorter times without lines (--gap sets from which length on they count).",
            others + evidence->gaps_left_out);
}

static void look_at_programs(struct findings *findings, const struct evidence *evidence)
{
    const struct tally *const programs = &evidence->processes.programs;
    size_t unknown = 0, audit = 0;
    for (size_t i = 0; i < programs->count; i++) {
        const struct tally_entry *const entry = &programs->entries[i];
        const uint64_t before = entry->sums[PROGRAM_BEFORE], in_audit = entry->sums[PROGRAM_IN_AUDIT];
        if (before > 0 && unknown++ < PROGRAMS_SHOWN)
            add(findings, "no-policy-line", FINDING_GAP, before,
                "%s (%s): %" PRIu64
                " lines come before the first line that says which policy the program has read. Add "
                "the older logs.",
                entry->parts[PROGRAM_NAME], entry->parts[PROGRAM_ORIGIN], before);
        if (in_audit > 0 && audit++ < PROGRAMS_SHOWN)
            add(findings, "mode-audit", FINDING_GAP, in_audit,
                "%s (%s) ran with mode = audit: TLS was not enforced while it wrote %" PRIu64 " lines.",
                entry->parts[PROGRAM_NAME], entry->parts[PROGRAM_ORIGIN], in_audit);
    }
    if (unknown > PROGRAMS_SHOWN || audit > PROGRAMS_SHOWN)
        add(findings, "more-programs", FINDING_GAP, unknown + audit,
            "The same is true of more programs; --json lists all of them.");
    for (size_t i = 0; i < evidence->mode_changes.count && i < CHANGES_SHOWN; i++) {
        char *const *const parts = evidence->mode_changes.entries[i].parts;
        add(findings, "mode-changed", FINDING_NOTE, 1, "%s (%s): the mode changed from %s to %s at %s.",
            parts[CHANGE_PROGRAM], parts[CHANGE_ORIGIN], parts[CHANGE_FROM], parts[CHANGE_TO], parts[CHANGE_TIME]);
    }
    if (evidence->mode_changes.count > CHANGES_SHOWN)
        add(findings, "mode-changed", FINDING_NOTE, evidence->mode_changes.count - CHANGES_SHOWN,
            "The mode changed %zu more times.", evidence->mode_changes.count - CHANGES_SHOWN);
}

static void look_at_policies(struct findings *findings, const struct policies *policies)
{
    char file[TALLY_KEY_MAX + 1], changed[MOMENT_TEXT];
    for (size_t i = 0; i < policies->count; i++) {
        const struct held_policy *const policy = &policies->list[i];
        (void)tally_clean(file, policy->file);
        if (policy->text == NULL)
            add(findings, "policy-not-given", FINDING_NOTE, policy->starts,
                "The lines of the policy %s are not known. Add --policy FILE.", policy->path);
        else if (policy->changed != MOMENT_NONE && policy->changed > policy->last)
            add(findings, "policy-changed", FINDING_NOTE, 1,
                "%s was changed at %s, after the last process read it: its lines may be others than those that "
                "were in "
                "force.",
                file, moment_write(changed, policy->changed));
    }
    for (size_t i = 0; i < policies->unused_count; i++) {
        (void)tally_clean(file, policies->unused[i]);
        add(findings, "policy-unused", FINDING_NOTE, 1, "No process in these logs has read the policy %s.", file);
    }
    if (policies->is_full)
        add(findings, "more-policies", FINDING_NOTE, 1, "The log names more than %d policies.", POLICIES_MAX);
}

static void look_at_limits(struct findings *findings, const struct evidence *evidence)
{
    const struct {
        const struct tally *tally;
        const char *what;
    } tables[] = {
        {&evidence->handshakes, "kinds of handshakes"},
        {&evidence->incidents, "incidents"},
        {&evidence->overrides, "overrides"},
        {&evidence->sealed, "sealed peers"},
        {&evidence->ends, "ends of connections"},
        {&evidence->services, "services"},
        {&evidence->policies, "policies of programs"},
        {&evidence->processes.programs, "programs"},
        {&evidence->origins, "machines or logs"},
    };
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (tables[i].tally->left_out > 0)
            add(findings, "table-full", FINDING_GAP, tables[i].tally->left_out,
                "There are more %s than the report lists one by one: %" PRIu64 " events are counted together.",
                tables[i].what, tables[i].tally->left_out);
    if (evidence->processes.is_full)
        add(findings, "table-full", FINDING_NOTE, 1, "There are more than %d processes.", PROCESSES_MAX);
    if (evidence->ages.dropped > 0)
        add(findings, "table-full", FINDING_NOTE, evidence->ages.dropped,
            "Too many sealed connections were open at a time: the duration of %" PRIu64 " of them is not known.",
            evidence->ages.dropped);
    if (evidence->ages.unpaired > 0)
        add(findings, "unpaired", FINDING_NOTE, evidence->ages.unpaired,
            "%" PRIu64
            " sealed connections ended in these logs and began before them, or in a log that is not here.",
            evidence->ages.unpaired);
}

void findings_collect(struct findings *findings, const struct evidence *evidence, const struct sources *sources,
                      const struct policies *policies)
{
    look_at_sources(findings, sources);
    look_at_lines(findings, evidence, sources);
    look_at_programs(findings, evidence);
    look_at_limits(findings, evidence);
    look_at_policies(findings, policies);
    look_at_gaps(findings, evidence);
}
