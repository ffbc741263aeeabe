/*
 * Reads one log and gives its records: lines of JSON, the same behind the prefix of syslog, entries of systemd's
 * journal as `journalctl -o export` or `-o json` writes them. Which of them it is, each line says itself.
 */
#ifndef PFSWRAP_TOOLS_REPORT_READER_H
#define PFSWRAP_TOOLS_REPORT_READER_H

#include "record.h"
#include "stream.h"

enum {
    READER_NAME_MAX = 256,        /* bytes of a host's or unit's name */
    READER_ENTRY_MAX = 64 * 1024, /* bytes of an entry of the journal that are kept */
    READER_FIELD_MAX = 16 * 1024, /* bytes of one of its values; longer ones are skipped */
    READER_RAW_MAX = 8192,        /* bytes of a line that are kept as they are; pfswrap writes 4,096 at most */
    READER_EXCERPT_MAX = 120,     /* bytes of a damaged line that are shown */
};

struct reader {
    struct stream stream;
    uint64_t line;                        /* number of the last line that was read, from 1 */
    bool is_export;                       /* entries of `journalctl -o export` */
    const char *format;                   /* in words; NULL: no record yet */
    char host[READER_NAME_MAX];           /* of the last record; empty: not known */
    char excerpt[READER_EXCERPT_MAX + 1]; /* of the last damaged line, as it is */
    char entry[READER_ENTRY_MAX];         /* the values of an entry */
    char raw[READER_RAW_MAX];             /* the JSON of the last record, as it was written, */
    size_t raw_length;                    /* and its length; 0: it is longer, or an entry with fields */
};

enum reading {
    READING_RECORD,  /* *record is filled */
    READING_DAMAGED, /* *damage says why; excerpt has the beginning of the line */
    READING_FOREIGN, /* a line of another program, as syslog files and the journal have them */
    READING_END,
};

/* As log_stream_open(). */
int reader_open(struct reader *reader, const char *path, char *problem, size_t size);

/* The next line or entry. The record is valid until the next call. */
enum reading reader_next(struct reader *reader, struct record *record, enum damage *damage);

#endif
