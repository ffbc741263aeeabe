/*
 * The policy: what must hold for one deployment, as data. Text comes in through policy_load(), questions are
 * answered by the fields and by policy_match(). This room knows no TLS library and opens no socket; it may read
 * files and call inih. A struct policy holds no pointers, so it can be copied, mapped and made read-only.
 */
#ifndef PFSWRAP_POLICY_H
#define PFSWRAP_POLICY_H

#include <limits.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum {
    POLICY_NAME_MAX = 64,       /* bytes of a rule, peer or service name, with the terminator */
    POLICY_LIST_MAX = 16,       /* entries of any list */
    POLICY_RULES_MAX = 64,      /* [listen] and [connect] sections together */
    POLICY_ADDRESSES_MAX = 256, /* addresses of all rules together */
    POLICY_PIN_BYTES = 32,      /* SHA-256 of a SubjectPublicKeyInfo (RFC 7469) */
};

enum policy_mode { POLICY_ENFORCE, POLICY_AUDIT };
enum policy_children { POLICY_CHILDREN_PROTECT, POLICY_CHILDREN_ALLOW, POLICY_CHILDREN_REQUIRE };
enum policy_log { POLICY_LOG_STDERR, POLICY_LOG_SYSLOG, POLICY_LOG_FILE };
enum policy_tickets { POLICY_TICKETS_ALLOW, POLICY_TICKETS_REFUSE };
enum policy_verify { POLICY_VERIFY_APPLICATION, POLICY_VERIFY_REQUIRE };
enum policy_dtls { POLICY_DTLS_ECDHE, POLICY_DTLS_REFUSE };
enum policy_wire_tls { POLICY_WIRE_PFS, POLICY_WIRE_LOG, POLICY_WIRE_OFF };
enum policy_plaintext {
    POLICY_PLAINTEXT_LOG,
    POLICY_PLAINTEXT_REFUSE,
    POLICY_PLAINTEXT_STARTTLS,
    POLICY_PLAINTEXT_ALLOW,
    POLICY_PLAINTEXT_UNSET, /* a rule without the key: [wire] decides */
};
enum policy_seal { POLICY_SEAL_OFF, POLICY_SEAL_REQUIRE, POLICY_SEAL_PREFER };
enum policy_layer { POLICY_LAYER_SOCKET, POLICY_LAYER_TLS };
enum policy_direction { POLICY_LISTEN, POLICY_CONNECT };

struct policy_tls {
    uint16_t min_version;             /* 0x0304, or 0x0303 */
    uint16_t groups[POLICY_LIST_MAX]; /* IANA "TLS Supported Groups", in order of preference */
    size_t group_count;
    uint16_t ciphersuites[POLICY_LIST_MAX]; /* IANA "TLS Cipher Suites", TLS 1.3 ones */
    size_t ciphersuite_count;
    enum policy_tickets session_tickets;
    enum policy_verify verify_server;
    char ca_file[PATH_MAX]; /* empty: not set */
    uint8_t pins[POLICY_LIST_MAX][POLICY_PIN_BYTES];
    size_t pin_count;
    enum policy_verify client_certificates;
    enum policy_dtls dtls;
};

struct policy_wire {
    enum policy_wire_tls tls;
    enum policy_plaintext plaintext;
};

struct policy_seal_keys {
    char identities[POLICY_LIST_MAX][PATH_MAX];
    size_t identity_count;
    char peers[PATH_MAX];
    char psks[POLICY_LIST_MAX][PATH_MAX];
    size_t psk_count;
    uint32_t rekey; /* chunks between rekeys, 1 or more */
    uint32_t handshake_timeout_ms;
    uint32_t linger_ms;
    unsigned identity_lines[POLICY_LIST_MAX], psk_lines[POLICY_LIST_MAX], peers_line; /* where the file sets them */
};

struct policy_address {
    uint8_t address[16];            /* IPv6, or IPv4-mapped (RFC 4291 2.5.5.2) */
    uint8_t prefix;                 /* bits that count, 0 to 128, of the 16 bytes above */
    uint16_t port_first, port_last; /* host byte order; 0 to 65535 is `*` */
};

struct policy_rule {
    enum policy_direction direction;
    char name[POLICY_NAME_MAX];
    uint16_t address_first, address_count; /* a range of struct policy, addresses[] */
    enum policy_seal seal;
    enum policy_layer layer;
    bool clients_any;                             /* clients = any */
    char peers[POLICY_LIST_MAX][POLICY_NAME_MAX]; /* clients = (listen), peer = (connect); none: all */
    unsigned peer_lines[POLICY_LIST_MAX];         /* where the file names each of them */
    size_t peer_count;
    char service[POLICY_NAME_MAX];
    enum policy_plaintext plaintext;
    unsigned line;      /* where the section begins, for messages */
    unsigned seal_line; /* where the file sets it, 0: it does not */
};

struct policy {
    char path[PATH_MAX]; /* absolute; "builtin" for the built-in policy */
    enum policy_mode mode;
    enum policy_children children;
    enum policy_log log;
    char log_path[PATH_MAX]; /* with POLICY_LOG_FILE */
    struct policy_tls tls;
    struct policy_wire wire;
    struct policy_seal_keys seal;
    struct policy_rule rules[POLICY_RULES_MAX];
    size_t rule_count;
    struct policy_address addresses[POLICY_ADDRESSES_MAX];
    size_t address_count;
};

/* One line for a person: "FILE:LINE: message" or "FILE: message", without a newline. */
struct policy_error {
    char text[PATH_MAX + 512];
};

/*
 * Fills *policy with the built-in policy: enforce, TLS 1.3 with ECDHE only, log to stderr, plaintext logged,
 * nothing sealed.
 */
void policy_builtin(struct policy *policy);

/*
 * Reads the policy file `path` ("builtin" names the built-in policy). Returns 0, or -1 with *error filled: the file
 * cannot be read, is no regular file, is writable by group or others, or says something that is not a policy.
 * Calls neither malloc nor stdio streams, so the shared object may call it before main().
 */
int policy_load(struct policy *policy, const char *path, struct policy_error *error);

/*
 * policy_load() from memory: `size` bytes at `text`, called `path` in messages. No file is opened.
 */
int policy_parse(struct policy *policy, const char *path, const char *text, size_t size,
                 struct policy_error *error);

/*
 * Chooses the policy file for `program` (a path or a name): $PFSWRAP_POLICY, else /etc/pfswrap/PROGRAM.conf, else
 * /etc/pfswrap/default.conf, else "builtin". A candidate that exists but cannot be read is still chosen, so that
 * loading it fails loudly. Writes at most `size` bytes with the terminator; returns 0, or -1 if it does not fit.
 */
int policy_locate(char *path, size_t size, const char *program);

/* Whether a rule seals connections, with seal = require or prefer. */
bool policy_seals(const struct policy *policy);

/*
 * The first rule, in file order, of that direction whose address covers `address` (AF_INET, AF_INET6; IPv4-mapped
 * IPv6 counts as IPv4). NULL: none.
 */
const struct policy_rule *policy_match(const struct policy *policy, enum policy_direction direction,
                                       const struct sockaddr *address, socklen_t length);

/*
 * Writes the policy in force as a policy file with comments to descriptor `fd`; reading that file again gives the
 * same policy. What a missing plane leaves undone is said in a comment. Returns 0, or -1 with errno of write(2).
 */
int policy_print(const struct policy *policy, int fd);

#endif
