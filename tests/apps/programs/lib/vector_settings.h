/*
 * The connections that seal_vectors prints: the settings of both ends.
 */
#ifndef PFSWRAP_TESTS_VECTOR_SETTINGS_H
#define PFSWRAP_TESTS_VECTOR_SETTINGS_H

#include <stddef.h>

#include <pfswrap/seal.h>

/* The settings of both ends. */
struct setting {
    const char *name;
    enum pfswrap_seal_pattern pattern;
    const char *service;
    size_t binding;                              /* bytes of it, which count upwards from a0 */
    uint32_t client, server;                     /* rekey intervals */
    size_t psks, known;                          /* of the client; the server has the last `known` of them */
    enum pfswrap_seal_post_quantum post_quantum; /* of the server */
    uint32_t client_padding, server_padding;
};

static const struct setting settings[] = {
    {"IK", PFSWRAP_SEAL_IK, "example", 0, 1, 1, 0, 0, PFSWRAP_SEAL_POST_QUANTUM_OFF, 0, 0},
    {"NK", PFSWRAP_SEAL_NK, "", 0, 1, 1, 0, 0, PFSWRAP_SEAL_POST_QUANTUM_OFF, 0, 0},
    {"IKpsk2, two psks, of which the server has the second", PFSWRAP_SEAL_IKPSK2, "example", 0, 1, 1, 2, 1,
     PFSWRAP_SEAL_POST_QUANTUM_OFF, 0, 0},
    {"NKpsk2 with a channel binding", PFSWRAP_SEAL_NKPSK2, "example", 32, 1, 1, 1, 1, PFSWRAP_SEAL_POST_QUANTUM_OFF,
     0, 0},
    {"IK with rekey intervals of 3 and 5, and a channel binding", PFSWRAP_SEAL_IK, "example", 32, 3, 5, 0, 0,
     PFSWRAP_SEAL_POST_QUANTUM_OFF, 0, 0},
    {"IK with padding: padme from the client, blocks of 64 bytes from the server", PFSWRAP_SEAL_IK, "example", 0, 1,
     1, 0, 0, PFSWRAP_SEAL_POST_QUANTUM_OFF, PFSWRAP_SEAL_PADDING_PADME, 64},
    {"IKhfs", PFSWRAP_SEAL_IKHFS, "example", 0, 1, 1, 0, 0, PFSWRAP_SEAL_POST_QUANTUM_REQUIRE, 0, 0},
    {"NKhfs with a channel binding", PFSWRAP_SEAL_NKHFS, "", 32, 1, 1, 0, 0, PFSWRAP_SEAL_POST_QUANTUM_ALLOW, 0, 0},
    {"IKhfs+psk2, two psks, of which the server has the second", PFSWRAP_SEAL_IKHFS_PSK2, "example", 0, 1, 1, 2, 1,
     PFSWRAP_SEAL_POST_QUANTUM_REQUIRE, 0, 0},
    {"NKhfs+psk2", PFSWRAP_SEAL_NKHFS_PSK2, "example", 0, 2, 2, 1, 1, PFSWRAP_SEAL_POST_QUANTUM_REQUIRE, 0, 0},
};
enum { SETTINGS = sizeof settings / sizeof settings[0], HYBRID_FIRST = 6 };

#endif
