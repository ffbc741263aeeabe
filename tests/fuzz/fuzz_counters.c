/*
 * libFuzzer: whatever the memory of another process has in it, snapshot_read() reads inside of it, ends, and
 * returns a snapshot whose numbers are in bounds and whose texts end and have no control characters. The input is
 * the bytes of an object and of its block of counters, as pieces at the places where a real process has them: an
 * offset and a length in three bytes each.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "../../tools/snapshot.h"
#include "fuzz.h"

enum { BASE = 0x10000, NOTE_AT = 256, BLOCK_AT = 4096, MEMORY = 1 << 19 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static alignas(PAGE_LARGEST) uint8_t memory[MEMORY];
static unsigned reads;

static int read_memory(void *argument, const struct memory_part *parts, size_t count)
{
    (void)argument;
    FUZZ_CHECK(++reads < 4096);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].address < BASE || parts[i].address - BASE > MEMORY ||
            parts[i].size > MEMORY - (parts[i].address - BASE))
            return -EFAULT;
        memcpy(parts[i].to, memory + (parts[i].address - BASE), parts[i].size);
    }
    return 0;
}

static void check_text(const char *text, size_t size)
{
    const size_t length = strnlen(text, size);
    FUZZ_CHECK(length < size);
    for (size_t i = 0; i < length; i++)
        FUZZ_CHECK((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

static void check_snapshot(const struct snapshot *snapshot)
{
    const struct counters_about *about = &snapshot->about;
    FUZZ_CHECK(about->rule_count <= COUNTERS_RULES && about->key_count <= COUNTERS_KEYS);
    FUZZ_CHECK(about->identity_count <= COUNTERS_IDENTITIES && snapshot->cell_count <= COUNTERS_CELLS);
    FUZZ_CHECK(snapshot->connection_count <= SNAPSHOT_CONNECTIONS_MAX);
    FUZZ_CHECK(snapshot->build_id_length <= SNAPSHOT_BUILD_ID_MAX);
    check_text(about->program, sizeof about->program);
    check_text(about->policy, sizeof about->policy);
    for (uint32_t i = 0; i < about->rule_count; i++)
        check_text(about->rules[i].name, sizeof about->rules[i].name);
    for (size_t i = 0; i < snapshot->cell_count; i++) {
        check_text(snapshot->cells[i].a, sizeof snapshot->cells[i].a);
        check_text(snapshot->cells[i].b, sizeof snapshot->cells[i].b);
    }
    for (size_t i = 0; i < snapshot->connection_count; i++) {
        check_text(snapshot->connections[i].peer_name, sizeof snapshot->connections[i].peer_name);
        FUZZ_CHECK(snapshot_rule(snapshot, snapshot->connections[i].rule) != NULL);
    }
}

/* A process with valid headers and an empty block, which the input then changes. */
static void make_process(void)
{
    static const uint8_t header[64] = {0x7f, 'E', 'L', 'F', 2, 1, 1, [32] = 64, [54] = 56, [56] = 1};
    static const uint8_t segment[56] = {4, [17] = NOTE_AT >> 8, [32] = 24};
    const uint32_t words[] = {8, 4, COUNTERS_NOTE_TYPE};
    const int32_t distance = BLOCK_AT - NOTE_AT - 20;
    memset(memory, 0, sizeof memory);
    memcpy(memory, header, sizeof header);
    memcpy(memory + 64, segment, sizeof segment);
    memcpy(memory + NOTE_AT, words, sizeof words);
    memcpy(memory + NOTE_AT + 12, "pfswrap", 8);
    memcpy(memory + NOTE_AT + 20, &distance, sizeof distance);
    struct counters_block *block = (void *)(memory + BLOCK_AT);
    memcpy(block->about.magic, COUNTERS_MAGIC, sizeof block->about.magic);
    block->about.layout = COUNTERS_LAYOUT;
    block->about.bytes = sizeof *block;
    block->about.counts_at = offsetof(struct counters_block, counts);
    block->about.chunks[0] = BASE + BLOCK_AT + sizeof *block;
}

static size_t number(const uint8_t *bytes)
{
    return (size_t)bytes[0] << 16 | (size_t)bytes[1] << 8 | bytes[2];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct memory_source source = {read_memory, NULL};
    static struct snapshot snapshot;
    enum { PIECE = 6 };
    make_process();
    while (size >= PIECE) {
        const size_t at = number(data) % MEMORY;
        size_t length = number(data + 3);
        data += PIECE;
        size -= PIECE;
        if (length > size)
            length = size;
        if (length > MEMORY - at)
            length = MEMORY - at;
        memcpy(memory + at, data, length);
        data += length;
        size -= length;
    }
    reads = 0;
    if (snapshot_read(&snapshot, &source, BASE, 0) == SNAPSHOT_READ) {
        check_snapshot(&snapshot);
        snapshot_free(&snapshot);
    }
    return 0;
}
