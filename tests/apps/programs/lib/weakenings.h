/*
 * Every call by which a program weakens a context or a connection, by name. The functions print what a call
 * returned as lines "answer CALL VALUE" on standard output, so that a test can compare them with those of an
 * unwrapped run.
 */
#ifndef PFSWRAP_TESTS_WEAKENINGS_H
#define PFSWRAP_TESTS_WEAKENINGS_H

#include <openssl/ssl.h>

struct weakening {
    const char *name;
    void (*ctx)(SSL_CTX *); /* NULL: there is no such call for contexts */
    void (*ssl)(SSL *);     /* NULL: there is no such call for connections */
};

extern const struct weakening weakenings[];
extern const size_t weakening_count;

/* The callback of "security_callback", which allows everything. */
int weakening_allow_all(const SSL *s, const SSL_CTX *c, int op, int bits, int nid, void *other, void *ex);

/* The callback of "keylog", and how many lines it was given. */
void weakening_keylog(const SSL *s, const char *line);
extern long weakening_keylog_lines;

/* "server_name_callback" switches to this context, which the program makes weak in every way. */
extern SSL_CTX *weakening_other_context;

#endif
