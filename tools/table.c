/*
 * Columns as wide as their widest cell. If that is too wide for the terminal, the columns that allow it are made
 * narrower, the widest one first. See table.h.
 */
#include "table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "safe_text.h"

enum { GAP = 2, GAP_NARROW = 1 }; /* columns of the terminal between two of the table */

bool table_add_row(struct table *table)
{
    if (table->row_count == table->room) {
        const size_t room = table->room == 0 ? 16 : 2 * table->room;
        char **more = realloc(table->cells, room * table->column_count * sizeof *more);
        if (more == NULL)
            return false;
        table->cells = more;
        table->room = room;
    }
    memset(&table->cells[table->row_count * table->column_count], 0, table->column_count * sizeof *table->cells);
    table->row_count++;
    return true;
}

void table_cell(struct table *table, size_t column, const char *format, ...)
{
    char text[TABLE_CELL_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char **cell = &table->cells[(table->row_count - 1) * table->column_count + column];
    free(*cell);
    *cell = strdup(text);
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
    const char *text = table->cells[row * table->column_count + column];
    return text != NULL ? text : "";
}

static void measure(const struct table *table, size_t widths[TABLE_COLUMNS_MAX])
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = text_columns(table->columns[c].title);
        for (size_t r = 0; r < table->row_count; r++) {
            const size_t width = text_columns(cell_at(table, r, c));
            if (width > widths[c])
                widths[c] = width;
        }
    }
}

/* Returns the gap that is left. */
static size_t make_narrower(const struct table *table, size_t widths[TABLE_COLUMNS_MAX], size_t width)
{
    for (size_t gap = GAP;; gap = GAP_NARROW) {
        size_t total = (table->column_count - 1) * gap, widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++) {
            total += widths[c];
            if (table->columns[c].least > 0 && widths[c] > table->columns[c].least &&
                (widest == table->column_count || widths[c] > widths[widest]))
                widest = c;
        }
        if (total <= width || (gap == GAP_NARROW && widest == table->column_count))
            return gap;
        if (gap == GAP_NARROW)
            widths[widest]--;
    }
}

static void write_cell(const struct table_column *column, const char *text, size_t width, size_t gap)
{
    const size_t columns = text_columns(text);
    const int padding = columns < width ? (int)(width - columns) : 0;
    if (columns > width && column->cuts_begin) {
        const char *end = text + text_cut(text, columns - (width - 2));
        out("..%s", end);
    } else if (columns > width) {
        out("%.*s..", (int)text_cut(text, width - 2), text);
    } else if (column->align == TABLE_RIGHT) {
        out("%*s%s", padding, "", text);
    } else {
        out("%s%*s", text, gap == 0 ? 0 : padding, "");
    }
    out("%*s", (int)gap, "");
}

void table_write(const struct table *table, size_t width)
{
    size_t widths[TABLE_COLUMNS_MAX];
    measure(table, widths);
    const size_t gap = width > 0 ? make_narrower(table, widths, width) : GAP;
    for (size_t r = 0; r <= table->row_count; r++) {
        for (size_t c = 0; c < table->column_count; c++) {
            const struct table_column *column = &table->columns[c];
            const bool is_last = c + 1 == table->column_count;
            write_cell(column, r == 0 ? column->title : cell_at(table, r - 1, c), widths[c], is_last ? 0 : gap);
        }
        out("\n");
    }
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->row_count * table->column_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->row_count = table->room = 0;
}

size_t table_width(void)
{
    struct winsize size = {0};
    const char *columns = getenv("COLUMNS");
    const long asked = columns != NULL ? strtol(columns, NULL, 10) : 0;
    enum { WIDTH_MAX = 10000 };
    if (asked > 0 && asked < WIDTH_MAX)
        return (size_t)asked;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void table_format_bytes(char text[TABLE_AMOUNT_MAX], uint64_t bytes)
{
    static const char units[] = "kMGTPE";
    double value = (double)bytes;
    int unit = -1;
    for (; value >= 999.5 && unit < (int)sizeof units - 2; unit++)
        value /= 1000;
    if (unit < 0)
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%" PRIu64 " B", bytes);
    else
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%.*f %cB", value < 9.95 ? 1 : 0, value, units[unit]);
}

void table_format_age(char text[TABLE_AMOUNT_MAX], int64_t since, int64_t now)
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };
    const int64_t age = now > since ? now - since : 0;
    if (since < 0)
        (void)snprintf(text, TABLE_AMOUNT_MAX, "-");
    else if (age < MINUTE)
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%ds", (int)age);
    else if (age < HOUR)
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%dm %ds", (int)(age / MINUTE), (int)(age % MINUTE));
    else if (age < DAY)
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%dh %dm", (int)(age / HOUR), (int)(age % HOUR / MINUTE));
    else
        (void)snprintf(text, TABLE_AMOUNT_MAX, "%dd %dh", (int)(age / DAY), (int)(age % DAY / HOUR));
}

void table_format_time(char text[TABLE_TIME_MAX], int64_t time)
{
    const int64_t year_10000 = INT64_C(253402300800);
    const time_t seconds = (time_t)time;
    struct tm parts;
    if (time < 0 || time >= year_10000 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(text, TABLE_TIME_MAX, "%Y-%m-%d %H:%M:%S", &parts) == 0)
        (void)snprintf(text, TABLE_TIME_MAX, "-");
}
