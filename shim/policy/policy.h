/*
 * A policy as data. policy_load() reads a policy file (pfswrap.conf(5)) into a struct policy; callers look at its
 * members, and policy_match() finds the rule for an address. This module reads files and calls inih; it uses no TLS
 * library and no socket. A struct policy holds no pointers, so it can be copied and made read-only.
 */
#ifndef PFSWRAP_POLICY_H
#define PFSWRAP_POLICY_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "seal/signature.h"

enum {
    POLICY_NAME_MAX = 64,       /* bytes of a rule, peer or service name, with the terminator */
    POLICY_LIST_MAX = 16,       /* entries in a list */
    POLICY_RULES_MAX = 64,      /* [listen] and [connect] sections in a file */
    POLICY_ADDRESSES_MAX = 256, /* addresses of all rules in a file */
    POLICY_SOCKET_MAX = 108,    /* bytes of a socket's path, with the terminator (unix(7)) */
    POLICY_DIGEST_BYTES = 32,   /* BLAKE2b-256 of a policy file */
    POLICY_SIGNERS_MAX = 4,     /* keys that may sign the peers file */
    POLICY_PIN_BYTES = 32,      /* SHA-256 of a SubjectPublicKeyInfo (RFC 7469, section 2.4) */
};

enum policy_mode { POLICY_ENFORCE, POLICY_AUDIT };
enum policy_children { POLICY_CHILDREN_PROTECT, POLICY_CHILDREN_ALLOW, POLICY_CHILDREN_REQUIRE };
enum policy_io_uring { POLICY_IO_URING_LOG, POLICY_IO_URING_NO_NEW_PRIVS, POLICY_IO_URING_REQUIRE };
enum policy_log { POLICY_LOG_STDERR, POLICY_LOG_SYSLOG, POLICY_LOG_FILE, POLICY_LOG_JOURNALD };
enum policy_log_failure { POLICY_LOG_FAILURE_CONTINUE, POLICY_LOG_FAILURE_REFUSE };
enum policy_log_handshakes { POLICY_LOG_HANDSHAKES_ALL, POLICY_LOG_HANDSHAKES_SUMMARY, POLICY_LOG_HANDSHAKES_OFF };
enum policy_tickets { POLICY_TICKETS_ALLOW, POLICY_TICKETS_REFUSE };
enum policy_verify { POLICY_VERIFY_APPLICATION, POLICY_VERIFY_REQUIRE };
enum policy_dtls { POLICY_DTLS_ECDHE, POLICY_DTLS_REFUSE };
enum policy_wire_tls { POLICY_WIRE_PFS, POLICY_WIRE_LOG, POLICY_WIRE_OFF };
enum policy_plaintext {
    POLICY_PLAINTEXT_LOG,
    POLICY_PLAINTEXT_REFUSE,
    POLICY_PLAINTEXT_STARTTLS,
    POLICY_PLAINTEXT_ALLOW,
    POLICY_PLAINTEXT_UNSET, /* in a rule without the key: [wire] decides */
};

/* Whether plaintext may have to be refused: at once, or if TLS does not follow. */
static inline bool policy_plaintext_refuses(enum policy_plaintext plaintext)
{
    return plaintext == POLICY_PLAINTEXT_REFUSE || plaintext == POLICY_PLAINTEXT_STARTTLS;
}

enum policy_seal { POLICY_SEAL_OFF, POLICY_SEAL_REQUIRE, POLICY_SEAL_PREFER };
enum policy_post_quantum { POLICY_POST_QUANTUM_OFF, POLICY_POST_QUANTUM_ALLOW, POLICY_POST_QUANTUM_REQUIRE };
enum policy_layer { POLICY_LAYER_SOCKET, POLICY_LAYER_TLS };
enum policy_direction { POLICY_LISTEN, POLICY_CONNECT };
enum policy_reload { POLICY_RELOAD_OFF, POLICY_RELOAD_REQUEST, POLICY_RELOAD_AUTO };
/* Certificate Transparency (RFC 6962) of the servers that clients connect to. */
enum policy_transparency { POLICY_TRANSPARENCY_OFF, POLICY_TRANSPARENCY_LOG, POLICY_TRANSPARENCY_REQUIRE };
enum policy_expired { POLICY_EXPIRED_LOG, POLICY_EXPIRED_REFUSE };
enum policy_removal { POLICY_REMOVAL_REHANDSHAKE, POLICY_REMOVAL_NOW };

/* Where systemd-journald(8) receives entries in its native protocol. */
#define POLICY_JOURNAL_SOCKET "/run/systemd/journal/socket"

/* Where the key agent answers, if the policy does not say it. */
#define POLICY_AGENT_SOCKET "/run/pfswrap/agent.sock"

/* NAME of an identity or a psk agent:NAME, which the key agent has; NULL: it is a file. */
static inline const char *policy_agent_name(const char *key)
{
    static const char prefix[] = "agent:";
    return strncmp(key, prefix, sizeof prefix - 1) == 0 ? key + sizeof prefix - 1 : NULL;
}

