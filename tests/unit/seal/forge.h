/*
 * A peer that holds the keys and breaks the rules: frames with any type, tag and content, sealed with a channel's
 * own stream behind its back, and what the other side says to them. Each test begins with an open pair.
 */
#ifndef TESTS_UNIT_SEAL_FORGE_H
#define TESTS_UNIT_SEAL_FORGE_H

#include "pair.h"

#include "seal/channel.h"

enum { MESSAGE = 0, PUSH = 1, REKEY = 2, FINAL = 3 };

static struct pair *pair;
static struct wire wire;

static inline void teardown(void)
{
    if (pair != NULL) {
        pair_free(pair);
        pair = NULL;
    }
}

/* Also called in the middle of a test, to go on with peers that have done nothing wrong. */
static inline void setup(void)
{
    teardown();
    pair = pair_open();
    wire.length = 0;
}

/* What `to` says to `length` bytes. Its channel is put back after. */
static inline int judge(struct end *to, const uint8_t *bytes, size_t length)
{
    const struct pfswrap_seal before = to->channel;
    int error;

    to->in.length = 0;
    to->data_length = 0;
    to->final = false;
    wire_append(&to->in, bytes, length);
    error = end_open(to);
    if (error != 0) {
        ck_assert_int_eq(error, pfswrap_seal_error(&to->channel));
        ck_assert_int_eq(error, end_open(to));
        ck_assert(!pfswrap_seal_ready(&to->channel));
    }
    to->channel = before;
    return error;
}

/* A frame with any type, tag and content, in the stream of `from`. */
static inline size_t forge(struct end *from, uint8_t type, uint8_t tag, const void *data, size_t length,
                           uint8_t *out)
{
    struct channel *channel = channel_of(&from->channel);
    const size_t ciphertext = length + 17;

    out[0] = type;
    out[1] = (uint8_t)(ciphertext >> 8);
    out[2] = (uint8_t)ciphertext;
    crypto_secretstream_xchacha20poly1305_push(&channel->push.stream, out + 3, NULL, data, length, out, 3, tag);
    out[3 + ciphertext] = 0;
    return ciphertext + 4;
}

static inline void append_forged(struct end *from, uint8_t tag, const char *data)
{
    uint8_t out[64] = {0};
    const size_t length = forge(from, 0, tag, data, strlen(data), out);

    wire_append(&wire, out, length);
}

static inline int judge_forged(struct end *from, struct end *to, uint8_t type, uint8_t tag, const void *data,
                               size_t length)
{
    uint8_t out[4096];

    return judge(to, out, forge(from, type, tag, data, length, out));
}

#endif
