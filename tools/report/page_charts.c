/*
 * The charts: columns over time, and bars in tables. All words and numbers are text beside the drawings, so that
 * they can be read on a narrow screen, on paper and by a screen reader.
 */
#include <inttypes.h>
#include <string.h>

#include "html.h"
#include "moment.h"

enum { COLUMNS = 64, WIDTH = 640, HEIGHT = 160, BARS = 12, SEGMENTS = 5 };

/* The counts of one column: several spans of the history together. */
static uint64_t column(const struct history *history, size_t series, size_t number, size_t merged)
{
    uint64_t total = 0;
    for (size_t i = number * merged; i < (number + 1) * merged && i < HISTORY_BUCKETS; i++)
        total += history->counts[series][i];
    return total;
}

/* Draws each series as one path of rectangles, which stand on those of the series before. */
static void draw_columns(struct page *page, const struct history *history, size_t columns, size_t merged,
                         uint64_t highest)
{
    uint64_t below[COLUMNS] = {0};
    const double width = (double)WIDTH / (double)columns;
    for (size_t series = 0; series < history->count; series++) {
        page_put(page, "<path class=\"c%zu\" d=\"", series);
        for (size_t i = 0; i < columns; i++) {
            const uint64_t count = column(history, series, i, merged);
            const double height = (double)count / (double)highest * HEIGHT;
            const double bottom = HEIGHT - (double)below[i] / (double)highest * HEIGHT;
            if (count > 0)
                page_put(page, "M%.1f %.1fh%.1fv-%.1fh-%.1fz", (double)i * width, bottom, width * 0.9, height,
                         width * 0.9);
            below[i] += count;
        }
        page_put(page, "\"/>");
    }
}

static void write_legend(struct page *page, const struct history *history)
{
    uint64_t all = 0;
    for (size_t i = 0; i < history->count; i++)
        all += history_total(history, i);
    page_put(page, "<ul class=\"legend\">");
    for (size_t i = 0; i < history->count; i++) {
        const uint64_t total = history_total(history, i);
        page_put(page,
                 "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"c%zu\" width=\"10\" "
                 "height=\"10\"/></svg>",
                 i);
        page_text(page, history->names[i]);
        page_put(page, ": %" PRIu64 " (%.1f %%)</li>", total, 100.0 * (double)total / (double)all);
    }
    page_put(page, "</ul>\n");
}

/* The height of the highest column. */
static uint64_t highest_of(const struct history *history, size_t columns, size_t merged)
{
    uint64_t highest = 1;
    for (size_t i = 0; i < columns; i++) {
        uint64_t sum = 0;
        for (size_t series = 0; series < history->count; series++)
            sum += column(history, series, i, merged);
        if (sum > highest)
            highest = sum;
    }
    return highest;
}

static void write_history(struct page *page, const char *title, const struct history *history)
{
    char from[MOMENT_TEXT], to[MOMENT_TEXT], span[MOMENT_TEXT];
    const size_t length = history_length(history), merged = (length + COLUMNS - 1) / COLUMNS;
    if (length == 0)
        return;
    const size_t columns = (length + merged - 1) / merged;
    const uint64_t highest = highest_of(history, columns, merged);
    const int64_t width = history->width * (int64_t)merged;
    moment_write(from, history->start);
    moment_write(to, history->start + width * (int64_t)columns);
    page_put(page,
             "<h3>%s</h3>\n<figure><svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" role=\"img\" "
             "aria-label=\"%s: %zu columns, each of %s, the highest with %" PRIu64
             " handshakes. The totals are below.\">",
             title, WIDTH, HEIGHT, title, columns, duration_write(span, width), highest);
    draw_columns(page, history, columns, merged, highest);
    page_put(page,
             "</svg>\n<div class=\"axis\"><span>%s</span><span>a column is %s, the highest has %" PRIu64
             "</span><span>%s</span></div>\n<figcaption>Handshakes in TLS libraries. All together:</figcaption>",
             from, span, highest, to);
    write_legend(page, history);
    page_put(page, "</figure>\n");
}

/* One row: a name, a bar, a number. */
static void write_bar(struct page *page, const char *name, const char *more, uint64_t count, uint64_t largest,
                      int color)
{
    page_put(page, "<tr>");
    page_row_head(page, name);
    if (more != NULL)
        page_cell(page, more);
    page_put(
        page,
        "<td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect "
        "class=\"c%d\" width=\"%.2f\" height=\"10\"/></svg></td>",
        color, 100.0 * (double)count / (double)(largest > 0 ? largest : 1));
    page_number(page, count);
    page_put(page, "</tr>\n");
}

