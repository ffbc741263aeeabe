/*
 * Follows the chains of the lines. A log may be hostile: nothing in a line is believed before its MAC is right, and
 * keys far ahead are only made while there is work left. See verify.h.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

enum {
    SLOTS = 2 * VERIFY_CHAINS_MAX,
    MAC_DIGITS = 2 * CHAIN_MAC_BYTES,
    SEQ_DIGITS_MAX = 19,
    WORK_MAX = 200 * 1000 * 1000, /* keys: a minute or so */
};

/* The fields of the chain in a line. */
struct link {
    char name[CHAIN_NAME_MAX];
    uint64_t seq;
    uint8_t mac[CHAIN_MAC_BYTES];
    size_t length; /* bytes of the line that the MAC is about */
};

bool verifier_start(struct verifier *verifier, const uint8_t master[static CHAIN_KEY_BYTES])
{
    memcpy(verifier->master, master, CHAIN_KEY_BYTES);
    verifier->work = WORK_MAX;
    verifier->slots = calloc(SLOTS, sizeof(struct verified_chain *));
    return verifier->slots != NULL;
}

void verifier_wipe(struct verifier *verifier)
{
    for (size_t i = 0; i < SLOTS && verifier->slots != NULL; i++)
        if (verifier->slots[i] != NULL) {
            sodium_memzero(verifier->slots[i], sizeof *verifier->slots[i]);
            free(verifier->slots[i]);
        }
    free(verifier->slots);
    sodium_memzero(verifier, sizeof *verifier);
}

/* --- the fields --- */

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static uint8_t hex_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Moves *end before `word` if the text in front of it ends with that. */
static bool cut_word(const char *line, size_t *end, const char *word)
{
    const size_t length = strlen(word);
    if (*end < length || memcmp(line + *end - length, word, length) != 0)
        return false;
    *end -= length;
    return true;
}

static bool cut_mac(const char *line, size_t *end, uint8_t mac[CHAIN_MAC_BYTES])
{
    if (!cut_word(line, end, "\"}") || *end < MAC_DIGITS)
        return false;
    const char *const digits = line + *end - MAC_DIGITS;
    for (size_t i = 0; i < MAC_DIGITS; i++)
        if (!is_hex(digits[i]))
            return false;
    for (size_t i = 0; i < CHAIN_MAC_BYTES; i++)
        mac[i] = (uint8_t)(hex_value(digits[2 * i]) << 4 | hex_value(digits[2 * i + 1]));
    *end -= MAC_DIGITS;
    return cut_word(line, end, ",\"mac\":\"");
}

static bool cut_seq(const char *line, size_t *end, uint64_t *seq)
{
    size_t digits = 0;
    uint64_t unit = 1;
    *seq = 0;
    for (; digits < *end && line[*end - digits - 1] >= '0' && line[*end - digits - 1] <= '9'; digits++) {
        if (digits == SEQ_DIGITS_MAX)
            return false;
        *seq += (uint64_t)(line[*end - digits - 1] - '0') * unit;
        unit *= 10;
    }
    *end -= digits;
    const bool is_plain = digits == 1 || (digits > 1 && line[*end] != '0');
    return is_plain && cut_word(line, end, "\",\"seq\":");
}

static bool cut_name(const char *line, size_t *end, char name[CHAIN_NAME_MAX])
{
    size_t length = 0;
    while (length < *end && line[*end - length - 1] != '"')
        length++;
    if (length == 0 || length >= CHAIN_NAME_MAX)
        return false;
    memcpy(name, line + *end - length, length);
    name[length] = '\0';
    *end -= length;
    return memchr(name, '\0', length) == NULL && cut_word(line, end, ",\"chain\":\"");
}

/* Reads the fields, which are the last ones of a line. */
static bool read_link(const char *line, size_t length, struct link *link)
{
    size_t end = length;
    if (!cut_mac(line, &end, link->mac))
        return false;
    link->length = end;
    return cut_seq(line, &end, &link->seq) && cut_name(line, &end, link->name);
}

/* --- keys --- */

static bool spend(struct verifier *verifier, uint64_t keys)
{
    if (keys > verifier->work)
        return false;
    verifier->work -= keys;
    return true;
}

/* Replaces the key `times` times. */
static void advance(uint8_t key[CHAIN_KEY_BYTES], uint64_t times)
{
    for (uint64_t i = 0; i < times; i++)
        chain_key_next(key, key);
}

