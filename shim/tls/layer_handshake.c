/*
 * How a connection gets the inner layer. The rule is found before the TLS handshake, the tunnel is created after
 * it, and the seal's handshake runs within the program's handshake call. Connections that cannot have the layer are
 * refused, and closed in order.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/raw_syscall.h"
#include "base/transport.h"

#include "config/cryptoperiod.h"
#include "config/init.h"
#include "config/snapshot.h"
#include "fd/linger.h"
#include "fd/program_socket.h"
#include "tls/error.h"
#include "tls/layer.h"

enum { BINDING_BYTES = 32 };
static const char binding_label[] = "EXPORTER-Channel-Binding"; /* RFC 9266, 2 */

/* For each rule: which of a server's keys the next connection tries. Changes after each refused connection. */
static atomic_uint candidates[POLICY_RULES_MAX];

static atomic_uint *candidate_of(const struct layer *layer)
{
    return &candidates[layer->rule - layer->snapshot->policy->rules];
}

/*
 * Whether libssl allocates with libcrypto's own functions. A program with another allocator may keep connections in
 * memory that several processes share (kamailio). The layer has keys, so its state must be in private memory.
 */
static bool has_default_allocator(const struct libssl *lib)
{
    void *(*allocate)(size_t, const char *, int) = NULL;
    lib->CRYPTO_get_mem_functions(&allocate, NULL, NULL);
    uintptr_t at = (uintptr_t)allocate;
    return allocate == NULL || (at >= lib->crypto_first && at < lib->crypto_last);
}

static const char *requirement_unmet(const struct libssl *lib, SSL *ssl)
{
    if (lib->SSL_is_dtls(ssl) || (lib->SSL_is_quic != NULL && lib->SSL_is_quic(ssl)))
        return "layer = tls needs TLS over a stream";
    if (!has_default_allocator(lib))
        return "the program replaces libssl's memory allocator, which layer = tls does not support";
    return NULL;
}

const char *layer_begin(struct libssl *lib, SSL *ssl, struct tls_connection *connection, enum tls_role role)
{
    bool server = role == TLS_ROLE_SERVER || (role == TLS_ROLE_UNKNOWN && lib->SSL_is_server(ssl));
    struct tls_saved_errors saved = tls_errors_save(lib);
    connection->offers_layer = false;
    const char *reason = layer_rule_find(lib, ssl, server, &connection->layer_rule);
    const struct policy_rule *rule = connection->layer_rule;
    if (reason == NULL && rule != NULL) {
        reason = requirement_unmet(lib, ssl);
        if (reason != NULL && rule->seal == POLICY_SEAL_PREFER) {
            reason = NULL;
            connection->layer_rule = NULL;
        }
    }
    if (reason == NULL && connection->layer_rule != NULL) {
        lib->SSL_clear_options(ssl, SSL_OP_ENABLE_KTLS); /* with kernel TLS, data does not pass the shim */
        if (!server && !layer_alpn_offer(lib, ssl, connection))
            reason = "no memory for the list of application protocols";
    }
    tls_errors_restore(saved);
    return reason;
}

static void layer_free(struct layer *layer)
{
    pfswrap_tunnel_free(layer->tunnel);
    fork_guard_free(&layer->fork_guard);
    if (layer->snapshot != NULL) {
        snapshot_unhold(layer->snapshot);
        snapshot_release(layer->snapshot);
    }
    layer->lib->CRYPTO_free(layer, "pfswrap", 0);
}

/*
 * The channel binding (RFC 9266). It is the same on both ends of one TLS connection. With a man in the middle there
 * are two TLS connections, with different values.
 */
static bool binding_read(const struct libssl *lib, SSL *ssl, uint8_t binding[BINDING_BYTES])
{
    return lib->SSL_export_keying_material(ssl, binding, BINDING_BYTES, binding_label, sizeof binding_label - 1,
                                           (const unsigned char *)"", 0, 1) == 1;
}

/* The descriptor that libssl writes to, if it is a stream socket; else -1. */
static int stream_socket(const struct libssl *lib, const SSL *ssl)
{
    int type = 0, fd = lib->SSL_get_wfd(ssl);
    socklen_t length = sizeof type;
    const bool is_socket = fd >= 0 && raw_syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
    return is_socket && type == SOCK_STREAM ? fd : -1;
}

