/*
 * SMTP (RFC 3207), IMAP (RFC 9051, 6.2.1), POP3 (RFC 2595, 4), FTP (RFC 4217, 4), LDAP (RFC 4511, 4.14), PostgreSQL
 * ("SSL Session Encryption" of its protocol) and MySQL ("Protocol::SSLRequest" of its protocol). Answers are read
 * byte by byte, since what comes behind them is TLS.
 */
#include "starttls.h"

#include <stdio.h>
#include <string.h>

#include "contact.h"

enum { LINE_MAX_BYTES = 1024, LINES_MAX = 100, PACKET_MAX = 1024 };

struct dialogue {
    int fd;
    long deadline;
    char *detail; /* SCAN_DETAIL bytes */
};

static bool fail(const struct dialogue *dialogue, const char *what, const char *answer)
{
    (void)snprintf(dialogue->detail, SCAN_DETAIL, "%s%s%.80s%s", what, answer[0] != '\0' ? ": \"" : "", answer,
                   answer[0] != '\0' ? "\"" : "");
    return false;
}

static bool say(const struct dialogue *dialogue, const void *bytes, size_t length)
{
    return contact_send(dialogue->fd, bytes, length, dialogue->deadline) ||
           fail(dialogue, "the server closed the connection before TLS", "");
}

static bool hear(const struct dialogue *dialogue, void *bytes, size_t length)
{
    for (size_t done = 0; done < length;) {
        const int count = contact_receive(dialogue->fd, (char *)bytes + done, length - done, dialogue->deadline);
        if (count <= 0)
            return fail(dialogue,
                        count == 0 ? "the server closed the connection before TLS" : "no answer before TLS in time",
                        "");
        done += (size_t)count;
    }
    return true;
}

/* A line without its end. */
static bool hear_line(const struct dialogue *dialogue, char line[LINE_MAX_BYTES])
{
    size_t length = 0;
    do {
        if (length == LINE_MAX_BYTES - 1)
            return fail(dialogue, "a line before TLS is too long", "");
        if (!hear(dialogue, line + length, 1))
            return false;
    } while (line[length++] != '\n');
    line[--length] = '\0';
    if (length > 0 && line[length - 1] == '\r')
        line[length - 1] = '\0';
    return true;
}

/*
 * Lines until one that begins with `end`, which has the answer. It is good if it begins with `good` as well; other
 * lines are passed over, if they begin with `more`.
 */
static bool hear_answer(const struct dialogue *dialogue, const char *more, const char *good)
{
    char line[LINE_MAX_BYTES];
    for (int i = 0; i < LINES_MAX; i++) {
        if (!hear_line(dialogue, line))
            return false;
        if (strncmp(line, good, strlen(good)) == 0)
            return true;
        if (more == NULL || strncmp(line, more, strlen(more)) != 0)
            return fail(dialogue, "the server did not begin TLS", line);
    }
    return fail(dialogue, "the server says too much before TLS", "");
}

static bool say_text(const struct dialogue *dialogue, const char *text)
{
    return say(dialogue, text, strlen(text));
}

static bool speak_smtp(const struct dialogue *dialogue)
{
    return hear_answer(dialogue, "220-", "220 ") && say_text(dialogue, "EHLO pfswrap.invalid\r\n") &&
           hear_answer(dialogue, "250-", "250 ") && say_text(dialogue, "STARTTLS\r\n") &&
           hear_answer(dialogue, NULL, "220");
}

static bool speak_imap(const struct dialogue *dialogue)
{
    return hear_answer(dialogue, NULL, "* OK") && say_text(dialogue, "a STARTTLS\r\n") &&
           hear_answer(dialogue, "* ", "a OK");
}

static bool speak_pop3(const struct dialogue *dialogue)
{
    return hear_answer(dialogue, NULL, "+OK") && say_text(dialogue, "STLS\r\n") &&
           hear_answer(dialogue, NULL, "+OK");
}

static bool speak_ftp(const struct dialogue *dialogue)
{
    return hear_answer(dialogue, "220-", "220 ") && say_text(dialogue, "AUTH TLS\r\n") &&
           hear_answer(dialogue, NULL, "234");
}

