/*
 * The table of controls and their verdicts. See controls.h.
 */
#include "controls.h"

#include <string.h>

#define BIT(name) (UINT32_C(1) << INCIDENT_##name)

/* What no control about encryption in transit allows. */
#define OPEN_TRAFFIC (BIT(PLAINTEXT) | BIT(PLAIN) | BIT(UNJUDGED) | BIT(UNPROTECTED))
#define WEAK_TLS (BIT(WEAK) | BIT(WOULD_REFUSE) | BIT(OLD_VERSION) | BIT(NO_ECDHE) | BIT(WEAK_CIPHER))

static const char tls_lines[] = "policy.mode tls.min-version tls.groups tls.ciphersuites wire.tls";

const struct control controls[CONTROL_COUNT] = {
    {
        .id = "asvs-9.1.1",
        .source = "OWASP ASVS 4.0.3, 9.1.1",
        .title = "All client connections use TLS and never fall back",
        .asks = "Every connection between a client and the application is encrypted by TLS. If that is not "
                "possible, the "
                "connection fails; it does not continue with weaker protection or without any.",
        .not_proved =
            "Traffic of programs that do not run under pfswrap, and UDP. Sealed connections are encrypted, but "
            "not by TLS.",
        .lines = "policy.mode policy.children tls.min-version wire.tls wire.plaintext rule.seal rule.plaintext",
        .metrics = {METRIC_HANDSHAKES, METRIC_VERSIONS, METRIC_SEALED, METRIC_REFUSED, METRIC_OPEN,
                    METRIC_UNPROTECTED},
        .exceptions = OPEN_TRAFFIC | BIT(WEAK) | BIT(WOULD_REFUSE) | BIT(OLD_VERSION),
        .is_scanned = true,
        .is_about_tls = true,
    },
    {
        .id = "asvs-9.1.2",
        .source = "OWASP ASVS 4.0.3, 9.1.2",
        .title = "Only strong cipher suites, the strongest preferred",
        .asks = "A current test tool finds only strong cipher suites, and the server prefers the strongest ones.",
        .not_proved = "Offers of clients that did not come, which a server might accept: pfswrap scan makes them, "
                      "and --scan adds what it found.",
        .lines = tls_lines,
        .metrics = {METRIC_HANDSHAKES, METRIC_CIPHERS, METRIC_GROUPS, METRIC_POST_QUANTUM, METRIC_OVERRIDES,
                    METRIC_REFUSED},
        .exceptions = WEAK_TLS | BIT(UNPROTECTED),
        .is_scanned = true,
        .is_about_tls = true,
    },
    {
        .id = "nist-800-52r2",
        .source = "NIST SP 800-52 Revision 2, sections 3 and 4",
        .title = "TLS 1.2 or 1.3 with approved suites and groups",
        .asks = "Servers and clients support TLS 1.3 and may support TLS 1.2, nothing older. The suites are of AES "
                "in an "
                "approved mode, with an ephemeral key exchange on P-256 or P-384. Servers have certificates that "
                "clients "
                "verify.",
        .not_proved =
            "That the cryptographic module is validated (FIPS 140), and what is in the certificates of processes "
            "without [findings] certificates = log. Sealed "
            "connections do not count here: they are not TLS, and NIST has not approved X25519 and "
            "ChaCha20-Poly1305.",
        .lines = "policy.mode tls.min-version tls.groups tls.ciphersuites tls.session-tickets tls.verify-server "
                 "tls.ca-file "
                 "tls.client-certificates wire.tls findings.certificates",
        .metrics = {METRIC_HANDSHAKES, METRIC_VERSIONS, METRIC_GROUPS, METRIC_CIPHERS, METRIC_RESUMED,
                    METRIC_VERIFIED, METRIC_POST_QUANTUM},
        .exceptions = WEAK_TLS | BIT(UNVERIFIED) | BIT(NIST_GROUP) | BIT(NIST_CIPHER) | BIT(CERTIFICATE),
        .is_scanned = true,
        .is_about_tls = true,
    },
    {
        .id = "pci-3.7.4",
        .source = "PCI DSS 3.6.4 (v3.2.1), 3.7.4 (v4.0.1)",
        .title = "Keys change at the end of their cryptoperiod",
        .asks = "There is a defined time or volume after which a cryptographic key is replaced, and keys are "
                "replaced then.",
        .not_proved =
            "The age of identity keys and of certificates, unless the policy has max-key-age and "
            "max-certificate-age: docs/KEYS.md has the procedure, and the peers file the dates (not-after).",
        .lines = "tls.groups tls.session-tickets tls.max-certificate-age tls.max-key-age seal.identity seal.peers "
                 "seal.psk seal.rekey seal.max-key-age rule.seal rule.layer",
        .metrics = {METRIC_SEALED, METRIC_PATTERNS, METRIC_REKEYS, METRIC_KEY_AGES, METRIC_HANDSHAKES,
                    METRIC_GROUPS, METRIC_RESUMED},
        .exceptions = BIT(KEY_AGE) | BIT(EXPIRED) | BIT(OVERDUE) | BIT(NO_ECDHE) | BIT(PLAIN),
        .is_about_keys = true,
    },
    {
        .id = "pci-4.2.1",
        .source = "PCI DSS 4.2.1 (v4.0.1)",
        .title = "Strong cryptography on open networks",
        .asks = "Card numbers that cross open networks are protected by strong cryptography: only trusted keys and "
                "certificates are accepted, only secure versions are used without a fallback, and the strength "
                "suits the "
                "method.",
        .not_proved =
            "Which connections carry card numbers, and that certificates are not expired or revoked where a "
            "program verifies them itself.",
        .lines =
            "policy.mode policy.children tls.min-version tls.groups tls.ciphersuites tls.verify-server tls.ca-file "
            "tls.pin-sha256 tls.client-certificates tls.certificate-transparency wire.tls wire.plaintext rule.seal "
            "rule.clients rule.peer",
        .metrics = {METRIC_HANDSHAKES, METRIC_VERSIONS, METRIC_CIPHERS, METRIC_VERIFIED, METRIC_SEALED,
                    METRIC_REFUSED, METRIC_OPEN, METRIC_UNPROTECTED},
        .exceptions = OPEN_TRAFFIC | WEAK_TLS | BIT(UNVERIFIED) | BIT(CERTIFICATE) | BIT(TRANSPARENCY),
        .is_scanned = true,
    },
    {
        .id = "cwe-326",
        .source = "CWE-326, Inadequate Encryption Strength",
        .title = "No encryption that is too weak",
        .asks =
            "Data is not stored or sent with a scheme that is theoretically sound but not strong enough for the "
            "protection that is needed.",
        .not_proved =
            "The length of the keys in certificates of processes without [findings] certificates = log, and "
            "encryption of stored data.",
        .lines = "policy.mode tls.min-version tls.groups tls.ciphersuites tls.dtls wire.tls findings.certificates",
        .metrics = {METRIC_HANDSHAKES, METRIC_VERSIONS, METRIC_GROUPS, METRIC_CIPHERS, METRIC_OVERRIDES,
                    METRIC_REFUSED},
        .exceptions = WEAK_TLS | BIT(CERTIFICATE),
        .is_scanned = true,
    },
    {
        .id = "capec-117",
        .source = "CAPEC-117, Interception",
        .title = "Nothing to read for somebody on the path",
        .asks =
            "An attacker who monitors the traffic between two systems, or records it and gets a private key later, "
            "learns nothing of its content.",
        .not_proved = "Metadata (addresses, times, sizes), and traffic of programs that do not run under pfswrap.",
        .lines =
            "policy.mode policy.children policy.io-uring tls.groups wire.tls wire.plaintext rule.seal rule.layer "
            "rule.plaintext",
        .metrics = {METRIC_HANDSHAKES, METRIC_GROUPS, METRIC_POST_QUANTUM, METRIC_SEALED, METRIC_PATTERNS,
                    METRIC_OPEN, METRIC_UNPROTECTED, METRIC_PROCESSES},
        .exceptions = OPEN_TRAFFIC | WEAK_TLS,
        .is_scanned = true,
    },
    {
        .id = "asvs-14.4.5",
        .source = "OWASP ASVS 4.0.3, 14.4.5; RFC 6797",
        .title = "Browsers are told to use HTTPS only",
        .asks = "All responses of a web server have Strict-Transport-Security, so that browsers never go back to "
                "http. "
                "The report expects a max-age of a year (ASVS 5.0, 3.4.1), no redirect to http, and no "
                "Public-Key-Pins.",
        .not_proved = "Responses of HTTP/2 and HTTP/3, those that GnuTLS sends, and those of processes without "
                      "[findings] http = log; subdomains (includeSubDomains).",
        .lines = "findings.http tls.min-version wire.plaintext",
        .metrics = {METRIC_HANDSHAKES, METRIC_OPEN},
        .exceptions = BIT(HSTS),
        .is_about_tls = true,
        .is_about_http = true,
    },
    {
        .id = "asvs-3.4",
        .source = "OWASP ASVS 4.0.3, 3.4.1 to 3.4.3; RFC 6265",
        .title = "Cookies have Secure, HttpOnly and SameSite",
        .asks = "Cookies with the token of a session have the attributes Secure, HttpOnly and SameSite.",
        .not_proved =
            "Which cookies have such a token: each cookie without an attribute is an exception. Cookies in "
            "HTTP/2 and HTTP/3, those that GnuTLS sends, and those of processes without [findings] http "
            "= log.",
        .lines = "findings.http",
        .metrics = {METRIC_HANDSHAKES},
        .exceptions = BIT(COOKIE),
        .is_about_tls = true,
        .is_about_http = true,
    },
};

