/*
 * A cache of the connections that are open: sets of four, in which the oldest one makes room. See seal_ages.h.
 */
#include "seal_ages.h"

#include <stdio.h>

#include "moment.h"
#include "tally.h"

#define MINUTES(n) ((int64_t)(n)*60 * MOMENT_SECOND)

const int64_t seal_ages_limits[SEAL_AGES_STEPS - 1] = {MINUTES(1), MINUTES(60), MINUTES(6 * 60), MINUTES(25 * 60)};
const char *const seal_ages_words[SEAL_AGES_STEPS] = {"up to 1 minute", "up to 1 hour", "up to 6 hours",
                                                      "up to 25 hours", "longer"};

static uint64_t hash_of(const struct record *record, const char *origin)
{
    char text[4 * TALLY_KEY_MAX];
    const int length = snprintf(text, sizeof text, "%s\n%s\n%s\n%s", record_text(record, FIELD_ROLE),
                                record_text(record, FIELD_LOCAL), record_text(record, FIELD_PEER), origin);
    return tally_hash(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1) | 1;
}

void seal_ages_open(struct seal_ages *ages, const struct record *record, const char *origin)
{
    const uint64_t hash = hash_of(record, origin);
    struct seal_open *const set = ages->open[(hash >> 1) % SEAL_AGES_SETS], *place = set;
    for (size_t i = 0; i < SEAL_AGES_WAYS; i++) {
        if (set[i].hash == 0 || set[i].hash == hash) {
            place = &set[i];
            break;
        }
        if (set[i].time < place->time)
            place = &set[i];
    }
    ages->dropped += place->hash != 0 && place->hash != hash;
    *place = (struct seal_open){.hash = hash, .time = record->time};
}

int64_t seal_ages_close(struct seal_ages *ages, const struct record *record, const char *origin)
{
    const uint64_t hash = hash_of(record, origin);
    struct seal_open *const set = ages->open[(hash >> 1) % SEAL_AGES_SETS];
    size_t i = 0, step = 0;
    while (i < SEAL_AGES_WAYS && set[i].hash != hash)
        i++;
    if (i == SEAL_AGES_WAYS || record->time < set[i].time) {
        ages->unpaired++;
        return -1;
    }
    const int64_t duration = record->time - set[i].time;
    const uint64_t keys = record_number(record, FIELD_REHANDSHAKES);
    const int64_t age = keys < INT64_MAX ? duration / ((int64_t)keys + 1) : 0;
    set[i].hash = 0;
    ages->pairs++;
    if (duration > ages->longest)
        ages->longest = duration;
    if (age > ages->longest_keys)
        ages->longest_keys = age;
    while (step < SEAL_AGES_STEPS - 1 && age > seal_ages_limits[step])
        step++;
    ages->steps[step]++;
    return age;
}

uint64_t seal_ages_still_open(const struct seal_ages *ages)
{
    uint64_t count = 0;
    for (size_t i = 0; i < SEAL_AGES_SETS; i++)
        for (size_t j = 0; j < SEAL_AGES_WAYS; j++)
            count += ages->open[i][j].hash != 0;
    return count;
}
