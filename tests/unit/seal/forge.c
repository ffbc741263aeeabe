#include "forge.h"

struct pair *pair;
struct wire wire;

void teardown(void)
{
    if (pair != NULL) {
        pair_free(pair);
        pair = NULL;
    }
}

void setup(void)
{
    teardown();
    pair = pair_open();
    wire.length = 0;
}

int try_open(struct end *to, const uint8_t *bytes, size_t length)
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

size_t forge(struct end *from, uint8_t type, uint8_t tag, const void *data, size_t length, uint8_t *out)
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

void append_forged(struct end *from, uint8_t tag, const char *data)
{
    uint8_t out[64] = {0};
    const size_t length = forge(from, 0, tag, data, strlen(data), out);

    wire_append(&wire, out, length);
}

int try_forged(struct end *from, struct end *to, uint8_t type, uint8_t tag, const void *data, size_t length)
{
    uint8_t out[4096];

    return try_open(to, out, forge(from, type, tag, data, length, out));
}
