/*
 * The section of the page about what a scan found from outside: a verdict for each port, and each answer that is no
 * refusal, beside what the policy says.
 */
#include <string.h>

#include "html.h"

/* As many columns as a printed page has room for. */
static void write_targets(struct page *page, const struct scans *scans)
{
    char verdict[SCANNED_TEXT], port[2 * SCANNED_TEXT];
    size_t shown = 0;
    page_table_begin(page, "Ports that were scanned",
                     "Port|Verdict|Program|Policy|Scanned at|#Accepted|#Outside|#Refused|#Unclear");
    for (; shown < scans->target_count && shown < PAGE_ROWS && page_has_room(page); shown++) {
        const struct scanned_target *const target = &scans->targets[shown];
        page_put(page, "<tr>");
        (void)snprintf(port, sizeof port, "%s %s", target->address, target->name);
        page_row_head(page, port);
        page_cell(page, scanned_verdict(verdict, target));
        page_cell(page, target->program);
        page_cell(page, target->policy);
        page_cell(page, target->made);
        page_number(page, target->answers[SCANNED_ACCEPTED]);
        page_number(page, target->outside);
        page_number(page, target->answers[SCANNED_REFUSED]);
        page_number(page, target->answers[SCANNED_UNCLEAR]);
        page_put(page, "</tr>\n");
    }
    page_table_end(page);
    page_rest(page, scans->target_count - shown);
}

static const char *policy_words(const struct scanned_row *row)
{
    return strcmp(row->policy, "forbids") == 0  ? "forbids it"
           : strcmp(row->policy, "allows") == 0 ? "allows it"
                                                : "";
}

static void write_row(struct page *page, const struct scans *scans, const struct scanned_row *row)
{
    page_put(page, "<tr>");
    page_row_head(page, scans->targets[row->target].address);
    page_cell(page, row->offered);
    page_cell(page, row->is_outside ? "accepted, outside the policy" : scanned_answer_ids[row->answer]);
    page_cell(page, policy_words(row));
    page_cell(page, row->detail);
    page_put(page, "</tr>\n");
}

/* Rows outside the policy come first. */
static void write_rows(struct page *page, const struct scans *scans)
{
    size_t shown = 0, rest = 0;
    page_table_begin(page, "What ports did not refuse", "Port|Offered|Answer|The policy|Detail");
    for (int is_second = 0; is_second < 2; is_second++)
        for (size_t i = 0; i < scans->row_count; i++) {
            const struct scanned_row *const row = &scans->rows[i];
            if (row->answer == SCANNED_REFUSED || row->is_outside == (is_second != 0))
                continue;
            if (shown == 2 * (size_t)PAGE_ROWS || !page_has_room(page)) {
                rest++;
                continue;
            }
            shown++;
            write_row(page, scans, row);
        }
    page_table_end(page);
    page_rest(page, rest);
}

void page_write_scans(struct page *page, const struct report *report)
{
    const struct scans *const scans = &report->scans;
    if (scans->target_count == 0)
        return;
    page_put(page,
             "<section aria-labelledby=\"scans\"><h2 id=\"scans\">What was accepted from outside</h2>\n"
             "<p><code>pfswrap scan</code> offered these ports what a policy allows and what it forbids. A log "
             "cannot show this: clients with such offers may never have come.</p>\n");
    write_targets(page, scans);
    write_rows(page, scans);
    if (scans->is_cut)
        page_put(page, "<p class=\"rest\">The scans have more ports or answers than the report reads.</p>\n");
    page_put(page, "</section>\n");
}
