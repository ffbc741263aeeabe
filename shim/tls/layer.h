/*
 * The inner layer (layer = tls). The program's data is sealed before it enters TLS, and opened after it has left
 * TLS, with keys that TLS does not have. The TLS handshake is followed by the seal's handshake, within the
 * program's handshake call. Then all data passes a tunnel whose transport is libssl's SSL_read() and SSL_write().
 * If the policy has no such rule, this costs one load.
 */
#ifndef PFSWRAP_TLS_LAYER_H
#define PFSWRAP_TLS_LAYER_H

#include <pfswrap/tunnel.h>
#include <time.h>

#include "audit/addresses.h"
#include "tls/fork_guard.h"
#include "tls/settings.h"

struct counters_connection;

struct layer {
    struct pfswrap_tunnel *tunnel;
    struct fork_guard fork_guard;
    struct libssl *lib;
    SSL *ssl;
    struct snapshot *snapshot;        /* the state whose keys the tunnel uses: a reference */
    const struct policy_rule *rule;   /* of its policy */
    struct audit_addresses addresses; /* for the `closed` event, since the BIOs may be freed before it */
    const char *role;                 /* "server" or "client" */
    int64_t deadline_ms;              /* of the handshake, by the monotonic clock */
    time_t read_at;                   /* when the program last read, or a write has looked */
    int result;                       /* what libssl's last read or write returned */
    int fd;                           /* the stream socket for TCP_NODELAY and TCP_CORK; -1: none */
    bool opened;                      /* the handshake is complete, and a `closed` event will be due */
    bool writing;                     /* the data is the program's, which flushes its BIOs itself */
    bool looking;                     /* a write looks whether the peer renews the keys */
    bool timed_out;                   /* the handshake took longer than the policy allows */
    bool flush_due;                   /* a buffering BIO still holds handshake messages */
    bool final_read;                  /* the peer's FINAL has been read */
    bool end_reported;                /* the last call of the program returned the end of the stream */
    uint32_t checked;                 /* the generation of the state in which its peer was last looked for */
    bool end_shown;                   /* the socket is shut down for reading (layer_show_end()) */
    const char *end, *reason; /* for the `closed` event, if it is not the tunnel's own error; NULL: nothing */
    const void *write_buffer; /* the buffer of a program's write that is incomplete */
    struct counters_connection *entry;    /* in the list of this process (layer_count.c); NULL: none */
    struct pfswrap_tunnel_counts counted; /* what the counters have of it */
    time_t opened_at;
    uint16_t rule_number; /* of the rule in the policy */
    size_t write_done;    /* how much of that write has been sealed and written */
};

/* Whether the policy has a rule with layer = tls. */
enum layer_rules { LAYER_RULES_UNKNOWN, LAYER_RULES_NONE, LAYER_RULES_SOME };
extern _Atomic(enum layer_rules) layer_rules;
bool layer_rules_find(void);

static inline bool layer_in_force(void)
{
    enum layer_rules rules = atomic_load_explicit(&layer_rules, memory_order_relaxed);
    return __builtin_expect(rules != LAYER_RULES_NONE, 0) && (rules == LAYER_RULES_SOME || layer_rules_find());
}

/*
 * layer_rule.c. Finds the rule for a connection by its address: a server's local address, or the address that a
 * client is connected to. If libssl has no socket, any rule of the direction might apply: they must all require the
 * same, or the connection is refused. Sets *rule to NULL if the connection has no inner layer. Returns NULL, or the
 * reason for a refusal.
 */
const char *layer_rule_find(const struct libssl *lib, SSL *ssl, bool server, const struct policy_rule **rule);

/*
 * layer_handshake.c. Before the TLS handshake: finds the rule and offers the inner layer. Returns NULL, or the
 * reason for a refusal.
 */
const char *layer_begin(struct libssl *lib, SSL *ssl, struct tls_connection *connection, enum tls_role role);

/*
 * After the TLS handshake, when the negotiated parameters are verified. Moves the connection to TLS_STAGE_SEAL;
 * with seal = prefer and a client that does not offer the layer, to TLS_STAGE_OPEN. Returns NULL, or the reason for
 * a refusal.
 */
