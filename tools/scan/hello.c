/*
 * See hello.h.
 */
#include "hello.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "contact.h"
#include "starttls.h"

enum {
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    EXTENSION_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_POINT_FORMATS = 11,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_MASTER_SECRET = 23,
    EXTENSION_VERSIONS = 43,
    EXTENSION_PSK_MODES = 45,
    EXTENSION_KEY_SHARE = 51,
    EXTENSION_RENEGOTIATION = 0xff01,
    TLS13 = 0x0304,
    ANSWER_MAX = 4096,
    NAME_MAX_SENT = 250,
    UNANSWERED_MAX = 3, /* offers without an answer; the rest would only take time */
};

struct writer {
    uint8_t *bytes;
    size_t used;
};

static void put8(struct writer *writer, unsigned value)
{
    writer->bytes[writer->used++] = (uint8_t)value;
}

static void put16(struct writer *writer, unsigned value)
{
    put8(writer, value >> 8);
    put8(writer, value & 0xff);
}

static void put_list(struct writer *writer, const uint16_t *list, size_t count)
{
    put16(writer, (unsigned)(2 * count));
    for (size_t i = 0; i < count; i++)
        put16(writer, list[i]);
}

/* Leaves room for a length of 16 bits; end16() writes it. */
static size_t begin16(struct writer *writer)
{
    put16(writer, 0);
    return writer->used;
}

static void end16(struct writer *writer, size_t begin)
{
    const size_t length = writer->used - begin;
    writer->bytes[begin - 2] = (uint8_t)(length >> 8);
    writer->bytes[begin - 1] = (uint8_t)(length & 0xff);
}

static void put_extension_list(struct writer *writer, unsigned number, const uint16_t *list, size_t count)
{
    put16(writer, number);
    const size_t begin = begin16(writer);
    put_list(writer, list, count);
    end16(writer, begin);
}

static void put_name(struct writer *writer, const char *name)
{
    put16(writer, EXTENSION_NAME);
    const size_t extension = begin16(writer), list = begin16(writer);
    put8(writer, 0);
    put16(writer, (unsigned)strlen(name));
    memcpy(writer->bytes + writer->used, name, strlen(name));
    writer->used += strlen(name);
    end16(writer, list);
    end16(writer, extension);
}

static void put_extensions(struct writer *writer, const struct hello_offer *offer, const char *name)
{
    /* SignatureScheme: all that a server may want, also those of SHA-1, since only the answer is of interest */
    static const uint16_t signatures[] = {0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809,
                                          0x080a, 0x080b, 0x0401, 0x0501, 0x0601, 0x0402, 0x0203, 0x0201, 0x0202};
    const size_t begin = begin16(writer);
    if (name != NULL && strlen(name) <= NAME_MAX_SENT)
        put_name(writer, name);
    put16(writer, EXTENSION_POINT_FORMATS);
    put16(writer, 2);
    put16(writer, 0x0100);
    if (offer->group_count > 0)
        put_extension_list(writer, EXTENSION_GROUPS, offer->groups, offer->group_count);
    put_extension_list(writer, EXTENSION_SIGNATURES, signatures, sizeof signatures / sizeof signatures[0]);
    put16(writer, EXTENSION_MASTER_SECRET);
    put16(writer, 0);
    put16(writer, EXTENSION_RENEGOTIATION);
    put16(writer, 1);
    put8(writer, 0);
    if (offer->version == TLS13) {
        put16(writer, EXTENSION_VERSIONS);
        put16(writer, 3);
        put8(writer, 2);
        put16(writer, TLS13);
        put16(writer, EXTENSION_PSK_MODES);
        put16(writer, 2);
        put16(writer, 0x0101);
        put16(writer, EXTENSION_KEY_SHARE);
        put16(writer, 2);
        put16(writer, 0);
    }
    end16(writer, begin);
}

size_t hello_write(uint8_t record[HELLO_MAX], const struct hello_offer *offer, const char *name)
{
    struct writer writer = {.bytes = record};
    const uint16_t legacy = offer->version == TLS13 ? 0x0303 : offer->version;
    uint8_t random[64];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        memset(random, 0x5a, sizeof random); /* nothing depends on it */
    put8(&writer, RECORD_HANDSHAKE);
    put16(&writer, offer->version < 0x0301 ? 0x0300 : 0x0301);
    const size_t body = begin16(&writer);
    put8(&writer, CLIENT_HELLO);
    put8(&writer, 0);
    const size_t message = begin16(&writer);
    put16(&writer, legacy);
    memcpy(record + writer.used, random, 32);
    writer.used += 32;
    put8(&writer, 32);
    memcpy(record + writer.used, random + 32, 32);
    writer.used += 32;
    put_list(&writer, offer->suites, offer->suite_count);
    put8(&writer, offer->with_compression ? 2 : 1);
    if (offer->with_compression)
        put8(&writer, 1);
    put8(&writer, 0);
    if (offer->version > 0x0300)
        put_extensions(&writer, offer, name);
    end16(&writer, message);
    end16(&writer, body);
    return writer.used;
}

