/*
 * Prints a policy as a policy file. Parsing the output gives the same policy, so an operator can start a new file
 * from it.
 */
#include "policy/parser.h"
#include "policy/registry.h"

#include <pfswrap/seal.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/raw_syscall.h"

struct printer {
    int fd;
    int failed; /* of the write that failed: a negative errno value; 0: none did */
    size_t used;
    char buffer[2 * PATH_MAX];
};

static void printer_flush(struct printer *out)
{
    size_t done = 0;
    while (done < out->used && out->failed == 0) {
        const long taken = raw_syscall(SYS_write, out->fd, out->buffer + done, out->used - done);
        if (taken >= 0)
            done += (size_t)taken;
        else if (taken != -EINTR)
            out->failed = (int)taken;
    }
    out->used = 0;
}

/* Each call prints at most a path and a few words, which is less than half of the buffer. */
__attribute__((format(printf, 2, 3))) static void print(struct printer *out, const char *format, ...)
{
    va_list arguments;
    if (out->used > sizeof out->buffer / 2 - 512)
        printer_flush(out);
    va_start(arguments, format);
    int length = vsnprintf(out->buffer + out->used, sizeof out->buffer - out->used, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof out->buffer - out->used)
        out->used += (size_t)length;
    else
        out->failed = -EOVERFLOW;
}

static void print_duration(struct printer *out, const char *key, uint32_t milliseconds)
{
    if (milliseconds % 1000 == 0)
        print(out, "%s = %us\n", key, milliseconds / 1000);
    else
        print(out, "%s = %ums\n", key, milliseconds);
}

static void print_policy(struct printer *out, const struct policy *policy)
{
    print(out, "[policy]\nmode = %s\n", policy_words_mode[policy->mode]);
    switch (policy->log) {
    case POLICY_LOG_STDERR:
        print(out, "log = stderr\n");
        break;
    case POLICY_LOG_SYSLOG:
        print(out, "log = syslog\n");
        break;
    case POLICY_LOG_JOURNALD:
        if (strcmp(policy->log_path, POLICY_JOURNAL_SOCKET) == 0)
            print(out, "log = journald\n");
        else
            print(out, "log = journald:%s\n", policy->log_path);
        break;
    case POLICY_LOG_FILE:
        print(out, "log = %s\n", policy->log_path);
        break;
    }
    print(out, "log-failure = %s\n", policy_words_log_failure[policy->log_failure]);
    print(out, "log-handshakes = %s\n", policy_words_log_handshakes[policy->log_handshakes]);
    if (policy->log_repeats == 0)
        print(out, "log-repeats = all\n");
    else
        print(out, "log-repeats = %u\n", policy->log_repeats);
    print_duration(out, "log-interval", policy->log_interval_ms);
    if (policy->log_chain[0] != '\0')
        print(out, "log-chain = %s\n", policy->log_chain);
    print(out, "children = %s\n", policy_words_children[policy->children]);
    print(out, "io-uring = %s\n", policy_words_io_uring[policy->io_uring]);
    print(out, "reload = %s\n", policy_words_reload[policy->reload]);
}

static void print_period(struct printer *out, const char *key, uint32_t seconds)
{
    enum { HOUR = 3600, DAY = 24 * HOUR };
    if (seconds == 0)
        print(out, "%s = off\n", key);
    else if (seconds % DAY == 0)
        print(out, "%s = %ud\n", key, seconds / DAY);
    else
        print(out, "%s = %uh\n", key, seconds / HOUR);
}

static void print_tls(struct printer *out, const struct policy_tls *tls)
{
    print(out, "\n[tls]\nmin-version = %s\ngroups = ", tls->min_version == 0x0303 ? "1.2" : "1.3");
    for (size_t i = 0; i < tls->group_count; i++)
        print(out, "%s%s", i == 0 ? "" : ", ", tls_group_by_id(tls->groups[i])->name);
    print(out, "\nciphersuites = ");
    for (size_t i = 0; i < tls->ciphersuite_count; i++)
        print(out, "%s%s", i == 0 ? "" : ", ", tls_ciphersuite_by_id(tls->ciphersuites[i])->name);
    print(out, "\nsession-tickets = %s\n", policy_words_tickets[tls->session_tickets]);
    print(out, "verify-server = %s\n", policy_words_verify[tls->verify_server]);
    if (tls->ca_file[0] != '\0')
        print(out, "ca-file = %s\n", tls->ca_file);
    for (size_t i = 0; i < tls->pin_count; i++) {
        char text[45];
        policy_base64_encode(tls->pins[i], text);
        print(out, "pin-sha256 = %s\n", text);
    }
    print(out, "client-certificates = %s\n", policy_words_verify[tls->client_certificates]);
    print(out, "dtls = %s\npost-quantum = %s\n", policy_words_dtls[tls->dtls],
          tls->post_quantum ? "require" : "allow");
    print(out, "certificate-transparency = %s\n", policy_words_transparency[tls->transparency]);
    if (tls->ct_log_list[0] != '\0')
        print(out, "ct-log-list = %s\n", tls->ct_log_list);
    print_period(out, "max-certificate-age", tls->max_certificate_age_s);
    print_period(out, "max-key-age", tls->max_key_age_s);
    print_period(out, "warn-before", tls->warn_before_s);
    print(out, "expired = %s\n", policy_words_expired[tls->expired]);
    if (tls->key_state[0] != '\0')
        print(out, "key-state = %s\n", tls->key_state);
}

