/*
 * Regions: mappings in which connections are kept that more than one process has. A region is a file without a name
 * where possible, so that a program that is executed can map it, too; its descriptor is the shim's own, out of the
 * program's reach. Knows no holders.
 */
#ifndef PFSWRAP_CONNECTION_REGION_H
#define PFSWRAP_CONNECTION_REGION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "connection/endpoint.h"

struct region {
    uint8_t *base;
    size_t bytes;
    uint64_t device, inode; /* of its file */
    size_t offset;          /* of the mapping, in the file */
    atomic_uint live;       /* connections of this process in it */
    atomic_int taker;       /* share.c: the child of vfork() that it was made for, */
    atomic_uint taken;      /* and how many of its places that child has taken */
    atomic_int fd;          /* of its file; -1: it has none */
    int32_t index;          /* of this region */
};

/* One with `count` places. NULL: no memory. A child of vfork() makes one without a file. */
struct region *region_make(uint32_t count);

/*
 * The part of another process's region with the place at `at`. `fd`: of its file; stays the caller's. NULL: it is
 * no region, has no such place, or there is no memory or number left.
 */
struct region *region_join(int fd, size_t at);

/* The place `number` of a region made here; the place at `at`, bytes into its file; and the reverse. */
struct connection *region_place(const struct region *region, uint32_t number);
struct connection *region_home(const struct region *region, size_t at);
size_t region_at(const struct region *region, const struct connection *home);

/* The descriptor of the region's file in this process, also if that is a child of vfork(); -1: it has none. */
int region_descriptor(const struct region *region);

/* The program is about to put something else at `fd`. Where that is a region's, the region goes on under another.
 */
void region_make_way(int fd);

/* A connection of this process is kept there; or no more: the last one ends it. */
void region_hold(struct region *region);
void region_leave(struct region *region);

/* Ends one that nothing is kept in. */
void region_drop(struct region *region);

#endif
