/*
 * The inner layer (layer = tls): what the program writes is sealed before it enters TLS and opened after it has
 * left it, with keys that TLS never sees. A connection under such a rule goes from its TLS handshake through one of
 * the seal's, within the program's own handshake call, and then every byte of data passes a tunnel whose carrier is
 * the library's own SSL_read and SSL_write. Without such a rule all of this costs one load.
 */
#ifndef PFSWRAP_TLS_LAYER_H
#define PFSWRAP_TLS_LAYER_H

#include <pfswrap/tunnel.h>
#include <time.h>

#include "tls/fork_guard.h"
#include "tls/report.h"
#include "tls/settings.h"

struct layer {
    struct pfswrap_tunnel *tunnel;
    struct fork_guard fork_guard;
    struct libssl *lib;
    SSL *ssl;
    const struct policy_rule *rule;
    struct report_addresses addresses; /* for the closing event: the BIOs may be gone by then */
    const char *role;                  /* "server", "client" */
    int64_t deadline_ms;               /* of the handshake, by the monotonic clock */
    int result;                        /* what the library's read or write answered when the carrier stopped */
    int fd;                            /* a TCP socket whose small writes might wait for others; -1: none */
    bool at_once;                      /* what is written must not wait for what was written before */
    bool opened;                       /* the opening event has been written: a closing one is due */
    bool writing;                      /* the program's own data is on its way: it flushes its BIOs itself */
    bool timed_out;                    /* the handshake took longer than the policy allows */
    bool flush_due;                    /* what the handshake wrote is still in a buffering BIO */
    bool final_read;                   /* the peer has said that no more comes */
    const void *write_buffer;          /* of the program's SSL_write that stopped, and how much of it was done */
    size_t write_done;
};

/* Whether the policy has a rule of the layer. */
enum layer_rules { LAYER_RULES_UNKNOWN, LAYER_RULES_NONE, LAYER_RULES_SOME };
extern _Atomic(enum layer_rules) layer_rules;
bool layer_rules_find(void);

static inline bool layer_in_force(void)
{
    enum layer_rules rules = atomic_load_explicit(&layer_rules, memory_order_relaxed);
    return __builtin_expect(rules != LAYER_RULES_NONE, 0) && (rules == LAYER_RULES_SOME || layer_rules_find());
}

/*
 * layer_rule.c. The rule for a connection, by its addresses: the server's own, or the one it is connected to. A
 * connection that libssl has no socket of might be any rule's: the one that all rules of its direction agree on,
 * and with rules that differ it is refused. Returns NULL in *rule for a connection without the layer; an reason
 * is why the connection cannot be told or sealed.
 */
const char *layer_rule_find(const struct libssl *lib, SSL *ssl, bool server, const struct policy_rule **rule);

/*
 * layer_handshake.c. begin: at the gate. start: TLS is up and attested; the connection goes to TLS_STAGE_SEAL, or,
 * with seal = prefer and a client that does not ask for it, to TLS_STAGE_OPEN. Both return NULL, or why the
 * connection is refused. run: takes the seal's handshake on; returns 1 with the connection at TLS_STAGE_OPEN, or
 * what the library answered when it stopped, or -1 with an error in its queue and the connection refused.
 */
const char *layer_begin(struct libssl *lib, SSL *ssl, struct tls_connection *connection, enum tls_role role);
const char *layer_start(struct libssl *lib, SSL *ssl, struct tls_connection *connection);
int layer_run(struct libssl *lib, SSL *ssl, struct tls_connection *connection);
int layer_refuse(struct libssl *lib, SSL *ssl, struct tls_connection *connection, const char *reason,
                 const char *detail);

/* The layer of an open connection; NULL: it has none. */
struct layer *layer_find(const struct libssl *lib, const SSL *ssl);

/* For a call that `caller` makes: whether TLS is up on the connection and the layer is not. */
bool layer_is_handshaking(const struct libssl *lib, const SSL *ssl, const void *caller);

/* The connection ends or begins anew: everything of the layer is forgotten. */
void layer_forget(struct tls_connection *connection);

/*
 * layer_data.c: the calls that move data on an open layered connection, with the answers that libssl documents for
 * them: more than 0 is a count, 0 or less is for SSL_get_error().
 */
int layer_read(struct layer *layer, void *buffer, size_t size);
int layer_peek(struct layer *layer, void *buffer, size_t size);
int layer_write(struct layer *layer, const void *data, size_t length);
ossl_ssize_t layer_sendfile(struct layer *layer, int fd, off_t offset, size_t size);
size_t layer_pending(struct layer *layer);
int layer_shutdown(struct layer *layer);

/* Says that no more will be written, unless that has been said or the program wants to end silently. */
void layer_send_final(struct layer *layer);

/* layer_transport.c: the library's own calls as the tunnel's carrier. */
struct pfswrap_tunnel_transport layer_transport(struct layer *layer);

/* Several records that are to travel together are written between on and off. */
void layer_cork(const struct layer *layer, bool on);

/*
 * Every call that uses keys stands between these two. False: another process has used them, or an earlier call
 * never came back; the tunnel is poisoned.
 */
bool layer_enter(struct layer *layer);
void layer_leave(struct layer *layer);

/* Tells the program of `error` through the library's queue. Returns -1. */
int layer_fail(struct layer *layer, int error);

/* layer_alpn.c: the name by which a sealing client makes itself known inside the TLS handshake. */
void layer_alpn_begin_context(struct libssl *lib, SSL_CTX *context);
bool layer_alpn_offer(struct libssl *lib, SSL *ssl, struct tls_connection *connection);
void layer_alpn_withdraw(struct libssl *lib, SSL *ssl, const struct tls_connection *connection);

/* layer_report.c: events (docs/AUDIT.md). */
void layer_report_opened(const struct layer *layer);
void layer_report_plain(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule);
void layer_report_refused(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule, const char *reason,
                          const char *detail);
void layer_report_closed(const struct layer *layer);

#endif
