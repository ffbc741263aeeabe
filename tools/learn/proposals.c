/*
 * Groups the decisions about all rows of the log into proposals. See proposals.h.
 */
#include "proposals.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "place.h"
#include "policy/registry.h"
#include "../message.h"

static struct proposal *proposal_new(struct proposals *proposals, const struct proposal *like)
{
    struct proposal *const proposal = proposals->count < PROPOSALS_MAX ? malloc(sizeof *proposal) : NULL;
    if (proposals->count == PROPOSALS_MAX)
        return NULL;
    if (proposal == NULL) {
        message("not enough memory for the proposals");
        exit(1);
    }
    *proposal = *like;
    proposal->users = (struct tally){.parts = USER_PARTS};
    proposals->list[proposals->count++] = proposal;
    return proposal;
}

/* The proposal for this need, made if there is none. NULL: there is no room. */
static struct proposal *proposal_find(struct proposals *proposals, enum need need, unsigned argument)
{
    for (size_t i = 0; i < proposals->count; i++)
        if (proposals->list[i]->need == need && proposals->list[i]->argument == argument)
            return proposals->list[i];
    return proposal_new(proposals, &(struct proposal){.need = need, .argument = argument, .is_accepted = true});
}

struct user {
    const char *program, *role, *place, *peer;
    const struct tally_entry *row; /* for its count and times */
    char words[TALLY_KEY_MAX];
    enum assumption assumption;
};

static void add_user(struct proposals *proposals, struct proposal *proposal, const struct user *user)
{
    char number[8];
    (void)snprintf(number, sizeof number, "%d", (int)user->assumption);
    const char *const key[USER_PARTS] = {user->program, user->role, user->place, user->peer, user->words, number};
    struct tally_entry *const entry =
        proposal != NULL ? tally_add(&proposal->users, key, user->row->count, user->row->first) : NULL;
    if (entry == NULL)
        tally_sum(&proposals->left_out, user->row->count);
    else if (user->row->last > entry->last)
        entry->last = user->row->last;
}

/* Whether the reason is that TLS 1.3 cannot use the certificate (shim/tls/report.c). */
static bool is_certificate_reason(const char *reason)
{
    return strncmp(reason, "the certificate's ", 18) == 0 && strstr(reason, "TLS 1.3") != NULL;
}

/* Tables of what other rows say, to look it up. */
struct lookup {
    struct tally certificates; /* by program, role, place, peer: TLS 1.3 cannot use the server's certificate */
    struct tally wire;         /* by the same: handshakes that were read on the wire */
    struct tally wire_roles;   /* by program and role */
};

static void add_place(struct tally *tally, const struct tally_entry *row)
{
    const char *const key[] = {row->parts[FACT_PROGRAM], row->parts[FACT_ROLE], row->parts[FACT_PLACE],
                               row->parts[FACT_PEER]};
    (void)tally_add(tally, key, 1, row->first);
}

static bool has_place(const struct tally *tally, const struct tally_entry *row)
{
    const char *const key[] = {row->parts[FACT_PROGRAM], row->parts[FACT_ROLE], row->parts[FACT_PLACE],
                               row->parts[FACT_PEER]};
    return tally_find(tally, key) != NULL;
}

static void lookup_make(struct lookup *lookup, const struct facts *facts)
{
    *lookup = (struct lookup){.certificates.parts = 4, .wire.parts = 4, .wire_roles.parts = 2};
    for (size_t i = 0; i < facts->refusals.count; i++)
        if (is_certificate_reason(facts->refusals.entries[i].parts[FACT_REASON]))
            add_place(&lookup->certificates, &facts->refusals.entries[i]);
    for (size_t i = 0; i < facts->wire.count; i++) {
        const struct tally_entry *const row = &facts->wire.entries[i];
        const char *const role[] = {row->parts[FACT_PROGRAM], row->parts[FACT_ROLE]};
        add_place(&lookup->wire, row);
        (void)tally_add(&lookup->wire_roles, role, 1, row->first);
    }
}

static void write_outcome(char words[TALLY_KEY_MAX], const struct outcome *outcome, const struct tally_entry *row)
{
    const unsigned offer = outcome->offer;
    const struct tls_group *const known = outcome->group != 0 ? tls_group_by_id((uint16_t)outcome->group) : NULL;
    char group[48] = "";
    if (known != NULL)
        (void)snprintf(group, sizeof group, ", %s", known->name);
    else if (outcome->group != 0)
        (void)snprintf(group, sizeof group, ", 0x%04x", outcome->group);
    (void)snprintf(words, TALLY_KEY_MAX, "%s%s%.40s%s%s%s", version_words(outcome->version),
                   row->parts[FACT_CIPHER][0] != '\0' ? ", " : "", row->parts[FACT_CIPHER], group,
                   outcome->is_resumed ? ", resumed" : "",
                   offer & OFFER_TLS13   ? "; TLS 1.3 was offered"
                   : offer & OFFER_KNOWN ? "; TLS 1.3 was not offered"
                                         : "");
}

