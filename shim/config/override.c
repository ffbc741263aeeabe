/*
 * Remembers a hash of each combination that has been reported. Two combinations with the same 64-bit hash would be
 * reported as one; nothing else depends on the hash.
 */
#include "config/override.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "audit/audit.h"
#include "config/init.h"

/* FNV-1a with 64 bits; the terminating zero byte separates the texts. */
static uint64_t hash_add(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return hash * UINT64_C(0x100000001b3);
}

/* Whether this is not the first report of the combination. */
static bool is_repeated(const char *setting, const char *asked)
{
    enum { REPORTED_MAX = 64 };
    static _Atomic uint64_t reported[REPORTED_MAX]; /* 0: free */
    const uint64_t hash = hash_add(hash_add(UINT64_C(0xcbf29ce484222325), setting), asked) | 1;
    for (int i = 0; i < REPORTED_MAX; i++) {
        uint64_t seen = 0;
        if (atomic_compare_exchange_strong(&reported[i], &seen, hash))
            return false;
        if (seen == hash)
            return true;
    }
    return false;
}

void override_report(const char *setting, const char *asked, const char *forced)
{
    if (is_repeated(setting, asked))
        return;
    const struct audit_field fields[] = {AUDIT_S("setting", setting), AUDIT_S("asked", asked),
                                         AUDIT_S("forced", forced), AUDIT_S("rule", "tls")};
    audit_event(pfswrap_enforces() ? "override" : "would-override", fields, sizeof fields / sizeof fields[0]);
}
