/*
 * Counts by several keys at once, such as version, group and suite, in bounded memory: what comes when the table is
 * full is counted together.
 */
#ifndef PFSWRAP_TOOLS_REPORT_TALLY_H
#define PFSWRAP_TOOLS_REPORT_TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    TALLY_ENTRIES_MAX = 10000,
    TALLY_TEXT_MAX = 4 * 1024 * 1024, /* bytes of all keys */
    TALLY_KEY_MAX = 200,              /* bytes of one part of a key; the rest is cut */
    TALLY_PARTS_MAX = 8,
    TALLY_SUMS = 8,
};

struct tally_entry {
    char *parts[TALLY_PARTS_MAX]; /* never NULL for the parts that the table has */
    uint64_t hash;
    size_t length; /* bytes of the parts, with their terminators */
    uint64_t count;
    int64_t first, last; /* microseconds since the epoch */
    uint64_t sums[TALLY_SUMS];
};

struct tally {
    size_t parts; /* of each key */
    struct tally_entry *entries;
    size_t count, room;
    uint32_t *index; /* positions in entries, plus 1; 0: free */
    size_t index_size;
    size_t text;       /* bytes of the keys */
    uint64_t left_out; /* what was counted when the table was full */
};

/*
 * Adds `weight` to the entry with this key, which has tally->parts parts (NULL is ""). Control characters, and
 * those that change the direction of text, become U+FFFD. Returns the entry; or NULL if the table is full, and then
 * left_out has the weight.
 */
struct tally_entry *tally_add(struct tally *tally, const char *const *key, uint64_t weight, int64_t time);

/* The entry with this key, or NULL. Not after tally_sort(). */
const struct tally_entry *tally_find(const struct tally *tally, const char *const *key);

/* Whether nine tenths of the table are used and it does not have this key: few new keys have room. */
bool tally_is_crowded(const struct tally *tally, const char *const *key);

/* The text as a part of a key would have it. NULL is "". Returns its length. */
size_t tally_clean(char to[TALLY_KEY_MAX + 1], const char *part);

/* A hash with a key that is different in each run: nobody can make a log whose keys collide. */
uint64_t tally_hash(const char *bytes, size_t length);

/* Adds without overflow: the largest number stays the largest one. */
void tally_sum(uint64_t *sum, uint64_t value);

/* Sorts the entries by count, the largest first, and then by key. tally_add() and
 * tally_find() must not be called afterwards. */
void tally_sort(struct tally *tally);

#endif