static unsigned get16(const uint8_t *bytes)
{
    return (unsigned)bytes[0] << 8 | bytes[1];
}

/* Reads the extensions of a ServerHello. False: they contradict themselves. */
static bool read_extensions(const uint8_t *at, const uint8_t *end, struct hello_answer *answer)
{
    while (end - at >= 4) {
        const unsigned number = get16(at), length = get16(at + 2);
        at += 4;
        if ((size_t)(end - at) < length)
            return false;
        if (number == EXTENSION_VERSIONS && length == 2)
            answer->version = (uint16_t)get16(at);
        if (number == EXTENSION_KEY_SHARE && length >= 2)
            answer->group = (uint16_t)get16(at);
        at += length;
    }
    return at == end;
}

/* Reads the body of a ServerHello or HelloRetryRequest. False: it is none, or not of the offer. */
static bool read_server_hello(const uint8_t *body, size_t length, const struct hello_offer *offer,
                              struct hello_answer *answer)
{
    enum { FIXED = 2 + 32 + 1 };
    const uint8_t *const end = body + length;
    if (length < FIXED || (size_t)(end - body) < (size_t)FIXED + body[34] + 3)
        return false;
    const uint8_t *at = body + FIXED + body[34];
    answer->version = (uint16_t)get16(body);
    answer->suite = (uint16_t)get16(at);
    answer->has_compression = at[2] != 0;
    at += 3;
    if (end - at >= 2) {
        if (get16(at) != (unsigned)(end - at - 2) || !read_extensions(at + 2, end, answer))
            return false;
    }
    return answer->version == offer->version && policy_list_has(offer->suites, offer->suite_count, answer->suite) &&
           (answer->group == 0 || policy_list_has(offer->groups, offer->group_count, answer->group));
}

bool hello_read(const uint8_t *bytes, size_t length, const struct hello_offer *offer, struct hello_answer *answer)
{
    enum { HEADER = 5 };
    *answer = (struct hello_answer){.result = SCAN_REFUSED};
    if (length == 0)
        return false;
    const bool looks_like_tls =
        (bytes[0] == RECORD_HANDSHAKE || bytes[0] == RECORD_ALERT) && (length < 2 || bytes[1] == 3);
    if (!looks_like_tls) {
        (void)snprintf(answer->detail, sizeof answer->detail, "the answer is not TLS");
        return true;
    }
    if (length < HEADER || length < HEADER + get16(bytes + 3))
        return false;
    const uint8_t *const body = bytes + HEADER;
    const size_t size = get16(bytes + 3);
    if (bytes[0] == RECORD_ALERT) {
        (void)snprintf(answer->detail, sizeof answer->detail, "alert %u", size >= 2 ? body[1] : 0u);
        return true;
    }
    const size_t message = size >= 4 ? (size_t)body[1] << 16 | get16(body + 2) : 0;
    if (size < 4 || body[0] != SERVER_HELLO || message > size - 4 ||
        !read_server_hello(body + 4, message, offer, answer)) {
        answer->result = SCAN_UNCLEAR;
        (void)snprintf(answer->detail, sizeof answer->detail, "the answer does not fit this offer");
        return true;
    }
    answer->result = SCAN_ACCEPTED;
    return true;
}

struct hello_answer hello_ask(struct scan_target *target, const struct hello_offer *offer)
{
    uint8_t record[HELLO_MAX], bytes[ANSWER_MAX];
    struct hello_answer answer = {.result = SCAN_UNCLEAR};
    if (target->unanswered >= UNANSWERED_MAX) {
        answer.result = SCAN_NOT_PROBED;
        (void)snprintf(answer.detail, sizeof answer.detail, "no offer before this one was answered");
        return answer;
    }
    const int fd = contact_open(target);
    if (fd < 0) {
        target->unanswered++;
        (void)snprintf(answer.detail, sizeof answer.detail, "cannot connect: %s", strerror(-fd));
        return answer;
    }
    target->is_reached = true;
    const long deadline = contact_now() + target->timeout_ms;
    if (target->starttls != NULL && !starttls_speak(target->starttls, fd, deadline, answer.detail)) {
        close(fd);
        target->unanswered++;
        return answer;
    }
    const size_t length = hello_write(record, offer, target->name);
    size_t used = 0;
    int count = contact_send(fd, record, length, deadline) ? 1 : 0;
    while (count > 0 && used < sizeof bytes) {
        count = contact_receive(fd, bytes + used, sizeof bytes - used, deadline);
        used += count > 0 ? (size_t)count : 0;
        if (count > 0 && hello_read(bytes, used, offer, &answer)) {
            close(fd);
            target->unanswered = 0;
            return answer;
        }
    }
    close(fd);
    target->unanswered = count == 0 ? 0 : target->unanswered + 1;
    answer = (struct hello_answer){.result = count == 0 ? SCAN_REFUSED : SCAN_UNCLEAR};
    (void)snprintf(answer.detail, sizeof answer.detail, "%s",
                   count == 0 ? "the server closed the connection" : "no answer in time");
    return answer;
}
