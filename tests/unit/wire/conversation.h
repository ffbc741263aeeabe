/*
 * Conversations for the tests of the reader: hellos are written field by field, wrapped into records of any size,
 * and put one after the other with their direction. Test code only.
 */
#ifndef PFSWRAP_TESTS_CONVERSATION_H
#define PFSWRAP_TESTS_CONVERSATION_H

#include <check.h>
#include <string.h>

#include "wire/wire.h"

/* For assertions that hold a million times: Check writes a line to a pipe for each ck_assert that holds, too. */
#define MUST(condition, ...)                                                                                       \
    do {                                                                                                           \
        if (!(condition))                                                                                          \
            ck_abort_msg(__VA_ARGS__);                                                                             \
    } while (0)

enum { TURNS_MAX = 8, BYTES_MAX = 24576 };

struct bytes {
    uint8_t at[BYTES_MAX];
    size_t length;
};

/* What one side says before the other side answers. */
struct turn {
    enum wire_direction direction;
    struct bytes bytes;
};

struct conversation {
    struct turn turns[TURNS_MAX];
    size_t count;
};

struct client_hello {
    const uint16_t *versions; /* ends with 0, as the others do; NULL: no such extension */
    const uint16_t *suites;   /* NULL: those of TLS 1.3 and one of TLS 1.2 */
    const uint16_t *groups;   /* NULL: X25519 and P-256 */
    const char *server_name, *protocol;
    bool early_data, preshared_key, no_extensions;
    size_t padding;
};

struct server_hello {
    bool is_retry, preshared_key, no_extensions, two_shares;
    unsigned version; /* 0: no such extension */
    unsigned suite;
    unsigned group; /* 0: no key share */
    unsigned identity;
    unsigned legacy_version; /* 0: TLS 1.2 */
};

/* The result of a conversation: the verdict, and after how many bytes of it, in all turns together. */
struct outcome {
    enum wire_verdict verdict;
    enum wire_reason reason;
    size_t bytes;
};

/* TLS 1.3 with its groups and cipher suites, and nothing else. */
extern const struct wire_config strict;

/* --- bytes: each function appends --- */

void put(struct bytes *bytes, const void *data, size_t length);
void put8(struct bytes *bytes, unsigned value);
void put16(struct bytes *bytes, unsigned value);
void put_text(struct bytes *bytes, const char *text);
void put_filling(struct bytes *bytes, unsigned byte, size_t count);

/* A handshake message (RFC 8446, section 4) around `body`. */
void put_message(struct bytes *bytes, unsigned type, const struct bytes *body);

/* The whole handshake message of a hello (RFC 8446, sections 4.1.2 and 4.1.3). */
void put_client_hello(struct bytes *bytes, struct client_hello hello);
void put_server_hello(struct bytes *bytes, struct server_hello hello);

/* `data` in records (RFC 8446, section 5.1) of at most `most` bytes each. */
void put_records(struct bytes *bytes, unsigned type, const struct bytes *data, size_t most);

/* --- conversations --- */

/* A new, empty turn of one side; its bytes. */
struct bytes *add_turn(struct conversation *conversation, enum wire_direction direction);

enum wire_direction other(enum wire_direction direction);

/* Plaintext from one side. */
void say(struct conversation *conversation, enum wire_direction direction, const char *text);

/* A hello in records of at most `record` bytes. */
void say_client_hello(struct conversation *conversation, enum wire_direction direction, struct client_hello hello,
                      size_t record);

/* A ServerHello and what servers send after it: a change of cipher and encrypted records. */
void say_server_hello(struct conversation *conversation, enum wire_direction direction, struct server_hello hello,
                      size_t record);

/* The bytes of all turns together. */
size_t conversation_length(const struct conversation *conversation);

/*
 * Feeds the conversation to a reader, in pieces of at most `piece` bytes. Unless `cut` is 0, the first `cut` bytes
 * of each turn are one piece.
 */
struct outcome converse(struct wire *wire, const struct wire_config *config,
                        const struct conversation *conversation, size_t piece, size_t cut);

#endif
