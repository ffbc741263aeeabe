/*
 * A key is a row of texts with their terminators: the event, and for each field its type, its name and, of a
 * string, its value. Equal events have equal bytes. Allocates nothing. See summary_key.h.
 */
#include "audit/summary_key.h"

#include <arpa/inet.h>
#include <string.h>

#include "audit/line.h"

/* When a field belongs to the key: always, of one role, or unless the key is general. */
enum use { NEVER, ALWAYS, OF_SERVER, OF_CLIENT, IN_DETAIL };

static const struct {
    const char *name;
    enum use use;
} known[] = {
    {"role", ALWAYS},     {"local", OF_SERVER},       /* a client has another port each time */
    {"peer", IN_DETAIL},  {"server_name", OF_CLIENT}, /* a server's is what the client likes to send */
    {"version", ALWAYS},  {"group", ALWAYS},          {"cipher", ALWAYS},        {"resumed", ALWAYS},
    {"verified", ALWAYS}, {"library", ALWAYS},        {"preshared_key", ALWAYS}, {"rule", ALWAYS},
    {"layer", ALWAYS},    {"reason", ALWAYS},         {"detail", IN_DETAIL},     {"peer_name", IN_DETAIL},
    {"pattern", ALWAYS},
};
_Static_assert(sizeof known / sizeof known[0] <= SUMMARY_FIELDS_MAX, "a key has room for each field");

/* Events have their fields in the order of the table, so the search begins behind the last one: *at. */
static enum use use_of(const char *name, size_t *at)
{
    enum { COUNT = sizeof known / sizeof known[0] };
    for (size_t i = 0; i < COUNT; i++) {
        const size_t place = *at < COUNT ? *at : 0;
        *at = place + 1;
        if (known[place].name[0] == name[0] && strcmp(known[place].name, name) == 0)
            return known[place].use;
    }
    return NEVER;
}

static bool put(struct summary_key *key, const char *bytes, size_t length)
{
    if (length >= SUMMARY_KEY_MAX - key->length)
        return false;
    memcpy(key->bytes + key->length, bytes, length);
    key->length += length;
    return true;
}

/* The type, the name and its terminator; then of a string the value and its terminator. */
static bool put_field(struct summary_key *key, char type, const char *name, const char *value)
{
    const size_t name_size = strlen(name) + 1, value_size = type == 's' ? strlen(value) + 1 : 0;
    char *const at = key->bytes + key->length;
    if (1 + name_size + value_size >= SUMMARY_KEY_MAX - key->length)
        return false;
    at[0] = type;
    memcpy(at + 1, name, name_size);
    memcpy(at + 1 + name_size, value, value_size);
    key->length += 1 + name_size + value_size;
    return true;
}

/* Room for "ffff:ffff:ffff::/48" and "255.255.255.0/24". */
enum { NETWORK_TEXT = INET6_ADDRSTRLEN + 4 };

/* Writes the first six bytes of an address as RFC 5952 does, since the rest is 0. inet_ntop() needs 2 KiB of stack.
 */
static void put_ipv6(struct line *line, const uint8_t *bytes)
{
    static const char digits[] = "0123456789abcdef";
    size_t groups = 3;
    while (groups > 0 && bytes[2 * groups - 2] == 0 && bytes[2 * groups - 1] == 0)
        groups--;
    for (size_t i = 0; i < groups; i++) {
        const unsigned group = (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1];
        int shift = 12;
        while (shift > 0 && group >> shift == 0)
            shift -= 4;
        for (; shift >= 0; shift -= 4)
            line_put(line, &digits[group >> shift & 0xf], 1);
        line_puts(line, i + 1 < groups ? ":" : "");
    }
    line_puts(line, "::/48");
}

static void put_ipv4(struct line *line, const uint8_t *bytes)
{
    for (int i = 0; i < 3; i++) {
        line_put_digits(line, bytes[i], 1);
        line_puts(line, ".");
    }
    line_puts(line, "0/24");
}

