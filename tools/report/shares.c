/*
 * Sums of a table by one part of its keys. See report.h.
 */
#include "report.h"

#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right)
{
    const struct share *const a = left, *const b = right;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->name, b->name);
}

size_t report_shares(const struct tally *tally, size_t part, const char *plane, struct share *shares, size_t max)
{
    size_t used = 0;
    uint64_t others = 0;
    for (size_t i = 0; i < tally->count; i++) {
        const struct tally_entry *const entry = &tally->entries[i];
        const char *const name = entry->parts[part][0] != '\0' ? entry->parts[part] : "-";
        size_t j = 0;
        if (plane != NULL && strcmp(entry->parts[HANDSHAKE_PLANE], plane) != 0)
            continue;
        while (j < used && strcmp(shares[j].name, name) != 0)
            j++;
        if (j == used && used == max - 1) {
            tally_sum(&others, entry->count);
            continue;
        }
        if (j == used)
            shares[used++] = (struct share){.name = name};
        tally_sum(&shares[j].count, entry->count);
    }
    qsort(shares, used, sizeof *shares, compare);
    tally_sum(&others, tally->left_out);
    if (others > 0)
        shares[used++] = (struct share){.name = "other", .count = others};
    return used;
}
