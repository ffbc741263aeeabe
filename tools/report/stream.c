/*
 * Reads logs in large pieces, and splits them into lines. See stream.h.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_SHOWN = 256 }; /* bytes of a line that is too long which log_stream_line() returns */

/* The program that decompresses a file with these first bytes; NULL: it is not compressed. */
static const char *program_for(const unsigned char *magic, size_t length)
{
    static const struct {
        const char *bytes, *program;
        size_t length;
    } kinds[] = {
        {"\x1f\x8b", "gzip", 2},
        {"\xfd"
         "7zXZ",
         "xz", 5},
        {"BZh", "bzip2", 3},
        {"\x28\xb5\x2f\xfd", "zstd", 4},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (length >= kinds[i].length && memcmp(magic, kinds[i].bytes, kinds[i].length) == 0)
            return kinds[i].program;
    return NULL;
}

/* Starts the program with the file as its input; its output becomes stream->fd. Returns 0 or a negative errno
 * value. */
static int start_program(struct stream *stream)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    const pid_t child = fork();
    if (child < 0) {
        const int error = -errno;
        close(ends[0]);
        close(ends[1]);
        return error;
    }
    if (child == 0) {
        if (dup2(stream->file, STDIN_FILENO) >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0)
            (void)execlp(stream->program, stream->program, "-dc", (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    stream->child = child;
    stream->fd = ends[0];
    return 0;
}

int log_stream_open(struct stream *stream, const char *path, char *problem, size_t size)
{
    struct stat status;
    unsigned char magic[8];
    const bool is_input = strcmp(path, "-") == 0;
    stream->fd = is_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    stream->file = -1;
    stream->child = 0;
    stream->begin = stream->end = 0;
    stream->is_over = false;
    stream->error = 0;
    stream->size = 0;
    if (stream->fd < 0 || fstat(stream->fd, &status) < 0) {
        (void)snprintf(problem, size, "%s cannot be read: %s", path, strerror(errno));
        return -1;
    }
    if (S_ISDIR(status.st_mode)) {
        (void)snprintf(problem, size, "%s is a directory, expected a log", path);
        close(stream->fd);
        return -1;
    }
    if (!S_ISREG(status.st_mode))
        return 0;
    stream->size = (uint64_t)status.st_size;
    const ssize_t length = pread(stream->fd, magic, sizeof magic, 0);
    stream->program = program_for(magic, length > 0 ? (size_t)length : 0);
    if (stream->program == NULL)
        return 0;
    stream->file = stream->fd;
    const int error = start_program(stream);
    if (error == 0)
        return 0;
    (void)snprintf(problem, size, "%s cannot be decompressed: %s", path, strerror(-error));
    close(stream->file);
    return -1;
}

/* Reads more behind what is in the buffer. False: there is no more, or no room. */
static bool fill(struct stream *stream)
{
    if (stream->begin > 0 && stream->end - stream->begin < STREAM_LINE_MAX) {
        memmove(stream->buffer, stream->buffer + stream->begin, stream->end - stream->begin);
        stream->end -= stream->begin;
        stream->begin = 0;
    }
    while (!stream->is_over && stream->end < STREAM_BUFFER) {
        const ssize_t length = read(stream->fd, stream->buffer + stream->end, STREAM_BUFFER - stream->end);
        if (length > 0) {
            stream->end += (size_t)length;
            return true;
        }
        if (length < 0 && errno == EINTR)
            continue;
        stream->error = length < 0 ? errno : 0;
        stream->is_over = true;
    }
    return false;
}

/* Drops the rest of a line whose beginning is in shown[]. */
static void skip_line(struct stream *stream)
{
    do {
        char *const from = stream->buffer + stream->begin;
        char *const newline = memchr(from, '\n', stream->end - stream->begin);
        if (newline != NULL) {
            stream->begin += (size_t)(newline - from) + 1;
            return;
        }
        stream->begin = stream->end = 0;
    } while (fill(stream));
}

enum stream_result log_stream_line(struct stream *stream, char **line, size_t *length)
{
    static char shown[LONG_SHOWN + 1];
    size_t seen = 0;
    for (;;) {
        char *const from = stream->buffer + stream->begin;
        const size_t available = stream->end - stream->begin;
        char *const newline = memchr(from + seen, '\n', available - seen);
        const size_t found = newline != NULL ? (size_t)(newline - from) : available;
        if (found > STREAM_LINE_MAX) {
            memcpy(shown, from, LONG_SHOWN);
            *line = shown;
            *length = LONG_SHOWN;
            skip_line(stream);
            return STREAM_LONG;
        }
        if (newline != NULL) {
            *line = from;
            *length = found;
            stream->begin += found + 1;
            return STREAM_LINE;
        }
        seen = available;
        if (fill(stream))
            continue;
        *line = stream->buffer + stream->begin;
        *length = available;
        stream->begin = stream->end;
        return available > 0 ? STREAM_CUT : STREAM_END;
    }
}

bool log_stream_take(struct stream *stream, char *to, uint64_t length)
{
    while (length > 0) {
        const size_t available = stream->end - stream->begin;
        const size_t part = available < length ? available : (size_t)length;
        if (to != NULL) {
            memcpy(to, stream->buffer + stream->begin, part);
            to += part;
        }
        stream->begin += part;
        length -= part;
        if (length > 0 && stream->begin == stream->end) {
            stream->begin = stream->end = 0;
            if (!fill(stream))
                return false;
        }
    }
    return true;
}

uint64_t log_stream_position(const struct stream *stream)
{
    /* A child shares the offset of the file. */
    const off_t offset = lseek(stream->file >= 0 ? stream->file : stream->fd, 0, SEEK_CUR);
    return offset > 0 ? (uint64_t)offset : 0;
}

/* Waits for the program that decompresses. False: it has failed, and *problem says how. */
static bool has_succeeded(const struct stream *stream, bool is_early, char *problem, size_t size)
{
    int status = 0;
    while (waitpid(stream->child, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    if (is_early || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return true;
    if (WIFSIGNALED(status))
        (void)snprintf(problem, size, "%s was ended by signal %d", stream->program, WTERMSIG(status));
    else if (WEXITSTATUS(status) == 127)
        (void)snprintf(problem, size, "%s is not installed", stream->program);
    else
        (void)snprintf(problem, size, "%s ended with status %d: the compressed file is damaged or cut",
                       stream->program, WEXITSTATUS(status));
    return false;
}

int log_stream_close(struct stream *stream, bool is_early, char *problem, size_t size)
{
    int result = 0;
    close(stream->fd);
    if (stream->file >= 0)
        close(stream->file);
    if (stream->error != 0) {
        (void)snprintf(problem, size, "%s", strerror(stream->error));
        result = -1;
    }
    if (stream->child != 0 && !has_succeeded(stream, is_early, problem, size))
        result = -1;
    return result;
}
