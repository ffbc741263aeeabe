/*
 * `pfswrap seal probe`: some short connections, each with other first bytes. A server of the protocol says nothing
 * to a peer without its key (docs/WIRE.md, section 3), so what counts is how long it waits: it waits for the rest
 * of a preamble, and ends the connection as soon as a byte is wrong. See probe.h.
 */
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <pfswrap/seal.h>

#include "../message.h"
#include "network.h"
#include "transport.h"

enum {
    PREAMBLE = 28,
    MESSAGE = 96,
    VERSIONS = 4,          /* of the protocol, which are asked for */
    VERSION_OF_NONE = 240, /* no release has it (docs/WIRE.md, section 4) */
    SLOWER = 4,            /* a server that waits must be so many times slower than one that reacts */
    BANNER_MAX = 60,
};

enum reaction {
    WAITS,   /* it neither answered nor closed */
    CLOSED,  /* it ended the connection and sent nothing */
    ANSWERS, /* it sent something */
    FAILED,  /* no connection, or no TLS; after a message */
};

struct target {
    const struct seal_options *options;
    const struct addrinfo *address;
};

struct answer {
    enum reaction reaction;
    long ms;                   /* from the last byte sent to the reaction */
    char text[BANNER_MAX + 1]; /* the printable part of what it sent */
    struct tls_info tls;
    char version[16], cipher[64];
};

struct findings {
    bool has_version[VERSIONS + 1]; /* of the protocol */
    bool speaks, refuses_others, greets;
    enum reaction without_seal;
    char banner[BANNER_MAX + 1], reply[BANNER_MAX + 1], version[16], cipher[64], subject[200];
};

static void keep_printable(char text[static BANNER_MAX + 1], const char *bytes, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < length && used < BANNER_MAX && bytes[i] != '\r' && bytes[i] != '\n'; i++) {
        const bool is_printable = bytes[i] >= 0x20 && bytes[i] < 0x7f;
        text[used] = '.';
        if (is_printable)
            text[used] = bytes[i];
        used++;
    }
    text[used] = '\0';
}

/* Waits for the first bytes, or the end. */
static enum reaction wait_for_answer(struct transport *transport, int timeout_ms, struct answer *answer)
{
    char bytes[512];
    const long deadline = network_now() + timeout_ms;
    for (;;) {
        const ssize_t count = transport_read(transport, bytes, sizeof bytes);
        if (count > 0) {
            keep_printable(answer->text, bytes, (size_t)count);
            return ANSWERS;
        }
        if (count != -EAGAIN)
            return CLOSED;
        if (network_wait(transport->fd, POLLIN, deadline) != 0)
            return WAITS;
    }
}

static bool start_tls(struct transport *transport, const struct seal_options *options, bool offer,
                      struct answer *answer)
{
    char problem[TRANSPORT_PROBLEM_MAX];
    const struct tls_settings settings = {.offer_seal = offer,
                                          .name = options->tls_name != NULL ? options->tls_name : options->host};
    if (transport_handshake(transport, &settings, network_now() + 10L * options->timeout_ms, problem) != 0) {
        message("seal: probe: %s", problem);
        return false;
    }
    transport_tls_info(transport, &answer->tls);
    (void)snprintf(answer->version, sizeof answer->version, "%s", answer->tls.version);
    (void)snprintf(answer->cipher, sizeof answer->cipher, "%s", answer->tls.cipher);
    return true;
}

/* One connection: sends the bytes and looks what happens. `offer`: inside TLS, the ALPN name is offered. */
static struct answer try(const struct target *target, const void *bytes, size_t length, bool offer, int timeout_ms)
{
    struct answer answer = {.reaction = FAILED};
    struct transport transport = {.fd = network_connect(target->address, 10 * target->options->timeout_ms)};
    if (transport.fd < 0)
        message("seal: probe: cannot connect: %s", strerror(-transport.fd));
    else if (!target->options->tls || start_tls(&transport, target->options, offer, &answer)) {
        const long start = network_now();
        answer.reaction = length > 0 && transport_write(&transport, bytes, length) != (ssize_t)length
                              ? CLOSED
                              : wait_for_answer(&transport, timeout_ms, &answer);
        answer.ms = network_now() - start;
    }
    transport_close(&transport);
    return answer;
}

/* The magic with a version, as it is, or with a whole preamble for a key that no server has, and a message. */
static size_t make_preamble(uint8_t bytes[static PREAMBLE + MESSAGE], unsigned version, bool is_whole)
{
    static const uint8_t magic[PFSWRAP_SEAL_MAGIC_BYTES] = {0xf5, 'p', 'f', 's', 'w', '\r', '\n', 1};
    memcpy(bytes, magic, sizeof magic);
    bytes[7] = (uint8_t)version;
    if (!is_whole)
        return sizeof magic;
    if (getrandom(bytes + 12, PREAMBLE + MESSAGE - 12, 0) != PREAMBLE + MESSAGE - 12)
        memset(bytes + 12, 0x55, PREAMBLE + MESSAGE - 12);
    bytes[8] = PFSWRAP_SEAL_IK;
    bytes[9] = bytes[10] = 0;
    bytes[11] = MESSAGE;
    return PREAMBLE + MESSAGE;
}

static struct answer try_version(const struct target *target, unsigned version, bool is_whole, long timeout_ms)
{
    uint8_t bytes[PREAMBLE + MESSAGE];
    return try(target, bytes, make_preamble(bytes, version, is_whole), true, (int)timeout_ms);
}

