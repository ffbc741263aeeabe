/*
 * The page: its head, its sections in order, and its foot. See report.h and html.h.
 */
#include <inttypes.h>

#include "html.h"
#include "moment.h"

static void write_head(struct page *page, const struct report *report)
{
    char from[MOMENT_TEXT], to[MOMENT_TEXT], made[MOMENT_TEXT];
    uint64_t events = 0;
    for (size_t i = 0; i < EVENT_COUNT; i++)
        tally_sum(&events, report->evidence.events[i]);
    page_put(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
    page_text(page, report->title);
    page_put(page,
             "</title>\n<style>\n%s</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">To the report</a>\n"
             "<header><h1>",
             page_style);
    page_text(page, report->title);
    page_put(page,
             "</h1>\n<p>%" PRIu64
             " events from %zu log%s, <strong>%s</strong> to <strong>%s</strong> UTC. Made at %s "
             "UTC.</p></header>\n",
             events, report->sources.count, report->sources.count == 1 ? "" : "s",
             moment_write(from, report->evidence.first), moment_write(to, report->evidence.last),
             moment_write(made, report->made));
    page_put(
        page,
        "<nav aria-label=\"Contents\"><ul><li><a href=\"#summary\">Verdicts</a></li><li><a href=\"#charts\">At a "
        "glance</a></li><li><a href=\"#controls\">The controls</a></li>%s<li><a "
        "href=\"#findings\">Findings</a></li>"
        "<li><a href=\"#tables\">What was counted</a></li></ul></nav>\n<main id=\"main\">\n",
        report->scans.target_count > 0 ? "<li><a href=\"#scans\">From outside</a></li>" : "");
}

void report_write_html(const struct report *report, FILE *file)
{
    struct page page = {.file = file};
    write_head(&page, report);
    page_write_controls(&page, report);
    page_write_scans(&page, report);
    page_write_findings(&page, report);
    page_write_tables(&page, report);
    page_put(
        &page,
        "</main>\n<footer><p>Made by pfswrap %s. Times are UTC. The report says what the logs prove; who can write "
        "to a log can also add lines to it.</p></footer>\n</body>\n</html>\n",
        PFSWRAP_VERSION);
}
