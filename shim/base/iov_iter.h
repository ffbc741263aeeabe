/*
 * An I/O vector iterator: a position in the program's buffers, which are an array of struct iovec as readv(2) and
 * sendmsg(2) take it. Copies bytes, and does nothing else.
 */
#ifndef PFSWRAP_BASE_IOV_ITER_H
#define PFSWRAP_BASE_IOV_ITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

struct iov_iter {
    const struct iovec *vectors;
    size_t count;
    size_t offset; /* into the first of them */
    size_t left;   /* bytes from the position to the end */
    size_t passed; /* bytes before the position */
    bool discards; /* received bytes are thrown away (MSG_TRUNC, tcp(7)) */
};

/* Bytes after the first SSIZE_MAX are ignored, as the kernel does it. */
static inline struct iov_iter iov_iter_init(const struct iovec *vectors, size_t count)
{
    struct iov_iter iter = {.vectors = vectors, .count = count};
    for (size_t i = 0; i < count; i++) {
        size_t room = (size_t)PTRDIFF_MAX - iter.left;
        iter.left += vectors[i].iov_len < room ? vectors[i].iov_len : room;
    }
    return iter;
}

/* The contiguous bytes from the position on; *length is 0 only at the end. */
static inline uint8_t *iov_iter_segment(struct iov_iter *iter, size_t *length)
{
    while (iter->count > 0 && iter->offset == iter->vectors->iov_len) {
        iter->vectors++;
        iter->count--;
        iter->offset = 0;
    }
    if (iter->count == 0 || iter->left == 0) {
        *length = 0;
        return NULL;
    }
    size_t here = iter->vectors->iov_len - iter->offset;
    *length = here < iter->left ? here : iter->left;
    return (uint8_t *)iter->vectors->iov_base + iter->offset;
}

static inline void iov_iter_advance(struct iov_iter *iter, size_t length)
{
    iter->left -= length;
    iter->passed += length;
    while (length > 0 && iter->count > 0) {
        size_t here = iter->vectors->iov_len - iter->offset;
        size_t step = length < here ? length : here;
        iter->offset += step;
        length -= step;
        if (iter->offset == iter->vectors->iov_len && length > 0) {
            iter->vectors++;
            iter->count--;
            iter->offset = 0;
        }
    }
}

/* Copies up to `length` bytes into the program's buffers, and moves past them. Returns how many. */
static inline size_t iov_iter_copy_to(struct iov_iter *iter, const uint8_t *bytes, size_t length)
{
    size_t total = length < iter->left ? length : iter->left;
    for (size_t done = 0; done < total;) {
        size_t room;
        uint8_t *piece = iov_iter_segment(iter, &room);
        size_t step = total - done < room ? total - done : room;
        if (!iter->discards)
            memcpy(piece, bytes + done, step);
        iov_iter_advance(iter, step);
        done += step;
    }
    return total;
}

/* Copies up to `length` bytes of the program's, and moves past them. Returns how many. */
static inline size_t iov_iter_copy_from(struct iov_iter *iter, uint8_t *bytes, size_t length)
{
    size_t total = length < iter->left ? length : iter->left;
    for (size_t done = 0; done < total;) {
        size_t room;
        const uint8_t *piece = iov_iter_segment(iter, &room);
        size_t step = total - done < room ? total - done : room;
        memcpy(bytes + done, piece, step);
        iov_iter_advance(iter, step);
        done += step;
    }
    return total;
}

#endif
