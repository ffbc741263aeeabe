/*
 * Padding of frames. The numbers of bytes are not secret to the peer, so the code may branch on them.
 */
#include "seal/padding.h"

#include <string.h>

#include "seal/channel.h"

/*
 * Padme (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", 2019): as
 * many leading bits are kept as the logarithm of the length has bits, and the others are rounded up.
 */
static size_t padme(size_t length)
{
    unsigned exponent = 0, kept = 1;
    size_t mask;

    while (length >> (exponent + 1) > 0)
        exponent++;
    while (exponent >> kept > 0)
        kept++;
    if (exponent < kept)
        return length;
    mask = ((size_t)1 << (exponent - kept)) - 1;
    return (length + mask) & ~mask;
}

_Static_assert(1 << PADDING_BLOCK == PFSWRAP_SEAL_PADDING_BLOCK_MIN, "the smallest block");
_Static_assert(1 << PADDING_BLOCK_MAX == PFSWRAP_SEAL_PADDING_BLOCK_MAX, "the largest block");
_Static_assert((int)PADDING_PADME == (int)PFSWRAP_SEAL_PADDING_PADME, "words are equal in both forms");

int padding_encode(uint32_t setting)
{
    if (setting <= PADDING_PADME)
        return (int)setting;
    for (int bits = PADDING_BLOCK; bits <= PADDING_BLOCK_MAX; bits++)
        if (setting == (uint32_t)1 << bits)
            return bits;
    return -1;
}

uint32_t padding_setting(unsigned padding)
{
    return padding < PADDING_BLOCK ? padding : (uint32_t)1 << padding;
}

size_t padding_length(unsigned padding, size_t length, size_t limit)
{
    const size_t mask = ((size_t)1 << padding) - 1;
    const size_t padded = padding == PADDING_PADME ? padme(length) : (length + mask) & ~mask;

    return padded < limit ? padded : limit;
}

size_t padding_apply(unsigned padding, const void *data, size_t length, uint8_t *out, size_t room, size_t *accepted)
{
    const size_t chunk = length < room - CHANNEL_PADDING_TRAILER ? length : room - CHANNEL_PADDING_TRAILER;
    const size_t padded = padding_length(padding, chunk + CHANNEL_PADDING_TRAILER, room);
    const size_t zeros = padded - chunk - CHANNEL_PADDING_TRAILER;

    memcpy(out, data, chunk);
    memset(out + chunk, 0, zeros);
    out[padded - 2] = (uint8_t)(zeros >> 8);
    out[padded - 1] = (uint8_t)zeros;
    *accepted = chunk;
    return padded;
}

bool padding_remove(const uint8_t *plaintext, size_t *length)
{
    const size_t content = *length - CHANNEL_PADDING_TRAILER;
    const size_t zeros = (size_t)plaintext[content] << 8 | plaintext[content + 1];

    if (zeros >= content)
        return false;
    for (size_t i = content - zeros; i < content; i++)
        if (plaintext[i] != 0)
            return false;
    *length = content - zeros;
    return true;
}

const char *padding_direction(const struct pfswrap_seal_info *info)
{
    const bool sends = info->padding > PFSWRAP_SEAL_PADDING_ALLOW;

    if (sends && info->peer_pads)
        return "both";
    if (info->peer_pads)
        return "received";
    return sends ? "sent" : NULL;
}
