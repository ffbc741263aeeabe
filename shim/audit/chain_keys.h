/*
 * The keys of a chain of lines (docs/AUDIT.md, "Chained lines"), for the processes that write one and the command
 * that verifies it. Each key is made from the one before by keyed BLAKE2b, and no key can be computed back.
 *
 *     root line key  = H(master, "pfswrap log line 1"  ROOT)      ROOT: 16 hexadecimal digits
 *     root fork key  = H(master, "pfswrap log fork 1"  ROOT)
 *     MAC of a line  = the first 16 bytes of H(line key, the line up to and without ,"mac")
 *     next line key  = H(line key, "next")                        the same for the fork key, after a fork
 *     child line key = H(fork key, "pfswrap log line 1"  STEP)    STEP: "/FORKS.RANDOM", the child's part of the
 * name child fork key = H(fork key, "pfswrap log fork 1"  STEP)
 */
#ifndef PFSWRAP_AUDIT_CHAIN_KEYS_H
#define PFSWRAP_AUDIT_CHAIN_KEYS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <sodium.h>

enum {
    CHAIN_KEY_BYTES = 32,
    CHAIN_MAC_BYTES = 16,
    CHAIN_NAME_MAX = 128,            /* bytes of a chain's name, with the terminator */
    CHAIN_ROOT_DIGITS = 16,          /* of a name's root, */
    CHAIN_CHILD_DIGITS = 8,          /* and of the random part of each step */
    CHAIN_FORKS_MAX = (1 << 20) - 1, /* after that many forks, a process keeps its fork key */
};

#define CHAIN_LINE_LABEL "pfswrap log line 1"
#define CHAIN_FORK_LABEL "pfswrap log fork 1"

/* H(key, label text[0..length)); `to` may be `key`. */
static inline void chain_key_derive(uint8_t to[CHAIN_KEY_BYTES], const uint8_t key[CHAIN_KEY_BYTES],
                                    const char *label, const char *text, size_t length)
{
    uint8_t input[32 + CHAIN_NAME_MAX];
    const size_t label_length = strnlen(label, sizeof input - CHAIN_NAME_MAX);
    memcpy(input, label, label_length);
    memcpy(input + label_length, text, length);
    (void)crypto_generichash(to, CHAIN_KEY_BYTES, input, label_length + length, key, CHAIN_KEY_BYTES);
}

static inline void chain_key_next(uint8_t to[CHAIN_KEY_BYTES], const uint8_t key[CHAIN_KEY_BYTES])
{
    chain_key_derive(to, key, "next", "", 0);
}

static inline void chain_mac(uint8_t mac[CHAIN_MAC_BYTES], const uint8_t key[CHAIN_KEY_BYTES], const char *line,
                             size_t length)
{
    (void)crypto_generichash(mac, CHAIN_MAC_BYTES, (const uint8_t *)line, length, key, CHAIN_KEY_BYTES);
}

#endif