static void print_wire(struct printer *out, const struct policy_wire *wire)
{
    print(out, "\n[wire]\n");
    print(out, "tls = %s\nplaintext = %s\n", policy_words_wire_tls[wire->tls],
          policy_words_plaintext[wire->plaintext]);
}

static void print_findings(struct printer *out, const struct policy_findings *findings)
{
    print(out, "\n[findings]\nhttp = %s\ncertificates = %s\n", policy_words_finding[findings->http],
          policy_words_finding[findings->certificates]);
}

static void print_seal(struct printer *out, const struct policy_seal_keys *seal)
{
    print(out, "\n[seal]\n");
    for (size_t i = 0; i < seal->identity_count; i++)
        print(out, "identity = %s\n", seal->identities[i]);
    if (seal->agent_socket[0] != '\0')
        print(out, "agent-socket = %s\n", seal->agent_socket);
    if (seal->peers[0] != '\0')
        print(out, "peers = %s\n", seal->peers);
    for (size_t i = 0; i < seal->signer_count; i++) {
        char text[SIGNATURE_KEY_TEXT_BYTES];
        signature_key_encode(text, &seal->signers[i]);
        print(out, "peers-signer = %s\n", text);
    }
    if (seal->peers_state_line != 0)
        print(out, "peers-state = %s\n", seal->peers_state);
    for (size_t i = 0; i < seal->psk_count; i++)
        print(out, "psk = %s\n", seal->psks[i]);
    print(out, "rekey = %u\n", seal->rekey);
    print_duration(out, "handshake-timeout", seal->handshake_timeout_ms);
    print_duration(out, "linger", seal->linger_ms);
    print(out, "on-removal = %s\n", policy_words_removal[seal->on_removal]);
    print_duration(out, "revocation-delay", seal->revocation_delay_ms);
    print_period(out, "max-key-age", seal->max_key_age_s);
    print_period(out, "warn-before", seal->warn_before_s);
    print(out, "expired = %s\n", policy_words_expired[seal->expired]);
}

static void print_address(struct printer *out, const struct policy_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char host[INET6_ADDRSTRLEN];
    bool is_ipv4 = address->prefix >= 96 && memcmp(address->address, mapped, sizeof mapped) == 0;
    if (is_ipv4) {
        inet_ntop(AF_INET, address->address + 12, host, sizeof host);
        print(out, "%s/%u:", host, address->prefix - 96u);
    } else {
        inet_ntop(AF_INET6, address->address, host, sizeof host);
        print(out, "[%s]/%u:", host, address->prefix);
    }
    if (address->port_first == 0)
        print(out, "*");
    else if (address->port_first == address->port_last)
        print(out, "%u", address->port_first);
    else
        print(out, "%u-%u", address->port_first, address->port_last);
}

static void print_peers(struct printer *out, const struct policy_rule *rule)
{
    if (rule->clients_any)
        print(out, "clients = any\n");
    for (size_t i = 0; i < rule->peer_count; i++) {
        bool connects = rule->direction == POLICY_CONNECT;
        bool last = connects || i + 1 == rule->peer_count;
        print(out, "%s%s%s", connects ? "peer = " : i == 0 ? "clients = " : ", ", rule->peers[i], last ? "\n" : "");
    }
}

static void print_padding(struct printer *out, uint32_t padding)
{
    if (padding >= PFSWRAP_SEAL_PADDING_BLOCK_MIN)
        print(out, "padding = block:%u\n", padding);
    else
        print(out, "padding = %s\n", policy_words_padding[padding]);
}

static void print_rule(struct printer *out, const struct policy *policy, const struct policy_rule *rule)
{
    print(out, "\n[%s %s]\naddress = ", policy_words_direction[rule->direction], rule->name);
    for (size_t i = 0; i < rule->address_count; i++) {
        print(out, "%s", i == 0 ? "" : ", ");
        print_address(out, &policy->addresses[rule->address_first + i]);
    }
    print(out, "\nseal = %s\n", policy_words_seal[rule->seal]);
    if (rule->seal != POLICY_SEAL_OFF) {
        print(out, "layer = %s\npost-quantum = %s\n", policy_words_layer[rule->layer],
              policy_words_post_quantum[rule->post_quantum]);
        print_padding(out, rule->padding);
    }
    print_peers(out, rule);
    if (rule->service[0] != '\0')
        print(out, "service = %s\n", rule->service);
    if (rule->plaintext != POLICY_PLAINTEXT_UNSET)
        print(out, "plaintext = %s\n", policy_words_plaintext[rule->plaintext]);
}

int policy_print(const struct policy *policy, int fd)
{
    struct printer out = {.fd = fd};
    print(&out, "; policy in force: %s\n", policy->path);
    print_policy(&out, policy);
    print_tls(&out, &policy->tls);
    print(&out, "; always: no early data, no PSK without ECDHE, no static RSA, no finite-field DH,\n"
                ";         no key logging, no compression, no renegotiation\n");
    print_wire(&out, &policy->wire);
    print_findings(&out, &policy->findings);
    print_seal(&out, &policy->seal);
    for (size_t i = 0; i < policy->rule_count; i++)
        print_rule(&out, policy, &policy->rules[i]);
    if (policy->reload != POLICY_RELOAD_OFF)
        print(&out, "\n[end]\n");
    printer_flush(&out);
    return out.failed;
}
