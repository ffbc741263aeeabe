/*
 * The keys of [seal]: the paths of key files, and the settings of sealed connections. config/keys.c opens the
 * files.
 */
#include "policy/parser.h"

#include <string.h>

/* Adds an absolute path, or agent:NAME, to a list of different ones. Returns 0, or -1 after policy_fail(). */
static int add_key(struct policy_parser *parser, const char *value, char keys[][PATH_MAX], unsigned *lines,
                   size_t *count)
{
    const char *key = parser->key->name, *name = policy_agent_name(value);
    char checked[POLICY_NAME_MAX];
    if (*count == POLICY_LIST_MAX)
        return policy_fail(parser, "%s occurs more than %d times", key, POLICY_LIST_MAX);
    if (name == NULL && policy_value_path(parser, value, keys[*count]) < 0)
        return -1;
    if (name != NULL && policy_value_name(parser, name, checked) < 0)
        return -1;
    if (name != NULL)
        memcpy(keys[*count], value, strlen(value) + 1);
    for (size_t i = 0; i < *count; i++)
        if (strcmp(keys[i], value) == 0)
            return policy_fail(parser, "%s = %.80s is listed twice, expected it once", key, value);
    lines[(*count)++] = parser->reader.line;
    return 0;
}

static int add_identity(struct policy_parser *parser, const char *value)
{
    struct policy_seal_keys *seal = &parser->policy->seal;
    return add_key(parser, value, seal->identities, seal->identity_lines, &seal->identity_count);
}

static int set_agent_socket(struct policy_parser *parser, const char *value)
{
    char path[PATH_MAX];
    if (policy_value_path(parser, value, path) < 0)
        return -1;
    if (strlen(path) >= POLICY_SOCKET_MAX)
        return policy_fail(parser, "agent-socket has %zu characters, expected at most %d", strlen(path),
                           POLICY_SOCKET_MAX - 1);
    memcpy(parser->policy->seal.agent_socket, path, strlen(path) + 1);
    return 0;
}

static int set_peers(struct policy_parser *parser, const char *value)
{
    parser->policy->seal.peers_line = parser->reader.line;
    return policy_value_path(parser, value, parser->policy->seal.peers);
}

static int add_psk(struct policy_parser *parser, const char *value)
{
    struct policy_seal_keys *seal = &parser->policy->seal;
    return add_key(parser, value, seal->psks, seal->psk_lines, &seal->psk_count);
}

/* A public key of minisign(1): 42 bytes. */
static int add_signer(struct policy_parser *parser, const char *value)
{
    struct policy_seal_keys *seal = &parser->policy->seal;
    struct signature_key *signer = &seal->signers[seal->signer_count];
    if (seal->signer_count == POLICY_SIGNERS_MAX)
        return policy_fail(parser, "peers-signer occurs more than %d times", POLICY_SIGNERS_MAX);
    if (signature_key_decode(signer, value, strlen(value)) != 0)
        return policy_fail(
            parser, "peers-signer = %.80s, expected a public key of minisign: %d characters that begin with RW",
            value, SIGNATURE_KEY_TEXT_BYTES - 1);
    for (size_t i = 0; i < seal->signer_count; i++)
        if (memcmp(seal->signers[i].id, signer->id, sizeof signer->id) == 0)
            return policy_fail(parser, "peers-signer = %.80s is listed twice, or another key has its id", value);
    seal->signer_count++;
    return 0;
}

static int set_peers_state(struct policy_parser *parser, const char *value)
{
    parser->policy->seal.peers_state_line = parser->reader.line;
    return policy_value_path(parser, value, parser->policy->seal.peers_state);
}

static int set_revocation_delay(struct policy_parser *parser, const char *value)
{
    return policy_value_duration(parser, value, &parser->policy->seal.revocation_delay_ms);
}

static int set_rekey(struct policy_parser *parser, const char *value)
{
    return policy_value_number(parser, value, 1, UINT16_MAX, &parser->policy->seal.rekey);
}

static int set_handshake_timeout(struct policy_parser *parser, const char *value)
{
    return policy_value_duration(parser, value, &parser->policy->seal.handshake_timeout_ms);
}

static int set_linger(struct policy_parser *parser, const char *value)
{
    return policy_value_duration(parser, value, &parser->policy->seal.linger_ms);
}

static int set_on_removal(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_removal);
    if (choice < 0)
        return -1;
    parser->policy->seal.on_removal = (enum policy_removal)choice;
    return 0;
}

static int set_max_key_age(struct policy_parser *parser, const char *value)
{
    return policy_value_period(parser, value, &parser->policy->seal.max_key_age_s);
}

static int set_warn_before(struct policy_parser *parser, const char *value)
{
    return policy_value_period(parser, value, &parser->policy->seal.warn_before_s);
}

static int set_expired(struct policy_parser *parser, const char *value)
{
    int choice = policy_value_choose(parser, value, policy_words_expired);
    if (choice < 0)
        return -1;
    parser->policy->seal.expired = (enum policy_expired)choice;
    return 0;
}

int policy_end_seal(struct policy_parser *parser)
{
    const struct policy_seal_keys *seal = &parser->policy->seal;
    if (seal->expired == POLICY_EXPIRED_REFUSE && seal->max_key_age_s == 0)
        return policy_fail_at(parser, policy_key_line(parser, "expired"),
                              "expired = refuse, expected max-key-age = TIME as well");
    if (seal->signer_count > 0 && seal->peers[0] == '\0')
        return policy_fail_at(parser, policy_key_line(parser, "peers-signer"),
                              "peers-signer, expected peers = FILE as well");
    if (seal->peers_state_line != 0 && seal->signer_count == 0)
        return policy_fail_at(parser, seal->peers_state_line,
                              "peers-state, expected peers-signer = PUBLIC-KEY as well");
    return 0;
}

const struct policy_key policy_keys_seal[] = {
    {"identity", true, add_identity},
    {"agent-socket", false, set_agent_socket},
    {"peers", false, set_peers},
    {"peers-signer", true, add_signer},
    {"peers-state", false, set_peers_state},
    {"psk", true, add_psk},
    {"rekey", false, set_rekey},
    {"handshake-timeout", false, set_handshake_timeout},
    {"linger", false, set_linger},
    {"on-removal", false, set_on_removal},
    {"revocation-delay", false, set_revocation_delay},
    {"max-key-age", false, set_max_key_age},
    {"warn-before", false, set_warn_before},
    {"expired", false, set_expired},
    {NULL, false, NULL},
};
