/*
 * The plaintext of a padded frame (docs/WIRE.md, 2.12): data, zeros, and how many zeros there are, as u16. The data
 * is at the beginning, so that a receiver need not move it.
 */
#ifndef PFSWRAP_SEAL_PADDING_H
#define PFSWRAP_SEAL_PADDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pfswrap/seal.h>

/* The setting in 4 bits, since each connection has it. Values from PADDING_BLOCK on: blocks of 2^value bytes. */
enum padding { PADDING_OFF = 0, PADDING_ALLOW = 1, PADDING_PADME = 2, PADDING_BLOCK = 4, PADDING_BLOCK_MAX = 14 };

/* The 4 bits for a number of struct pfswrap_seal_config, or -1 if it is not valid; and the reverse. */
int padding_encode(uint32_t setting);
uint32_t padding_setting(unsigned padding);

/*
 * The length to which a plaintext of `length` bytes (1 to 16,384) is padded by `padding`: PADDING_PADME, or a
 * block size. Never more than `limit`, which is not below `length`.
 */
size_t padding_length(unsigned padding, size_t length, size_t limit);

/*
 * Writes a padded plaintext with up to `length` bytes of data to out[0..room), room > 2. Returns its length, and in
 * *accepted how many bytes of data it has.
 */
size_t padding_apply(unsigned padding, const void *data, size_t length, uint8_t *out, size_t room,
                     size_t *accepted);

/*
 * Whether plaintext[0..*length) is a padded plaintext with data. If so, *length becomes the number of bytes of
 * data, 1 or more.
 */
bool padding_remove(const uint8_t *plaintext, size_t *length);

/* Which direction of a connection has padding: "sent", "received" or "both"; NULL: neither. A constant string. */
const char *padding_direction(const struct pfswrap_seal_info *info);

#endif