/*
 * The newest state and the rule in it; `rule` may be an older policy's. False: the policy no longer has the rule.
 */
static bool take_snapshot(struct layer *layer, const struct policy_rule *rule)
{
    struct snapshot *snapshot = snapshot_acquire();
    layer->rule = policy_find_rule(snapshot->policy, rule);
    if (layer->rule == NULL) {
        snapshot_release(snapshot);
        return false;
    }
    snapshot_hold(snapshot);
    layer->snapshot = snapshot;
    return true;
}

static struct layer *layer_make(struct libssl *lib, SSL *ssl, const struct policy_rule *rule, int *error)
{
    bool server = lib->SSL_is_server(ssl) != 0;
    uint8_t binding[BINDING_BYTES];
    struct layer *layer = lib->CRYPTO_zalloc(sizeof *layer, "pfswrap", 0);
    *error = 0;
    if (layer == NULL)
        return NULL;
    layer->lib = lib;
    layer->ssl = ssl;
    if (!take_snapshot(layer, rule)) {
        *error = PFSWRAP_SEAL_E_NO_PEER;
        layer_free(layer);
        return NULL;
    }
    layer->role = server ? "server" : "client";
    layer->fd = stream_socket(lib, ssl);
    layer->deadline_ms = (int64_t)clock_ms() + layer->snapshot->policy->seal.handshake_timeout_ms;
    audit_addresses_read(&layer->addresses, lib->SSL_get_rfd(ssl));
    const struct pfswrap_tunnel_transport transport = layer_transport(layer);
    cryptoperiod_check((uint64_t)time(NULL));
    if (binding_read(lib, ssl, binding) && fork_guard_make(&layer->fork_guard))
        layer->tunnel = pfswrap_tunnel_new(
            server ? PFSWRAP_SEAL_RESPONDER : PFSWRAP_SEAL_INITIATOR,
            snapshot_config(layer->snapshot, (size_t)(layer->rule - layer->snapshot->policy->rules)), binding,
            sizeof binding, atomic_load(candidate_of(layer)), &transport, error);
    if (layer->tunnel != NULL)
        return layer;
    layer_free(layer);
    return NULL;
}

const char *layer_start(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    const struct policy_rule *rule = connection->layer_rule;
    bool server = lib->SSL_is_server(ssl) != 0;
    int error;
    if (server && !connection->offers_layer) {
        if (rule->seal != POLICY_SEAL_PREFER)
            return "the client does not offer the inner layer (ALPN pfsw1)";
        layer_report_plain(lib, ssl, rule);
        connection->stage = TLS_STAGE_OPEN;
        return NULL;
    }
    if (lib->SSL_version(ssl) != TLS1_3_VERSION)
        return "the inner layer needs TLS 1.3";
    connection->layer = layer_make(lib, ssl, rule, &error);
    if (connection->layer == NULL)
        return error != 0 ? pfswrap_seal_error_text(error) : "no memory for the inner layer";
    connection->stage = TLS_STAGE_SEAL;
    return NULL;
}

struct layer *layer_find(const struct libssl *lib, const SSL *ssl)
{
    const struct tls_connection *connection = tls_connection_find(lib, ssl);
    return connection != NULL && connection->stage == TLS_STAGE_OPEN ? connection->layer : NULL;
}

void layer_forget(struct tls_connection *connection)
{
    struct layer *layer = connection->layer;
    connection->layer = NULL;
    connection->layer_rule = NULL;
    if (layer == NULL)
        return;
    if (layer->opened && !layer->final_read) /* what libssl has read, but not the program, may be an error */
        (void)pfswrap_tunnel_pending(layer->tunnel);
    if (layer->opened) {
        layer_count_closed(layer);
        layer_report_closed(layer);
    }
    layer_free(layer);
}