/* An ExtendedRequest with the name of StartTLS; the answer is an ExtendedResponse with the resultCode success. */
static bool speak_ldap(const struct dialogue *dialogue)
{
    static const char request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
                                  "1.3.6.1.4.1.1466.20037";
    static const unsigned char head[] = {0x02, 0x01, 0x01, 0x78}, success[] = {0x0a, 0x01, 0x00};
    unsigned char start[2], body[PACKET_MAX];
    size_t length = 0, at = sizeof head;
    if (!say(dialogue, request, sizeof request - 1) || !hear(dialogue, start, sizeof start))
        return false;
    length = start[1];
    if (start[0] == 0x30 && (start[1] & 0x80) != 0) { /* the length has a length */
        unsigned char more[4];
        const size_t bytes = start[1] & 0x7f;
        if (bytes == 0 || bytes > sizeof more || !hear(dialogue, more, bytes))
            return fail(dialogue, "the answer before TLS is not LDAP", "");
        length = 0;
        for (size_t i = 0; i < bytes; i++)
            length = length << 8 | more[i];
    }
    if (start[0] != 0x30 || length > sizeof body || length < sizeof head + 1 + sizeof success ||
        !hear(dialogue, body, length) || memcmp(body, head, sizeof head) != 0)
        return fail(dialogue, "the answer before TLS is not LDAP", "");
    at += 1 + ((body[at] & 0x80) != 0 ? body[at] & 0x7fu : 0u);
    return (at + sizeof success <= length && memcmp(body + at, success, sizeof success) == 0) ||
           fail(dialogue, "the server refuses StartTLS", "");
}

static bool speak_postgres(const struct dialogue *dialogue)
{
    static const char request[] = "\0\0\0\x08\x04\xd2\x16\x2f"; /* SSLRequest: 80877103 */
    char answer[2] = "";
    if (!say(dialogue, request, sizeof request - 1) || !hear(dialogue, answer, 1))
        return false;
    return answer[0] == 'S' || fail(dialogue, "the server did not begin TLS", answer);
}

/* The server's greeting says whether it has TLS; SSLRequest is a login packet that ends before the name. */
static bool speak_mysql(const struct dialogue *dialogue)
{
    enum { HAS_TLS = 0x0800, PROTOCOL = 10, AUTHENTICATION = 8, CAPABILITIES_LOW = 2 };
    static const unsigned char request[36] = {32, 0, 0, 1, 0x00, 0x8a, 0, 0, 0, 0, 0, 1, 33};
    unsigned char head[4], body[PACKET_MAX];
    if (!hear(dialogue, head, sizeof head))
        return false;
    const size_t length = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16;
    if (length < 2 || length > sizeof body || !hear(dialogue, body, length) || body[0] != PROTOCOL)
        return fail(dialogue, "the greeting is not MySQL's", "");
    const unsigned char *const end = memchr(body + 1, 0, length - 1);
    const size_t at = end != NULL ? (size_t)(end - body) + 1 + 4 + AUTHENTICATION + 1 : length;
    if (at + CAPABILITIES_LOW > length || ((body[at] | body[at + 1] << 8) & HAS_TLS) == 0)
        return fail(dialogue, "the server has no TLS", "");
    return say(dialogue, request, sizeof request);
}

struct starttls {
    const char *name;
    bool (*speak)(const struct dialogue *dialogue);
};

static const struct starttls protocols[] = {
    {"smtp", speak_smtp}, {"imap", speak_imap},         {"pop3", speak_pop3},   {"ftp", speak_ftp},
    {"ldap", speak_ldap}, {"postgres", speak_postgres}, {"mysql", speak_mysql},
};

const struct starttls *starttls_find(const char *name)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++)
        if (strcmp(name, protocols[i].name) == 0)
            return &protocols[i];
    return NULL;
}

const char *starttls_name(const struct starttls *starttls)
{
    return starttls->name;
}

bool starttls_speak(const struct starttls *starttls, int fd, long deadline, char detail[SCAN_DETAIL])
{
    const struct dialogue dialogue = {.fd = fd, .deadline = deadline, .detail = detail};
    return starttls->speak(&dialogue);
}