static void add_handshake(struct proposals *proposals, const struct facts *facts, const struct lookup *lookup,
                          const struct tally_entry *row)
{
    struct decision decisions[DECISIONS_MAX];
    const struct outcome outcome = outcome_read(row);
    const char *const covered[] = {row->parts[FACT_PROGRAM], row->parts[FACT_ROLE]};
    const struct decider decider = {
        .base = facts->base,
        .is_server = strcmp(row->parts[FACT_ROLE], "server") == 0,
        .is_covered = tally_find(&facts->covered, covered) != NULL,
        .is_limited = tally_find(&facts->limited, covered) != NULL,
        .has_certificate_problem = has_place(&lookup->certificates, row),
    };
    if (!decider.is_covered && facts->base->wire.tls != POLICY_WIRE_PFS)
        return; /* the policy does not cut it */
    const size_t count = decide(&decider, &outcome, decisions);
    for (size_t i = 0; i < count; i++) {
        struct user user = {
            row->parts[FACT_PROGRAM], row->parts[FACT_ROLE], row->parts[FACT_PLACE], row->parts[FACT_PEER], row, "",
            decisions[i].assumption};
        write_outcome(user.words, &outcome, row);
        const bool is_change = need_is_change(decisions[i].need);
        add_user(proposals, proposal_find(proposals, decisions[i].need, is_change ? decisions[i].argument : 0),
                 &user);
    }
}

/*
 * Handshakes as the library reported them: those that were read on the wire, too, are known better from there. A
 * library without a socket reports no addresses; then any row of the program will be about the same connections.
 */
static bool is_known_from_wire(const struct lookup *lookup, const struct tally_entry *row)
{
    const char *const role[] = {row->parts[FACT_PROGRAM], row->parts[FACT_ROLE]};
    return row->parts[FACT_PLACE][0] != '\0' ? has_place(&lookup->wire, row)
                                             : tally_find(&lookup->wire_roles, role) != NULL;
}

static void add_handshakes(struct proposals *proposals, const struct facts *facts)
{
    struct lookup lookup;
    lookup_make(&lookup, facts);
    for (size_t i = 0; i < facts->wire.count; i++)
        add_handshake(proposals, facts, &lookup, &facts->wire.entries[i]);
    for (size_t i = 0; i < facts->library.count; i++)
        if (!is_known_from_wire(&lookup, &facts->library.entries[i]))
            add_handshake(proposals, facts, &lookup, &facts->library.entries[i]);
}

/* Other reasons of libraries. Those about a certificate that TLS 1.3 cannot use belong to a handshake's row. */
static void add_refusals(struct proposals *proposals, const struct facts *facts)
{
    for (size_t i = 0; i < facts->refusals.count; i++) {
        const struct tally_entry *const row = &facts->refusals.entries[i];
        const bool is_certificate = is_certificate_reason(row->parts[FACT_REASON]);
        struct user user = {row->parts[FACT_PROGRAM],
                            row->parts[FACT_ROLE],
                            row->parts[FACT_PLACE],
                            row->parts[FACT_PEER],
                            row,
                            "",
                            ASSUMED_NONE};
        (void)snprintf(user.words, sizeof user.words, "%.190s", row->parts[FACT_REASON]);
        add_user(proposals, proposal_find(proposals, is_certificate ? NEED_CERTIFICATE : NEED_REFUSED, 0), &user);
    }
}

static void add_children(struct proposals *proposals, const struct facts *facts)
{
    for (size_t i = 0; i < facts->children.count; i++) {
        const struct tally_entry *const row = &facts->children.entries[i];
        struct user user = {
            row->parts[CHILD_PROGRAM], "parent", row->parts[CHILD_CHILD], "", row, "", ASSUMED_NONE};
        (void)snprintf(user.words, sizeof user.words, "%.190s", row->parts[CHILD_REASON]);
        add_user(proposals, proposal_find(proposals, NEED_CHILDREN, 0), &user);
    }
}

