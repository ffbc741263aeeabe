/*
 * Every event is counted here, and nowhere else, so the counters say what the lines of the log add up to. See
 * count.h.
 */
#include "audit/count.h"

#include <string.h>

#include "counters/counters.h"

/* The events that are counted by more than their name, and the fields by which they are. */
static const struct kind {
    const char *event;
    enum counters_kind kind;
    const char *a, *b;
} kinds[] = {
    {"handshake", COUNTERS_HANDSHAKE, "version", "group"},
    {"observed", COUNTERS_OBSERVED, "version", "group"},
    {"override", COUNTERS_OVERRIDE, "setting", NULL},
    {"would-override", COUNTERS_WOULD_OVERRIDE, "setting", NULL},
    {"refused", COUNTERS_REFUSED, "rule", "reason"},
    {"would-refuse", COUNTERS_WOULD_REFUSE, "rule", "reason"},
    {"failed", COUNTERS_FAILED, "rule", "reason"},
    {"opened", COUNTERS_OPENED, "rule", "peer_name"},
    {"closed", COUNTERS_CLOSED, "rule", "end"},
};

/* Most names differ in their first letter. */
static const struct audit_field *find(const struct audit_field *fields, size_t count, const char *key)
{
    for (size_t i = 0; key != NULL && i < count; i++)
        if (fields[i].key[0] == key[0] && strcmp(fields[i].key, key) == 0)
            return &fields[i];
    return NULL;
}

/* The text of a field; NULL: the event does not have it. */
static const char *text_of(const struct audit_field *fields, size_t count, const char *key)
{
    const struct audit_field *field = find(fields, count, key);
    return field != NULL && field->type == AUDIT_STRING ? field->value.string : NULL;
}

void audit_count(const char *event, const struct audit_field *fields, size_t count)
{
    const struct audit_field *more = find(fields, count, "count");
    const uint64_t number = more != NULL && more->type == AUDIT_NUMBER ? (uint64_t)more->value.number : 1;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].event, event) == 0) {
            counters_add(kinds[i].kind, text_of(fields, count, kinds[i].a), text_of(fields, count, kinds[i].b),
                         number);
            return;
        }
    counters_add(COUNTERS_EVENT, event, NULL, number);
}
