/*
 * Segments: mappings in which connections are kept that more than one process has. A segment is a file without a
 * name where possible, so that a program that is executed can map it, too; its descriptor is the shim's own, out of
 * the program's reach. Knows no holders.
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
    atomic_uint live;       /* connections of this process in it */
    atomic_int taker;       /* share.c: the child of vfork() that it was made for, */
    atomic_uint taken;      /* and how many of its places that child has taken */
    atomic_int fd;          /* of its file; -1: it has none */
    int32_t index;          /* of this segment */
};

/* One with `count` places. NULL: no memory. A child of vfork() makes one without a file. */
struct segment *segment_make(uint32_t count);

/*
 * The part of another process's segment with the place at `at`. `fd`: of its file; stays the caller's. NULL: it is
 * no segment, has no such place, or there is no memory or number left.
 */
struct segment *segment_join(int fd, size_t at);

/* The place `number` of a segment made here; the place at `at`, bytes into its file; and the reverse. */
struct connection *segment_slot(const struct segment *segment, uint32_t number);
struct connection *segment_slot_at(const struct segment *segment, size_t at);
size_t segment_offset_of(const struct segment *segment, const struct connection *slot);

/* The descriptor of the segment's file in this process, also if that is a child of vfork(); -1: it has none. */
int segment_descriptor(const struct segment *segment);

/* The program is about to put something else at `fd`. Where that is a segment's, the segment goes on under another.
 */
void segment_make_way(int fd);

/* A connection of this process is kept there; or no more: the last one ends it. */
void segment_hold(struct segment *segment);
void segment_leave(struct segment *segment);

/* Ends one that nothing is kept in. */
void segment_drop(struct segment *segment);

#endif
