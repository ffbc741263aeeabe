/*
 * A ClientHello made by hand, and the first answer to it (RFC 8446 and RFC 5246). It has no key share, so a server
 * of TLS 1.3 answers with a HelloRetryRequest that names the version, the suite and the group: no key is needed.
 */
#ifndef PFSWRAP_TOOLS_SCAN_HELLO_H
#define PFSWRAP_TOOLS_SCAN_HELLO_H

#include <stdint.h>

#include "scan.h"

struct hello_offer {
    uint16_t version; /* the only one: 0x0300 to 0x0304 */
    const uint16_t *suites;
    size_t suite_count;
    const uint16_t *groups;
    size_t group_count;
    bool with_compression; /* DEFLATE (RFC 3749) */
};

struct hello_answer {
    enum scan_result result;
    uint16_t version, suite, group;
    bool has_compression;
    char detail[SCAN_DETAIL];
};

enum { HELLO_MAX = 1024 };

/* Writes the record. Returns its length. */
size_t hello_write(uint8_t record[HELLO_MAX], const struct hello_offer *offer, const char *name);

/*
 * Reads the first bytes of a server. Returns false if more are needed. The result is SCAN_ACCEPTED only if the
 * server chose something of the offer.
 */
bool hello_read(const uint8_t *bytes, size_t length, const struct hello_offer *offer, struct hello_answer *answer);

/* A connection with one offer. */
struct hello_answer hello_ask(struct scan_target *target, const struct hello_offer *offer);

#endif
