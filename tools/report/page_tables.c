/*
 * The tables at the end of the page: everything that was counted, as far as it fits.
 */
#include <string.h>

#include "html.h"
#include "moment.h"

/* Writes the first rows of a table of the evidence. row() writes the cells of one entry. */
static void write_table(struct page *page, const char *caption, const char *columns, const struct tally *tally,
                        void (*row)(struct page *page, const struct tally_entry *entry))
{
    size_t shown = 0;
    if (tally->count == 0)
        return;
    page_table_begin(page, caption, columns);
    for (; shown < tally->count && shown < PAGE_ROWS && page_has_room(page); shown++) {
        page_put(page, "<tr>");
        row(page, &tally->entries[shown]);
        page_put(page, "</tr>\n");
    }
    page_table_end(page);
    page_rest(page, tally->count - shown);
}

static void write_times(struct page *page, const struct tally_entry *entry)
{
    char text[MOMENT_TEXT];
    page_cell(page, moment_write(text, entry->first));
    page_cell(page, moment_write(text, entry->last));
}

static void cells(struct page *page, const struct tally_entry *entry, size_t first, size_t end)
{
    page_row_head(page, entry->parts[first]);
    for (size_t i = first + 1; i < end; i++)
        page_cell(page, entry->parts[i]);
}

static void row_of_handshake(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, HANDSHAKE_PLANE, HANDSHAKE_PARTS);
    page_number(page, entry->count);
    write_times(page, entry);
}

static void row_of_incident(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, INCIDENT_ID, INCIDENT_PARTS);
    page_number(page, entry->count);
    write_times(page, entry);
}

static void row_of_override(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, OVERRIDE_EVENT, OVERRIDE_PARTS);
    page_number(page, entry->count);
}

static void row_of_sealed(struct page *page, const struct tally_entry *entry)
{
    static const int sums[] = {SUM_OPENED,   SUM_CLOSED, SUM_CLEAN,       SUM_SENT,
                               SUM_RECEIVED, SUM_REKEYS, SUM_REHANDSHAKES};
    cells(page, entry, SEALED_PROGRAM, SEALED_PARTS);
    for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
        page_number(page, entry->sums[sums[i]]);
}

static void row_of_end(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, END_HOW, END_PARTS);
    page_number(page, entry->count);
}

static void row_of_policy(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, POLICY_ORIGIN, POLICY_PARTS);
    page_number(page, entry->count);
    write_times(page, entry);
}

static void row_of_program(struct page *page, const struct tally_entry *entry)
{
    cells(page, entry, PROGRAM_ORIGIN, PROGRAM_PARTS);
    page_number(page, entry->sums[PROGRAM_LINES]);
    page_number(page, entry->sums[PROGRAM_STARTS]);
    page_number(page, entry->sums[PROGRAM_BEFORE]);
    write_times(page, entry);
}

static void write_logs(struct page *page, const struct sources *sources)
{
    char text[MOMENT_TEXT];
    size_t shown = 0;
    page_table_begin(page, "Logs that were read", "Log|Form|#Lines|#Events|#Damaged|#Of others|First|Last|Whole");
    for (; shown < sources->count && shown < PAGE_ROWS && page_has_room(page); shown++) {
        const struct source *const source = &sources->list[shown];
        page_put(page, "<tr>");
        page_row_head(page, source->path);
        page_cell(page, source->format != NULL ? source->format : "not recognised");
        page_number(page, source->lines);
        page_number(page, source->events);
        page_number(page, source->damaged);
        page_number(page, source->foreign);
        page_cell(page, moment_write(text, source->first));
        page_cell(page, moment_write(text, source->last));
        page_cell(page, source->problem[0] == '\0' && !source->ends_within_line ? "yes" : "no");
        page_put(page, "</tr>\n");
    }
    page_table_end(page);
    page_rest(page, sources->count - shown);
}

void page_write_tables(struct page *page, const struct report *report)
{
    const struct evidence *const evidence = &report->evidence;
    page_put(page, "<section aria-labelledby=\"tables\"><h2 id=\"tables\">What was counted</h2>\n");
    write_logs(page, &report->sources);
    write_table(page, "Programs", "Machine or log|Program|#Lines|#Starts|#Lines before a policy|First|Last",
                &evidence->processes.programs, row_of_program);
    write_table(page, "Policies that processes have read",
                "Machine or log|Program|Policy|Mode|Version of pfswrap|#Processes|First|Last", &evidence->policies,
                row_of_policy);
    write_table(page, "TLS handshakes", "Plane|Role|Version|Group|Suite|Resumed|#Count|First|Last",
                &evidence->handshakes, row_of_handshake);
    page_put(page, "<h3 id=\"incidents\">Incidents</h3>\n");
    if (evidence->incidents.count == 0)
        page_put(page, "<p>None.</p>\n");
    write_table(page, "Incidents, most frequent first",
                "Kind|Program|Role|Peer|Rule|Reason or value|#Count|First|Last", &evidence->incidents,
                row_of_incident);
    write_table(page, "Weaker settings that programs asked for", "Event|Program|Setting|Asked for|Forced|#Count",
                &evidence->overrides, row_of_override);
    write_table(
        page, "Sealed connections by peer",
        "Program|Role|Rule|Layer|Peer|Pattern|#Opened|#Closed|#Cleanly|#Bytes sent|#Bytes received|#Rekeys|#New "
        "handshakes",
        &evidence->sealed, row_of_sealed);
    write_table(page, "Ends of sealed connections", "End|Program|Rule|Peer|Reason|#Count", &evidence->ends,
                row_of_end);
    page_put(page, "</section>\n");
}
