/*
 * What is remembered of a context and of a connection: in ex_data of the object itself, so that it lives and dies
 * with it. Knows the shape of the records, and nothing of what they lead to.
 */
#ifndef PFSWRAP_TLS_STATE_H
#define PFSWRAP_TLS_STATE_H

#include <stdatomic.h>

#include "policy/policy.h"
#include "tls/libssl.h"

typedef int security_callback(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid, void *other,
                              void *extra);
typedef SSL_SESSION *session_get_callback(SSL *ssl, const unsigned char *id, int length, int *copy);

/* A list of application protocols as SSL_set_alpn_protos(3) takes it; the library has no getter for it. */
struct tls_protocols {
    bool set;
    unsigned char *list; /* NULL: empty */
    unsigned length;
};

struct tls_context {
    security_callback *program_security; /* what the program set, or the library's own */
    SSL_CTX_keylog_cb_func program_keylog;
    session_get_callback *program_session_get;
    long program_cache_mode;          /* -1: never forced */
    const SSL_METHOD *program_method; /* a fixed-version method that was replaced; NULL: none was */
    int initial_min;                  /* as the library and its configuration file made the context */
    uint64_t initial_options;
    SSL_CTX_alpn_select_cb_func
        program_alpn_select; /* with a rule of the inner layer: the program's, as are these */
    void *program_alpn_argument;
    struct tls_protocols protocols;
};

/* The settings of a connection that the policy may override, in the library's own values. */
struct tls_settings {
    int min_version, max_version; /* 0: any */
    uint64_t options;
    size_t num_tickets;
    uint32_t max_early_data;
    int verify_mode;
};

enum tls_stage {
    TLS_STAGE_NEW,       /* the settings are the program's */
    TLS_STAGE_HANDSHAKE, /* the settings are the policy's; `asked` has the program's */
    TLS_STAGE_SEAL,      /* attested; the inner layer shakes hands (layer.h) */
    TLS_STAGE_OPEN,      /* attested: data may pass */
    TLS_STAGE_REFUSED,   /* not what the policy says: no data, ever */
};

struct tls_connection {
    enum tls_stage stage;
    bool upgraded;                       /* the program allowed TLS 1.2 at most */
    bool has_security_callback;          /* the program set one on the connection itself */
    security_callback *program_security; /* that one */
    const SSL_METHOD *program_method;
    struct tls_settings asked;            /* from TLS_STAGE_HANDSHAKE on */
    bool reported;                        /* a failed handshake is logged once */
    bool offers_layer;                    /* the client speaks the inner layer */
    const struct policy_rule *layer_rule; /* from the gate on: the rule that wants the layer; NULL: none */
    struct layer *layer;                  /* from TLS_STAGE_SEAL on; NULL: the connection has none */
    struct tls_protocols protocols;       /* what the program offers */
    unsigned char *alpn_filtered;         /* what it was offered, without our own name */
};

/*
 * Makes room in the library's objects for the records. Returns false if the library has no index left. Idempotent;
 * cheap after the first call.
 */
bool tls_state_prepare(struct libssl *lib);

/* The record of an object; NULL: it has none, which is the case for contexts that were made without us. */
struct tls_context *tls_context_find(const struct libssl *lib, const SSL_CTX *context);
struct tls_connection *tls_connection_find(const struct libssl *lib, const SSL *ssl);

/* The same, made if there is none. NULL: out of memory, or the library is not prepared. */
struct tls_context *tls_context_get(struct libssl *lib, SSL_CTX *context);
struct tls_connection *tls_connection_get(struct libssl *lib, SSL *ssl);

/*
 * Counts the connections of this process that have been freed or have begun anew: what was learnt about a
 * connection before holds no longer once the count has changed. tls_connection_ended() counts one.
 */
extern atomic_uint tls_connections_ended;

static inline unsigned tls_connection_generation(void)
{
    return atomic_load_explicit(&tls_connections_ended, memory_order_relaxed);
}

static inline void tls_connection_ended(void)
{
    atomic_fetch_add_explicit(&tls_connections_ended, 1, memory_order_relaxed);
}

/* Keeps what the program would see of our own calls as it was: the library's error queue and errno. */
struct tls_saved_errors {
    const struct libssl *lib;
    int error;
};
struct tls_saved_errors tls_errors_save(const struct libssl *lib);
void tls_errors_restore(struct tls_saved_errors saved);

#endif
