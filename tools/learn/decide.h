/*
 * What a connection of the log needs so that the proposed policy lets it pass: a change of the policy, nothing
 * since pfswrap changes the program, or a repair elsewhere.
 */
#ifndef PFSWRAP_TOOLS_LEARN_DECIDE_H
#define PFSWRAP_TOOLS_LEARN_DECIDE_H

#include "facts.h"

/* Changes of the policy come first; the repairs are what no policy allows, or none should. */
#define LEARN_NEEDS(X)                                                                                             \
    X(VERSION, "min-version = 1.2")                                                                                \
    X(GROUP, "another group in groups")                                                                            \
    X(SUITE, "another suite in ciphersuites")                                                                      \
    X(TICKETS, "session-tickets = allow")                                                                          \
    X(DTLS, "dtls = ecdhe")                                                                                        \
    X(CHILDREN, "children = protect")                                                                              \
    X(STARTTLS, "a rule with plaintext = starttls")                                                                \
    X(PLAINTEXT, "a rule with plaintext = allow")                                                                  \
    X(CERTIFICATE, "Replace the certificate: TLS 1.3 cannot use it, and no policy allows it.")                     \
    X(OLD_VERSION, "Update the peer or the program: it uses a version that no policy allows.")                     \
    X(WEAK_SUITE, "Update or reconfigure it: the suite has no ECDHE or no AEAD cipher, and no policy allows it.")  \
    X(WEAK_GROUP, "Update or reconfigure it: the key exchange is one that no policy allows.")                      \
    X(NO_EXCHANGE, "Switch off resumption without a key exchange (psk_ke), or early data, in the program.")        \
    X(TLS12_RESUMED, "Switch off resumption in TLS 1.2 in the program: it has no forward secrecy.")                \
    X(REFUSED, "See the reason: a policy should not be weakened for it.")                                          \
    X(SEALED, "The log has plaintext where a rule of the policy seals: find out who does that.")                   \
    X(NO_ADDRESS, "Write a rule by hand: the log has no address from which one could be made.")                    \
    X(NO_ROOM, "Write a rule by hand: the proposed policy has no room for more.")                                  \
    X(UPGRADED, "Nothing: pfswrap changes the program's settings, and both sides can do better.")

enum need {
#define X(name, words) NEED_##name,
    LEARN_NEEDS(X)
#undef X
        NEED_COUNT
};

extern const char *const need_words[NEED_COUNT];

/* Whether it is a change of the policy. */
static inline bool need_is_change(enum need need)
{
    return need <= NEED_PLAINTEXT;
}

/* What was assumed, since the log does not say it. */
#define LEARN_ASSUMPTIONS(X)                                                                                       \
    X(NONE, "")                                                                                                    \
    X(CLIENT_IS_OLD, "assumed that the client has no TLS 1.3: the log does not have its offer")                    \
    X(SERVER_IS_OLD,                                                                                               \
      "assumed that the server has no TLS 1.3: the program offered none, so the log cannot say; pfswrap scan can") \
    X(SERVER_UNKNOWN,                                                                                              \
      "assumed that the server has nothing better: the program did not offer it, so the log cannot say; pfswrap "  \
      "scan can")                                                                                                  \
    X(PREFERENCE, "assumed that the peer also takes a suite with ECDHE and AEAD, which it offers")                 \
    X(ONLY_THIS, "assumed that the peer has no other that the policy allows: the log does not have its offer")     \
    X(CERTIFICATE, "assumed from the outcome: the client offers TLS 1.3, nothing in the log forbids it to the "    \
                   "program, and the server chose less")                                                           \
    X(NO_OUTCOME, "the log does not have the outcome of the handshake")                                            \
    X(FALLS_BACK, "assumed that the peer makes a full handshake instead")

enum assumption {
#define X(name, words) ASSUMED_##name,
    LEARN_ASSUMPTIONS(X)
#undef X
        ASSUMPTION_COUNT
};

extern const char *const assumption_words[ASSUMPTION_COUNT];

enum { DECISIONS_MAX = 3 };

struct decision {
    enum need need;
    enum assumption assumption;
    unsigned argument; /* the group or suite */
};

/* How much is known of the program of a row. */
struct decider {
    const struct policy *base;
    bool is_server;
    bool is_covered;              /* pfswrap changes its TLS settings */
    bool is_limited;              /* it asked for less than TLS 1.3 itself */
    bool has_certificate_problem; /* the log says that TLS 1.3 cannot use the server's certificate */
};

/* Decides about one handshake. Returns how many of decisions[] are filled, at least one. */
size_t decide(const struct decider *decider, const struct outcome *outcome,
              struct decision decisions[DECISIONS_MAX]);

#endif
