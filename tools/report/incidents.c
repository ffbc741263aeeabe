/*
 * Which records are incidents: events that say so themselves, and handshakes whose result some control does not
 * allow. See evidence.h.
 */
#include <stdio.h>
#include <string.h>

#include "evidence.h"

void incident_add(struct evidence *evidence, enum incident incident, const struct record *record, const char *peer,
                  const char *reason, uint64_t weight)
{
    const char *key[INCIDENT_PARTS] = {
        [INCIDENT_ID] = incident_ids[incident],
        [INCIDENT_PROGRAM] = record_text(record, FIELD_PROGRAM),
        [INCIDENT_ROLE] = record_text(record, FIELD_ROLE),
        [INCIDENT_PEER] = peer,
        [INCIDENT_RULE] = record_text(record, FIELD_RULE),
        [INCIDENT_REASON] = reason,
    };
    /* When most of the table is used, new peers are counted together. */
    if (tally_is_crowded(&evidence->incidents, key))
        key[INCIDENT_PEER] = "other peers";
    tally_sum(&evidence->incident_totals[incident], weight);
    (void)tally_add(&evidence->incidents, key, weight, record->happened);
}

/*
 * The peer of a client with its port, and that of a server without: clients have another port each time. A line
 * with a count has the network of a server's peers.
 */
static void peer_of(char peer[TALLY_KEY_MAX], const struct record *record)
{
    const bool has_network = record->text[FIELD_NETWORK] != NULL;
    (void)snprintf(peer, TALLY_KEY_MAX, "%s", record_text(record, has_network ? FIELD_NETWORK : FIELD_PEER));
    char *const colon = strrchr(peer, ':');
    if (!has_network && strcmp(record_text(record, FIELD_ROLE), "server") == 0 && colon != NULL)
        *colon = '\0';
}

/* One line, or as many as its field `count` says. */
static void add_event(struct evidence *evidence, enum incident incident, const struct record *record)
{
    char peer[TALLY_KEY_MAX], reason[TALLY_KEY_MAX];
    const char *const detail = record_text(record, FIELD_DETAIL);
    const bool has_detail = incident == INCIDENT_UNPROTECTED && detail[0] != '\0';
    peer_of(peer, record);
    (void)snprintf(reason, sizeof reason, "%s%s%s", record_text(record, FIELD_REASON), has_detail ? ": " : "",
                   has_detail ? detail : "");
    incident_add(evidence, incident, record, peer, reason, record->weight);
}

static enum incident incident_of_finding(const char *kind)
{
    if (strcmp(kind, "certificate") == 0 || strcmp(kind, "key-state") == 0 || strcmp(kind, "ca-file") == 0)
        return INCIDENT_CERTIFICATE;
    if (strcmp(kind, "certificate-transparency") == 0)
        return INCIDENT_TRANSPARENCY;
    return strncmp(kind, "cookie", 6) == 0 ? INCIDENT_COOKIE : INCIDENT_HSTS;
}

/* A finding about HTTP: its host, and what is wrong there. Or about a certificate: its subject. */
static void add_finding(struct evidence *evidence, const struct record *record)
{
    const char *const kind = record_text(record, FIELD_KIND), *const name = record_text(record, FIELD_SERVER_NAME);
    const enum incident incident = incident_of_finding(kind);
    const bool is_certificate = incident == INCIDENT_CERTIFICATE || incident == INCIDENT_TRANSPARENCY;
    const char *const detail = record_text(record, is_certificate ? FIELD_SUBJECT : FIELD_DETAIL);
    char reason[TALLY_KEY_MAX];
    if (strcmp(kind, "hosts-full") == 0 || strcmp(kind, "certificates-full") == 0) {
        evidence->findings_full++;
        return;
    }
    if (record->text[FIELD_REASON] == NULL) /* nothing is wrong with this certificate */
        return;
    (void)snprintf(reason, sizeof reason, "%s%s%s", record_text(record, FIELD_REASON),
                   detail[0] != '\0' ? ": " : "", detail);
    incident_add(evidence, incident, record, name[0] != '\0' ? name : record_text(record, FIELD_LOCAL), reason,
                 record->weight);
}

/* An event `expired`: which key or certificate. A peer's key is refused then, by the peers file. */
static void add_expired(struct evidence *evidence, const struct record *record)
{
    const char *const kind = record_text(record, FIELD_KIND), *const subject = record_text(record, FIELD_SUBJECT);
    const char *const what = subject[0] != '\0' ? subject : record_text(record, FIELD_FILE);
    char reason[TALLY_KEY_MAX];
    if (strcmp(kind, "peer") == 0)
        return;
    (void)snprintf(reason, sizeof reason, "%s %s", kind, what);
    incident_add(evidence, INCIDENT_EXPIRED, record, record_text(record, FIELD_SERVER_NAME), reason, 1);
}

static bool is_one_of(const char *word, const char *const *list)
{
    while (*list != NULL && strcmp(word, *list) != 0)
        list++;
    return *list != NULL;
}

/*
 * Whether the suite encrypts and authenticates in one step (AEAD): OpenSSL's, IANA's and GnuTLS's names, and the
 * numbers of those of TLS 1.2 with ECDHE, which the wire plane writes.
 */
