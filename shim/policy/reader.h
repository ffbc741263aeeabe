/*
 * Reads the lines of a policy file from a descriptor or from memory, and counts them. Refuses a line that is too
 * long or has control characters in it.
 */
#ifndef PFSWRAP_POLICY_READER_H
#define PFSWRAP_POLICY_READER_H

#include <sodium.h>
#include <stddef.h>

enum {
    POLICY_LINE_MAX = 4096,        /* bytes of a line, with the terminator */
    POLICY_FILE_MAX = 1024 * 1024, /* bytes of a file */
};

enum policy_line {
    POLICY_LINE_READ,    /* a line was read */
    POLICY_LINE_END,     /* the file has ended */
    POLICY_LINE_LONG,    /* the line has POLICY_LINE_MAX bytes or more */
    POLICY_LINE_CONTROL, /* the line has a control character other than a tab: reader.byte */
    POLICY_LINE_LARGE,   /* the file has more than POLICY_FILE_MAX bytes */
    POLICY_LINE_FAILED,  /* read(2) failed with `error` */
};

struct policy_reader {
    int fd;           /* -1 for text in memory */
    int error;        /* after POLICY_LINE_FAILED: a negative errno value */
    const char *text; /* the bytes from `position` to `length` come next */
    size_t length, position, total;
    unsigned line;      /* number of the last line, from 1 */
    unsigned char byte; /* after POLICY_LINE_CONTROL */
    char buffer[1024];
    crypto_generichash_state digest; /* of what was read from `fd` */
};

/* Reads from the descriptor `fd`, which the caller closes. */
void policy_reader_open(struct policy_reader *reader, int fd);

/* Reads the `size` bytes at `text`, which must stay until the last line was read. */
void policy_reader_open_text(struct policy_reader *reader, const char *text, size_t size);

/*
 * Copies the next line to `line`, which has POLICY_LINE_MAX bytes, without its newline (LF or CR LF). A UTF-8 byte
 * order mark in front of the first line is left out. The last line need not have a newline.
 */
enum policy_line policy_reader_next(struct policy_reader *reader, char *line);

#endif
