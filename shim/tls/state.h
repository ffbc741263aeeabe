/*
 * The records that the shim keeps for each context and each connection. A record is stored in the object's ex_data
 * (CRYPTO_get_ex_new_index(3)), so it lives as long as the object.
 */
#ifndef PFSWRAP_TLS_STATE_H
#define PFSWRAP_TLS_STATE_H

#include <stdatomic.h>

#include "policy/policy.h"
#include "tls/libssl.h"

struct http_response;

typedef int security_callback(const SSL *ssl, const SSL_CTX *context, int operation, int bits, int nid, void *other,
                              void *extra);
typedef SSL_SESSION *session_get_callback(SSL *ssl, const unsigned char *id, int length, int *copy);

/* A list of application protocols in the format of SSL_set_alpn_protos(3). libssl has no getter for it. */
struct tls_protocols {
    bool set;
    unsigned char *list; /* NULL: empty */
    unsigned length;
};

struct tls_context {
    security_callback *program_security; /* the program's, or the library's default */
    SSL_CTX_keylog_cb_func program_keylog;
    session_get_callback *program_session_get;
    long program_cache_mode;          /* the session cache mode that the program reads back; -1: the library's */
    const SSL_METHOD *program_method; /* the fixed-version method that was replaced; NULL: none was */
    int initial_min;                  /* as set by the library and its configuration file */
    uint64_t initial_options;         /* likewise */
    /* The program's ALPN settings; used only if the policy has a rule with layer = tls. */
    SSL_CTX_alpn_select_cb_func program_alpn_select;
    void *program_alpn_argument;
    struct tls_protocols protocols;
};

/* The settings of a connection that the policy may override, as libssl's getters return them. */
struct tls_settings {
    int min_version, max_version; /* 0: no limit */
    uint64_t options;
    size_t num_tickets;
    uint32_t max_early_data;
    int verify_mode;
};

enum tls_stage {
    TLS_STAGE_NEW,       /* libssl has the program's settings */
    TLS_STAGE_HANDSHAKE, /* libssl has the policy's settings; `asked` has the program's */
    TLS_STAGE_SEAL,      /* the TLS handshake is complete; the inner layer's is running (layer.h) */
    TLS_STAGE_OPEN,      /* all handshakes are complete: data may pass */
    TLS_STAGE_REFUSED,   /* against the policy: no data passes any more */
};

struct tls_connection {
    enum tls_stage stage;
    const struct policy *policy; /* from TLS_STAGE_HANDSHAKE on: the one that it goes by (policy_pin.h) */
    bool upgraded;               /* the program's settings exclude TLS 1.3 */
    bool has_security_callback;  /* the program set one on this connection: program_security */
    security_callback *program_security;
    const SSL_METHOD *program_method;     /* the method that the program set; NULL: the context's */
    struct tls_settings asked;            /* the program's settings, from TLS_STAGE_HANDSHAKE on */
    bool reported;                        /* the failed handshake has been logged */
    bool offers_layer;                    /* the client has offered the inner layer */
    const struct policy_rule *layer_rule; /* the rule that requires the inner layer; NULL: none */
    struct layer *layer;                  /* from TLS_STAGE_SEAL on; NULL: no inner layer */
    struct tls_protocols protocols;       /* the application protocols that the program offers */
    unsigned char *alpn_filtered;         /* those that the client offered, without the inner layer's */
    struct http_response *http;           /* what was written so far; NULL: it is not read (http_findings.h) */
    bool has_early_writes;                /* data was written before the handshake had ended */
};

/*
 * Reserves ex_data indexes for the records. Returns false if the library has no free index. Idempotent, and cheap
 * after the first call.
 */
bool tls_state_prepare(struct libssl *lib);

/* The record of an object. NULL: it has none. A context has one if an interposed call created it. */
struct tls_context *tls_context_find(const struct libssl *lib, const SSL_CTX *context);
struct tls_connection *tls_connection_find(const struct libssl *lib, const SSL *ssl);

/* The same, but creates a missing record. Returns NULL if there is no memory or no ex_data index. */
struct tls_context *tls_context_get(struct libssl *lib, SSL_CTX *context);
struct tls_connection *tls_connection_get(struct libssl *lib, SSL *ssl);

/*
 * How many connections of this process have been freed or reset. Cached knowledge about a connection is valid only
 * while this generation number stays the same.
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

/*
 * errno and libssl's error queue, which must look to the program as if the shim had not called libssl. The shim
 * calls libssl between save and restore, in one thread. The pairs may be nested.
 */
struct tls_saved_errors {
    const struct libssl *lib;
    int error;
};
struct tls_saved_errors tls_errors_save(const struct libssl *lib);
void tls_errors_restore(struct tls_saved_errors saved);

#endif
