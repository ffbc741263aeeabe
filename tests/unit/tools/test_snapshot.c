/*
 * The counters of another process are hostile bytes: whatever they say, a snapshot is read whole or refused, and
 * its texts are fit for a terminal.
 */
#include "../suite.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../../tools/safe_text.h"
#include "../../../tools/snapshot.h"
#include "../../../tools/table.h"

enum { BASE = 0x10000, BLOCK_AT = 4096, CHUNK_AT = BLOCK_AT + sizeof(struct counters_block) };

/* The memory of a process: an object with a note, its block of counters, and a chunk of connections. */
static struct {
    alignas(PAGE_LARGEST) uint8_t bytes[CHUNK_AT + COUNTERS_PER_CHUNK * sizeof(struct counters_connection)];
    unsigned reads;
} memory;

static struct counters_block *block;
static struct counters_connection *entries;
static Elf64_Ehdr *header;
static Elf64_Phdr *segment;
static uint8_t *note;

static int read_memory(void *argument, const struct memory_part *parts, size_t count)
{
    (void)argument;
    memory.reads++;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].address < BASE || parts[i].address - BASE > sizeof memory.bytes ||
            parts[i].size > sizeof memory.bytes - (parts[i].address - BASE))
            return -EFAULT;
        memcpy(parts[i].to, memory.bytes + (parts[i].address - BASE), parts[i].size);
    }
    return 0;
}

static const struct memory_source source = {read_memory, NULL};

static void make_object(void)
{
    enum { HEADERS_AT = 64, NOTE_AT = 256, NOTE_BYTES = 24 };
    const uint32_t words[] = {8, 4, COUNTERS_NOTE_TYPE};
    const int32_t distance = BLOCK_AT - (NOTE_AT + 20);
    header = (void *)memory.bytes;
    segment = (void *)(memory.bytes + HEADERS_AT);
    note = memory.bytes + NOTE_AT;
    memcpy(header->e_ident, ELFMAG "\2\1\1", 7);
    header->e_phoff = HEADERS_AT;
    header->e_phentsize = sizeof *segment;
    header->e_phnum = 1;
    *segment = (Elf64_Phdr){.p_type = PT_NOTE, .p_vaddr = NOTE_AT, .p_filesz = NOTE_BYTES};
    memcpy(note, words, sizeof words);
    memcpy(note + 12, "pfswrap", 8);
    memcpy(note + 20, &distance, sizeof distance);
}

/* A process 42 with one rule, three cells, and one connection. */
static void setup(void)
{
    memset(&memory, 0, sizeof memory);
    make_object();
    block = (void *)(memory.bytes + BLOCK_AT);
    entries = (void *)(memory.bytes + CHUNK_AT);
    memcpy(block->about.magic, COUNTERS_MAGIC, sizeof block->about.magic);
    block->about.layout = COUNTERS_LAYOUT;
    block->about.bytes = sizeof *block;
    block->about.counts_at = offsetof(struct counters_block, counts);
    block->about.pid = 42;
    block->about.rule_count = 1;
    strcpy(block->about.rules[0].name, "redis");
    strcpy(block->about.program, "redis-server");
    block->about.chunks[0] = BASE + CHUNK_AT;
    block->counts.used[0] = 1;
    block->counts.flows[0][0].sent_bytes = 7;
    block->counts.flows[0][COUNTERS_SHARDS - 1].sent_bytes = 8;
    block->counts.cell_count = 1;
    block->counts.cells[0] = (struct counters_cell){.ready = 1, .kind = COUNTERS_HANDSHAKE, .count = 3};
    strcpy(block->counts.cells[0].a, "TLSv1.3");
    strcpy(block->counts.cells[0].b, "X25519");
    entries[0] =
        (struct counters_connection){.sequence = 2, .pattern = 1, .since = 1000, .family = 4, .peer_port = 9};
    strcpy(entries[0].peer_name, "app-1");
}

static struct snapshot snapshot;

static enum snapshot_result result(void)
{
    const enum snapshot_result read = snapshot_read(&snapshot, &source, BASE, 42);
    if (read == SNAPSHOT_READ)
        snapshot_free(&snapshot);
    return read;
}

START_TEST(a_snapshot_has_what_the_process_has_counted)
{
    ck_assert_int_eq(snapshot_read(&snapshot, &source, BASE, 42), SNAPSHOT_READ);
    ck_assert(snapshot.is_own);
    ck_assert_str_eq(snapshot.about.program, "redis-server");
    ck_assert_uint_eq(snapshot_total(&snapshot).sent_bytes, 15);
    ck_assert_uint_eq(snapshot_sum(&snapshot, COUNTERS_HANDSHAKE), 3);
    ck_assert_uint_eq(snapshot.connection_count, 1);
    ck_assert_str_eq(snapshot.connections[0].peer_name, "app-1");
    ck_assert_str_eq(snapshot_pattern(&snapshot.connections[0]), "IK");
    ck_assert_str_eq(snapshot_rule(&snapshot, snapshot.connections[0].rule), "redis");
    snapshot_free(&snapshot);
}
END_TEST

START_TEST(a_child_that_has_its_parents_page_has_counted_nothing)
{
    ck_assert_int_eq(snapshot_read(&snapshot, &source, BASE, 43), SNAPSHOT_READ);
    ck_assert(!snapshot.is_own);
    ck_assert_uint_eq(snapshot.cell_count, 0);
    snapshot_free(&snapshot);
}
END_TEST

