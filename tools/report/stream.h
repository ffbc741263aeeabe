/*
 * A log as a stream of lines: a file, standard input, or what gzip(1), xz(1), bzip2(1) or zstd(1) makes of a
 * compressed file. The memory is the same for every length. Nothing here knows what is in the lines.
 */
#ifndef PFSWRAP_TOOLS_REPORT_STREAM_H
#define PFSWRAP_TOOLS_REPORT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    STREAM_LINE_MAX =
        128 * 1024, /* bytes of a line; longer ones are skipped. A line of pfswrap has 4,096 at most */
    STREAM_BUFFER = 4 * STREAM_LINE_MAX,
};

struct stream {
    int fd;                         /* where the bytes come from */
    int file;                       /* the file itself; -1: the same as fd */
    pid_t child;                    /* the program that decompresses; 0: none */
    const char *program;            /* its name */
    uint64_t size;                  /* of the file; 0: not known */
    size_t begin, end;              /* what has been read and not taken yet */
    bool is_over;                   /* fd has no more */
    int error;                      /* errno of a read that failed */
    char buffer[STREAM_BUFFER + 1]; /* one more, for a terminator */
};

enum stream_result {
    STREAM_LINE, /* a line, without its newline */
    STREAM_CUT,  /* the last line, which has no newline */
    STREAM_LONG, /* a line was skipped; what is returned is its beginning */
    STREAM_END,
};

/* Opens a file, or standard input for "-". Returns 0, or -1 with a message in problem[0..size). */
int log_stream_open(struct stream *stream, const char *path, char *problem, size_t size);

/* The next line: *length bytes at *line, which may be changed, as may the byte behind them. */
enum stream_result log_stream_line(struct stream *stream, char **line, size_t *length);

/* Takes `length` bytes, whatever they are. to = NULL: skips them. False: there are not so many. */
bool log_stream_take(struct stream *stream, char *to, uint64_t length);

/* How many bytes of the file have been read. */
uint64_t log_stream_position(const struct stream *stream);

/*
 * Closes the stream. Returns 0, or -1 with a message: a read failed, or the program that decompresses did. With
 * is_early, nobody wants the rest, and the program may end by SIGPIPE.
 */
int log_stream_close(struct stream *stream, bool is_early, char *problem, size_t size);

#endif