const char *layer_start(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

/*
 * Continues the seal's handshake. Returns 1 when the connection is in TLS_STAGE_OPEN, what libssl returned when it
 * has to wait, or -1 if the connection is refused, with an error in libssl's queue.
 */
int layer_run(struct libssl *lib, SSL *ssl, struct tls_connection *connection);

/* Refuses the connection. Closes the TLS connection in order, so that the peer receives an alert. Returns -1. */
int layer_refuse(struct libssl *lib, SSL *ssl, struct tls_connection *connection, const char *reason,
                 const char *detail);

/* The layer of an open connection, or NULL. */
struct layer *layer_find(const struct libssl *lib, const SSL *ssl);

/* layer_state.c. Whether the seal's handshake is running; false for calls of libssl itself. */
bool layer_is_handshaking(const struct libssl *lib, const SSL *ssl, const void *caller);

/* The connection ends or is reset: frees the layer. */
void layer_forget(struct tls_connection *connection);

/*
 * layer_data.c. The calls that move data on an open connection with the layer. They return what libssl documents: a
 * number of bytes, or a value of 0 or less for SSL_get_error().
 */
int layer_read(struct layer *layer, void *buffer, size_t size);
int layer_peek(struct layer *layer, void *buffer, size_t size);
int layer_write(struct layer *layer, const void *data, size_t length);
ssize_t layer_sendfile(struct layer *layer, int fd, off_t offset, size_t size);
size_t layer_pending(struct layer *layer);
int layer_shutdown(struct layer *layer);

/*
 * layer_end.c. The peer's FINAL has been read. Returns 0, as SSL_read(3) after a close_notify, or -1 with an error
 * in libssl's queue.
 */
int layer_end(struct layer *layer);

/*
 * If FINAL has come in one record with data, the socket has nothing left, and a program that waits for events would
 * not read the end. Shuts the socket down for reading then, so that the kernel reports an end.
 */
void layer_show_end(struct layer *layer);

/* libssl could not read: notes for the log how the stream ended, if it has ended. */
void layer_note_failure(struct layer *layer);

/* Sends FINAL, unless it has been sent, an error has occurred, or the program has asked for a quiet shutdown. */
void layer_send_final(struct layer *layer);

/* layer_transport.c. The tunnel's transport: libssl's SSL_read() and SSL_write(). */
struct pfswrap_tunnel_transport layer_transport(struct layer *layer);

/* Sets or clears TCP_CORK (tcp(7)). While it is set, the kernel only sends full segments. */
void layer_cork(const struct layer *layer, bool on);

/*
 * Before and after each call that uses keys. layer_enter() returns false, and the tunnel is poisoned, if another
 * process has used the keys or an earlier call has not returned.
 */
bool layer_enter(struct layer *layer);
void layer_leave(struct layer *layer);

/* Adds `error`, a PFSWRAP_SEAL_E_ value, to libssl's error queue. Returns -1. */
int layer_fail(struct layer *layer, int error);

/* The same for an error that the tunnel does not have: the connection ends with it, and the log says so. */
int layer_break(struct layer *layer, int error);

/* layer_alpn.c. The application protocol by which a client offers the layer in the TLS handshake. */

/* Prepares a new context. */
void layer_alpn_begin_context(struct libssl *lib, SSL_CTX *context);

/* Adds the protocol to what a client offers, and removes it. Returns false if there is no memory. */
bool layer_alpn_offer(struct libssl *lib, SSL *ssl, struct tls_connection *connection);
void layer_alpn_withdraw(struct libssl *lib, SSL *ssl, const struct tls_connection *connection);

/*
 * layer_removal.c. Before and after a call that moves data: if a reload has removed the peer, or with on-removal =
 * now the rule, the connection ends, at the latest `revocation-delay` after it. Returns 0, or -1 with an error in
 * libssl's queue.
 */
int layer_check_removal(struct layer *layer);

/*
 * layer_count.c. The handshake is complete; an open connection may have moved bytes; it ends. Counts for those who
 * read the counters of this process.
 */
void layer_count_opened(struct layer *layer);
void layer_count(struct layer *layer);
void layer_count_closed(struct layer *layer);

/* layer_report.c. Audit events (docs/AUDIT.md). */
void layer_report_opened(const struct layer *layer);
void layer_report_plain(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule);
void layer_report_refused(const struct libssl *lib, SSL *ssl, const struct policy_rule *rule, const char *reason,
                          const char *detail);
void layer_report_closed(const struct layer *layer);

#endif
