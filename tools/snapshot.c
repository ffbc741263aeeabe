/*
 * Reads and checks the counters of a process. What changes while it is read is read twice: a part counts only if
 * its sequence number is even and the same before and after. See snapshot.h.
 */
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>

#include <pfswrap/seal.h>

#include "safe_text.h"
#include "snapshot_object.h"

enum { TRIES = 16 };

const char *snapshot_result_text(enum snapshot_result result)
{
    switch (result) {
    case SNAPSHOT_READ:
        return "read";
    case SNAPSHOT_DENIED:
        return "the kernel does not let this user read its memory (run as root; see pfswrap(1))";
    case SNAPSHOT_GONE:
        return "the process has ended";
    case SNAPSHOT_LAYOUT:
        return "it runs another version of pfswrap, whose counters this one cannot read";
    case SNAPSHOT_BROKEN:
        return "what it has in place of counters makes no sense";
    case SNAPSHOT_STARTING:
        return "it has not begun to count yet";
    }
    return "unknown";
}

static int read_parts(const struct memory_source *source, const struct memory_part *parts, size_t count)
{
    return source->read(source->argument, parts, count);
}

/* The numbers and texts of *about, which say how to go on. */
static enum snapshot_result check_about(struct counters_about *about)
{
    if (memcmp(about->magic, (uint8_t[sizeof about->magic]){0}, sizeof about->magic) == 0)
        return SNAPSHOT_STARTING;
    if (memcmp(about->magic, COUNTERS_MAGIC, sizeof about->magic) != 0)
        return SNAPSHOT_BROKEN;
    if (about->layout != COUNTERS_LAYOUT)
        return SNAPSHOT_LAYOUT;
    if (about->counts_at < sizeof *about || about->counts_at > about->bytes ||
        about->bytes - about->counts_at < sizeof(struct counters_counts) || about->rule_count > COUNTERS_RULES ||
        about->key_count > COUNTERS_KEYS || about->identity_count > COUNTERS_IDENTITIES || about->mode > 1)
        return SNAPSHOT_BROKEN;
    (void)safe_text(about->version, sizeof about->version);
    (void)safe_text(about->program, sizeof about->program);
    (void)safe_text(about->problem, sizeof about->problem);
    (void)safe_text(about->policy, sizeof about->policy);
    for (uint32_t i = 0; i < about->rule_count; i++)
        (void)safe_text(about->rules[i].name, sizeof about->rules[i].name);
    for (uint32_t i = 0; i < about->key_count; i++)
        (void)safe_text(about->keys[i].name, sizeof about->keys[i].name);
    return SNAPSHOT_READ;
}

static enum snapshot_result read_about(struct counters_about *about, const struct memory_source *source,
                                       uint64_t block)
{
    for (int i = 0; i < TRIES; i++) {
        uint32_t after = 0;
        const struct memory_part parts[] = {
            {block, about, sizeof *about},
            {block + offsetof(struct counters_about, sequence), &after, sizeof after},
        };
        const int error = read_parts(source, parts, 2);
        if (error != 0)
            return snapshot_result_of(error);
        if (atomic_load(&about->sequence) == after && (after & 1) == 0)
            return check_about(about);
    }
    return SNAPSHOT_BROKEN;
}

static struct snapshot_flow sum_flows(const struct counters_flow *flows, size_t count)
{
    struct snapshot_flow sum = {0};
    for (size_t i = 0; i < count; i++) {
        sum.sent_bytes += atomic_load(&flows[i].sent_bytes);
        sum.sent_chunks += atomic_load(&flows[i].sent_chunks);
        sum.received_bytes += atomic_load(&flows[i].received_bytes);
        sum.received_chunks += atomic_load(&flows[i].received_chunks);
    }
    return sum;
}