START_TEST(another_layout_and_no_counters_are_told_apart)
{
    block->about.layout = COUNTERS_LAYOUT + 1;
    ck_assert_int_eq(result(), SNAPSHOT_LAYOUT);
    memset(block->about.magic, 0, sizeof block->about.magic);
    ck_assert_int_eq(result(), SNAPSHOT_STARTING);
    memset(block->about.magic, 'x', sizeof block->about.magic);
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    note[12] = 'q'; /* another owner: an object before counters */
    ck_assert_int_eq(result(), SNAPSHOT_LAYOUT);
}
END_TEST

START_TEST(numbers_out_of_bounds_are_refused)
{
    uint32_t *const numbers[] = {&block->about.rule_count, &block->about.key_count, &block->about.identity_count,
                                 &block->about.mode,       &block->about.counts_at, &block->about.bytes};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const uint32_t right = *numbers[i];
        *numbers[i] = i == 5 ? 0 : UINT32_MAX;
        ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
        *numbers[i] = right;
    }
    block->counts.cell_count = COUNTERS_CELLS + 1;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    block->counts.cell_count = 0;
    block->about.chunks[0] = UINT64_MAX - 8;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    block->about.chunks[0] = 0;
    ck_assert_int_eq(result(), SNAPSHOT_READ);
}
END_TEST

START_TEST(headers_that_lead_nowhere_are_refused)
{
    const uint32_t all = UINT32_MAX;
    segment->p_vaddr = UINT64_MAX - 4;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    setup();
    segment->p_filesz = UINT64_MAX;
    ck_assert_int_eq(result(), SNAPSHOT_LAYOUT);
    setup();
    memcpy(note, &all, sizeof all); /* the length of the owner's name */
    ck_assert_int_eq(result(), SNAPSHOT_LAYOUT);
    setup();
    memcpy(note + 20, &all, sizeof all); /* the block is in front of the note's last byte */
    ck_assert_int_ne(result(), SNAPSHOT_READ);
    setup();
    header->e_phnum = UINT16_MAX;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    setup();
    header->e_phoff = UINT64_MAX;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    setup();
    header->e_ident[EI_CLASS] = 7;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
}
END_TEST

START_TEST(what_always_changes_is_read_a_limited_number_of_times)
{
    block->about.sequence = 3;
    ck_assert_int_eq(result(), SNAPSHOT_BROKEN);
    ck_assert_uint_lt(memory.reads, 30);
    block->about.sequence = 2;
    entries[0].sequence = 3; /* a connection that is being entered is left out */
    ck_assert_int_eq(snapshot_read(&snapshot, &source, BASE, 42), SNAPSHOT_READ);
    ck_assert_uint_eq(snapshot.connection_count, 0);
    snapshot_free(&snapshot);
}
END_TEST

START_TEST(texts_end_and_have_nothing_that_moves_a_cursor)
{
    memset(block->about.program, 0x1b, sizeof block->about.program);
    memset(block->about.policy, 'x', sizeof block->about.policy);
    strcpy(block->about.rules[0].name, "a\xc2\x9b"
                                       "31m\n\xff\xe2\x80\xae\xc3\xa9");
    ck_assert_int_eq(snapshot_read(&snapshot, &source, BASE, 42), SNAPSHOT_READ);
    ck_assert_uint_eq(strlen(snapshot.about.program), sizeof snapshot.about.program - 1);
    ck_assert_ptr_null(strchr(snapshot.about.program, 0x1b));
    ck_assert_uint_eq(strlen(snapshot.about.policy), sizeof snapshot.about.policy - 1);
    ck_assert_str_eq(snapshot.about.rules[0].name, "a??31m?????\xc3\xa9");
    snapshot_free(&snapshot);
}
END_TEST

START_TEST(a_time_that_no_calendar_has_is_not_known)
{
    char text[TABLE_TIME_MAX];
    entries[0].since = INT64_MAX;
    entries[0].renewed = UINT64_MAX;
    ck_assert_int_eq(snapshot_read(&snapshot, &source, BASE, 42), SNAPSHOT_READ);
    ck_assert_int_eq(snapshot.connections[0].since, -1);
    ck_assert_int_eq(snapshot.connections[0].renewed, -1);
    snapshot_free(&snapshot);
    table_format_time(text, INT64_MAX);
    ck_assert_str_eq(text, "-");
    table_format_time(text, 951782400);
    ck_assert_str_eq(text, "2000-02-29 00:00:00");
}
END_TEST

START_TEST(amounts_have_few_digits)
{
    static const struct {
        uint64_t bytes;
        const char *text;
    } amounts[] = {{0, "0 B"},      {999, "999 B"},     {1000, "1.0 kB"},   {9949, "9.9 kB"},
                   {9951, "10 kB"}, {999499, "999 kB"}, {999500, "1.0 MB"}, {UINT64_MAX, "18 EB"}};
    char text[TABLE_AMOUNT_MAX];
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        table_format_bytes(text, amounts[i].bytes);
        ck_assert_str_eq(text, amounts[i].text);
    }
    table_format_age(text, 100, 99);
    ck_assert_str_eq(text, "0s");
    table_format_age(text, 0, 90061);
    ck_assert_str_eq(text, "1d 1h");
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("snapshot");
    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_snapshot_has_what_the_process_has_counted);
    tcase_add_test(cases, a_child_that_has_its_parents_page_has_counted_nothing);
    tcase_add_test(cases, another_layout_and_no_counters_are_told_apart);
    tcase_add_test(cases, numbers_out_of_bounds_are_refused);
    tcase_add_test(cases, headers_that_lead_nowhere_are_refused);
    tcase_add_test(cases, what_always_changes_is_read_a_limited_number_of_times);
    tcase_add_test(cases, texts_end_and_have_nothing_that_moves_a_cursor);
    tcase_add_test(cases, a_time_that_no_calendar_has_is_not_known);
    tcase_add_test(cases, amounts_have_few_digits);
    return run_suite(cases, "snapshot");
}
