/*
 * The section of each control: what it asks, what holds it, what proves it, the exceptions; and the findings.
 */
#include <inttypes.h>
#include <string.h>

#include "html.h"
#include "moment.h"

enum { GROUPS_SHOWN = 12 };

static const char *const symbols[3] = {"✓", "!", "?"};

static void write_badge(struct page *page, enum verdict_kind kind)
{
    page_put(page, "<span class=\"badge v%d\"><span aria-hidden=\"true\">%s</span> %s</span>", (int)kind,
             symbols[kind], verdict_names[kind]);
}

static void write_summary(struct page *page, const struct report *report)
{
    page_put(page, "<section aria-labelledby=\"summary\"><h2 id=\"summary\">Verdicts</h2>\n");
    page_table_begin(page, "The controls and what the logs show",
                     "Control|Source|Verdict|#Connections that show it");
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        page_put(page, "<tr><th scope=\"row\"><a href=\"#%s\">%s</a></th>", controls[i].id, controls[i].title);
        page_cell(page, controls[i].source);
        page_put(page, "<td>");
        write_badge(page, report->verdicts[i].kind);
        page_put(page, "</td>");
        page_number(page, report->verdicts[i].shown_by);
        page_put(page, "</tr>\n");
    }
    page_table_end(page);
    page_put(
        page,
        "<p class=\"soft\"><strong>Met</strong>: there are connections that show it, no exception, and no gap in "
        "the evidence. <strong>Met with exceptions</strong>: each of them is listed below. <strong>Not "
        "shown</strong>: the logs have no connection that shows it.</p></section>\n");
}

struct lines {
    struct page *page;
    char section[128];
    bool is_any;
};

static void write_line(void *context, const char *section, const char *line)
{
    struct lines *const lines = context;
    if (!lines->is_any)
        page_put(lines->page, "<pre><code>");
    if (strcmp(lines->section, section) != 0) {
        page_put(lines->page, "%s[", lines->is_any ? "\n" : "");
        page_text(lines->page, section);
        page_put(lines->page, "]\n");
    }
    (void)snprintf(lines->section, sizeof lines->section, "%s", section);
    lines->is_any = true;
    page_sentence(lines->page, line);
    page_put(lines->page, "\n");
}

static void write_held(struct page *page, const struct policies *policies, const struct control *control)
{
    page_put(page, "<h4>What holds it</h4>\n");
    for (size_t i = 0; i < policies->count; i++) {
        struct lines lines = {.page = page};
        const struct held_policy *const policy = &policies->list[i];
        page_put(page, "<p>Policy <code>");
        page_text(page, policy->path);
        page_put(page, "</code>, processes that have read it: %" PRIu64, policy->starts);
        if (policy->text == NULL) {
            page_put(page,
                     ". Its lines are not known: the report was made without <code>--policy</code> for it.</p>\n");
            continue;
        }
        if (policy->file != NULL) {
            page_put(page, "; the lines are from ");
            page_text(page, policy->file);
        }
        page_put(page, ":</p>\n");
        policy_each_line(policy, control->lines, write_line, &lines);
        page_put(page, lines.is_any ? "</code></pre>\n" : "<p>It has no line about this.</p>\n");
    }
    if (policies->count == 0)
        page_put(page, "<p>No process in these logs says which policy it has read.</p>\n");
}

static void write_proved(struct page *page, const struct evidence *evidence, const struct control *control)
{
    char text[METRIC_TEXT];
    page_put(page, "<h4>What the logs prove</h4>\n<dl>");
    for (size_t i = 0; i < METRICS_MAX && control->metrics[i] != METRIC_NONE; i++) {
        page_put(page, "<dt>%s</dt><dd>", metric_names[control->metrics[i]]);
        page_sentence(page, metric_write(evidence, control->metrics[i], text) ? text : "none");
        page_put(page, "</dd>\n");
    }
    page_put(page, "</dl>\n");
}