static bool is_aead(const char *cipher)
{
    static const char *const numbers[] = {"0xc02b", "0xc02c", "0xc02f", "0xc030", "0xcca8", "0xcca9",
                                          "0xc0ac", "0xc0ad", "0xc0ae", "0xc0af", NULL};
    return strstr(cipher, "GCM") != NULL || strstr(cipher, "CCM") != NULL || strstr(cipher, "POLY1305") != NULL ||
           strstr(cipher, "CHACHA20") != NULL || strstr(cipher, "AEGIS") != NULL || is_one_of(cipher, numbers);
}

/* SP 800-52r2, sections 3.3.1 and 4.3: suites of AES. */
static bool is_nist_cipher(const char *cipher)
{
    static const char *const numbers[] = {"0xc02b", "0xc02c", "0xc02f", "0xc030", "0xc0ac",
                                          "0xc0ad", "0xc0ae", "0xc0af", NULL};
    return strstr(cipher, "AES") != NULL || is_one_of(cipher, numbers);
}

/*
 * SP 800-52r2, section 3.4: P-256, P-384 (and P-521); FIPS 203 and SP 800-227 add ML-KEM, alone or combined with
 * another exchange.
 */
static bool is_nist_group(const char *group)
{
    static const char *const names[] = {"P-256",     "P-384",     "P-521",      "secp256r1",
                                        "secp384r1", "secp521r1", "prime256v1", NULL};
    return strstr(group, "MLKEM") != NULL || is_one_of(group, names);
}

/* A group that has an ephemeral exchange with elliptic curves or ML-KEM; ffdhe groups are finite-field. */
static bool is_ephemeral(const char *group)
{
    return group[0] != '\0' && strncmp(group, "ffdhe", 5) != 0;
}

/* What is wrong with the result of a handshake. These are counted without the peers, since it may be all of them.
 */
static void judge_handshake(struct evidence *evidence, const struct record *record)
{
    static const char *const versions[] = {"TLSv1.3", "TLSv1.2", "DTLSv1.2", NULL};
    const char *const version = record_text(record, FIELD_VERSION), *const group = record_text(record, FIELD_GROUP);
    const char *const cipher = record_text(record, FIELD_CIPHER);
    char peer[TALLY_KEY_MAX];
    peer_of(peer, record);
    if (!is_one_of(version, versions))
        incident_add(evidence, INCIDENT_OLD_VERSION, record, peer, version, record->weight);
    if (!is_ephemeral(group))
        incident_add(evidence, INCIDENT_NO_ECDHE, record, peer, cipher, record->weight);
    else if (!is_nist_group(group))
        incident_add(evidence, INCIDENT_NIST_GROUP, record, "", group, record->weight);
    if (!is_aead(cipher))
        incident_add(evidence, INCIDENT_WEAK_CIPHER, record, peer, cipher, record->weight);
    if (!is_nist_cipher(cipher))
        incident_add(evidence, INCIDENT_NIST_CIPHER, record, "", cipher, record->weight);
    if (record->event == EVENT_HANDSHAKE && strcmp(record_text(record, FIELD_ROLE), "client") == 0 &&
        strcmp(record_text(record, FIELD_VERIFIED), "none") == 0)
        incident_add(evidence, INCIDENT_UNVERIFIED, record, peer, record_text(record, FIELD_SERVER_NAME),
                     record->weight);
}

static void judge_end(struct evidence *evidence, const struct record *record)
{
    const char *const end = record_text(record, FIELD_END), *const reason = record_text(record, FIELD_REASON);
    if (strcmp(end, "truncated") == 0)
        add_event(evidence, INCIDENT_TRUNCATED, record);
    else if (strcmp(end, "error") == 0)
        add_event(evidence,
                  strncmp(reason, "the keys are too old", 20) == 0 ? INCIDENT_OVERDUE : INCIDENT_SEAL_ERROR,
                  record);
}

void incidents_add(struct evidence *evidence, const struct record *record)
{
    static const int kinds[EVENT_COUNT] = {
        [EVENT_REFUSED] = INCIDENT_REFUSED + 1,   [EVENT_WOULD_REFUSE] = INCIDENT_WOULD_REFUSE + 1,
        [EVENT_FAILED] = INCIDENT_FAILED + 1,     [EVENT_UNPROTECTED] = INCIDENT_UNPROTECTED + 1,
        [EVENT_PLAIN] = INCIDENT_PLAIN + 1,       [EVENT_LEFT] = INCIDENT_LEFT + 1,
        [EVENT_WEAK] = INCIDENT_WEAK + 1,         [EVENT_PLAINTEXT] = INCIDENT_PLAINTEXT + 1,
        [EVENT_UNJUDGED] = INCIDENT_UNJUDGED + 1,
    };
    if (kinds[record->event] != 0)
        add_event(evidence, (enum incident)(kinds[record->event] - 1), record);
    if (record->event == EVENT_HANDSHAKE || record->event == EVENT_OBSERVED)
        judge_handshake(evidence, record);
    else if (record->event == EVENT_CLOSED)
        judge_end(evidence, record);
    else if (record->event == EVENT_FINDING)
        add_finding(evidence, record);
    else if (record->event == EVENT_EXPIRED)
        add_expired(evidence, record);
}
