/*
 * The offers of TLS that are made, and what the policy says about each. All but those of TLS 1.3 and of TLS 1.2
 * with ECDHE and an AEAD cipher are never allowed.
 */
#include <stdio.h>
#include <string.h>

#include "hello.h"
#include "policy/registry.h"

#define LIST(name) name, sizeof(name) / sizeof((name)[0])

/* IANA "TLS Cipher Suites" */
static const uint16_t static_rsa[] = {0x009d, 0x009c, 0x003d, 0x003c, 0x0035,
                                      0x002f, 0xc09d, 0xc09c, 0x0084, 0x0041};
static const uint16_t ffdhe[] = {0x009f, 0x009e, 0x006b, 0x0067, 0x0039, 0x0033,
                                 0xccaa, 0x00a3, 0x00a2, 0x0038, 0x0032};
static const uint16_t ecdhe_cbc[] = {0xc013, 0xc014, 0xc009, 0xc00a, 0xc027, 0xc028, 0xc023, 0xc024};
static const uint16_t ecdhe_aead[] = {0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8,
                                      0xcca9, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af};
static const uint16_t anonymous[] = {0x00a6, 0x00a7, 0x0034, 0x003a, 0xc018, 0xc019, 0x006c, 0x006d, 0x0018};
static const uint16_t null_suites[] = {0x003b, 0x0002, 0x0001, 0xc006, 0xc010, 0x002c, 0x002d, 0x002e};
static const uint16_t legacy_suites[] = {0x0005, 0x0004, 0xc011, 0xc007, 0x000a, 0x0016, 0xc012, 0xc008,
                                         0x0009, 0x0015, 0x0003, 0x0006, 0x0008, 0x0014, 0x0011};
static const uint16_t all_old[] = {0xc013, 0xc014, 0xc009, 0xc00a, 0x0039, 0x0033, 0x0035, 0x002f,
                                   0x000a, 0x0016, 0xc012, 0x0005, 0x0004, 0x0038, 0x0032};
static const uint16_t all_tls12[] = {0xc02f, 0xc030, 0xc02b, 0xc02c, 0xcca8, 0xcca9, 0xc013,
                                     0xc014, 0xc009, 0xc00a, 0xc027, 0xc028, 0x009f, 0x009e,
                                     0x0039, 0x0033, 0x009d, 0x009c, 0x0035, 0x002f, 0x000a};
static const uint16_t tls13_suites[] = {0x1302, 0x1303, 0x1301, 0x1304, 0x1305};
static const uint16_t usual_groups[] = {29, 23, 24, 25, 30, 0x100, 0x101};
static const uint16_t all_groups[] = {29, 23, 24, 25, 30, 0x11ec, 0x11eb, 0x11ed};
static const uint16_t legacy_groups[] = {21, 19, 22, 20, 26, 27, 28, 18, 16, 9, 13};

struct offer_row {
    const char *id, *words;
    struct hello_offer offer;
    bool may_be_allowed; /* if the policy has TLS 1.2 */
};

static const struct offer_row rows[] = {
    {"version.SSLv3", "SSL 3.0", {0x0300, LIST(all_old), LIST(usual_groups), false}, false},
    {"version.TLSv1", "TLS 1.0", {0x0301, LIST(all_old), LIST(usual_groups), false}, false},
    {"version.TLSv1.1", "TLS 1.1", {0x0302, LIST(all_old), LIST(usual_groups), false}, false},
    {"tls12.any", "TLS 1.2", {0x0303, LIST(all_tls12), LIST(usual_groups), false}, true},
    {"tls12.ecdhe-aead", "TLS 1.2, ECDHE with AEAD", {0x0303, LIST(ecdhe_aead), LIST(usual_groups), false}, true},
    {"tls12.ecdhe-cbc", "TLS 1.2, ECDHE with CBC", {0x0303, LIST(ecdhe_cbc), LIST(usual_groups), false}, false},
    {"tls12.static-rsa", "TLS 1.2, static RSA", {0x0303, LIST(static_rsa), LIST(usual_groups), false}, false},
    {"tls12.ffdhe",
     "TLS 1.2, finite-field Diffie-Hellman",
     {0x0303, LIST(ffdhe), LIST(usual_groups), false},
     false},
    {"tls12.anonymous", "TLS 1.2, anonymous", {0x0303, LIST(anonymous), LIST(usual_groups), false}, false},
    {"tls12.null", "TLS 1.2, no encryption", {0x0303, LIST(null_suites), LIST(usual_groups), false}, false},
    {"tls12.legacy-suites",
     "TLS 1.2, RC4, DES or 3DES",
     {0x0303, LIST(legacy_suites), LIST(usual_groups), false},
     false},
    {"tls12.legacy-groups",
     "TLS 1.2, curves that TLS 1.3 does not have",
     {0x0303, LIST(ecdhe_aead), LIST(legacy_groups), false},
     false},
};

