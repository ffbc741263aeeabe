/*
 * Goes through all keys when the first date is reached, and not before. Allocates nothing: it runs in calls of the
 * program, also in signal handlers. See cryptoperiod.h.
 */
#include "config/cryptoperiod.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "audit/audit.h"
#include "audit/line.h"
#include "base/large.h"
#include "base/process.h"
#include "config/snapshot.h"
#include "seal/keyring.h"

enum { REPORTED_MAX = 256, ID_BYTES = 8 };

enum due { DUE_LATER, DUE_EXPIRING, DUE_EXPIRED };

_Atomic int64_t cryptoperiod_next = INT64_MAX;

static atomic_int looker; /* the process whose thread looks: in a child of a fork, its parent's is not there */

/* What was reported: the first bytes of the public key, or the id of a psk. After that many keys, keys are reported
 * again after a reload. Written by the thread that looks. */
LARGE static struct {
    uint8_t id[ID_BYTES];
    uint8_t due;
} reported[REPORTED_MAX];
static size_t reported_count;

/* One key, as an event describes it. */
struct dated_key {
    const char *kind, *file, *name;
    const uint8_t *id, *public_key; /* NULL: a psk */
    int64_t created, expires;       /* expires: the first second in which it has; created: 0 is not known */
};

struct look {
    int64_t now, warn_before, next;
};

/* Whether it is new that the key is due. */
static bool note(const uint8_t *id, enum due due)
{
    for (size_t i = 0; i < reported_count; i++)
        if (memcmp(reported[i].id, id, ID_BYTES) == 0) {
            const bool is_new = due > reported[i].due;
            reported[i].due = is_new ? (uint8_t)due : reported[i].due;
            return is_new;
        }
    if (reported_count < REPORTED_MAX) {
        memcpy(reported[reported_count].id, id, ID_BYTES);
        reported[reported_count++].due = (uint8_t)due;
    }
    return true;
}

const char *cryptoperiod_format_time(char text[CRYPTOPERIOD_TIME_BYTES], int64_t seconds)
{
    enum { NANOSECONDS = 1000000000, SECONDS_END = 19 };
    if (seconds <= 0 || seconds > INT64_MAX / NANOSECONDS)
        return NULL;
    struct line line = {.text = text, .room = CRYPTOPERIOD_TIME_BYTES - 1};
    line_put_time(&line, seconds * NANOSECONDS);
    memcpy(text + SECONDS_END, "Z", sizeof "Z");
    return text;
}

static void report(const struct dated_key *key, enum due due)
{
    char created[CRYPTOPERIOD_TIME_BYTES], expires[CRYPTOPERIOD_TIME_BYTES], text[PFSWRAP_KEY_TEXT_BYTES] = "";
    if (key->public_key != NULL)
        pfswrap_key_encode(text, key->public_key);
    const struct audit_field fields[] = {
        AUDIT_S("kind", key->kind),
        AUDIT_S("file", key->file),
        AUDIT_S("peer_name", key->name),
        AUDIT_S("key", key->public_key != NULL ? text : NULL),
        AUDIT_S("created", cryptoperiod_format_time(created, key->created)),
        AUDIT_S("expires", cryptoperiod_format_time(expires, key->expires)),
    };
    audit_event(due == DUE_EXPIRED ? "expired" : "expiring", fields, sizeof fields / sizeof fields[0]);
}

static void look_at(struct look *look, const struct dated_key *key)
{
    const int64_t warned = key->expires - look->warn_before;
    const enum due due = look->now >= key->expires                      ? DUE_EXPIRED
                         : look->warn_before > 0 && look->now >= warned ? DUE_EXPIRING
                                                                        : DUE_LATER;
    const int64_t next = due == DUE_LATER && look->warn_before > 0 ? warned : key->expires;
    if (due != DUE_EXPIRED && next < look->next)
        look->next = next;
    if (due != DUE_LATER && note(key->id, due))
        report(key, due);
}

static void look_at_own(struct look *look, const struct policy_seal_keys *seal, const struct keys *keys)
{
    const struct pfswrap_keyring *keyring = keys_keyring(keys);
    for (size_t i = 0; i < keyring->identity_count; i++) {
        const struct keyring_identity *identity = &keyring->identities[i];
        look_at(look, &(struct dated_key){.kind = "identity",
                                          .file = keys_identity_name(keys, i),
                                          .id = identity->public_key,
                                          .public_key = identity->public_key,
                                          .created = identity->period.created,
                                          .expires = identity->period.created + seal->max_key_age_s});
    }
    for (size_t i = 0; i < keyring->psk_count; i++) {
        const struct keyring_psk *psk = &keyring->psks[i];
        look_at(look, &(struct dated_key){.kind = "psk",
                                          .file = keys_psk_name(keys, i),
                                          .id = psk->secret.id,
                                          .created = psk->period.created,
                                          .expires = psk->period.created + seal->max_key_age_s});
    }
}

static void look_at_peers(struct look *look, const struct pfswrap_keyring *keyring)
{
    for (size_t i = 0; i < keyring->peer_count; i++) {
        const struct keyring_peer *peer = &keyring->peers[i];
        if (peer->not_after != PFSWRAP_NEVER)
            look_at(look, &(struct dated_key){.kind = "peer",
                                              .name = peer->name,
                                              .id = peer->public_key,
                                              .public_key = peer->public_key,
                                              .expires = peer->not_after + 1});
    }
}

void cryptoperiod_look(void)
{
    const int saved = errno;
    int before = atomic_load(&looker);
    if (before == process_id() || !atomic_compare_exchange_strong(&looker, &before, process_id()))
        return;
    struct snapshot *snapshot = snapshot_acquire();
    const struct policy_seal_keys *seal = &snapshot->policy->seal;
    const struct pfswrap_keyring *keyring = keys_keyring(snapshot->keys);
    struct look look = {.now = (int64_t)time(NULL), .warn_before = seal->warn_before_s, .next = INT64_MAX};
    atomic_store(&cryptoperiod_next, INT64_MAX);
    if (keyring != NULL && seal->max_key_age_s > 0)
        look_at_own(&look, seal, snapshot->keys);
    if (keyring != NULL && (seal->max_key_age_s > 0 || seal->warn_before_s > 0))
        look_at_peers(&look, keyring);
    snapshot_release(snapshot);
    atomic_store(&cryptoperiod_next, look.next);
    atomic_store(&looker, 0);
    errno = saved;
}
