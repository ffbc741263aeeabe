/*
 * For the files of this module: the state of one parse, the tables of sections and keys, and functions that convert
 * the text of a value. Each section has a file (tls.c, seal.c, ...) with a table of its keys, a function that sets
 * each key, and perhaps a check at the end of the section. Every mistake is reported through policy_fail(), which
 * adds the file and the line.
 */
#ifndef PFSWRAP_POLICY_PARSER_H
#define PFSWRAP_POLICY_PARSER_H

#include "policy/policy.h"
#include "policy/reader.h"

enum {
    POLICY_KEYS_MAX = 24,   /* keys in a section */
    POLICY_ENTRY_MAX = 128, /* bytes of an entry in a comma-separated list, with the terminator */
};

enum policy_section_id {
    POLICY_SECTION_POLICY,
    POLICY_SECTION_TLS,
    POLICY_SECTION_WIRE,
    POLICY_SECTION_FINDINGS,
    POLICY_SECTION_SEAL,
    POLICY_SECTION_LISTEN,
    POLICY_SECTION_CONNECT,
    POLICY_SECTION_END,
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
    bool named;                               /* [listen NAME]: it may occur any number of times */
    const struct policy_key *keys;            /* ends with a NULL name */
    int (*end)(struct policy_parser *parser); /* checks the section after its last key; NULL: nothing to check */
};

struct policy_parser {
    struct policy_reader reader; /* first: it has the largest alignment */
    struct policy *policy;
    struct policy_error *error;
    const char *file;                             /* its name in messages */
    const struct policy_section *section;         /* the current section; NULL before the first */
    const struct policy_key *key;                 /* the current key */
    struct policy_rule *rule;                     /* the current rule, in [listen] and [connect] */
    unsigned section_lines[POLICY_SECTION_COUNT]; /* first line of each section; 0: not seen */
    unsigned key_lines[POLICY_KEYS_MAX];          /* first line of each key in this section; 0: not seen */
    bool failed;
};

extern const struct policy_key policy_keys_policy[], policy_keys_tls[], policy_keys_wire[], policy_keys_findings[],
    policy_keys_seal[], policy_keys_listen[], policy_keys_connect[];

int policy_end_tls(struct policy_parser *parser);
int policy_end_seal(struct policy_parser *parser);
int policy_end_rule(struct policy_parser *parser);

/* Begins the rule called `name`. Returns 0, or -1 after policy_fail(). */
int policy_begin_rule(struct policy_parser *parser, enum policy_direction direction, const char *name);

/*
 * Parses the lines of parser->reader. The caller has set the members policy, error, file and reader; the others are
 * zero. Returns 0, or -1 after policy_fail().
 */
int policy_parser_run(struct policy_parser *parser);

/* Checks what one section needs from another, after the last one. Returns 0, or -1 after policy_fail_at(). */
int policy_validate(struct policy_parser *parser);

/* Writes "FILE:LINE: message" to parser->error, for the current line or for `line`. Returns -1. */
int policy_fail(struct policy_parser *parser, const char *format, ...) __attribute__((format(printf, 2, 3)));
int policy_fail_at(struct policy_parser *parser, unsigned line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The first line of `key` in the current section, or 0 if the section does not have it. */
unsigned policy_key_line(const struct policy_parser *parser, const char *key);

/* The words of each choice, in the order of its enum, ended by NULL. The parser and print.c use the same lists. */
extern const char *const policy_words_mode[];
extern const char *const policy_words_children[];
extern const char *const policy_words_io_uring[];
extern const char *const policy_words_log_failure[];
extern const char *const policy_words_log_handshakes[];
extern const char *const policy_words_tickets[];
extern const char *const policy_words_verify[];
extern const char *const policy_words_dtls[];
extern const char *const policy_words_wire_tls[];
extern const char *const policy_words_plaintext[];
extern const char *const policy_words_finding[];
extern const char *const policy_words_seal[];
extern const char *const policy_words_post_quantum[];
extern const char *const policy_words_padding[];
extern const char *const policy_words_layer[];
extern const char *const policy_words_direction[];
extern const char *const policy_words_reload[];
extern const char *const policy_words_removal[];
extern const char *const policy_words_transparency[];
extern const char *const policy_words_expired[];

/* Returns the index of `value` in `words`, or -1 after policy_fail(). */
int policy_value_choose(struct policy_parser *parser, const char *value, const char *const words[]);

/*
 * Copies an absolute path to `path`, which has PATH_MAX bytes. It may begin with $CREDENTIALS_DIRECTORY, which is
 * replaced. Returns 0, or -1 after policy_fail().
 */
int policy_value_path(struct policy_parser *parser, const char *value, char *path);

/* Remembers the variable of the environment that a path may begin with. */
void policy_read_environment(void);

/*
 * Copies a name (letters, digits, '.', '_', '-', '@') to `name`, which has POLICY_NAME_MAX bytes. Returns 0, or -1
 * after policy_fail().
 */
int policy_value_name(struct policy_parser *parser, const char *value, char *name);

/* Converts a duration of 1 ms to 1 h: a whole number and ms, s, m or h. Returns 0, or -1 after policy_fail(). */
int policy_value_duration(struct policy_parser *parser, const char *value, uint32_t *milliseconds);

/* Converts "12h" or "90d", at most 3650 days, or "off", which is 0. Returns 0, or -1 after policy_fail(). */
int policy_value_period(struct policy_parser *parser, const char *value, uint32_t *seconds);

/*
 * Converts a decimal number from `least` to `most`, without a sign or leading zeros. Returns 0, or -1 after
 * policy_fail().
 */
int policy_value_number(struct policy_parser *parser, const char *value, uint32_t least, uint32_t most,
                        uint32_t *number);

/*
 * Base64 with padding (RFC 4648, section 4) of exactly 32 bytes, which are 44 characters. Decoding returns 0, or -1
 * if `text` is anything else.
 */
int policy_base64_decode(const char *text, uint8_t bytes[static 32]);
void policy_base64_encode(const uint8_t bytes[static 32], char text[static 45]);

/*
 * Copies the next entry of the comma-separated list at *rest to `entry`, which has POLICY_ENTRY_MAX bytes, without
 * the blanks around it, and moves *rest behind it. Returns 1, 0 at the end of the list, or -1 after policy_fail():
 * the entry is empty or too long.
 */
int policy_value_next(struct policy_parser *parser, const char **rest, char *entry);

/* Converts ADDRESS[/PREFIX]:PORT, see address.c. Returns 0, or -1 after policy_fail(). */
int policy_value_address(struct policy_parser *parser, const char *value, struct policy_address *address);

#endif