/* Writes the network of "[2001:db8::1]:443"; false: the text is something else. */
static bool network_of_ipv6(char network[NETWORK_TEXT], const char *address)
{
    enum { BYTES = 16 };
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const size_t length = strcspn(address + 1, "]");
    uint8_t bytes[BYTES];
    if (length >= INET6_ADDRSTRLEN)
        return false;
    memcpy(network, address + 1, length);
    network[length] = '\0';
    if (inet_pton(AF_INET6, network, bytes) != 1)
        return false;
    struct line line = {.text = network, .room = NETWORK_TEXT - 1};
    if (memcmp(bytes, mapped, sizeof mapped) == 0)
        put_ipv4(&line, bytes + sizeof mapped);
    else
        put_ipv6(&line, bytes);
    network[line.length] = '\0';
    return true;
}

/* The same for "192.0.2.1:443", without inet_pton(): servers that this is for have many handshakes in a second. */
static bool network_of(char network[NETWORK_TEXT], const char *address)
{
    const char *const dot = strrchr(address, '.');
    if (address[0] == '[')
        return network_of_ipv6(network, address);
    if (dot == NULL || dot - address >= INET_ADDRSTRLEN)
        return false;
    memcpy(network, address, (size_t)(dot - address) + 1);
    memcpy(network + (dot - address) + 1, "0/24", 5);
    return true;
}

static bool put_string(struct summary_key *key, enum use use, const char *name, const char *value, bool is_server)
{
    char network[NETWORK_TEXT];
    if ((use == OF_SERVER && !is_server) || (use == OF_CLIENT && is_server))
        return true;
    if (!is_server || use != IN_DETAIL || strcmp(name, "peer") != 0)
        return put_field(key, 's', name, value);
    return network_of(network, value) ? put_field(key, 's', "network", network) : put_field(key, 's', name, value);
}

static bool is_of_server(const struct audit_field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].key, "role") == 0 && fields[i].type == AUDIT_STRING && fields[i].value.string != NULL)
            return strcmp(fields[i].value.string, "server") == 0;
    return false;
}

bool summary_key_make(struct summary_key *key, const char *event, const struct audit_field *fields, size_t count,
                      bool is_general)
{
    const bool is_server = is_of_server(fields, count);
    size_t at = 0;
    key->length = 0;
    bool fits = put(key, event, strlen(event) + 1);
    for (size_t i = 0; i < count && fits; i++) {
        const enum use use = use_of(fields[i].key, &at);
        if (use == NEVER || (is_general && use != ALWAYS))
            continue;
        if (fields[i].type == AUDIT_BOOLEAN)
            fits = put_field(key, fields[i].value.boolean ? 't' : 'f', fields[i].key, "");
        else if (fields[i].type == AUDIT_STRING && fields[i].value.string != NULL)
            fits = put_string(key, use, fields[i].key, fields[i].value.string, is_server);
    }
    return fits;
}

size_t summary_key_read(const struct summary_key *key, const char **event,
                        struct audit_field fields[SUMMARY_FIELDS_MAX])
{
    size_t count = 0;
    const char *at = key->bytes, *const end = key->bytes + key->length;
    *event = at;
    at += strlen(at) + 1;
    while (at < end && count < SUMMARY_FIELDS_MAX) {
        const char type = *at++;
        const char *const name = at;
        at += strlen(at) + 1;
        if (type == 's') {
            fields[count++] = AUDIT_S(name, at);
            at += strlen(at) + 1;
        } else {
            fields[count++] = AUDIT_B(name, type == 't');
        }
    }
    return count;
}

uint32_t summary_key_hash(const struct summary_key *key)
{
    uint64_t hash = key->length, word = 0;
    size_t at = 0;
    for (; at + sizeof word <= key->length; at += sizeof word) {
        memcpy(&word, key->bytes + at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, key->bytes + at, key->length - at);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32);
}
