/*
 * The parts of the page: text that is always escaped, tables, and charts. The content of a log becomes text and
 * never markup; the page has no script, and its own security policy forbids one (Content-Security-Policy).
 */
#ifndef PFSWRAP_TOOLS_REPORT_HTML_H
#define PFSWRAP_TOOLS_REPORT_HTML_H

#include <stdio.h>

#include "report.h"

enum {
    PAGE_MAX = 1900 * 1000, /* bytes of a page; tables end before it would become larger */
    PAGE_RESERVE = 200000,  /* bytes that are kept for what comes behind a table */
    PAGE_TEXT = 120,        /* characters of a value that are shown */
    PAGE_ROWS = 100,        /* rows of a table */
};

struct page {
    FILE *file;
    size_t used;
};

/* Markup of our own. Never with text of a log. */
void page_put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Text, escaped; cut after PAGE_TEXT characters, with an ellipsis. */
void page_text(struct page *page, const char *text);

/* The same for a sentence, which may be longer. */
void page_sentence(struct page *page, const char *text);

/* The same as a cell of a table, as a cell that names its row, and a number as a cell. */
void page_cell(struct page *page, const char *text);
void page_row_head(struct page *page, const char *text);
void page_number(struct page *page, uint64_t number);

/* Begin and end a table: the caption and the names of its columns ("Program|Count"); those with a # are numbers. */
void page_table_begin(struct page *page, const char *caption, const char *columns);
void page_table_end(struct page *page);

/* Says below a table that it has no more rows, though there are more. */
void page_rest(struct page *page, uint64_t rows);

/* Whether another row of a table still fits. */
bool page_has_room(const struct page *page);

/* page_style.c: the style sheet. */
extern const char page_style[];

/* page_charts.c, page_controls.c, page_scans.c and page_tables.c: the sections. */
void page_write_charts(struct page *page, const struct report *report);
void page_write_controls(struct page *page, const struct report *report);
void page_write_findings(struct page *page, const struct report *report);
void page_write_scans(struct page *page, const struct report *report);
void page_write_tables(struct page *page, const struct report *report);

#endif