/* The fork key of the process `name` after so many forks; `first`: before the first one. False: too much work. */
static bool fork_key(struct verifier *verifier, const char *name, size_t length, uint32_t forks,
                     uint8_t key[CHAIN_KEY_BYTES])
{
    const size_t place = tally_hash(name, length) % VERIFY_FORK_CACHE;
    const bool is_known = verifier->forks[place].forks <= forks && strlen(verifier->forks[place].name) == length &&
                          memcmp(verifier->forks[place].name, name, length) == 0;
    const uint32_t from = is_known ? verifier->forks[place].forks : 0;
    if (!spend(verifier, forks - from))
        return false;
    if (is_known)
        memcpy(key, verifier->forks[place].key, CHAIN_KEY_BYTES);
    advance(key, forks - from);
    memcpy(verifier->forks[place].name, name, length);
    verifier->forks[place].name[length] = '\0';
    verifier->forks[place].forks = forks;
    memcpy(verifier->forks[place].key, key, CHAIN_KEY_BYTES);
    return true;
}

/* Reads "/FORKS.RANDOM". Returns its length, or 0. */
static size_t read_step(const char *text, uint32_t *forks)
{
    size_t at = 1;
    *forks = 0;
    while (text[0] == '/' && at <= 7 && text[at] >= '0' && text[at] <= '9')
        *forks = *forks * 10 + (uint32_t)(text[at++] - '0');
    if (at == 1 || text[at] != '.' || *forks > CHAIN_FORKS_MAX || (text[1] == '0' && at != 2))
        return 0;
    at++;
    for (size_t i = 0; i < CHAIN_CHILD_DIGITS; i++)
        if (!is_hex(text[at++]))
            return 0;
    return at;
}

/* The key of line 0 of a chain; false: the name is none of a chain, or there is too much work. */
static bool first_key(struct verifier *verifier, const char *name, uint8_t key[CHAIN_KEY_BYTES])
{
    uint8_t fork[CHAIN_KEY_BYTES];
    size_t at = 0, step;
    uint32_t forks;
    while (at < CHAIN_ROOT_DIGITS && is_hex(name[at]))
        at++;
    bool is_good = at == CHAIN_ROOT_DIGITS;
    chain_key_derive(key, verifier->master, CHAIN_LINE_LABEL, name, at);
    chain_key_derive(fork, verifier->master, CHAIN_FORK_LABEL, name, at);
    for (; is_good && name[at] != '\0'; at += step) {
        step = read_step(name + at, &forks);
        is_good = step != 0 && fork_key(verifier, name, at, forks, fork);
        if (!is_good)
            break;
        chain_key_derive(key, fork, CHAIN_LINE_LABEL, name + at, step);
        chain_key_derive(fork, fork, CHAIN_FORK_LABEL, name + at, step);
    }
    sodium_memzero(fork, sizeof fork);
    return is_good;
}

/* --- chains --- */

/* The chain of this name, which is made if it is new. NULL: problem[] says why not. */
static struct verified_chain *chain_of(struct verifier *verifier, const char *name, char problem[VERIFY_PROBLEM])
{
    size_t at = tally_hash(name, strlen(name)) % SLOTS;
    for (; verifier->slots[at] != NULL; at = (at + 1) % SLOTS)
        if (strcmp(verifier->slots[at]->name, name) == 0)
            return verifier->slots[at];
    struct verified_chain *const chain = verifier->chains < VERIFY_CHAINS_MAX ? calloc(1, sizeof *chain) : NULL;
    if (chain == NULL) {
        (void)snprintf(problem, VERIFY_PROBLEM, "is of a process for which there is no room");
        return NULL;
    }
    if (!first_key(verifier, name, chain->first_key)) {
        (void)snprintf(problem, VERIFY_PROBLEM, "names a chain that cannot be");
        free(chain);
        return NULL;
    }
    memcpy(chain->key, chain->first_key, CHAIN_KEY_BYTES);
    memcpy(chain->name, name, strlen(name) + 1);
    verifier->slots[at] = chain;
    verifier->chains++;
    return chain;
}

/* Whether the line has the MAC of this key. */
static bool is_mac_of(const char *line, const struct link *link, const uint8_t key[CHAIN_KEY_BYTES])
{
    uint8_t mac[CHAIN_MAC_BYTES];
    chain_mac(mac, key, line, link->length);
    return sodium_memcmp(mac, link->mac, sizeof mac) == 0;
}

