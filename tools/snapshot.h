/*
 * What a protected process has counted (counters/layout.h), read from its memory. The process may be hostile: every
 * number is checked before it is used, every text is made safe, and nothing is trusted that leads elsewhere.
 */
#ifndef PFSWRAP_TOOLS_SNAPSHOT_H
#define PFSWRAP_TOOLS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "counters/layout.h"

/* Where the memory comes from. A part of another process's memory, one after the other in one call if possible. */
struct memory_part {
    uint64_t address;
    void *to;
    size_t size;
};
struct memory_source {
    /* Copies all parts, in their order. Returns 0 or a negative errno value: -EFAULT, if not all of it is there. */
    int (*read)(void *argument, const struct memory_part *parts, size_t count);
    void *argument;
};

enum {
    SNAPSHOT_BUILD_ID_MAX = 20,
    SNAPSHOT_CONNECTIONS_MAX = COUNTERS_CHUNKS * COUNTERS_PER_CHUNK,
};

enum snapshot_result {
    SNAPSHOT_READ,
    SNAPSHOT_DENIED,  /* the kernel refuses: another user's process, or a rule of ptrace(2) */
    SNAPSHOT_GONE,    /* the process has ended */
    SNAPSHOT_LAYOUT,  /* another version of pfswrap, with another layout */
    SNAPSHOT_BROKEN,  /* what is there makes no sense */
    SNAPSHOT_STARTING /* nothing is there yet */
};
const char *snapshot_result_text(enum snapshot_result result);

struct snapshot_flow {
    uint64_t sent_bytes, sent_chunks, received_bytes, received_chunks;
};

struct snapshot_cell {
    enum counters_kind kind;
    uint64_t count;
    char a[COUNTERS_CELL_A], b[COUNTERS_CELL_B];
};

struct snapshot_connection {
    uint16_t rule;
    uint8_t flags, pattern, family;
    uint16_t local_port, peer_port;
    uint8_t local[16], peer[16];
    uint64_t identity, rehandshakes;
    int64_t since, renewed; /* seconds; -1: not known */
    struct snapshot_flow flow;
    char peer_name[COUNTERS_NAME_MAX];
};

struct snapshot {
    struct counters_about about; /* checked: its counts are in bounds, and its texts are safe */
    bool is_own;                 /* the counts are this process's; false: a child that has not counted yet */
    uint8_t build_id[SNAPSHOT_BUILD_ID_MAX];
    size_t build_id_length;
    uint64_t lost, overflow, unlisted;
    bool log_fails;
    struct snapshot_flow flows[COUNTERS_RULES];
    struct snapshot_cell *cells; /* those with a count */
    size_t cell_count;
    struct snapshot_connection *connections;
    size_t connection_count;
};

/*
 * Reads the counters of the object whose first byte is at `base`. `pid`: as the process itself sees it; 0: any.
 * snapshot_free() belongs to SNAPSHOT_READ.
 */
enum snapshot_result snapshot_read(struct snapshot *snapshot, const struct memory_source *source, uint64_t base,
                                   int32_t pid);
void snapshot_free(struct snapshot *snapshot);

/* The sum of the cells of this kind. */
uint64_t snapshot_sum(const struct snapshot *snapshot, enum counters_kind kind);

/* The sum of the bytes and chunks of all rules. */
struct snapshot_flow snapshot_total(const struct snapshot *snapshot);

/* "IK" and the like; "?" for a number that is none. */
const char *snapshot_pattern(const struct snapshot_connection *connection);

/* The name of the connection's rule; "?" if there is none with its number. */
const char *snapshot_rule(const struct snapshot *snapshot, uint16_t rule);

#endif
