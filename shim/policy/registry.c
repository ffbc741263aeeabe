/*
 * IANA's registry "TLS Supported Groups" and the TLS 1.3 part of "TLS Cipher Suites", as of 2025, with OpenSSL's
 * names. Sources: RFC 8422, 7027, 8446, 8734, 8998, 9189, 9367, 7919; draft-ietf-tls-mlkem,
 * draft-ietf-tls-ecdhe-mlkem. The NIDs are from OpenSSL's obj_mac.h; OpenSSL never changes a number that it has
 * assigned.
 */
#include "policy/registry.h"

#include <stddef.h>
#include <strings.h>

static const struct tls_group groups[] = {
    /* The curves of TLS 1.3 (RFC 8446, section 4.2.7), under their usual names. */
    {23, "P-256", "secp256r1", "prime256v1", 415, TLS_GROUP_ECDHE},
    {24, "P-384", "secp384r1", "secp384r1", 715, TLS_GROUP_ECDHE},
    {25, "P-521", "secp521r1", "secp521r1", 716, TLS_GROUP_ECDHE},
    {29, "X25519", "x25519", "X25519", 1034, TLS_GROUP_ECDHE},
    {30, "X448", "x448", "X448", 1035, TLS_GROUP_ECDHE},
    {31, "brainpoolP256r1tls13", "brainpoolP256r1tls13", "brainpoolP256r1tls13", 1285, TLS_GROUP_ECDHE},
    {32, "brainpoolP384r1tls13", "brainpoolP384r1tls13", "brainpoolP384r1tls13", 1286, TLS_GROUP_ECDHE},
    {33, "brainpoolP512r1tls13", "brainpoolP512r1tls13", "brainpoolP512r1tls13", 1287, TLS_GROUP_ECDHE},
    {34, "GC256A", "GC256A", "GC256A", 1148, TLS_GROUP_ECDHE},
    {35, "GC256B", "GC256B", "GC256B", 1184, TLS_GROUP_ECDHE},
    {36, "GC256C", "GC256C", "GC256C", 1185, TLS_GROUP_ECDHE},
    {37, "GC256D", "GC256D", "GC256D", 1186, TLS_GROUP_ECDHE},
    {38, "GC512A", "GC512A", "GC512A", 998, TLS_GROUP_ECDHE},
    {39, "GC512B", "GC512B", "GC512B", 999, TLS_GROUP_ECDHE},
    {40, "GC512C", "GC512C", "GC512C", 1149, TLS_GROUP_ECDHE},
    {41, "curveSM2", "curveSM2", "curveSM2", 1172, TLS_GROUP_ECDHE},

    /* ECDHE combined with ML-KEM. The two Kyber drafts are obsolete, but they contain X25519 or P-256. */
    {0x11eb, "SecP256r1MLKEM768", "SecP256r1MLKEM768", "SecP256r1MLKEM768", 0, TLS_GROUP_HYBRID},
    {0x11ec, "X25519MLKEM768", "X25519MLKEM768", "X25519MLKEM768", 0, TLS_GROUP_HYBRID},
    {0x11ed, "SecP384r1MLKEM1024", "SecP384r1MLKEM1024", "SecP384r1MLKEM1024", 0, TLS_GROUP_HYBRID},
    {0x11ee, "curveSM2MLKEM768", "curveSM2MLKEM768", "curveSM2MLKEM768", 0, TLS_GROUP_HYBRID},
    {0x6399, "X25519Kyber768Draft00", "X25519Kyber768Draft00", NULL, 0, TLS_GROUP_HYBRID},
    {0x639a, "SecP256r1Kyber768Draft00", "SecP256r1Kyber768Draft00", NULL, 0, TLS_GROUP_HYBRID},

    {0x0200, "MLKEM512", "MLKEM512", "MLKEM512", 0, TLS_GROUP_KEM},
    {0x0201, "MLKEM768", "MLKEM768", "MLKEM768", 0, TLS_GROUP_KEM},
    {0x0202, "MLKEM1024", "MLKEM1024", "MLKEM1024", 0, TLS_GROUP_KEM},

    {256, "ffdhe2048", "ffdhe2048", "ffdhe2048", 1126, TLS_GROUP_FFDHE},
    {257, "ffdhe3072", "ffdhe3072", "ffdhe3072", 1127, TLS_GROUP_FFDHE},
    {258, "ffdhe4096", "ffdhe4096", "ffdhe4096", 1128, TLS_GROUP_FFDHE},
    {259, "ffdhe6144", "ffdhe6144", "ffdhe6144", 1129, TLS_GROUP_FFDHE},
    {260, "ffdhe8192", "ffdhe8192", "ffdhe8192", 1130, TLS_GROUP_FFDHE},

    /* Only for TLS 1.2 and earlier versions. */
    {1, "sect163k1", "sect163k1", "sect163k1", 721, TLS_GROUP_LEGACY},
    {2, "sect163r1", "sect163r1", "sect163r1", 722, TLS_GROUP_LEGACY},
    {3, "sect163r2", "sect163r2", "sect163r2", 723, TLS_GROUP_LEGACY},
    {4, "sect193r1", "sect193r1", "sect193r1", 724, TLS_GROUP_LEGACY},
    {5, "sect193r2", "sect193r2", "sect193r2", 725, TLS_GROUP_LEGACY},
    {6, "sect233k1", "sect233k1", "sect233k1", 726, TLS_GROUP_LEGACY},
    {7, "sect233r1", "sect233r1", "sect233r1", 727, TLS_GROUP_LEGACY},
    {8, "sect239k1", "sect239k1", "sect239k1", 728, TLS_GROUP_LEGACY},
    {9, "sect283k1", "sect283k1", "sect283k1", 729, TLS_GROUP_LEGACY},
    {10, "sect283r1", "sect283r1", "sect283r1", 730, TLS_GROUP_LEGACY},
    {11, "sect409k1", "sect409k1", "sect409k1", 731, TLS_GROUP_LEGACY},
    {12, "sect409r1", "sect409r1", "sect409r1", 732, TLS_GROUP_LEGACY},
    {13, "sect571k1", "sect571k1", "sect571k1", 733, TLS_GROUP_LEGACY},
    {14, "sect571r1", "sect571r1", "sect571r1", 734, TLS_GROUP_LEGACY},
    {15, "secp160k1", "secp160k1", "secp160k1", 708, TLS_GROUP_LEGACY},
    {16, "secp160r1", "secp160r1", "secp160r1", 709, TLS_GROUP_LEGACY},
    {17, "secp160r2", "secp160r2", "secp160r2", 710, TLS_GROUP_LEGACY},
    {18, "secp192k1", "secp192k1", "secp192k1", 711, TLS_GROUP_LEGACY},
    {19, "P-192", "secp192r1", "prime192v1", 409, TLS_GROUP_LEGACY},
    {20, "secp224k1", "secp224k1", "secp224k1", 712, TLS_GROUP_LEGACY},
    {21, "P-224", "secp224r1", "secp224r1", 713, TLS_GROUP_LEGACY},
    {22, "secp256k1", "secp256k1", "secp256k1", 714, TLS_GROUP_LEGACY},
    {26, "brainpoolP256r1", "brainpoolP256r1", "brainpoolP256r1", 927, TLS_GROUP_LEGACY},
    {27, "brainpoolP384r1", "brainpoolP384r1", "brainpoolP384r1", 931, TLS_GROUP_LEGACY},
    {28, "brainpoolP512r1", "brainpoolP512r1", "brainpoolP512r1", 933, TLS_GROUP_LEGACY},
    {65281, "arbitrary_explicit_prime_curves", "arbitrary_explicit_prime_curves", NULL, 0, TLS_GROUP_LEGACY},
    {65282, "arbitrary_explicit_char2_curves", "arbitrary_explicit_char2_curves", NULL, 0, TLS_GROUP_LEGACY},
};

