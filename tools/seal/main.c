/*
 * pfswrap-seal: what `pfswrap seal` executes. connect and listen join standard input and output to a sealed
 * connection; probe looks at a server without a key. A program of its own, since it resolves names and may load
 * OpenSSL, which a static program cannot.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <pfswrap/seal.h>

#include "../message.h"
#include "config/keys.h"
#include "network.h"
#include "options.h"
#include "probe.h"
#include "session.h"
#include "trace.h"
#include "transport.h"

static struct seal_options options;

/* The rule of the policy for an address, with its keys. Returns NULL after a message. */
static const struct policy_rule *find_rule(const struct sockaddr *address, socklen_t length)
{
    const bool listens = options.command == SEAL_LISTEN;
    char where[NETWORK_TEXT_MAX];
    const struct policy_rule *const rule =
        policy_match(&options.policy, listens ? POLICY_LISTEN : POLICY_CONNECT, address, length);
    if (rule != NULL && rule->seal != POLICY_SEAL_OFF)
        return rule;
    network_text(address, length, where);
    message("seal: %s has no [%s] rule that seals %s, expected one, or the options --identity and --peers",
            options.policy.path, listens ? "listen" : "connect", where);
    return NULL;
}

static void say_tls(const struct trace *trace, const struct transport *transport)
{
    struct tls_info info;
    transport_tls_info(transport, &info);
    trace_say(trace, "* TLS      %s, %s%s%s", info.version, info.cipher,
              info.subject[0] != '\0' ? ", certificate " : "", info.subject);
}

/* A client that does not offer the name would not continue with the seal (docs/WIRE.md, section 2.10). */
static bool is_offered(const struct transport *transport)
{
    struct tls_info info;
    transport_tls_info(transport, &info);
    if (options.command == SEAL_CONNECT || info.offered_seal)
        return true;
    message("seal: the client does not offer the seal inside TLS, expected the ALPN name pfsw1");
    return false;
}

/* TLS over the connection, if the rule says so. */
static bool start_tls(struct transport *transport, const struct policy_rule *rule, long deadline_ms,
                      const struct trace *trace)
{
    char problem[TRANSPORT_PROBLEM_MAX];
    const struct tls_settings settings = {
        .server = options.command == SEAL_LISTEN,
        .verify = options.tls_verify,
        .offer_seal = true,
        .authorities = options.tls_ca,
        .name = options.tls_name != NULL ? options.tls_name : options.host,
        .certificate = options.tls_certificate,
        .key = options.tls_key,
    };
    if (rule->layer != POLICY_LAYER_TLS)
        return true;
    if (settings.server && (settings.certificate == NULL || settings.key == NULL)) {
        message("seal: [listen %s] is inside TLS, expected --tls-cert FILE and --tls-key FILE", rule->name);
        return false;
    }
    if (transport_handshake(transport, &settings, deadline_ms, problem) != 0) {
        message("seal: %s", problem);
        return false;
    }
    say_tls(trace, transport);
    return is_offered(transport);
}

/* One connection from its first byte to its last, which this closes. */
static enum session_result talk(int fd, const struct policy_rule *rule, unsigned candidate)
{
    static struct trace trace;
    struct transport transport = {.fd = fd};
    const enum pfswrap_seal_role role =
        options.command == SEAL_CONNECT ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER;
    const struct session_settings settings = {
        .role = role,
        .config = keys_config(rule),
        .candidate = candidate,
        .handshake_deadline_ms = network_now() + (long)options.policy.seal.handshake_timeout_ms,
        .echo = options.echo,
        .waits = options.waits,
        .trace = &trace,
    };
    trace_begin(&trace, options.verbose, role);
    const enum session_result result = start_tls(&transport, rule, settings.handshake_deadline_ms, &trace)
                                           ? session_run(&transport, &settings)
                                           : SESSION_FAILED;
    transport_close(&transport);
    return result;
}

/* The keys that a connection may expect of the server. */
static unsigned count_candidates(const struct policy_rule *rule)
{
    const struct pfswrap_seal_config *const config = keys_config(rule);
    size_t count = 0;
    for (size_t i = 0; i < config->name_count; i++)
        count += pfswrap_keyring_count_peers(config->keyring, config->names[i]);
    return count > 0 ? (unsigned)count : 1;
}

