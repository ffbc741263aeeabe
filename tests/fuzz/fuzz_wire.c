/*
 * libFuzzer: any bytes in any order of directions are read without a fault, give the same verdict as byte by byte,
 * and no verdict is ever taken back. A verdict of forward secrecy has what the configuration requires. The input is
 * a byte of settings, then pieces: direction and length in two bytes, and the bytes.
 */
#include "wire/wire.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool list_has(const uint16_t *list, size_t count, uint16_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

static void check_pfs(const struct wire *wire, const struct wire_config *config)
{
    bool has_hint;
    FUZZ_CHECK(wire->choice.is_known && wire->choice.version >= config->min_version);
    FUZZ_CHECK(list_has(config->groups, config->group_count, wire->choice.group));
    if (wire->choice.version == 0x0304)
        FUZZ_CHECK(list_has(config->ciphersuites, config->ciphersuite_count, wire->choice.suite));
    else
        FUZZ_CHECK(wire->choice.version == 0x0303 && wire_suite_is_ecdhe_aead(wire->choice.suite, &has_hint));
    FUZZ_CHECK(!config->refuse_resumption || !wire->choice.preshared_key);
    FUZZ_CHECK(!wire->offer.early_data || wire->client == WIRE_IN);
}

static void check_state(const struct wire *wire)
{
    FUZZ_CHECK(wire->offer.version_count <= WIRE_VERSIONS_MAX);
    FUZZ_CHECK(wire->offer.group_count <= WIRE_GROUPS_MAX);
    FUZZ_CHECK(wire->offer.suite_count <= WIRE_SUITES_MAX);
    FUZZ_CHECK(strnlen(wire->offer.server_name, WIRE_NAME_MAX) < WIRE_NAME_MAX);
    FUZZ_CHECK(strnlen(wire->offer.protocols, WIRE_PROTOCOLS_MAX) < WIRE_PROTOCOLS_MAX);
    FUZZ_CHECK((wire->verdict == WIRE_WEAK) == (wire->reason != WIRE_REASON_NONE));
}

/* One feed in a buffer of exactly its bytes. */
static enum wire_verdict feed(struct wire *wire, const struct wire_config *config, enum wire_direction direction,
                              const uint8_t *bytes, size_t length)
{
    enum wire_verdict before = wire->verdict;
    size_t passes = SIZE_MAX;
    uint8_t *exact = malloc(length > 0 ? length : 1);
    FUZZ_CHECK(exact != NULL);
    memcpy(exact, bytes, length);
    enum wire_verdict verdict = wire_feed(wire, config, direction, exact, length, &passes);
    free(exact);
    FUZZ_CHECK(verdict == wire->verdict && (before == WIRE_UNDECIDED || verdict == before));
    FUZZ_CHECK(passes == (verdict == WIRE_WEAK || verdict == WIRE_PLAINTEXT ? 0 : length));
    check_state(wire);
    return verdict;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_config config = {
        .groups = {29, 23}, .group_count = 2, .ciphersuites = {0x1301, 0x1302}, .ciphersuite_count = 2};
    struct wire whole, bytewise;
    if (size == 0)
        return 0;
    config.min_version = data[0] & 1 ? 0x0303 : 0x0304;
    config.plaintext_max = data[0] & 2 ? 64 : 0;
    config.refuse_resumption = (data[0] & 4) != 0;
    data++;
    size--;
    wire_init(&whole);
    wire_init(&bytewise);
    while (size >= 2) {
        enum wire_direction direction = data[0] & 0x80 ? WIRE_IN : WIRE_OUT;
        size_t length = (size_t)(data[0] & 0x7f) << 8 | data[1];
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        for (size_t i = 0; i < length; i++)
            feed(&bytewise, &config, direction, data + i, 1);
        feed(&whole, &config, direction, data, length);
        FUZZ_CHECK(whole.verdict == bytewise.verdict && whole.reason == bytewise.reason);
        data += length;
        size -= length;
    }
    if (whole.verdict == WIRE_PFS)
        check_pfs(&whole, &config);
    return 0;
}
