/*
 * What makes two events the same for a summary: the event and those of its fields that say what has happened, and
 * between whom. Ports of clients, names that a client chooses, and offers are not among them.
 */
#ifndef PFSWRAP_AUDIT_SUMMARY_KEY_H
#define PFSWRAP_AUDIT_SUMMARY_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/audit.h"

enum { SUMMARY_KEY_MAX = 512, SUMMARY_FIELDS_MAX = 20 };

struct summary_key {
    size_t length;
    char bytes[SUMMARY_KEY_MAX];
};

/*
 * Makes the key of an event. The peer of a server becomes its network: 24 bits of an IPv4 address, 48 of an IPv6
 * address. `is_general`: without peers and without other texts that peers or programs choose, so that there are
 * few different keys. False: the key is too long.
 */
bool summary_key_make(struct summary_key *key, const char *event, const struct audit_field *fields, size_t count,
                      bool is_general);

/* The event and its fields. The strings point into the key. Returns how many fields there are. */
size_t summary_key_read(const struct summary_key *key, const char **event,
                        struct audit_field fields[SUMMARY_FIELDS_MAX]);

/* A hash of the key. It may collide, also on purpose: then looking a key up takes longer. */
uint32_t summary_key_hash(const struct summary_key *key);

#endif