static void put_cell(struct snapshot *snapshot, struct counters_cell *from)
{
    const uint64_t count = atomic_load(&from->count);
    if (atomic_load(&from->ready) != 1 || count == 0 || from->kind == 0 || from->kind >= COUNTERS_KINDS)
        return;
    struct snapshot_cell *cell = &snapshot->cells[snapshot->cell_count++];
    cell->kind = (enum counters_kind)from->kind;
    cell->count = count;
    (void)safe_text(from->a, sizeof from->a);
    (void)safe_text(from->b, sizeof from->b);
    memcpy(cell->a, from->a, sizeof cell->a);
    memcpy(cell->b, from->b, sizeof cell->b);
}

static enum snapshot_result read_cells(struct snapshot *snapshot, const struct memory_source *source,
                                       uint64_t address, uint32_t count)
{
    if (count > COUNTERS_CELLS)
        return SNAPSHOT_BROKEN;
    if (count == 0)
        return SNAPSHOT_READ;
    struct counters_cell *cells = calloc(count, sizeof *cells);
    snapshot->cells = calloc(count, sizeof *snapshot->cells);
    if (cells == NULL || snapshot->cells == NULL) {
        free(cells);
        return SNAPSHOT_BROKEN;
    }
    const struct memory_part part = {address, cells, count * sizeof *cells};
    const int error = read_parts(source, &part, 1);
    for (uint32_t i = 0; error == 0 && i < count; i++)
        put_cell(snapshot, &cells[i]);
    free(cells);
    return snapshot_result_of(error);
}

/* A time that a person can read, or -1. */
static int64_t time_check(uint64_t time)
{
    const uint64_t year_10000 = UINT64_C(253402300800);
    return time > 0 && time < year_10000 ? (int64_t)time : -1;
}

static void put_connection(struct snapshot *snapshot, struct counters_connection *from)
{
    struct snapshot_connection *connection = &snapshot->connections[snapshot->connection_count++];
    (void)safe_text(from->peer_name, sizeof from->peer_name);
    *connection = (struct snapshot_connection){
        .rule = from->rule,
        .flags = from->flags,
        .pattern = from->pattern,
        .family = from->family == 4 || from->family == 6 ? (uint8_t)from->family : 0,
        .local_port = from->local_port,
        .peer_port = from->peer_port,
        .identity = from->identity,
        .rehandshakes = atomic_load(&from->rehandshakes),
        .since = time_check((uint64_t)from->since),
        .renewed = time_check(atomic_load(&from->renewed)),
        .flow = {atomic_load(&from->sent_bytes), atomic_load(&from->sent_chunks),
                 atomic_load(&from->received_bytes), atomic_load(&from->received_chunks)},
    };
    memcpy(connection->local, from->local, sizeof connection->local);
    memcpy(connection->peer, from->peer, sizeof connection->peer);
    memcpy(connection->peer_name, from->peer_name, sizeof connection->peer_name);
}

/* Adds the entries of a chunk whose bits are set. */
static enum snapshot_result read_chunk(struct snapshot *snapshot, const struct memory_source *source,
                                       uint64_t address, uint64_t used)
{
    static struct counters_connection entries[2][COUNTERS_PER_CHUNK];
    const struct memory_part parts[] = {{address, entries[0], sizeof entries[0]},
                                        {address, entries[1], sizeof entries[1]}};
    const size_t room = snapshot->connection_count + COUNTERS_PER_CHUNK;
    const int error = read_parts(source, parts, 2);
    if (error != 0)
        return snapshot_result_of(error);
    struct snapshot_connection *more = realloc(snapshot->connections, room * sizeof *more);
    if (more == NULL)
        return SNAPSHOT_BROKEN;
    snapshot->connections = more;
    for (size_t i = 0; i < COUNTERS_PER_CHUNK; i++) {
        const uint32_t sequence = atomic_load(&entries[0][i].sequence);
        if ((used >> i & 1) != 0 && (sequence & 1) == 0 && sequence != 0 &&
            sequence == atomic_load(&entries[1][i].sequence) && entries[0][i].since != 0)
            put_connection(snapshot, &entries[0][i]);
    }
    return SNAPSHOT_READ;
}

