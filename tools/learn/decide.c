/*
 * The decision about a handshake, from its outcome and the client's offer. See decide.h.
 *
 * Under mode = audit the program negotiated with its own settings. Under mode = enforce pfswrap replaces those of a
 * program whose library it knows ("covered"). So the outcome in the log is not the outcome under enforce: what
 * counts is what the other side can do, and that is known only as far as it was offered.
 */
#include "decide.h"

#include "policy/registry.h"

const char *const need_words[NEED_COUNT] = {
#define X(name, words) words,
    LEARN_NEEDS(X)
#undef X
};

const char *const assumption_words[ASSUMPTION_COUNT] = {
#define X(name, words) words,
    LEARN_ASSUMPTIONS(X)
#undef X
};

static struct decision make(enum need need, enum assumption assumption)
{
    return (struct decision){.need = need, .assumption = assumption};
}

/* Below TLS 1.2: only a program that pfswrap changes, with a peer that can do more, will work. */
static struct decision decide_old(const struct decider *decider, const struct outcome *outcome)
{
    const unsigned offer = outcome->offer;
    if (outcome->version > 0x0304) /* DTLS 1.0 */
        return make(NEED_OLD_VERSION, ASSUMED_NONE);
    if (decider->is_covered && decider->is_server && (offer & OFFER_TLS13))
        return make(NEED_UPGRADED, ASSUMED_NONE);
    if (decider->is_covered && decider->is_server && (offer & OFFER_TLS12) && (offer & OFFER_AEAD))
        return make(NEED_VERSION, ASSUMED_PREFERENCE);
    if (decider->is_covered && !decider->is_server && !(offer & OFFER_TLS13))
        return make(NEED_OLD_VERSION, ASSUMED_SERVER_UNKNOWN);
    return make(NEED_OLD_VERSION, ASSUMED_NONE);
}

static struct decision decide_tls12_server(const struct decider *decider, const struct outcome *outcome)
{
    const unsigned offer = outcome->offer;
    const bool is_aead = outcome->suite == SUITE_ECDHE_AEAD;
    if (decider->is_covered && (offer & OFFER_TLS13))
        return decider->is_limited ? make(NEED_UPGRADED, ASSUMED_NONE)
                                   : make(NEED_CERTIFICATE, ASSUMED_CERTIFICATE);
    if (is_aead)
        return make(NEED_VERSION, offer & OFFER_KNOWN ? ASSUMED_NONE : ASSUMED_CLIENT_IS_OLD);
    if (decider->is_covered && (offer & OFFER_AEAD))
        return make(NEED_VERSION, ASSUMED_PREFERENCE);
    return make(NEED_WEAK_SUITE, offer & OFFER_KNOWN ? ASSUMED_NONE : ASSUMED_CLIENT_IS_OLD);
}

static struct decision decide_tls12_client(const struct decider *decider, const struct outcome *outcome)
{
    const bool is_aead = outcome->suite == SUITE_ECDHE_AEAD, is_offered = (outcome->offer & OFFER_TLS13) != 0;
    const enum assumption assumption = is_offered || !decider->is_covered ? ASSUMED_NONE : ASSUMED_SERVER_IS_OLD;
    if (is_aead)
        return make(NEED_VERSION, assumption);
    return make(NEED_WEAK_SUITE,
                outcome->offer & OFFER_AEAD && assumption == ASSUMED_NONE ? ASSUMED_NONE : ASSUMED_SERVER_UNKNOWN);
}

static struct decision decide_tls12(const struct decider *decider, const struct outcome *outcome)
{
    const bool is_dtls = outcome->version == 0xfefd;
    if (outcome->is_resumed && !decider->is_covered)
        return make(NEED_TLS12_RESUMED, ASSUMED_NONE);
    struct decision decision =
        decider->is_server ? decide_tls12_server(decider, outcome) : decide_tls12_client(decider, outcome);
    if (is_dtls && decision.need == NEED_VERSION)
        decision.need = decider->base->tls.dtls == POLICY_DTLS_ECDHE ? NEED_UPGRADED : NEED_DTLS;
    if (decision.need == NEED_VERSION && decider->base->tls.min_version == 0x0303)
        decision.need = NEED_UPGRADED;
    return decision;
}

/* The group that was negotiated, if the policy does not have it. */
static struct decision decide_group(const struct decider *decider, const struct outcome *outcome)
{
    const struct tls_group *const group = tls_group_by_id((uint16_t)outcome->group);
    const bool is_allowed = group != NULL && (group->kind == TLS_GROUP_ECDHE || group->kind == TLS_GROUP_HYBRID);
    if (decider->is_covered && decider->is_server && (outcome->offer & OFFER_GROUP))
        return make(NEED_UPGRADED, ASSUMED_NONE);
    const enum assumption assumption = !decider->is_covered ? ASSUMED_NONE
                                       : decider->is_server ? ASSUMED_ONLY_THIS
                                                            : ASSUMED_SERVER_UNKNOWN;
    struct decision decision = make(is_allowed ? NEED_GROUP : NEED_WEAK_GROUP, assumption);
    decision.argument = outcome->group;
    return decision;
}

static size_t decide_tls13(const struct decider *decider, const struct outcome *outcome,
                           struct decision decisions[DECISIONS_MAX])
{
    const struct policy *const base = decider->base;
    size_t count = 0;
    if (outcome->group != 0 && !policy_has_group(base, outcome->group))
        decisions[count++] = decide_group(decider, outcome);
    if (outcome->suite == SUITE_TLS13 && !policy_has_suite(base, outcome->suite_id)) {
        decisions[count] = make(NEED_SUITE, decider->is_covered ? ASSUMED_ONLY_THIS : ASSUMED_NONE);
        decisions[count++].argument = outcome->suite_id;
    }
    const bool has_no_exchange = outcome->group == 0 || outcome->has_early_data;
    const bool is_resumed = outcome->is_resumed && base->tls.session_tickets == POLICY_TICKETS_REFUSE;
    if (count == 0 && decider->is_covered && (has_no_exchange || is_resumed))
        decisions[count++] = make(NEED_UPGRADED, ASSUMED_FALLS_BACK);
    else if (count == 0 && has_no_exchange)
        decisions[count++] = make(NEED_NO_EXCHANGE, ASSUMED_NONE);
    else if (!decider->is_covered && is_resumed)
        decisions[count++] = make(NEED_TICKETS, ASSUMED_NONE);
    if (count == 0)
        decisions[count++] = make(NEED_UPGRADED, ASSUMED_NONE);
    return count;
}

size_t decide(const struct decider *decider, const struct outcome *outcome,
              struct decision decisions[DECISIONS_MAX])
{
    const bool is_tls12 = outcome->version == 0x0303 || outcome->version == 0xfefd;
    if (outcome->version == 0x0304)
        return decide_tls13(decider, outcome, decisions);
    if (decider->has_certificate_problem && decider->is_server) {
        decisions[0] = make(NEED_CERTIFICATE, ASSUMED_NONE);
        return 1;
    }
    if (!outcome->has_choice || outcome->version == 0) {
        decisions[0] = make(NEED_REFUSED, ASSUMED_NO_OUTCOME);
        return 1;
    }
    decisions[0] = is_tls12 ? decide_tls12(decider, outcome) : decide_old(decider, outcome);
    const bool needs_group = decisions[0].need == NEED_VERSION && outcome->group != 0 && !outcome->is_resumed;
    if (!needs_group || policy_has_group(decider->base, outcome->group))
        return 1;
    decisions[1] = decide_group(decider, outcome);
    return 2;
}
