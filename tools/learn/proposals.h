/*
 * The proposals: each change of the policy, and each repair, with those who need it.
 */
#ifndef PFSWRAP_TOOLS_LEARN_PROPOSALS_H
#define PFSWRAP_TOOLS_LEARN_PROPOSALS_H

#include "decide.h"

enum {
    PROPOSALS_MAX = 300,
    PROPOSAL_ADDRESSES = POLICY_LIST_MAX, /* of a rule */
};

/* The parts of a user's key. */
enum { USER_PROGRAM, USER_ROLE, USER_PLACE, USER_PEER, USER_WORDS, USER_ASSUMED, USER_PARTS };

struct proposal {
    enum need need;
    unsigned argument; /* the group or suite; of a rule, its port */
    enum policy_direction direction;
    unsigned part; /* rules of one port after another: each has PROPOSAL_ADDRESSES addresses at most */
    struct policy_address addresses[PROPOSAL_ADDRESSES];
    size_t address_count;
    struct tally users;
    bool is_accepted;
};

struct proposals {
    struct proposal *list[PROPOSALS_MAX];
    size_t count, rules;
    uint64_t left_out; /* rows for which there was no room */
};

/* Makes the proposals. The facts must not change any more. Exits with a message if there is no memory. */
void proposals_make(struct proposals *proposals, const struct facts *facts);

/* apply.c: applies those that were accepted to the policy. */
void proposals_apply(const struct proposals *proposals, struct policy *policy);

/* "min-version = 1.2", "P-521 in groups", "[listen] port 6379: plaintext = allow". */
enum { PROPOSAL_TEXT = 160 };
const char *proposal_write(char text[PROPOSAL_TEXT], const struct proposal *proposal);

/* The connections of all its users. */
uint64_t proposal_connections(const struct proposal *proposal);

#endif