/* Refusals by reason: incidents of one kind, summed by their reasons. */
static void write_reasons(struct page *page, const struct evidence *evidence)
{
    struct share shares[BARS];
    size_t used = 0, at = 0;
    uint64_t others = 0, largest = 0;
    for (const struct tally_entry *entry; (entry = evidence_next(evidence, INCIDENT_REFUSED, &at)) != NULL;) {
        size_t i = 0;
        while (i < used && strcmp(shares[i].name, entry->parts[INCIDENT_REASON]) != 0)
            i++;
        if (i == BARS - 1 && i == used) {
            tally_sum(&others, entry->count);
            continue;
        }
        if (i == used)
            shares[used++] = (struct share){.name = entry->parts[INCIDENT_REASON]};
        tally_sum(&shares[i].count, entry->count);
    }
    if (used == 0)
        return;
    if (others > 0)
        shares[used++] = (struct share){.name = "other reasons", .count = others};
    for (size_t i = 0; i < used; i++)
        largest = shares[i].count > largest ? shares[i].count : largest;
    page_put(page, "<h3>Refusals by reason</h3>\n");
    page_table_begin(page, "Connections that were refused, by reason", "Reason|Share|#Connections");
    for (size_t i = 0; i < used; i++)
        write_bar(page, shares[i].name, NULL, shares[i].count, largest, 4);
    page_table_end(page);
}

static void write_would_break(struct page *page, const struct evidence *evidence)
{
    size_t at = 0, rows = 0;
    const struct tally_entry *entry = evidence_next(evidence, INCIDENT_WOULD_REFUSE, &at);
    const uint64_t largest = entry != NULL ? entry->count : 0;
    if (entry == NULL)
        return;
    page_put(page, "<h3>Who would break with mode = enforce</h3>\n");
    page_table_begin(page, "Connections that passed and would be refused",
                     "Program and peer|Reason|Share|#Connections");
    for (; entry != NULL && rows < BARS; entry = evidence_next(evidence, INCIDENT_WOULD_REFUSE, &at), rows++) {
        char name[2 * TALLY_KEY_MAX + 8];
        (void)snprintf(name, sizeof name, "%.60s, %.60s", entry->parts[INCIDENT_PROGRAM],
                       entry->parts[INCIDENT_PEER][0] != '\0' ? entry->parts[INCIDENT_PEER] : "peer not known");
        write_bar(page, name, entry->parts[INCIDENT_REASON], entry->count, largest, 1);
    }
    page_table_end(page);
}

/* How the connections of each program were protected: the parts of one bar. */
static void write_services(struct page *page, const struct evidence *evidence)
{
    static const char *const names[SEGMENTS] = {"sealed", "TLS", "TLS, read on the wire",
                                                "not encrypted or not judged", "refused"};
    static const int colors[SEGMENTS] = {2, 0, 7, 4, 11};
    if (evidence->services.count == 0)
        return;
    page_put(page, "<h3>Sealed share by service</h3>\n<ul class=\"legend\">");
    for (size_t i = 0; i < SEGMENTS; i++)
        page_put(
            page,
            "<li><svg viewBox=\"0 0 10 10\" aria-hidden=\"true\"><rect class=\"c%d\" width=\"10\" height=\"10\"/>"
            "</svg>%s</li>",
            colors[i], names[i]);
    page_put(page, "</ul>\n");
    page_table_begin(page, "Connections by service and protection",
                     "Program|Share|#Sealed|#TLS|#On the wire|#Open|#Refused|#Sealed share");
    for (size_t i = 0; i < evidence->services.count && i < BARS; i++) {
        const struct tally_entry *const entry = &evidence->services.entries[i];
        double x = 0;
        page_put(page, "<tr>");
        page_row_head(page, entry->parts[0]);
        page_put(
            page,
            "<td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
        for (size_t j = 0; j < SEGMENTS; j++) {
            const double width = 100.0 * (double)entry->sums[j] / (double)entry->count;
            page_put(page, "<rect class=\"c%d\" x=\"%.2f\" width=\"%.2f\" height=\"10\"/>", colors[j], x, width);
            x += width;
        }
        page_put(page, "</svg></td>");
        for (size_t j = 0; j < SEGMENTS; j++)
            page_number(page, entry->sums[j]);
        page_put(page, "<td class=\"n\">%.1f %%</td></tr>\n",
                 100.0 * (double)entry->sums[SERVICE_SEALED] / (double)entry->count);
    }
    page_table_end(page);
    page_rest(page, evidence->services.count > BARS ? evidence->services.count - BARS : 0);
    page_put(
        page,
        "<p class=\"rest\">Events are counted. A connection can have two: one that is sealed inside TLS, and one "
        "whose bytes a program moves itself.</p>\n");
}

void page_write_charts(struct page *page, const struct report *report)
{
    const struct evidence *const evidence = &report->evidence;
    page_put(page, "<section aria-labelledby=\"charts\"><h2 id=\"charts\">At a glance</h2>\n");
    write_history(page, "Versions over time", &evidence->versions);
    write_history(page, "Key exchange groups over time", &evidence->groups);
    write_history(page, "Post-quantum share over time", &evidence->exchanges);
    write_services(page, evidence);
    write_reasons(page, evidence);
    write_would_break(page, evidence);
    if (evidence->services.count == 0)
        page_put(page, "<p>The logs have no connections.</p>\n");
    page_put(page, "</section>\n");
}