static const struct tls_ciphersuite ciphersuites[] = {
    {0x1301, "TLS_AES_128_GCM_SHA256"},
    {0x1302, "TLS_AES_256_GCM_SHA384"},
    {0x1303, "TLS_CHACHA20_POLY1305_SHA256"},
    {0x1304, "TLS_AES_128_CCM_SHA256"},
    {0x1305, "TLS_AES_128_CCM_8_SHA256"},
    {0x1306, "TLS_AEGIS_256_SHA512"},
    {0x1307, "TLS_AEGIS_128L_SHA256"},
    {0x00c6, "TLS_SM4_GCM_SM3"},
    {0x00c7, "TLS_SM4_CCM_SM3"},
    {0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L"},
    {0xc104, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_L"},
    {0xc105, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_S"},
    {0xc106, "TLS_GOSTR341112_256_WITH_MAGMA_MGM_S"},
};

enum {
    GROUP_COUNT = sizeof groups / sizeof groups[0],
    CIPHERSUITE_COUNT = sizeof ciphersuites / sizeof ciphersuites[0],
};

const struct tls_group *tls_group_by_name(const char *name)
{
    for (size_t i = 0; i < GROUP_COUNT; i++) {
        const struct tls_group *group = &groups[i];
        if (strcasecmp(name, group->name) == 0 || strcasecmp(name, group->iana) == 0 ||
            (group->openssl != NULL && strcasecmp(name, group->openssl) == 0))
            return group;
    }
    return NULL;
}

const struct tls_group *tls_group_by_id(uint16_t id)
{
    for (size_t i = 0; i < GROUP_COUNT; i++)
        if (groups[i].id == id)
            return &groups[i];
    return NULL;
}

const struct tls_group *tls_group_by_nid(int nid)
{
    for (size_t i = 0; i < GROUP_COUNT && nid != 0; i++)
        if (groups[i].nid == nid)
            return &groups[i];
    return NULL;
}

const struct tls_ciphersuite *tls_ciphersuite_by_name(const char *name)
{
    for (size_t i = 0; i < CIPHERSUITE_COUNT; i++)
        if (strcasecmp(name, ciphersuites[i].name) == 0)
            return &ciphersuites[i];
    return NULL;
}

const struct tls_ciphersuite *tls_ciphersuite_by_id(uint16_t id)
{
    for (size_t i = 0; i < CIPHERSUITE_COUNT; i++)
        if (ciphersuites[i].id == id)
            return &ciphersuites[i];
    return NULL;
}
