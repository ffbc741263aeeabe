/*
 * The version of a signed peers file in words: who has signed it, its serial number, and when.
 */
#ifndef PFSWRAP_TOOLS_PEERS_TEXT_H
#define PFSWRAP_TOOLS_PEERS_TEXT_H

#include "seal/signed_peers.h"

enum { PEERS_TEXT_BYTES = 256 };

/* Formats a date as YYYY-MM-DDThh:mm:ssZ. */
void peers_text_date(char *text, size_t size, int64_t seconds);

/* "signed by RW..., serial 42, 2026-11-30T07:00:00Z (3 days ago)". Returns `text`. */
const char *peers_text(char text[PEERS_TEXT_BYTES], const struct signed_peers *version);

#endif
