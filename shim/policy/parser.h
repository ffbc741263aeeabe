/*
 * Inside the policy room: the state of one parse, the tables that say which section has which keys, and the helpers
 * that turn a value's text into data. A section's file (tls.c, seal.c, ...) is a table of keys, a setter for each
 * and a check for when the section ends. Every failure goes through policy_fail(), which writes FILE:LINE.
 */
#ifndef PFSWRAP_POLICY_PARSER_H
#define PFSWRAP_POLICY_PARSER_H

#include "policy/policy.h"
#include "policy/reader.h"

enum {
    POLICY_KEYS_MAX = 12,   /* keys of a section */
    POLICY_ENTRY_MAX = 128, /* bytes of an entry of a comma list, with the terminator */
};

enum policy_section_id {
    POLICY_SECTION_POLICY,
    POLICY_SECTION_TLS,
    POLICY_SECTION_WIRE,
    POLICY_SECTION_SEAL,
    POLICY_SECTION_LISTEN,
    POLICY_SECTION_CONNECT,
    POLICY_SECTION_COUNT,
};

struct policy_parser;

struct policy_key {
    const char *name;
    bool repeatable;
    int (*set)(struct policy_parser *parser, const char *value); /* 0, or -1 after policy_fail() */
};

struct policy_section {
    const char *name;
    bool named;                               /* [listen NAME]: may stand any number of times */
    const struct policy_key *keys;            /* ends with a NULL name */
    int (*end)(struct policy_parser *parser); /* NULL, or what must hold once all of its keys are read */
};

struct policy_parser {
    struct policy *policy;
    struct policy_error *error;
    const char *file; /* as messages call it */
    struct policy_reader reader;
    const struct policy_section *section;         /* the one being read, NULL before the first */
    const struct policy_key *key;                 /* the one being set */
    struct policy_rule *rule;                     /* the one being read, in [listen] and [connect] */
    unsigned key_lines[POLICY_KEYS_MAX];          /* where this section set its keys first, 0: not yet */
    unsigned section_lines[POLICY_SECTION_COUNT]; /* where each section began first, 0: not yet */
    bool failed;
};

extern const struct policy_key policy_keys_policy[], policy_keys_tls[], policy_keys_wire[], policy_keys_seal[],
    policy_keys_listen[], policy_keys_connect[];

int policy_end_tls(struct policy_parser *parser);
int policy_end_rule(struct policy_parser *parser);

/* Begins the rule called `name`; its direction is the section's. 0, or -1 after policy_fail(). */
int policy_begin_rule(struct policy_parser *parser, enum policy_direction direction, const char *name);

/* Parses what parser->reader gives. Fields policy, error, file and reader are set, the others zero. */
int policy_parser_run(struct policy_parser *parser);

/* What must hold between sections, once the whole file is read. 0, or -1 after policy_fail_at(). */
int policy_validate(struct policy_parser *parser);

/* Writes "FILE:LINE: message" for the line being read, or for `line`. Returns -1. */
int policy_fail(struct policy_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
int policy_fail_at(struct policy_parser *parser, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The line at which the section being read sets `key` first, 0: it does not. */
unsigned policy_key_line(const struct policy_parser *parser, const char *key);

/* The words of each choice, in the order of its enum, ended by NULL; the printer writes what the parser reads. */
extern const char *const policy_words_mode[],
    *const policy_words_children[],
        *const policy_words_tickets[],
            *const policy_words_verify[],
                *const policy_words_dtls[], *const policy_words_wire_tls[],
                                                *const policy_words_plaintext[],
                                                    *const policy_words_seal[], *const policy_words_layer[],
                                                                                    *const policy_words_direction[];

/* The index of `value` among `words`, or -1 after policy_fail(). */
int policy_value_choose(struct policy_parser *parser, const char *value, const char *const words[]);

/* Copies an absolute path to `path`, which has PATH_MAX bytes. 0, or -1 after policy_fail(). */
int policy_value_path(struct policy_parser *parser, const char *value, char *path);

/* Copies a name (letters, digits, '.', '_', '-', '@') to `name`, which has POLICY_NAME_MAX bytes. 0, or -1. */
int policy_value_name(struct policy_parser *parser, const char *value, char *name);

/* A duration of 1 ms to 1 hour: a whole number and ms, s, m or h. 0, or -1 after policy_fail(). */
int policy_value_duration(struct policy_parser *parser, const char *value, uint32_t *milliseconds);

/* A whole number in decimal, without sign or leading zeros, `least` to `most`. 0, or -1 after policy_fail(). */
int policy_value_number(struct policy_parser *parser, const char *value, uint32_t least, uint32_t most,
                        uint32_t *number);

/* Standard base64 with padding (RFC 4648 4) of exactly 32 bytes: 44 characters. 0, or -1: it is not. */
int policy_base64_decode(const char *text, uint8_t bytes[static 32]);
void policy_base64_encode(const uint8_t bytes[static 32], char text[static 45]);

/*
 * Takes the next entry of the comma list at *rest to `entry`, which has POLICY_ENTRY_MAX bytes, without the spaces
 * around it. Returns 1, 0 at the end of the list, or -1 after policy_fail(): an empty entry or one too long.
 */
int policy_value_next(struct policy_parser *parser, const char **rest, char *entry);

/* ADDRESS[/PREFIX]:PORT as policy_address, see address.c. 0, or -1 after policy_fail(). */
int policy_value_address(struct policy_parser *parser, const char *value, struct policy_address *address);

#endif
