/*
 * A hash table with open addressing. A hostile log cannot make it larger than TALLY_ENTRIES_MAX, nor slow: the hash
 * has a key that is different in each run. See tally.h.
 */
#include "tally.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "../message.h"

enum { INDEX_FIRST = 256, KEY_TEXT = TALLY_PARTS_MAX * (TALLY_KEY_MAX + 1) };

uint64_t tally_hash(const char *bytes, size_t length)
{
    static unsigned char secret[crypto_shorthash_KEYBYTES];
    static int is_ready;
    uint64_t hash;
    if (!is_ready) {
        if (sodium_init() < 0)
            abort();
        randombytes_buf(secret, sizeof secret);
        is_ready = 1;
    }
    (void)crypto_shorthash((unsigned char *)&hash, (const unsigned char *)bytes, length, secret);
    return hash;
}

/* No report without memory: a part of it would look like a whole one. */
static void *grown(void *memory, size_t size)
{
    void *const larger = realloc(memory, size > 0 ? size : 1);
    if (larger == NULL) {
        message("not enough memory for the report");
        exit(1);
    }
    return larger;
}

/* The code point of a character of 2 or 3 bytes. */
static unsigned code_of(const unsigned char *s, size_t length)
{
    return length == 2 ? (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu)
                       : (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
}

/* Characters that a page or a terminal must not get from a log: controls, separators, marks of direction. */
static int is_unsafe(const unsigned char *s, size_t length)
{
    if (length == 1)
        return *s < 0x20 || *s == 0x7f;
    if (length == 4)
        return 0;
    const unsigned code = code_of(s, length);
    return code < 0xa0 || code == 0xad || code == 0x61c || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff ||
           (code >= 0xfff9 && code <= 0xfffb);
}

size_t tally_clean(char to[TALLY_KEY_MAX + 1], const char *part)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t used = 0;
    for (const unsigned char *s = (const unsigned char *)(part != NULL ? part : ""); *s != '\0';) {
        const size_t length = utf8_length(s);
        const int is_replaced = length == 0 || is_unsafe(s, length);
        const size_t added = is_replaced ? sizeof replacement - 1 : length;
        if (used + added > TALLY_KEY_MAX)
            break;
        memcpy(to + used, is_replaced ? replacement : (const char *)s, added);
        used += added;
        s += length == 0 ? 1 : length;
    }
    to[used] = '\0';
    return used;
}

static void index_put(struct tally *tally, uint64_t hash, uint32_t position)
{
    size_t at = (size_t)hash & (tally->index_size - 1);
    while (tally->index[at] != 0)
        at = (at + 1) & (tally->index_size - 1);
    tally->index[at] = position + 1;
}

/* The index is never more than half full. */
static void index_grow(struct tally *tally)
{
    if (2 * (tally->count + 1) <= tally->index_size)
        return;
    tally->index_size = tally->index_size == 0 ? INDEX_FIRST : 2 * tally->index_size;
    tally->index = grown(tally->index, tally->index_size * sizeof *tally->index);
    memset(tally->index, 0, tally->index_size * sizeof *tally->index);
    for (size_t i = 0; i < tally->count; i++)
        index_put(tally, tally->entries[i].hash, (uint32_t)i);
}

/* Whether the entry has this key: its parts lie behind each other, with their terminators. */
static int is_same(const struct tally_entry *entry, const char *key, size_t length)
{
    return entry->length == length && memcmp(entry->parts[0], key, length) == 0;
}

static struct tally_entry *find(const struct tally *tally, uint64_t hash, const char *key, size_t length)
{
    if (tally->index_size == 0)
        return NULL;
    for (size_t at = (size_t)hash & (tally->index_size - 1); tally->index[at] != 0;
         at = (at + 1) & (tally->index_size - 1)) {
        struct tally_entry *const entry = &tally->entries[tally->index[at] - 1];
        if (entry->hash == hash && is_same(entry, key, length))
            return entry;
    }
    return NULL;
}

static struct tally_entry *insert(struct tally *tally, uint64_t hash, const char *key, size_t length)
{
    if (tally->count == TALLY_ENTRIES_MAX || tally->text + length > TALLY_TEXT_MAX)
        return NULL;
    index_grow(tally);
    if (tally->count == tally->room) {
        tally->room = tally->room == 0 ? INDEX_FIRST / 2 : 2 * tally->room;
        tally->entries = grown(tally->entries, tally->room * sizeof *tally->entries);
    }
    struct tally_entry *const entry = &tally->entries[tally->count];
    *entry = (struct tally_entry){.hash = hash, .length = length, .first = INT64_MAX, .last = INT64_MIN};
    char *text = grown(NULL, length);
    memcpy(text, key, length);
    tally->text += length;
    for (size_t i = 0; i < tally->parts; i++) {
        entry->parts[i] = text;
        text += strlen(text) + 1;
    }
    /* A table without parts is not made. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    index_put(tally, hash, (uint32_t)tally->count++);
    return entry;
}

void tally_sum(uint64_t *sum, uint64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = UINT64_MAX;
}

/* Joins the parts of a key, each with its terminator. Returns the length. */
static size_t join(const struct tally *tally, const char *const *key, char text[KEY_TEXT])
{
    size_t length = 0;
    for (size_t i = 0; i < tally->parts; i++)
        length += tally_clean(text + length, key[i]) + 1;
    return length;
}

const struct tally_entry *tally_find(const struct tally *tally, const char *const *key)
{
    char text[KEY_TEXT];
    const size_t length = join(tally, key, text);
    return find(tally, tally_hash(text, length), text, length);
}

bool tally_is_crowded(const struct tally *tally, const char *const *key)
{
    if (tally->count < (size_t)TALLY_ENTRIES_MAX / 10 * 9 && tally->text < (size_t)TALLY_TEXT_MAX / 10 * 9)
        return false;
    return tally_find(tally, key) == NULL;
}

struct tally_entry *tally_add(struct tally *tally, const char *const *key, uint64_t weight, int64_t time)
{
    char text[KEY_TEXT];
    const size_t length = join(tally, key, text);
    const uint64_t hash = tally_hash(text, length);
    struct tally_entry *entry = find(tally, hash, text, length);
    if (entry == NULL)
        entry = insert(tally, hash, text, length);
    if (entry == NULL) {
        tally_sum(&tally->left_out, weight);
        return NULL;
    }
    tally_sum(&entry->count, weight);
    if (time < entry->first)
        entry->first = time;
    if (time > entry->last)
        entry->last = time;
    return entry;
}

static int compare(const void *left, const void *right)
{
    const struct tally_entry *const a = left, *const b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    for (size_t i = 0; i < TALLY_PARTS_MAX && a->parts[i] != NULL; i++) {
        const int order = strcmp(a->parts[i], b->parts[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

void tally_sort(struct tally *tally)
{
    if (tally->count > 1)
        qsort(tally->entries, tally->count, sizeof *tally->entries, compare);
}
