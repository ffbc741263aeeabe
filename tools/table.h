/*
 * Tables of text in columns, for terminals. All cells are safe texts (safe_text.h).
 */
#ifndef PFSWRAP_TOOLS_TABLE_H
#define PFSWRAP_TOOLS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_COLUMNS_MAX = 12, TABLE_CELL_MAX = 512 };

struct table_column {
    const char *title;
    size_t least; /* it may be cut to this many columns of the terminal if the table is too wide; 0: never */
    enum { TABLE_LEFT, TABLE_RIGHT } align;
    bool cuts_begin; /* its end matters more than its beginning: a path */
};

struct table {
    const struct table_column *columns;
    size_t column_count;
    char **cells; /* row by row */
    size_t row_count, room;
};

/* Adds a row, which table_cell() fills. There is no memory for more if it returns false. */
bool table_add_row(struct table *table);
void table_cell(struct table *table, size_t column, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes the table, at most `width` columns wide if that is possible; 0: without a limit. */
void table_write(const struct table *table, size_t width);
void table_free(struct table *table);

/* The width of the terminal at standard output, by $COLUMNS or the kernel; 0: standard output is no terminal. */
size_t table_width(void);

/* "1.5 MB": at most 8 characters. */
enum { TABLE_AMOUNT_MAX = 24 };
void table_format_bytes(char text[TABLE_AMOUNT_MAX], uint64_t bytes);

/* "3d 4h": the seconds from `since` to `now`; "-" if `since` is negative. */
void table_format_age(char text[TABLE_AMOUNT_MAX], int64_t since, int64_t now);

/* "2026-11-29 19:58:10", in UTC; "-" if it is negative or too large. */
enum { TABLE_TIME_MAX = 24 };
void table_format_time(char text[TABLE_TIME_MAX], int64_t time);

#endif