/* Connects to the first address that answers. Returns the descriptor and sets *address, or -1 after a message. */
static int connect_any(const struct addrinfo *addresses, const struct addrinfo **address)
{
    const int timeout_ms = (int)options.policy.seal.handshake_timeout_ms;
    int fd = -ENOENT;
    for (*address = addresses; *address != NULL; *address = (*address)->ai_next) {
        fd = network_connect(*address, timeout_ms);
        if (fd >= 0)
            return fd;
    }
    message("seal: cannot connect to %s port %s: %s", options.host, options.port, strerror(-fd));
    return -1;
}

static int say_refused(const struct policy_rule *rule)
{
    message("seal: the server ended the connection during the handshake, and it never says why: its log does. "
            "Frequent reasons: its key is not the one that %s has, it does not know this client's key or does not "
            "admit its name, another service, a preshared key on one side only, or it does not speak the seal "
            "protocol (pfswrap seal probe)",
            rule->peer_count > 0 ? rule->peers[0] : "the peers file");
    return 1;
}

/* With several keys of the server (a rotation), each is tried on a connection of its own. */
static int connect_with_each_key(const struct addrinfo *addresses)
{
    const struct addrinfo *address;
    int fd = connect_any(addresses, &address);
    if (fd < 0)
        return 1;
    const struct policy_rule *const rule = find_rule(address->ai_addr, address->ai_addrlen);
    if (rule == NULL) {
        (void)close(fd);
        return 1;
    }
    const unsigned count = count_candidates(rule);
    for (unsigned candidate = 0; candidate < count; candidate++) {
        const struct trace trace = {.is_on = options.verbose};
        char where[NETWORK_TEXT_MAX];
        network_text(address->ai_addr, address->ai_addrlen, where);
        trace_say(&trace, "* TCP      connected to %s; key %u of %u of the server", where, candidate + 1, count);
        const enum session_result result = talk(fd, rule, candidate);
        if (result != SESSION_REFUSED)
            return result == SESSION_ENDED ? 0 : 1;
        if (candidate + 1 < count && (fd = connect_any(addresses, &address)) < 0)
            return 1;
    }
    return say_refused(rule);
}

static int command_connect(void)
{
    struct addrinfo *const addresses = network_resolve(options.host, options.port, false);
    const int status = addresses == NULL ? 1 : connect_with_each_key(addresses);
    if (addresses != NULL)
        freeaddrinfo(addresses);
    return status;
}

/* Serves connections. With --keep, a connection that fails does not end the program. */
static int serve(int listener)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    for (;;) {
        const int fd = network_accept(listener, &local, &length);
        if (fd < 0) {
            message("seal: cannot accept: %s", strerror(-fd));
            return 1;
        }
        const struct policy_rule *const rule = find_rule((const struct sockaddr *)&local, length);
        if (rule == NULL) {
            (void)close(fd);
            return 1;
        }
        const enum session_result result = talk(fd, rule, 0);
        if (!options.keep)
            return result == SESSION_ENDED ? 0 : 1;
    }
}

static int command_listen(void)
{
    struct sockaddr_storage local;
    socklen_t length = sizeof local;
    char where[NETWORK_TEXT_MAX];
    struct addrinfo *const addresses = network_resolve(options.host, options.port, true);
    if (addresses == NULL)
        return 1;
    const int listener = network_listen(addresses);
    freeaddrinfo(addresses);
    if (listener < 0 || getsockname(listener, (struct sockaddr *)&local, &length) != 0) {
        message("seal: cannot listen on port %s: %s", options.port, strerror(listener < 0 ? -listener : errno));
        return 1;
    }
    network_text((const struct sockaddr *)&local, length, where);
    message("seal: listening on %s", where);
    const int status = serve(listener);
    (void)close(listener);
    return status;
}

int main(int argc, char **argv)
{
    static struct policy_error error;
    (void)signal(SIGPIPE, SIG_IGN);
    const int status = seal_options_read(&options, argc - 1, argv + 1);
    if (status != 0)
        return status;
    if (options.command == SEAL_PROBE)
        return probe(&options);
    if (keys_load(&options.policy, &error) != 0 || keys_keep_serial(keys_first(), &error) != 0) {
        message("seal: %s", error.text);
        return 1;
    }
    return options.command == SEAL_CONNECT ? command_connect() : command_listen();
}