/* Sends a close_notify. Blocks SIGPIPE, since the program does not expect it from this call. */
static void send_close_notify(struct libssl *lib, SSL *ssl)
{
    sigset_t pipe, before, pending;
    const struct timespec now = {0};
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    bool was_pending = sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
    (void)pthread_sigmask(SIG_BLOCK, &pipe, &before);
    (void)lib->SSL_shutdown(ssl);
    if (!was_pending)
        (void)sigtimedwait(&pipe, NULL, &now);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

int layer_refuse(struct libssl *lib, SSL *ssl, struct tls_connection *connection, const char *reason,
                 const char *detail)
{
    struct tls_saved_errors saved = tls_errors_save(lib);
    layer_report_refused(lib, ssl, connection->layer_rule, reason, detail);
    if (lib->SSL_is_init_finished(ssl))
        send_close_notify(lib, ssl);
    int fd = stream_socket(lib, ssl);
    if (fd >= 0) {
        program_socket_shutdown(fd, SHUT_WR);
        transport_discard(fd); /* closing a socket with unread bytes resets it, and the peer might lose the alert */
        linger_mark(fd);
    }
    lib->SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls_errors_restore(saved);
    layer_forget(connection);
    connection->stage = TLS_STAGE_REFUSED;
    tls_error_push(lib, SSL_R_UNSUPPORTED_PROTOCOL, reason);
    return -1;
}

/* Flushes handshake messages from a buffering BIO. The program only flushes after its own writes. */
static int flush_again(struct layer *layer)
{
    const struct libssl *lib = layer->lib;
    if (layer->flush_due)
        layer->flush_due = lib->BIO_ctrl(lib->SSL_get_wbio(layer->ssl), BIO_CTRL_FLUSH, 0, NULL) <= 0;
    return layer->flush_due ? -1 : 1;
}

/* Whether the handshake waits for something that SSL_get_error() reports, and has not failed. */
static bool may_continue(const struct layer *layer)
{
    if (layer->timed_out)
        return false;
    switch (layer->lib->SSL_get_error(layer->ssl, layer->result)) {
    case SSL_ERROR_SSL:
    case SSL_ERROR_SYSCALL:
    case SSL_ERROR_ZERO_RETURN:
        return false;
    default:
        return true;
    }
}

static const char *const not_answered =
    "the server closed the connection instead of answering: it has no inner layer, its keys or its service differ, "
    "or there is a man in the middle of TLS";

static int run_failed(struct libssl *lib, SSL *ssl, struct tls_connection *connection, int error)
{
    const struct layer *layer = connection->layer;
    bool client = strcmp(layer->role, "client") == 0;
    int result = layer->result;
    if (client)
        (void)atomic_fetch_add(candidate_of(layer), 1);
    if (layer->timed_out)
        return layer_refuse(lib, ssl, connection, "the seal's handshake took longer than handshake-timeout", NULL);
    if (error == PFSWRAP_TUNNEL_STOPPED || error == PFSWRAP_SEAL_E_TRUNCATED) {
        (void)layer_refuse(lib, ssl, connection, "the peer ended the connection during the seal's handshake",
                           client ? not_answered : NULL);
        return error == PFSWRAP_TUNNEL_STOPPED ? result : -1;
    }
    return layer_refuse(lib, ssl, connection, pfswrap_seal_error_text(error),
                        error == PFSWRAP_SEAL_E_HANDSHAKE ? "a man in the middle of TLS would have this effect"
                                                          : NULL);
}

int layer_run(struct libssl *lib, SSL *ssl, struct tls_connection *connection)
{
    struct layer *layer = connection->layer;
    if (flush_again(layer) != 1)
        return -1;
    if (!layer_enter(layer))
        return layer_refuse(lib, ssl, connection, "another process uses the connection's keys", NULL);
    int result = pfswrap_tunnel_handshake(layer->tunnel);
    layer_leave(layer);
    if (result == 1 || result == PFSWRAP_TUNNEL_STOPPED)
        if (flush_again(layer) != 1)
            return -1;
    if (result == PFSWRAP_TUNNEL_STOPPED && may_continue(layer))
        return layer->result;
    if (result != 1)
        return run_failed(lib, ssl, connection, result);
    connection->stage = TLS_STAGE_OPEN;
    layer->opened = true;
    layer->read_at = time(NULL);
    layer_report_opened(layer);
    layer_count_opened(layer);
    layer_show_end(layer);
    return 1;
}
