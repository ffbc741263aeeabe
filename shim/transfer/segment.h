/*
 * Shared segments: mappings for connections that several processes have. A segment has slots, one for each
 * connection. If possible it is a file without a name (memfd_create(2)), so that an executed program can map it,
 * too. The file's descriptor is hidden from the program (fd/hidden.h).
 */
#ifndef PFSWRAP_TRANSFER_SEGMENT_H
#define PFSWRAP_TRANSFER_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "connection/endpoint.h"

struct segment {
    uint8_t *base;
    size_t bytes;
    uint64_t device, inode; /* of its file */
    size_t offset;          /* of the mapping, in the file */
    atomic_uint live;       /* how many connections of this process are in it, and threads that look at it */
    atomic_int taker;       /* share.c: the child of vfork() that uses it, */
    atomic_uint taken;      /* and how many slots that child has used */
    atomic_int fd;          /* of its file; -1: it has none */
    int32_t index;          /* of this segment */
    struct segment *next;   /* share.c: another one that a child of vfork() was the last to look at */
};

/* Makes a segment with `count` slots. NULL: no memory. In a child of vfork() it has no file. */
struct segment *segment_make(uint32_t count);

/*
 * Maps the part of another process's segment that contains the slot at byte offset `at`. `fd` is the segment's
 * file, and stays open. NULL: it is not a segment, has no such slot, or no memory or no number is left.
 */
struct segment *segment_join(int fd, size_t at);

/*
 * The slot with this index, in a segment of segment_make(); the slot at a byte offset in the file; and its offset.
 */
struct connection *segment_slot(const struct segment *segment, uint32_t slot_index);
struct connection *segment_slot_at(const struct segment *segment, size_t at);
size_t segment_offset_of(const struct segment *segment, const struct connection *slot);

/* The descriptor of the segment's file in this process, or child of vfork(); -1: it has none. */
int segment_descriptor(const struct segment *segment);

/* The program is about to put another file at `fd`. If a segment's file is there, it moves to another number. */
void segment_make_way(int fd);

/* One more connection of this process is in the segment; one less: the last one frees the segment. */
void segment_hold(struct segment *segment);
void segment_leave(struct segment *segment);

/*
 * As segment_hold(), for a segment that another thread may be freeing: false if it has. The memory of a segment is
 * only ever used for segments, so this may be another one by then. The caller finds that out afterwards.
 */
bool segment_try_hold(struct segment *segment);

/* As segment_leave(), but frees nothing. Returns whether the caller was the last one: the segment is its own then.
 */
bool segment_leave_unfreed(struct segment *segment);

/* Frees a segment without connections. */
void segment_drop(struct segment *segment);

/* In a child of a fork: segments that other threads of the parent were making or freeing are free. */
void segment_after_fork(void);

#endif
