/*
 * Lines of a policy file, out of a descriptor or out of memory, one at a time and counted. Refuses what a line of
 * text cannot be: too long, or with control characters in it. Knows nothing of INI. Calls read(2) only.
 */
#ifndef PFSWRAP_POLICY_READER_H
#define PFSWRAP_POLICY_READER_H

#include <stddef.h>

enum {
    POLICY_LINE_MAX = 4096,        /* bytes of a line, with the terminator */
    POLICY_FILE_MAX = 1024 * 1024, /* bytes of a file */
};

enum policy_line {
    POLICY_LINE_READ,    /* a line is there */
    POLICY_LINE_END,     /* the file has ended */
    POLICY_LINE_LONG,    /* the line has POLICY_LINE_MAX bytes or more */
    POLICY_LINE_CONTROL, /* the line has a control character (NUL, escape, ...) other than tab: reader.byte */
    POLICY_LINE_LARGE,   /* the file has more than POLICY_FILE_MAX bytes */
    POLICY_LINE_FAILED,  /* read(2) failed, errno says why */
};

struct policy_reader {
    int fd;           /* -1: all the text is there */
    const char *text; /* what has been read and not been used: from `position` to `length` */
    size_t length, position, total;
    unsigned line; /* the number of the last line given out, from 1 */
    unsigned char byte;
    char buffer[1024];
};

/* Begins to read descriptor `fd`, which stays the caller's. */
void policy_reader_open(struct policy_reader *reader, int fd);

/* Begins to read `size` bytes at `text`, which must outlive the reader. */
void policy_reader_open_text(struct policy_reader *reader, const char *text, size_t size);

/*
 * Copies the next line to `line`, which has POLICY_LINE_MAX bytes, without its newline (LF or CR LF) and, at the
 * beginning of the file, without a UTF-8 byte order mark. The last line may lack the newline.
 */
enum policy_line policy_reader_next(struct policy_reader *reader, char *line);

#endif
