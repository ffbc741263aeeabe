/*
 * A place in the program's buffers: an array of struct iovec, as readv(2) and sendmsg(2) take them, and how far a
 * call has come in it. Copies bytes; knows nothing else.
 */
#ifndef PFSWRAP_CONNECTION_CURSOR_H
#define PFSWRAP_CONNECTION_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct cursor {
    const struct iovec *vectors;
    size_t count;
    size_t offset; /* into the first of them */
    size_t left;   /* bytes in all */
    size_t passed; /* bytes behind us */
    bool discards; /* what arrives is thrown away (MSG_TRUNC, tcp(7)) */
};

/* No more than SSIZE_MAX bytes count: what is beyond is left for the next call. */
static inline struct cursor cursor_at(const struct iovec *vectors, size_t count)
{
    struct cursor cursor = {.vectors = vectors, .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t room = (size_t)PTRDIFF_MAX - cursor.left;
        cursor.left += vectors[i].iov_len < room ? vectors[i].iov_len : room;
    }
    return cursor;
}

/* The bytes that lie in one piece from here; *length may be 0 only at the end. */
static inline uint8_t *cursor_piece(struct cursor *cursor, size_t *length)
{
    while (cursor->count > 0 && cursor->offset == cursor->vectors->iov_len) {
        cursor->vectors++;
        cursor->count--;
        cursor->offset = 0;
    }
    if (cursor->count == 0 || cursor->left == 0) {
        *length = 0;
        return NULL;
    }
    size_t here = cursor->vectors->iov_len - cursor->offset;
    *length = here < cursor->left ? here : cursor->left;
    return (uint8_t *)cursor->vectors->iov_base + cursor->offset;
}

static inline void cursor_skip(struct cursor *cursor, size_t length)
{
    cursor->left -= length;
    cursor->passed += length;
    while (length > 0) {
        size_t here = cursor->vectors->iov_len - cursor->offset;
        size_t step = length < here ? length : here;
        cursor->offset += step;
        length -= step;
        if (cursor->offset == cursor->vectors->iov_len && length > 0) {
            cursor->vectors++;
            cursor->count--;
            cursor->offset = 0;
        }
    }
}

/* Copies as many of `length` bytes as there is room for, and goes on behind them. Returns how many. */
static inline size_t cursor_put(struct cursor *cursor, const uint8_t *bytes, size_t length)
{
    size_t total = length < cursor->left ? length : cursor->left;
    for (size_t done = 0; done < total;) {
        size_t room;
        uint8_t *piece = cursor_piece(cursor, &room);
        size_t step = total - done < room ? total - done : room;
        if (!cursor->discards)
            memcpy(piece, bytes + done, step);
        cursor_skip(cursor, step);
        done += step;
    }
    return total;
}

/* Copies up to `length` of the program's bytes from here, and goes on behind them. Returns how many. */
static inline size_t cursor_get(struct cursor *cursor, uint8_t *bytes, size_t length)
{
    size_t total = length < cursor->left ? length : cursor->left;
    for (size_t done = 0; done < total;) {
        size_t room;
        const uint8_t *piece = cursor_piece(cursor, &room);
        size_t step = total - done < room ? total - done : room;
        memcpy(bytes + done, piece, step);
        cursor_skip(cursor, step);
        done += step;
    }
    return total;
}

#endif
