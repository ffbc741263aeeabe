/*
 * Splits bytes from a descriptor or from memory into lines. See reader.h.
 */
#include "policy/reader.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/raw_syscall.h"
#include "policy/policy.h"

void policy_reader_open(struct policy_reader *reader, int fd)
{
    *reader = (struct policy_reader){.fd = fd, .text = reader->buffer};
    (void)crypto_generichash_init(&reader->digest, NULL, 0, POLICY_DIGEST_BYTES);
}

void policy_reader_open_text(struct policy_reader *reader, const char *text, size_t size)
{
    *reader = (struct policy_reader){.fd = -1, .text = text, .length = size};
}

/* Reads more bytes if none are left. Returns POLICY_LINE_READ if there is one, else END or FAILED. */
static enum policy_line reader_fill(struct policy_reader *reader)
{
    if (reader->position < reader->length)
        return POLICY_LINE_READ;
    if (reader->fd < 0)
        return POLICY_LINE_END;
    long taken;
    int interrupted = 0;
    do {
        taken = raw_syscall(SYS_read, reader->fd, reader->buffer, sizeof reader->buffer);
    } while (raw_is_interrupted(taken, &interrupted));
    if (taken < 0) {
        reader->error = (int)taken;
        return POLICY_LINE_FAILED;
    }
    reader->position = 0;
    reader->length = (size_t)taken;
    (void)crypto_generichash_update(&reader->digest, (const unsigned char *)reader->buffer, (size_t)taken);
    return taken == 0 ? POLICY_LINE_END : POLICY_LINE_READ;
}

static bool is_control(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

enum policy_line policy_reader_next(struct policy_reader *reader, char *line)
{
    size_t used = 0;
    bool carriage_return = false; /* the last byte was one; a newline must follow */
    reader->line++;
    for (;;) {
        enum policy_line state = reader_fill(reader);
        if (state == POLICY_LINE_END && (used > 0 || carriage_return))
            break;
        if (state != POLICY_LINE_READ)
            return state;
        unsigned char byte = (unsigned char)reader->text[reader->position++];
        if (++reader->total > POLICY_FILE_MAX)
            return POLICY_LINE_LARGE;
        if (byte == '\n')
            break;
        if (carriage_return || (is_control(byte) && byte != '\r')) {
            reader->byte = carriage_return ? '\r' : byte;
            return POLICY_LINE_CONTROL;
        }
        if (byte == '\r') {
            carriage_return = true;
            continue;
        }
        if (used == POLICY_LINE_MAX - 1)
            return POLICY_LINE_LONG;
        line[used++] = (char)byte;
    }
    line[used] = '\0';
    if (reader->line == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        memmove(line, line + 3, used - 2);
    return POLICY_LINE_READ;
}