/*
 * The protocol is spoken if a server waits behind the magic, and ends without an answer behind a preamble with a
 * key that it cannot have. It must not wait behind the magic of a version that nobody has: it ends the connection,
 * or (seal = prefer) takes these bytes for those of a client that does not seal. On a slow machine or network, it
 * must wait clearly longer than it takes to react.
 */
static bool look_for_seal(const struct target *target, struct findings *findings)
{
    const long timeout_ms = target->options->timeout_ms;
    const struct answer none = try_version(target, VERSION_OF_NONE, false, timeout_ms);
    const struct answer whole = try_version(target, 1, true, timeout_ms);
    if (none.reaction == FAILED || whole.reaction == FAILED)
        return false;
    if (none.reaction == WAITS || whole.reaction != CLOSED)
        return true;
    const long slowest = SLOWER * (none.ms > whole.ms ? none.ms : whole.ms);
    for (unsigned version = 1; version <= VERSIONS; version++) {
        const struct answer answer =
            try_version(target, version, false, timeout_ms > slowest ? timeout_ms : slowest);
        if (answer.reaction == FAILED)
            return false;
        findings->has_version[version] = answer.reaction == WAITS;
        findings->speaks |= answer.reaction == WAITS;
    }
    return true;
}

static bool look_without_seal(const struct target *target, struct findings *findings)
{
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    const struct answer first = try(target, NULL, 0, false, target->options->timeout_ms);
    const struct answer answer = try(target, request, sizeof request - 1, false, target->options->timeout_ms);
    if (first.reaction == FAILED || answer.reaction == FAILED)
        return false;
    findings->greets = first.reaction == ANSWERS;
    memcpy(findings->banner, first.text, sizeof findings->banner);
    memcpy(findings->reply, answer.text, sizeof findings->reply);
    memcpy(findings->version, answer.version, sizeof findings->version);
    memcpy(findings->cipher, answer.cipher, sizeof findings->cipher);
    memcpy(findings->subject, answer.tls.subject, sizeof findings->subject);
    findings->without_seal = answer.reaction;
    findings->refuses_others = answer.reaction == CLOSED && first.reaction != ANSWERS;
    return true;
}

static void print_text(const char *where, const struct findings *findings, bool tls)
{
    out("%s\n", where);
    if (tls)
        out("  TLS               %s, %s%s%s\n", findings->version, findings->cipher,
            findings->subject[0] != '\0' ? ", certificate " : "", findings->subject);
    out("  seal protocol     %s", findings->speaks ? "yes, version" : "no sign of it\n");
    for (unsigned version = 1; findings->speaks && version <= VERSIONS; version++)
        if (findings->has_version[version])
            out(" %u", version);
    if (findings->speaks)
        out("%s\n", tls ? ", inside TLS" : "");
    if (findings->greets)
        out("  without the seal  greets: %s\n", findings->banner);
    else if (findings->without_seal == ANSWERS)
        out("  without the seal  answers: %s\n", findings->reply);
    else if (findings->refuses_others)
        out("  without the seal  ends the connection without an answer%s\n",
            findings->speaks ? ": only sealed clients are served" : "");
    else
        out("  without the seal  waits for more\n");
}

/* The text was made printable: only quotes and backslashes need an escape. */
static void print_string(const char *name, const char *text)
{
    out(", \"%s\": \"", name);
    for (; *text != '\0'; text++)
        out(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text >= 0x20 && *text < 0x7f ? *text : '?');
    out("\"");
}

static void print_json(const char *where, const struct findings *findings, bool tls)
{
    static const char *const reactions[] = {"waits", "closed", "answers", "failed"};
    const char *separator = "";
    out("{\"address\": \"%s\", \"seal\": %s, \"versions\": [", where, findings->speaks ? "true" : "false");
    for (unsigned version = 1; findings->speaks && version <= VERSIONS; version++)
        if (findings->has_version[version]) {
            out("%s%u", separator, version);
            separator = ", ";
        }
    out("], \"without_seal\": \"%s\"", reactions[findings->greets ? ANSWERS : findings->without_seal]);
    print_string("answer", findings->greets ? findings->banner : findings->reply);
    if (tls) {
        print_string("tls", findings->version);
        print_string("cipher", findings->cipher);
        print_string("certificate", findings->subject);
    }
    out("}\n");
}

int probe(const struct seal_options *options)
{
    struct findings findings = {0};
    struct addrinfo *const addresses = network_resolve(options->host, options->port, false);
    if (addresses == NULL)
        return 1;
    struct target target = {.options = options, .address = addresses};
    int fd = -1;
    for (; target.address != NULL && fd < 0; target.address = fd < 0 ? target.address->ai_next : target.address)
        fd = network_connect(target.address, 10 * options->timeout_ms);
    int status = 1;
    if (fd < 0) {
        message("seal: probe: cannot connect to %s port %s: %s", options->host, options->port, strerror(-fd));
    } else {
        struct transport first = {.fd = fd};
        char where[NETWORK_TEXT_MAX];
        transport_close(&first);
        network_text(target.address->ai_addr, target.address->ai_addrlen, where);
        if (look_without_seal(&target, &findings) && look_for_seal(&target, &findings)) {
            (options->json ? print_json : print_text)(where, &findings, options->tls);
            status = out_finish() != 0 ? 1 : findings.speaks ? PROBE_SEALED : PROBE_NOT_SEALED;
        }
    }
    freeaddrinfo(addresses);
    return status;
}
