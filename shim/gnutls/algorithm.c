/*
 * A table of IANA numbers and GnuTLS's names. GnuTLS's own numbers are asked for by name, since a library may be
 * older than the headers, and answers 0 for a name that it does not know.
 */
#include "gnutls/algorithm.h"

#include "config/init.h"

struct algorithm {
    uint16_t id;
    const char *name;
};

static const struct algorithm groups[] = {
    {23, "SECP256R1"},
    {24, "SECP384R1"},
    {25, "SECP521R1"},
    {29, "X25519"},
    {30, "X448"},
    {0x11eb, "SECP256R1-MLKEM768"},
    {0x11ec, "X25519-MLKEM768"},
    {0x11ed, "SECP384R1-MLKEM1024"},
};

static const struct algorithm suites[] = {
    {0x1301, "AES-128-GCM"}, {0x1302, "AES-256-GCM"},   {0x1303, "CHACHA20-POLY1305"},
    {0x1304, "AES-128-CCM"}, {0x1305, "AES-128-CCM-8"},
};

enum { GROUP_COUNT = sizeof groups / sizeof groups[0], SUITE_COUNT = sizeof suites / sizeof suites[0] };

uint16_t algorithm_group_id(const struct gnutls *lib, gnutls_group_t group)
{
    for (size_t i = 0; i < GROUP_COUNT && group != GNUTLS_GROUP_INVALID; i++)
        if (lib->gnutls_group_get_id(groups[i].name) == group)
            return groups[i].id;
    return 0;
}

uint16_t algorithm_suite_id(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher)
{
    for (size_t i = 0; i < SUITE_COUNT && cipher != GNUTLS_CIPHER_UNKNOWN; i++)
        if (lib->gnutls_cipher_get_id(suites[i].name) == cipher)
            return suites[i].id;
    return 0;
}

const char *algorithm_group_name(const struct gnutls *lib, uint16_t id)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (groups[i].id == id && lib->gnutls_group_get_id(groups[i].name) != GNUTLS_GROUP_INVALID)
            return groups[i].name;
    return NULL;
}

const char *algorithm_cipher_name(const struct gnutls *lib, uint16_t id)
{
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (suites[i].id == id && lib->gnutls_cipher_get_id(suites[i].name) != GNUTLS_CIPHER_UNKNOWN)
            return suites[i].name;
    return NULL;
}

bool algorithm_group_is_allowed(const struct gnutls *lib, gnutls_group_t group)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    uint16_t id = algorithm_group_id(lib, group);
    return id != 0 && policy_list_has(policy->groups, policy->group_count, id);
}

bool algorithm_cipher_is_allowed(const struct gnutls *lib, gnutls_cipher_algorithm_t cipher)
{
    const struct policy_tls *policy = &pfswrap_policy()->tls;
    uint16_t id = algorithm_suite_id(lib, cipher);
    return id != 0 && policy_list_has(policy->ciphersuites, policy->ciphersuite_count, id);
}