static void write_incidents(struct page *page, const struct report *report, const struct control *control,
                            enum incident incident, uint64_t count)
{
    char caption[256], when[MOMENT_TEXT];
    size_t at = 0, shown = 0, rest = 0;
    (void)snprintf(caption, sizeof caption, "%s: %" PRIu64 " %s", control->source, count, incident_words[incident]);
    page_table_begin(page, caption, "Program|Role|Peer|Reason or value|#Count|First|Last");
    for (const struct tally_entry *entry; (entry = evidence_next(&report->evidence, incident, &at)) != NULL;) {
        if (shown == GROUPS_SHOWN || !page_has_room(page)) {
            rest++;
            continue;
        }
        shown++;
        page_put(page, "<tr>");
        page_row_head(page, entry->parts[INCIDENT_PROGRAM]);
        page_cell(page, entry->parts[INCIDENT_ROLE]);
        page_cell(page, entry->parts[INCIDENT_PEER]);
        page_cell(page, entry->parts[INCIDENT_REASON]);
        page_number(page, entry->count);
        page_cell(page, moment_write(when, entry->first));
        page_cell(page, moment_write(when, entry->last));
        page_put(page, "</tr>\n");
    }
    page_table_end(page);
    if (rest > 0)
        page_put(
            page,
            "<p class=\"rest\">%zu more groups are in <a href=\"#incidents\">the table of incidents</a>.</p>\n",
            rest);
}

static void write_exceptions(struct page *page, const struct report *report, size_t number)
{
    const struct verdict *const verdict = &report->verdicts[number];
    bool has_any = false;
    page_put(page, "<h4>Exceptions</h4>\n");
    for (unsigned i = 0; i < INCIDENT_COUNT; i++)
        if (verdict->incidents[i] > 0) {
            write_incidents(page, report, &controls[number], (enum incident)i, verdict->incidents[i]);
            has_any = true;
        }
    if (verdict->scan_outside > 0)
        page_put(page,
                 "<p>%" PRIu64
                 " offers outside the policy were accepted: <a href=\"#scans\">from outside</a>.</p>\n",
                 verdict->scan_outside);
    if (verdict->gaps > 0)
        page_put(page, "<p>%zu gaps in the evidence: <a href=\"#findings\">findings</a>.</p>\n", verdict->gaps);
    else if (!has_any && verdict->scan_outside == 0)
        page_put(page, "<p>None.</p>\n");
}

void page_write_controls(struct page *page, const struct report *report)
{
    write_summary(page, report);
    page_write_charts(page, report);
    page_put(page, "<section aria-labelledby=\"controls\"><h2 id=\"controls\">The controls</h2>\n");
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        const struct control *const control = &controls[i];
        page_put(page,
                 "<article aria-labelledby=\"%s\"><h3 id=\"%s\">%s</h3>\n<p class=\"soft\">%s</p>\n<p>Verdict: ",
                 control->id, control->id, control->title, control->source);
        write_badge(page, report->verdicts[i].kind);
        page_put(page, "</p>\n<h4>What it asks</h4>\n<p>%s</p>\n", control->asks);
        write_held(page, &report->policies, control);
        write_proved(page, &report->evidence, control);
        write_exceptions(page, report, i);
        page_put(page, "<h4>What a log cannot prove</h4>\n<p>%s</p></article>\n", control->not_proved);
    }
    page_put(page, "</section>\n");
}

void page_write_findings(struct page *page, const struct report *report)
{
    const struct findings *const findings = &report->findings;
    const struct sources *const sources = &report->sources;
    page_put(page, "<section aria-labelledby=\"findings\"><h2 id=\"findings\">Findings about the evidence</h2>\n");
    page_put(page, findings->count > 0 ? "<ul class=\"findings\">\n" : "<p>None.</p>\n");
    for (size_t i = 0; i < findings->count; i++) {
        page_put(page, "<li><strong>%s</strong>: ", findings->list[i].level == FINDING_GAP ? "Gap" : "Note");
        page_sentence(page, findings->list[i].text);
        page_put(page, "</li>\n");
    }
    if (findings->count > 0)
        page_put(page, "</ul>\n");
    page_rest(page, findings->left_out);
    if (sources->example_count > 0) {
        page_table_begin(page, "Damaged lines: the first ones", "Log|#Line|Why|Begins with");
        for (size_t i = 0; i < sources->example_count; i++) {
            const struct example *const example = &sources->examples[i];
            page_put(page, "<tr>");
            page_row_head(page, example->source->path);
            page_number(page, example->line);
            page_cell(page, damage_words[example->damage]);
            page_cell(page, example->excerpt);
            page_put(page, "</tr>\n");
        }
        page_table_end(page);
    }
    page_put(page, "</section>\n");
}