/* The rule for this place, with the address in it. NULL: there is no room. */
static struct proposal *find_rule(struct proposals *proposals, const struct facts *facts,
                                  const struct proposal *wanted, const struct policy_address *address)
{
    struct proposal like = *wanted, *with_room = NULL;
    size_t used = facts->base->address_count;
    for (size_t i = 0; i < proposals->count; i++) {
        struct proposal *const proposal = proposals->list[i];
        used += proposal->address_count;
        if (proposal->need != like.need || proposal->argument != like.argument ||
            proposal->direction != like.direction)
            continue;
        for (size_t j = 0; j < proposal->address_count; j++)
            if (memcmp(proposal->addresses[j].address, address->address, sizeof address->address) == 0)
                return proposal;
        like.part = proposal->part + 1;
        if (proposal->address_count < PROPOSAL_ADDRESSES)
            with_room = proposal;
    }
    if (used >= POLICY_ADDRESSES_MAX)
        return NULL;
    if (with_room == NULL && facts->base->rule_count + proposals->rules < POLICY_RULES_MAX) {
        with_room = proposal_new(proposals, &like);
        proposals->rules += with_room != NULL;
    }
    if (with_room != NULL)
        with_room->addresses[with_room->address_count++] = *address;
    return with_room;
}

/* If one connection to a place changed to TLS, the place is for such connections. */
static void add_plain(struct proposals *proposals, const struct facts *facts, const struct tally_entry *row,
                      const struct tally *changing)
{
    struct policy_address address;
    const char *const place[] = {row->parts[PLAIN_ROLE], row->parts[PLAIN_PLACE]};
    const bool is_server = strcmp(row->parts[PLAIN_ROLE], "server") == 0,
               becomes_tls = tally_find(changing, place) != NULL;
    struct user user = {row->parts[PLAIN_PROGRAM],
                        row->parts[PLAIN_ROLE],
                        row->parts[PLAIN_PLACE],
                        row->parts[PLAIN_PEER],
                        row,
                        "",
                        ASSUMED_NONE};
    struct proposal like = {.need = becomes_tls ? NEED_STARTTLS : NEED_PLAINTEXT,
                            .direction = is_server ? POLICY_LISTEN : POLICY_CONNECT,
                            .is_accepted = true};
    struct proposal *proposal = NULL;
    if (becomes_tls)
        (void)snprintf(user.words, sizeof user.words, "%llu of them changed to TLS%s",
                       (unsigned long long)row->sums[PLAIN_BECAME_TLS],
                       row->sums[PLAIN_BECAME_TLS] < row->count ? "; starttls cuts the others" : "");
    switch (place_find(facts->base, like.direction, row->parts[PLAIN_PLACE], becomes_tls, &address)) {
    case PLACE_OPEN:
        like.argument = address.port_first;
        proposal = find_rule(proposals, facts, &like, &address);
        if (proposal == NULL)
            proposal = proposal_find(proposals, NEED_NO_ROOM, 0);
        break;
    case PLACE_SEALED:
        proposal = proposal_find(proposals, NEED_SEALED, 0);
        break;
    case PLACE_ALLOWED:
        return;
    case PLACE_UNKNOWN:
        proposal = proposal_find(proposals, NEED_NO_ADDRESS, 0);
        break;
    }
    add_user(proposals, proposal, &user);
}

static void add_plains(struct proposals *proposals, const struct facts *facts)
{
    struct tally changing = {.parts = 2};
    for (size_t i = 0; i < facts->plain.count; i++) {
        const struct tally_entry *const row = &facts->plain.entries[i];
        const char *const place[] = {row->parts[PLAIN_ROLE], row->parts[PLAIN_PLACE]};
        if (row->sums[PLAIN_BECAME_TLS] > 0)
            (void)tally_add(&changing, place, 1, row->first);
    }
    for (size_t i = 0; i < facts->plain.count; i++)
        add_plain(proposals, facts, &facts->plain.entries[i], &changing);
}

static int compare(const void *left, const void *right)
{
    const struct proposal *const a = *(struct proposal *const *)left, *const b = *(struct proposal *const *)right;
    if (a->need != b->need)
        return a->need < b->need ? -1 : 1;
    if (a->direction != b->direction)
        return a->direction < b->direction ? -1 : 1;
    if (a->argument != b->argument)
        return a->argument < b->argument ? -1 : 1;
    return a->part < b->part ? -1 : a->part > b->part;
}

void proposals_make(struct proposals *proposals, const struct facts *facts)
{
    /* Those that must not be left out come first. */
    (void)proposal_find(proposals, NEED_NO_ROOM, 0);
    (void)proposal_find(proposals, NEED_SEALED, 0);
    (void)proposal_find(proposals, NEED_NO_ADDRESS, 0);
    add_handshakes(proposals, facts);
    add_refusals(proposals, facts);
    if (facts->base->children == POLICY_CHILDREN_REQUIRE)
        add_children(proposals, facts);
    add_plains(proposals, facts);
    qsort(proposals->list, proposals->count, sizeof(struct proposal *), compare);
    for (size_t i = 0; i < proposals->count; i++)
        tally_sort(&proposals->list[i]->users);
}

uint64_t proposal_connections(const struct proposal *proposal)
{
    uint64_t sum = proposal->users.left_out;
    for (size_t i = 0; i < proposal->users.count; i++)
        tally_sum(&sum, proposal->users.entries[i].count);
    return sum;
}