static void add_answer(struct scan_target *target, const char *id, const char *words,
                       const struct hello_answer *answer, enum scan_policy policy)
{
    const struct tls_group *const group = answer->group != 0 ? tls_group_by_id(answer->group) : NULL;
    const struct tls_ciphersuite *const suite = tls_ciphersuite_by_id(answer->suite);
    char detail[SCAN_DETAIL], number[8];
    if (answer->result != SCAN_ACCEPTED) {
        (void)scan_add(target, id, words, answer->result, policy, answer->detail);
        return;
    }
    (void)snprintf(number, sizeof number, "0x%04x", answer->suite);
    (void)snprintf(detail, sizeof detail, "%s%s%s", suite != NULL ? suite->name : number, group != NULL ? ", " : "",
                   group != NULL ? group->name : "");
    (void)scan_add(target, id, words, SCAN_ACCEPTED, policy, detail);
}

static void ask_older(struct scan_target *target, bool is_allowed)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const bool has_tls12 = rows[i].may_be_allowed && target->policy->tls.min_version == 0x0303;
        const struct hello_answer answer = hello_ask(target, &rows[i].offer);
        /* The suite that was chosen decides whether TLS 1.2 as such is within the policy. */
        const bool is_ecdhe = answer.suite >> 8 == 0xc0 || answer.suite >> 8 == 0xcc;
        const bool is_weak = rows[i].offer.suites == all_tls12 && answer.result == SCAN_ACCEPTED && !is_ecdhe;
        add_answer(target, rows[i].id, rows[i].words, &answer,
                   is_allowed && has_tls12 && !is_weak ? SCAN_ALLOWS : SCAN_FORBIDS);
    }
    const struct hello_offer compressed = {0x0303, LIST(all_tls12), LIST(usual_groups), true};
    struct hello_answer answer = hello_ask(target, &compressed);
    if (answer.result == SCAN_ACCEPTED && !answer.has_compression) {
        answer.result = SCAN_REFUSED;
        (void)snprintf(answer.detail, sizeof answer.detail, "the server does not compress");
    }
    add_answer(target, "tls12.compression", "TLS 1.2, compression", &answer, SCAN_FORBIDS);
}

static void ask_tls13(struct scan_target *target, bool is_allowed)
{
    static const uint16_t groups[] = {0x11ec, 0x11eb, 0x11ed, 29,    23,    24,    25,
                                      30,     0x200,  0x201,  0x202, 0x100, 0x101, 0x102};
    const struct policy_tls *const policy = &target->policy->tls;
    const struct hello_offer any = {0x0304, LIST(tls13_suites), LIST(all_groups), false};
    struct hello_answer answer = hello_ask(target, &any);
    char id[SCAN_ID], words[SCAN_WORDS];
    add_answer(target, "version.TLSv1.3", "TLS 1.3", &answer, is_allowed ? SCAN_ALLOWS : SCAN_FORBIDS);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const char *const name = tls_group_by_id(groups[i])->name;
        const struct hello_offer offer = {0x0304, LIST(tls13_suites), &groups[i], 1, false};
        answer = hello_ask(target, &offer);
        (void)snprintf(id, sizeof id, "tls13.group.%s", name);
        (void)snprintf(words, sizeof words, "TLS 1.3, group %s", name);
        add_answer(target, id, words, &answer,
                   is_allowed && policy_list_has(policy->groups, policy->group_count, groups[i]) ? SCAN_ALLOWS
                                                                                                 : SCAN_FORBIDS);
    }
    for (size_t i = 0; i < sizeof tls13_suites / sizeof tls13_suites[0]; i++) {
        const char *const name = tls_ciphersuite_by_id(tls13_suites[i])->name;
        const struct hello_offer offer = {0x0304, &tls13_suites[i], 1, LIST(all_groups), false};
        answer = hello_ask(target, &offer);
        (void)snprintf(id, sizeof id, "tls13.suite.%s", name);
        (void)snprintf(words, sizeof words, "TLS 1.3, %s", name);
        add_answer(target, id, words, &answer,
                   is_allowed && policy_list_has(policy->ciphersuites, policy->ciphersuite_count, tls13_suites[i])
                       ? SCAN_ALLOWS
                       : SCAN_FORBIDS);
    }
}

void scan_offers(struct scan_target *target)
{
    const bool is_allowed = !scan_seal_is_required(target);
    ask_older(target, is_allowed);
    ask_tls13(target, is_allowed);
}