struct policy_tls {
    char ca_file[PATH_MAX];           /* empty if it is not set */
    uint16_t min_version;             /* 0x0304 (TLS 1.3) or 0x0303 (TLS 1.2) */
    uint16_t groups[POLICY_LIST_MAX]; /* IANA "TLS Supported Groups", the preferred one first */
    size_t group_count;
    uint16_t ciphersuites[POLICY_LIST_MAX]; /* IANA "TLS Cipher Suites", those of TLS 1.3 */
    size_t ciphersuite_count;
    bool post_quantum; /* "post-quantum = require": all groups are hybrid */
    enum policy_tickets session_tickets;
    enum policy_verify verify_server;
    size_t pin_count;
    enum policy_verify client_certificates;
    enum policy_dtls dtls;
    enum policy_transparency transparency;
    /* Of the certificates of servers, in seconds; 0: off. And whether one that has expired is refused. */
    uint32_t max_certificate_age_s, max_key_age_s, warn_before_s;
    enum policy_expired expired;
    uint8_t pins[POLICY_LIST_MAX][POLICY_PIN_BYTES];
    char ct_log_list[PATH_MAX]; /* the logs whose SCTs count; empty if it is not set */
    char key_state[PATH_MAX];   /* when keys were first used; empty if it is not set */
};

/* Whether the age of a server's certificate matters. */
static inline bool policy_tls_has_ages(const struct policy_tls *tls)
{
    return tls->max_certificate_age_s != 0 || tls->max_key_age_s != 0 || tls->warn_before_s != 0 ||
           tls->expired == POLICY_EXPIRED_REFUSE;
}

struct policy_wire {
    enum policy_wire_tls tls;
    enum policy_plaintext plaintext;
};

/* What is logged about the content of TLS connections, and not enforced. */
struct policy_findings {
    bool http, certificates;
};

struct policy_seal_keys {
    size_t identity_count, psk_count;
    struct signature_key signers[POLICY_SIGNERS_MAX]; /* who may sign the peers file; none: it is not signed */
    size_t signer_count;
    uint32_t rekey; /* chunks between rekeys, 1 or more */
    uint32_t handshake_timeout_ms;
    uint32_t linger_ms;
    uint32_t max_key_age_s; /* of identities and psks; 0: no limit */
    uint32_t warn_before_s; /* how long before a key expires its event is written; 0: there is none */
    enum policy_expired expired;
    enum policy_removal on_removal; /* when connections end whose rule or peer a reload has removed */
    uint32_t revocation_delay_ms;   /* at most so long after a reload the connections of a removed peer end */
    unsigned identity_lines[POLICY_LIST_MAX], psk_lines[POLICY_LIST_MAX], peers_line; /* line numbers in the file */
    unsigned peers_state_line;                  /* 0: the serial number of the peers file is kept nowhere */
    char agent_socket[POLICY_SOCKET_MAX];       /* where the key agent answers; empty: POLICY_AGENT_SOCKET */
    char peers[PATH_MAX];                       /* empty if it is not set */
    char identities[POLICY_LIST_MAX][PATH_MAX]; /* paths, or agent:NAME, see policy_agent_name() */
    char psks[POLICY_LIST_MAX][PATH_MAX];       /* the same */
    char peers_state[PATH_MAX];                 /* where it is kept */
};

struct policy_address {
    uint8_t address[16];            /* IPv6 or IPv4-mapped IPv6 (RFC 4291, section 2.5.5.2) */
    uint8_t prefix;                 /* leading bits of `address` that are compared, 0 to 128 */
    uint16_t port_first, port_last; /* in host byte order; `*` is 0 to 65535 */
};

struct policy_rule {
    enum policy_direction direction;
    char name[POLICY_NAME_MAX];
    uint16_t address_first, address_count; /* a range in addresses[] of struct policy */
    enum policy_seal seal;
    enum policy_layer layer;
    enum policy_post_quantum post_quantum;
    uint32_t padding;                             /* as in struct pfswrap_seal_config (pfswrap/seal.h) */
    bool clients_any;                             /* "clients = any" */
    char peers[POLICY_LIST_MAX][POLICY_NAME_MAX]; /* the names in `clients` or `peer`; without any, all peers */
    unsigned peer_lines[POLICY_LIST_MAX];         /* line numbers in the file */
    size_t peer_count;
    char service[POLICY_NAME_MAX];
    enum policy_plaintext plaintext;
    unsigned line;      /* of the section's first line */
    unsigned seal_line; /* of the key `seal`; 0 if the rule does not have it */
    unsigned post_quantum_line;
};

/*
 * Small members are together, and arrays behind them: at the start of a program, the built-in policy is written to
 * few pages.
 */
