/*
 * Decides which hellos the settings allow (RFC 8446, sections 2.2, 2.3, 4.1.3 and 4.2.9; RFC 9325, section 4). A
 * TLS 1.3 handshake has forward secrecy if the ServerHello has a key share of an allowed group and no early data
 * was sent. A TLS 1.2 handshake has it if the suite has ECDHE and AEAD, and a ServerKeyExchange shows that keys are
 * exchanged.
 */
#include "wire/reader.h"

static bool list_has(const uint16_t *list, size_t count, uint16_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

static bool group_is_allowed(const struct wire_input *input)
{
    return list_has(input->config->groups, input->config->group_count, input->wire->choice.group);
}

void wire_check_client_hello(const struct wire_input *input)
{
    struct wire *wire = input->wire;
    wire->phase = WIRE_PHASE_SERVER_HELLO;
    /* A server may refuse early data that it receives. A protected client must not send any. */
    if (wire->offer.early_data && input->direction == WIRE_OUT)
        wire_weak(input, WIRE_REASON_EARLY_DATA);
}

/* Whether the suite of a ServerHello or HelloRetryRequest of TLS 1.3 is allowed. */
static bool is_tls13_allowed(const struct wire_input *input)
{
    const struct wire_config *config = input->config;
    if (!list_has(config->ciphersuites, config->ciphersuite_count, input->wire->choice.suite)) {
        wire_weak(input, WIRE_REASON_SUITE);
        return false;
    }
    return true;
}

/* A HelloRetryRequest chooses the group of the next ClientHello, or only sends a cookie. */
static void check_retry(const struct wire_input *input)
{
    struct wire *wire = input->wire;
    if (wire->is_retried)
        wire_weak(input, WIRE_REASON_UNEXPECTED);
    else if (wire->choice.version != WIRE_TLS13)
        wire_weak(input, WIRE_REASON_VERSION);
    else if (is_tls13_allowed(input) && wire->choice.group != 0 && !group_is_allowed(input))
        wire_weak(input, WIRE_REASON_GROUP);
    wire->is_retried = true;
    wire->phase = WIRE_PHASE_RETRY;
}

/*
 * Whether the server may accept the client's early data. Its answer is encrypted, but it can accept early data only
 * with the first preshared key and without a retry (RFC 8446, section 4.2.10).
 */
static bool early_data_may_be_accepted(const struct wire *wire)
{
    return wire->offer.early_data && !wire->is_retried && wire->choice.preshared_key && wire->choice.identity == 0;
}

static void check_tls13(const struct wire_input *input)
{
    const struct wire *wire = input->wire;
    if (!is_tls13_allowed(input))
        return;
    if (wire->choice.group == 0)
        wire_weak(input, WIRE_REASON_NO_KEY_SHARE);
    else if (!group_is_allowed(input))
        wire_weak(input, WIRE_REASON_GROUP);
    else if (early_data_may_be_accepted(wire))
        wire_weak(input, WIRE_REASON_EARLY_DATA);
    else if (wire->choice.preshared_key && input->config->refuse_resumption)
        wire_weak(input, WIRE_REASON_RESUMED);
    else
        wire_decide(input->wire, WIRE_PFS, WIRE_REASON_NONE);
}

void wire_check_server_hello(const struct wire_input *input, bool is_retry)
{
    struct wire *wire = input->wire;
    bool has_hint;
    wire->choice.is_known = true;
    if (is_retry)
        check_retry(input);
    else if (wire->choice.version == WIRE_TLS13)
        check_tls13(input);
    else if (wire->choice.version != WIRE_TLS12 || input->config->min_version > WIRE_TLS12 || wire->is_retried)
        wire_weak(input, WIRE_REASON_VERSION);
    else if (!wire_suite_is_ecdhe_aead(wire->choice.suite, &has_hint))
        wire_weak(input, WIRE_REASON_SUITE);
    else
        wire->phase = WIRE_PHASE_SERVER_FLIGHT;
}

void wire_check_key_exchange(const struct wire_input *input)
{
    if (group_is_allowed(input))
        wire_decide(input->wire, WIRE_PFS, WIRE_REASON_NONE);
    else
        wire_weak(input, WIRE_REASON_GROUP);
}

const char *wire_reason_words(enum wire_reason reason)
{
    switch (reason) {
    case WIRE_REASON_NONE:
        break;
    case WIRE_REASON_SSLV2:
        return "the hello has SSL 2.0's form, which TLS 1.3 does not have";
    case WIRE_REASON_VERSION:
        return "the version is not one that the policy allows";
    case WIRE_REASON_SUITE:
        return "the cipher is not in the policy";
    case WIRE_REASON_GROUP:
        return "the key exchange group is not in the policy";
    case WIRE_REASON_NO_KEY_SHARE:
        return "the handshake had no ephemeral key exchange";
    case WIRE_REASON_EARLY_DATA:
        return "early data has no forward secrecy";
    case WIRE_REASON_RESUMED:
        return "a session was resumed, which the policy refuses";
    case WIRE_REASON_UNEXPECTED:
        return "a record or message came where TLS has no place for it";
    case WIRE_REASON_MALFORMED:
        return "a record or hello contradicts itself";
    }
    return "";
}

bool wire_suite_is_ecdhe_aead(uint16_t suite, bool *has_hint)
{
    /* IANA "TLS Cipher Suites", from RFC 5289, 6209, 6367, 7251, 7905 and 8442 */
    static const uint16_t ecdhe[] = {
        0xc02b, 0xc02c, 0xc02f, 0xc030, 0xc05c, 0xc05d, 0xc060, 0xc061, 0xc086,
        0xc087, 0xc08a, 0xc08b, 0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xcca8, 0xcca9,
    };
    static const uint16_t ecdhe_psk[] = {0xccac, 0xd001, 0xd002, 0xd003, 0xd005};
    *has_hint = list_has(ecdhe_psk, sizeof ecdhe_psk / sizeof ecdhe_psk[0], suite);
    return *has_hint || list_has(ecdhe, sizeof ecdhe / sizeof ecdhe[0], suite);
}