/* The line `seq` was found. Whether it was missing until now. */
static bool fill_gap(struct verified_chain *chain, uint64_t seq)
{
    for (size_t i = 0; i < chain->gap_count; i++) {
        const uint64_t from = chain->gaps[i].from, to = chain->gaps[i].to;
        if (seq < from || seq > to)
            continue;
        chain->gaps[i].to = seq - 1;
        if (seq == from)
            chain->gaps[i] = chain->gaps[--chain->gap_count];
        if (seq < to && chain->gap_count < VERIFY_GAPS_MAX) {
            chain->gaps[chain->gap_count].from = seq + 1;
            chain->gaps[chain->gap_count++].to = to;
        }
        return true;
    }
    return false;
}

static bool wrong_line(struct verified_chain *chain, uint64_t seq, char problem[VERIFY_PROBLEM])
{
    chain->has_wrong = true;
    chain->wrong = seq;
    (void)snprintf(problem, VERIFY_PROBLEM,
                   "was changed, or was not written by its process (line %" PRIu64 " of chain %s)", seq,
                   chain->name);
    return false;
}

/* A line with a smaller number than that of the next one. */
static bool add_earlier(struct verifier *verifier, struct verified_chain *chain, const char *line,
                        const struct link *link, char problem[VERIFY_PROBLEM])
{
    uint8_t key[CHAIN_KEY_BYTES];
    if (!spend(verifier, link->seq)) {
        (void)snprintf(problem, VERIFY_PROBLEM, "is out of place, and there are too many such lines to verify it");
        return false;
    }
    memcpy(key, chain->first_key, sizeof key);
    advance(key, link->seq);
    if (!is_mac_of(line, link, key))
        return wrong_line(chain, link->seq, problem);
    if (fill_gap(chain, link->seq))
        verifier->verified++;
    (void)snprintf(problem, VERIFY_PROBLEM, "is out of place: moved or repeated (line %" PRIu64 " of chain %s)",
                   link->seq, chain->name);
    return false;
}

/* A line with a larger number: those between are missing. */
static bool add_later(struct verified_chain *chain, uint64_t seq, char problem[VERIFY_PROBLEM])
{
    const bool is_the_wrong_one = chain->has_wrong && chain->wrong == chain->next && seq == chain->next + 1;
    if (chain->gap_count < VERIFY_GAPS_MAX) {
        chain->gaps[chain->gap_count].from = chain->next;
        chain->gaps[chain->gap_count++].to = seq - 1;
    }
    if (is_the_wrong_one)
        return true;
    (void)snprintf(problem, VERIFY_PROBLEM,
                   "comes after a gap of %" PRIu64 ": it is number %" PRIu64 " of chain %s, expected %" PRIu64,
                   seq - chain->next, seq, chain->name, chain->next);
    return false;
}

static bool add_to_chain(struct verifier *verifier, struct verified_chain *chain, const char *line,
                         const struct link *link, const struct verify_place *place, char problem[VERIFY_PROBLEM])
{
    uint8_t key[CHAIN_KEY_BYTES];
    bool is_good = true;
    if (link->seq < chain->next)
        return add_earlier(verifier, chain, line, link, problem);
    if (!spend(verifier, link->seq - chain->next))
        return wrong_line(chain, link->seq, problem);
    memcpy(key, chain->key, sizeof key);
    advance(key, link->seq - chain->next);
    if (!is_mac_of(line, link, key))
        return wrong_line(chain, link->seq, problem);
    if (link->seq > chain->next)
        is_good = add_later(chain, link->seq, problem);
    chain_key_next(chain->key, key);
    chain->next = link->seq + 1;
    chain->has_lines = true;
    chain->has_end = place->is_end;
    chain->path = place->path;
    chain->line = place->line;
    (void)snprintf(chain->program, sizeof chain->program, "%s", place->program);
    (void)snprintf(chain->pid, sizeof chain->pid, "%s", place->pid);
    verifier->verified++;
    return is_good;
}

bool verifier_add(struct verifier *verifier, const char *line, size_t length, const struct verify_place *place,
                  char problem[VERIFY_PROBLEM])
{
    struct link link;
    if (!read_link(line, length, &link)) {
        (void)snprintf(problem, VERIFY_PROBLEM, "is in no chain: it was added, or its process had no log-chain");
        return false;
    }
    struct verified_chain *const chain = chain_of(verifier, link.name, problem);
    return chain != NULL && add_to_chain(verifier, chain, line, &link, place, problem);
}
