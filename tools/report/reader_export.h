/*
 * Entries of `journalctl -o export` (systemd.io, "Journal Export Formats"), and what the readers share.
 */
#ifndef PFSWRAP_TOOLS_REPORT_READER_EXPORT_H
#define PFSWRAP_TOOLS_REPORT_READER_EXPORT_H

#include "reader.h"

/* Reads the entry that begins with this line, to the empty line behind it. */
enum reading reader_export_entry(struct reader *reader, char *line, size_t length, bool is_cut,
                                 struct record *record, enum damage *damage);

/* Makes a record of an entry's fields, if it is one of pfswrap's (reader.c). */
enum reading reader_finish_entry(struct reader *reader, struct record *record, enum damage *damage);

/* Keeps the beginning of a damaged line (reader.c). */
void reader_keep_excerpt(struct reader *reader, const char *line, size_t length);

#endif
