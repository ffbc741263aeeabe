/*
 * Recognises the beginning of TLS by up to 11 bytes: a record with a hello (RFC 8446, sections 4 and 5.1), an alert
 * in place of a hello, or a ClientHello in the format of SSL 2.0 (RFC 5246, appendix E.2). A record with a hello is
 * also found behind plaintext, so that STARTTLS works without knowledge of the protocol in front of it. So many of
 * the 11 bytes are fixed or depend on each other that plaintext does not match by accident.
 */
#include <string.h>

#include "wire/reader.h"

static unsigned integer16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Whether `byte` is possible at the offset `at` of a record's header: type, version (2), length (2). */
static bool fits_header(unsigned at, uint8_t byte)
{
    switch (at) {
    case 0:
        return byte == RECORD_HANDSHAKE;
    case 1:
        return byte == 3;
    case 2:
        return byte <= 4;
    default:
        return true;
    }
}

/* The same for a hello: message type, message length (3), version (2). */
static bool fits_message(unsigned at, uint8_t byte, bool server_may_answer)
{
    switch (at) {
    case 0:
        return byte == MESSAGE_CLIENT_HELLO || (server_may_answer && byte == MESSAGE_SERVER_HELLO);
    case 1:
        return byte <= MESSAGE_MAX >> 16;
    case 4:
        return byte == 3;
    default:
        return true;
    }
}

/* Whether the bytes can be the beginning of a hello. It may be split into records of any size, even of one byte. */
static bool is_hello(const uint8_t *bytes, size_t count, bool server_may_answer)
{
    unsigned in_header = 0, in_message = 0, left = 0;
    for (size_t i = 0; i < count; i++) {
        if (in_header == RECORD_HEADER) {
            if (!fits_message(in_message++, bytes[i], server_may_answer))
                return false;
            if (--left == 0)
                in_header = 0;
            continue;
        }
        if (!fits_header(in_header++, bytes[i]))
            return false;
        if (in_header == RECORD_HEADER) {
            left = integer16(bytes + i - 1);
            if (left == 0 || left > RECORD_MAX)
                return false;
        }
    }
    return true;
}

/* The same for an alert record: type, version (2), length (2), level, description. */
static bool is_alert(const uint8_t *bytes, size_t count)
{
    static const uint8_t begins[] = {RECORD_ALERT, 3};
    if (memcmp(bytes, begins, count < sizeof begins ? count : sizeof begins) != 0)
        return false;
    if (count >= 3 && bytes[2] > 4)
        return false;
    if (count >= 4 && bytes[3] != 0)
        return false;
    if (count >= 5 && bytes[4] != 2)
        return false;
    return count < 6 || bytes[5] == 1 || bytes[5] == 2;
}

/*
 * The same for a ClientHello of SSL 2.0: 0x8000 | length (2), type, version (2), and the lengths of suites (2, 3
 * bytes for each suite), session id (2) and challenge (2).
 */
static bool is_sslv2(const uint8_t *bytes, size_t count)
{
    enum { HEADER = 2, FIXED = 9, CHALLENGE_MIN = 16, CHALLENGE_MAX = 32, SESSION = 16 };
    if (count >= 1 && bytes[0] < 0x80)
        return false;
    if (count >= 3 && bytes[2] != MESSAGE_CLIENT_HELLO)
        return false;
    if (count >= 5 && integer16(bytes + 3) != 0x0002 && bytes[3] != 3)
        return false;
    if (count >= 7 && (integer16(bytes + 5) == 0 || integer16(bytes + 5) % 3 != 0))
        return false;
    if (count >= 9 && integer16(bytes + 7) != 0 && integer16(bytes + 7) != SESSION)
        return false;
    if (count < FIXED + HEADER)
        return true;
    unsigned challenge = integer16(bytes + 9);
    unsigned length = FIXED + integer16(bytes + 5) + integer16(bytes + 7) + challenge;
    return challenge >= CHALLENGE_MIN && challenge <= CHALLENGE_MAX && length == (integer16(bytes) & 0x7fff);
}

enum wire_pattern wire_pattern_match(const uint8_t *bytes, size_t count, bool at_start, bool server_may_answer)
{
    enum { ALERT_BYTES = 7 };
    bool hello = is_hello(bytes, count, server_may_answer);
    bool alert = at_start && count <= ALERT_BYTES && is_alert(bytes, count);
    bool sslv2 = at_start && is_sslv2(bytes, count);
    if (alert && count == ALERT_BYTES)
        return PATTERN_ALERT;
    if (count == WIRE_PATTERN_MAX && (hello || sslv2))
        return hello ? PATTERN_TLS : PATTERN_SSLV2;
    return hello || alert || sslv2 ? PATTERN_PARTIAL : PATTERN_NONE;
}