struct policy {
    enum policy_mode mode;
    enum policy_children children;
    enum policy_io_uring io_uring;
    enum policy_log log;
    enum policy_log_failure log_failure;
    enum policy_log_handshakes log_handshakes;
    unsigned log_chain_line;  /* of the key `log-chain`; 0: lines are not chained */
    uint32_t log_repeats;     /* lines of events with the same reason in an interval; 0: all */
    uint32_t log_interval_ms; /* in which lines are counted, at least a second */
    enum policy_reload reload;
    struct policy_wire wire;
    struct policy_findings findings;
    size_t rule_count, address_count;
    uint8_t digest[POLICY_DIGEST_BYTES]; /* of the file, if policy_load() has read one; else zero */
    char path[PATH_MAX];                 /* absolute, or "builtin" for the built-in policy */
    char log_path[PATH_MAX];             /* POLICY_LOG_FILE: the file; POLICY_LOG_JOURNALD: the journal's socket */
    char log_chain[PATH_MAX];            /* the file of the key under which lines are chained */
    struct policy_tls tls;
    struct policy_seal_keys seal;
    struct policy_rule rules[POLICY_RULES_MAX];
    struct policy_address addresses[POLICY_ADDRESSES_MAX];
};

/* A message of one line, without a newline: "FILE:LINE: message" or "FILE: message". */
/* The socket of the key agent. */
static inline const char *policy_agent_path(const struct policy *policy)
{
    return policy->seal.agent_socket[0] != '\0' ? policy->seal.agent_socket : POLICY_AGENT_SOCKET;
}

struct policy_error {
    char text[PATH_MAX + 512];
};

/*
 * Fills *policy with the built-in policy: enforced, TLS 1.3 with ECDHE only, log on standard error, plaintext
 * logged, nothing sealed.
 */
void policy_builtin(struct policy *policy);

/* The same for memory that is zero: writes what is not zero in the built-in policy. */
void policy_set_defaults(struct policy *policy);

/*
 * Reads the policy file `path`, or takes the built-in policy if `path` is "builtin". Returns 0, or -1 with *error
 * filled: the file cannot be read, is not a regular file, belongs to another user, can be written by its group or
 * by others, or has a mistake in it. Calls neither malloc(3) nor a stdio stream, so it may run before main().
 */
int policy_load(struct policy *policy, const char *path, struct policy_error *error);

/*
 * The same for the first policy of a process, whose memory is zero. Memory that the policy does not need is not
 * touched.
 */
int policy_load_first(struct policy *policy, const char *path, struct policy_error *error);

/*
 * The same for `size` bytes at `text`, which messages call `path`. Opens no file.
 */
int policy_parse(struct policy *policy, const char *path, const char *text, size_t size,
                 struct policy_error *error);

/*
 * Writes the path of the policy for `program` (a path or a name) to path[0..size): $PFSWRAP_POLICY, else
 * /etc/pfswrap/PROGRAM.conf, else /etc/pfswrap/default.conf, else "builtin". A file that exists and cannot be read
 * is chosen all the same: loading it then fails, instead of a weaker policy being used without notice. Returns 0,
 * or -1 if the path does not fit.
 */
int policy_locate(char *path, size_t size, const char *program);

/* Whether a rule seals connections, with seal = require or prefer. */
bool policy_seals(const struct policy *policy);

/*
 * Whether a process that was started with the policy `started` can go on with `newer`. Returns 0, or -1 with
 * *error filled, which names what cannot change: a key of [policy], groups, ca-file or key-state of [tls], or a
 * plane for which nothing was prepared at the start.
 */
int policy_check_live(const struct policy *started, const struct policy *newer, struct policy_error *error);

/* The planes that a policy needs. They are prepared before main(). */
enum policy_plane {
    POLICY_PLANE_SOCKET = 1,  /* a rule seals with layer = socket */
    POLICY_PLANE_LAYER = 2,   /* a rule seals with layer = tls */
    POLICY_PLANE_WIRE = 4,    /* connections are inspected */
    POLICY_PLANE_REFUSES = 8, /* connections may be refused for what was inspected */
};
unsigned policy_planes(const struct policy *policy);

/*
 * The rule of `policy` that has the direction, the name and the layer of `rule`, which may be a rule of another
 * policy, and that seals; NULL: there is none.
 */
const struct policy_rule *policy_find_rule(const struct policy *policy, const struct policy_rule *rule);

/*
 * The first rule of that direction, in file order, with an address that covers `address`, or NULL. `address` is
 * `length` bytes of AF_INET or AF_INET6; other families have no rule. IPv4-mapped IPv6 addresses count as IPv4.
 */
const struct policy_rule *policy_match(const struct policy *policy, enum policy_direction direction,
                                       const struct sockaddr *address, socklen_t length);

/* Whether a list of the policy, of groups or cipher suites, has this number of IANA's. */
static inline bool policy_list_has(const uint16_t *list, size_t count, unsigned number)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == number)
            return true;
    return false;
}

/*
 * Writes the policy to the descriptor `fd` as a policy file with comments. Reading that file gives the same policy.
 * Returns 0, or a negative errno value of write(2).
 */
int policy_print(const struct policy *policy, int fd);

#endif