const char *const verdict_ids[3] = {"met", "met-with-exceptions", "not-shown"};
const char *const verdict_names[3] = {"met", "met with exceptions", "not shown"};

/*
 * TLS 1.3 makes new keys for each connection; older versions are counted only where the control is not about keys.
 * Sealed connections are counted where it does not ask for TLS.
 */
static uint64_t connections(const struct evidence *evidence, const struct control *control)
{
    uint64_t count = control->is_about_tls ? 0 : evidence->events[EVENT_OPENED];
    if (control->is_about_http && evidence->starts_with_http == 0)
        return 0;
    for (size_t i = 0; i < evidence->handshakes.count; i++) {
        const struct tally_entry *const entry = &evidence->handshakes.entries[i];
        if (control->is_about_http && (strcmp(entry->parts[HANDSHAKE_ROLE], "server") != 0 ||
                                       strcmp(entry->parts[HANDSHAKE_PLANE], "tls") != 0))
            continue;
        if (!control->is_about_keys || strcmp(entry->parts[HANDSHAKE_VERSION], "TLSv1.3") == 0)
            tally_sum(&count, entry->count);
    }
    return count;
}

void controls_judge(struct verdict verdicts[CONTROL_COUNT], const struct evidence *evidence,
                    const struct findings *findings, const struct scans *scans)
{
    size_t gaps = 0;
    for (size_t i = 0; i < findings->count; i++)
        gaps += findings->list[i].level == FINDING_GAP;
    for (size_t i = 0; i < CONTROL_COUNT; i++) {
        struct verdict *const verdict = &verdicts[i];
        const uint64_t outside = controls[i].is_scanned ? scans_outside(scans) : 0;
        bool has_exceptions = gaps > 0 || outside > 0;
        *verdict = (struct verdict){
            .gaps = gaps, .shown_by = connections(evidence, &controls[i]), .scan_outside = outside};
        for (unsigned j = 0; j < INCIDENT_COUNT; j++)
            if ((controls[i].exceptions >> j & 1) != 0) {
                verdict->incidents[j] = evidence->incident_totals[j];
                has_exceptions |= verdict->incidents[j] > 0;
            }
        verdict->kind = verdict->shown_by == 0 ? VERDICT_NOT_SHOWN
                        : has_exceptions       ? VERDICT_EXCEPTIONS
                                               : VERDICT_MET;
    }
}
