/*
 * A libssl whose connection has ended its handshake as a test says. It has only the functions that the verification
 * of the negotiated parameters calls.
 */
#ifndef PFSWRAP_TESTS_TLS_FAKE_HANDSHAKE_H
#define PFSWRAP_TESTS_TLS_FAKE_HANDSHAKE_H

#include <check.h>

#include "tls/libssl.h"

/* What libssl says of the connection. */
struct fake_handshake {
    int version;
    bool is_dtls, is_quic, is_server, is_reused, has_ticket;
    bool has_cipher;
    uint32_t cipher;
    int exchange;
    bool is_aead;
    int key, curve;         /* the peer's ephemeral key: its type, 0: none, and the NID of an EC key's curve */
    int negotiated, shared; /* the answers to questions for the group; 0: none */
    const char *group_name; /* of SSL_get0_group_name() */
    uint64_t options;
    int verify_mode;
    bool has_certificate;
    long verify_result;
};
extern struct fake_handshake fake_handshake;
extern struct libssl fake_handshake_lib;

/* How many references to the peer's ephemeral key libssl gave out, and how many it got back. */
extern int keys_given, keys_freed;

#endif
