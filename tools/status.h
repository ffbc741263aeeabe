/*
 * `pfswrap status`, in its forms.
 */
#ifndef PFSWRAP_TOOLS_STATUS_H
#define PFSWRAP_TOOLS_STATUS_H

#include <stdbool.h>

#include "protected.h"
#include "table.h"

/* status_text.c: one row of the table, and everything about one process. */
extern const struct table_column status_columns[];
enum { STATUS_COLUMNS = 10 };
void status_add_row(struct table *table, const struct protected_process *protected);
void status_write_text(const struct protected_process *protected, size_t width);

/* status_json.c: an object on one line. */
void status_write_json(const struct protected_process *protected);

/* unprotected.c: the processes that should be protected and are not. Returns an exit status. */
int status_unprotected(bool json, const char *folder);

#endif
