/*
 * Finds the counters' block of a shared object in another process's memory, by its note.
 */
#ifndef PFSWRAP_TOOLS_SNAPSHOT_OBJECT_H
#define PFSWRAP_TOOLS_SNAPSHOT_OBJECT_H

#include "snapshot.h"

/* Sets *block, and the build id of the snapshot if there is one. Returns SNAPSHOT_READ or why not. */
enum snapshot_result snapshot_find(struct snapshot *snapshot, const struct memory_source *source, uint64_t base,
                                   uint64_t *block);

/* The result for what a source returned. */
enum snapshot_result snapshot_result_of(int error);

#endif