/* What is in front of the cells in struct counters_counts. */
enum { COUNTS_HEAD = offsetof(struct counters_counts, index) };
_Static_assert((int)offsetof(struct counters_counts, cells) > (int)COUNTS_HEAD, "the index is not needed");

static enum snapshot_result read_counts(struct snapshot *snapshot, const struct memory_source *source,
                                        uint64_t address)
{
    static struct counters_counts counts;
    const struct counters_about *about = &snapshot->about;
    const size_t flows = offsetof(struct counters_counts, flows);
    const struct memory_part part = {address, &counts, flows + about->rule_count * sizeof counts.flows[0]};
    const int error = read_parts(source, &part, 1);
    if (error != 0)
        return snapshot_result_of(error);
    snapshot->lost = atomic_load(&counts.lost);
    snapshot->overflow = atomic_load(&counts.overflow);
    snapshot->unlisted = atomic_load(&counts.unlisted);
    snapshot->log_fails = atomic_load(&counts.log_fails) != 0;
    for (uint32_t i = 0; i < about->rule_count; i++)
        snapshot->flows[i] = sum_flows(counts.flows[i], COUNTERS_SHARDS);
    enum snapshot_result result = read_cells(snapshot, source, address + offsetof(struct counters_counts, cells),
                                             atomic_load(&counts.cell_count));
    for (size_t i = 0; result == SNAPSHOT_READ && i < COUNTERS_CHUNKS; i++) {
        const uint64_t chunk = atomic_load(&about->chunks[i]), used = atomic_load(&counts.used[i]);
        if (chunk != 0 && used != 0)
            result = read_chunk(snapshot, source, chunk, used);
    }
    return result;
}

enum snapshot_result snapshot_read(struct snapshot *snapshot, const struct memory_source *source, uint64_t base,
                                   int32_t pid)
{
    uint64_t block = 0;
    memset(snapshot, 0, sizeof *snapshot);
    enum snapshot_result result = snapshot_find(snapshot, source, base, &block);
    if (result == SNAPSHOT_READ)
        result = read_about(&snapshot->about, source, block);
    snapshot->is_own = pid == 0 || snapshot->about.pid == pid;
    if (result == SNAPSHOT_READ && snapshot->is_own)
        result = read_counts(snapshot, source, block + snapshot->about.counts_at);
    if (result != SNAPSHOT_READ)
        snapshot_free(snapshot);
    return result;
}

void snapshot_free(struct snapshot *snapshot)
{
    free(snapshot->cells);
    free(snapshot->connections);
    snapshot->cells = NULL;
    snapshot->connections = NULL;
    snapshot->cell_count = snapshot->connection_count = 0;
}

uint64_t snapshot_sum(const struct snapshot *snapshot, enum counters_kind kind)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < snapshot->cell_count; i++)
        sum += snapshot->cells[i].kind == kind ? snapshot->cells[i].count : 0;
    return sum;
}

struct snapshot_flow snapshot_total(const struct snapshot *snapshot)
{
    struct snapshot_flow total = {0};
    for (uint32_t i = 0; i < snapshot->about.rule_count; i++) {
        total.sent_bytes += snapshot->flows[i].sent_bytes;
        total.sent_chunks += snapshot->flows[i].sent_chunks;
        total.received_bytes += snapshot->flows[i].received_bytes;
        total.received_chunks += snapshot->flows[i].received_chunks;
    }
    return total;
}

const char *snapshot_pattern(const struct snapshot_connection *connection)
{
    return pfswrap_seal_pattern_name((enum pfswrap_seal_pattern)connection->pattern);
}

const char *snapshot_rule(const struct snapshot *snapshot, uint16_t rule)
{
    return rule < snapshot->about.rule_count ? snapshot->about.rules[rule].name : "?";
}
