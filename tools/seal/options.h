/*
 * The command line of `pfswrap seal`. The keys come from a policy, or from options that stand for one.
 */
#ifndef PFSWRAP_TOOLS_SEAL_OPTIONS_H
#define PFSWRAP_TOOLS_SEAL_OPTIONS_H

#include <stdbool.h>

#include "policy/policy.h"

enum seal_command { SEAL_CONNECT, SEAL_LISTEN, SEAL_PROBE };

enum { SEAL_HOST_MAX = 256, SEAL_PORT_MAX = 32, SEAL_NAMES_MAX = 256 };

struct seal_options {
    enum seal_command command;
    char host[SEAL_HOST_MAX]; /* of ADDRESS, without brackets; empty for all addresses of this machine */
    char port[SEAL_PORT_MAX];
    bool has_keys; /* an option names keys: `policy` is made of options, and its one rule holds for every address */
    bool verbose;
    bool echo;  /* listen: sends back what comes, instead of using standard input and output */
    bool keep;  /* listen: serves connections one after another */
    bool waits; /* connect: the peer closes first */
    bool json;  /* probe */
    bool tls;   /* the seal is inside TLS; a policy's rule with layer = tls has the same effect */
    bool tls_verify;
    const char *tls_ca;   /* connect: the file with the certificate authorities, or NULL for the system's */
    const char *tls_name; /* connect: the name that the certificate must have, or NULL for the host */
    const char *tls_certificate, *tls_key; /* listen: PEM files */
    int timeout_ms;                        /* probe: how long it waits for an answer; else 0 */
    struct policy policy;
};

/*
 * Reads the command line of `pfswrap seal`, from the word after `seal` on, and loads the policy. Returns 0, or the
 * exit status after a message: 2 for the command line, 1 for a policy that cannot be used.
 */
int seal_options_read(struct seal_options *options, int argc, char **argv);

#endif
