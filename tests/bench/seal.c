/*
 * The cost of the channel compared with libsodium alone, in memory, in one process: sealing and opening with a
 * rekey at each chunk, and whole handshakes compared with their X25519 operations. Contenders run in turn, and
 * medians are compared, so that a noisy machine disturbs all alike. Exits nonzero if a bound is missed.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pfswrap/seal.h>

#include "seal/cipher.h"

enum { ROUNDS = 1001, ROUNDS_LEAST = 10, HANDSHAKES = 2, CHUNKS_MAX = 128 };

static const char *const names[] = {"server"};

struct end {
    struct pfswrap_seal channel;
    struct pfswrap_seal_config config;
    uint8_t public_key[32];
};

static struct end client, server;
static uint8_t plain[PFSWRAP_SEAL_CHUNK_MAX], out[PFSWRAP_SEAL_FRAME_MAX + 64], back[PFSWRAP_SEAL_CHUNK_MAX];
static size_t rounds_all = ROUNDS;
static int failures;

static void must(int condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "bench: %s\n", what);
        exit(2);
    }
}

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t rounds)
{
    qsort(values, rounds, sizeof *values, compare);
    return values[rounds / 2];
}

static void make_end(struct end *end)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    uint8_t secret[32];

    must(keyring != NULL, "no memory");
    pfswrap_key_generate(secret);
    pfswrap_key_derive_public(end->public_key, secret);
    must(pfswrap_keyring_add_identity(keyring, secret) == 0, "identity");
    memset(&end->config, 0, sizeof end->config);
    end->config.keyring = keyring;
}

static struct pfswrap_keyring *keyring_of(struct end *end)
{
    return (struct pfswrap_keyring *)(uintptr_t)end->config.keyring;
}

static void make_ends(int psk)
{
    uint8_t shared[32];

    make_end(&client);
    make_end(&server);
    must(pfswrap_keyring_add_peer(keyring_of(&client), "server", server.public_key, PFSWRAP_NEVER, NULL) == 0,
         "peer");
    must(pfswrap_keyring_add_peer(keyring_of(&server), "client", client.public_key, PFSWRAP_NEVER, NULL) == 0,
         "peer");
    if (psk) {
        pfswrap_key_generate(shared);
        must(pfswrap_keyring_add_psk(keyring_of(&client), shared) == 0, "psk");
        must(pfswrap_keyring_add_psk(keyring_of(&server), shared) == 0, "psk");
    }
    client.config.names = names;
    client.config.name_count = 1;
    client.config.rehandshake_bytes = UINT64_MAX;
}

static void free_ends(void)
{
    pfswrap_keyring_free(keyring_of(&client));
    pfswrap_keyring_free(keyring_of(&server));
}

static void open_all(struct end *end, const uint8_t *in, size_t length)
{
    struct pfswrap_seal_opened opened;

    while (length > 0) {
        must(pfswrap_seal_open(&end->channel, &end->config, in, length, back, sizeof back, &opened) > 0, "open");
        in += opened.consumed;
        length -= opened.consumed;
    }
}

static void take_to(struct end *from, struct end *to)
{
    const int n = pfswrap_seal_take(&from->channel, &from->config, out, sizeof out);

    must(n > 0, "take");
    open_all(to, out, (size_t)n);
}

/* Everything from init to the authenticated confirm. */
static void handshake(void)
{
    must(pfswrap_seal_init(&client.channel, PFSWRAP_SEAL_INITIATOR, &client.config, NULL, 0, 0, 1800000000) == 0,
         "init");
    must(pfswrap_seal_init(&server.channel, PFSWRAP_SEAL_RESPONDER, &server.config, NULL, 0, 0, 1800000000) == 0,
         "init");
    take_to(&client, &server);
    take_to(&server, &client);
    take_to(&client, &server);
    must(pfswrap_seal_ready(&server.channel), "ready");
}

/* The X25519 operations of IK: each side makes an ephemeral and computes es, ss, ee, se. */
static void x25519_of_IK(void)
{
    static uint8_t secret[32] = {42}, public_key[32], shared[32];

    for (int side = 0; side < 2; side++) {
        (void)crypto_scalarmult_base(public_key, secret);
        for (int i = 0; i < 4; i++) {
            must(crypto_scalarmult(shared, secret, public_key) == 0, "x25519");
            secret[1] = (uint8_t)(secret[1] + shared[0]);
        }
    }
}

static void report(const char *what, double value, const char *relation, double bound, int holds)
{
    printf("%-44s %6.3f  (%s %.2f)  %s\n", what, value, relation, bound, holds ? "ok" : "MISSED");
    failures += !holds;
}

static void bench_handshake(const char *name, int psk, double bound)
{
    const size_t rounds = rounds_all / 2;
    double ours[ROUNDS], bare[ROUNDS], ratios[ROUNDS];
    double start, m;

    make_ends(psk);
    for (size_t round = 0; round < rounds; round++) {
        start = now();
        for (int i = 0; i < HANDSHAKES; i++)
            x25519_of_IK();
        bare[round] = now() - start;
        start = now();
        for (int i = 0; i < HANDSHAKES; i++)
            handshake();
        ours[round] = now() - start;
        ratios[round] = ours[round] / bare[round];
    }
    m = median(ratios, rounds);
    printf("%s: %.1f us for both sides, its X25519 operations %.1f us\n", name,
           median(ours, rounds) * 1e6 / HANDSHAKES, median(bare, rounds) * 1e6 / HANDSHAKES);
    report("  handshake / X25519", m, "at most", bound, m <= bound);
    free_ends();
}

/* What ML-KEM adds to a handshake of IK, both sides together. Printed without a bound: see docs/BENCHMARKS.md. */
static void bench_hybrid(void)
{
    const size_t rounds = rounds_all / 2;
    double plain_time[ROUNDS], hybrid[ROUNDS], added[ROUNDS];
    double start;

    if (!pfswrap_seal_has_post_quantum()) {
        printf("IKhfs: this build has no ML-KEM\n");
        return;
    }
    make_ends(0);
    for (size_t round = 0; round < rounds; round++) {
        client.config.post_quantum = server.config.post_quantum = PFSWRAP_SEAL_POST_QUANTUM_OFF;
        start = now();
        handshake();
        plain_time[round] = now() - start;
        client.config.post_quantum = server.config.post_quantum = PFSWRAP_SEAL_POST_QUANTUM_REQUIRE;
        start = now();
        handshake();
        hybrid[round] = now() - start;
        added[round] = hybrid[round] - plain_time[round];
    }
    printf("IKhfs: %.1f us for both sides, IK in the same rounds %.1f us, ML-KEM adds %.1f us\n",
           median(hybrid, rounds) * 1e6, median(plain_time, rounds) * 1e6, median(added, rounds) * 1e6);
    free_ends();
}

/* Sealing and opening of `count` chunks, in seconds; all are sealed before the first is opened. */
struct times {
    double seal, open;
};

static uint8_t frames[CHUNKS_MAX][PFSWRAP_SEAL_FRAME_MAX + 64];
static crypto_secretstream_xchacha20poly1305_state push, pull;

static void start_bare(void)
{
    uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES],
        header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];

    crypto_secretstream_xchacha20poly1305_keygen(key);
    must(crypto_secretstream_xchacha20poly1305_init_push(&push, header, key) == 0, "push");
    must(crypto_secretstream_xchacha20poly1305_init_pull(&pull, header, key) == 0, "pull");
}

/* libsodium alone; with `ad`, three bytes of additional data as the frames have. */
static struct times bench_bare(size_t length, int count, const uint8_t *ad)
{
    const size_t ad_length = ad != NULL ? 3 : 0;
    double start = now(), middle;
    uint8_t tag;

    for (int i = 0; i < count; i++) {
        (void)crypto_secretstream_xchacha20poly1305_push(&push, frames[i], NULL, plain, length, ad, ad_length,
                                                         crypto_secretstream_xchacha20poly1305_TAG_REKEY);
    }
    middle = now();
    for (int i = 0; i < count; i++) {
        must(crypto_secretstream_xchacha20poly1305_pull(&pull, back, NULL, &tag, frames[i], length + 17, ad,
                                                        ad_length) == 0,
             "pull");
    }
    return (struct times){middle - start, now() - middle};
}

static struct times bench_ours(size_t length, int count)
{
    struct pfswrap_seal_opened opened;
    double start = now(), middle;
    size_t accepted;

    for (int i = 0; i < count; i++) {
        const int n = pfswrap_seal_begin(&client.channel, plain, length, frames[i], sizeof frames[i], &accepted);

        (void)pfswrap_seal_sent(&client.channel, frames[i], (size_t)n);
    }
    middle = now();
    for (int i = 0; i < count; i++) {
        must(pfswrap_seal_open(&server.channel, &server.config, frames[i], length + PFSWRAP_SEAL_OVERHEAD, back,
                               sizeof back, &opened) == PFSWRAP_SEAL_DATA,
             "open");
    }
    return (struct times){middle - start, now() - middle};
}

static void print_rate(const char *what, double seconds, size_t length, int count)
{
    printf("  %-28s %8.1f ns per chunk, %8.1f MB/s\n", what, seconds * 1e9 / count,
           (double)length * count / seconds / 1e6);
}

static void bench_data(size_t length, int count, size_t rounds, double bound)
{
    static const uint8_t ad[3] = {0, 0, 81};
    double seal_ratio[ROUNDS], open_ratio[ROUNDS], both_ratio[ROUNDS], same_ratio[ROUNDS];
    double seal_ours[ROUNDS], open_ours[ROUNDS], seal_bare[ROUNDS], open_bare[ROUNDS];
    double m;

    make_ends(0);
    handshake();
    start_bare();
    for (size_t round = 0; round < rounds; round++) {
        const struct times bare = bench_bare(length, count, NULL);
        const struct times ours = bench_ours(length, count);
        struct times same;

        start_bare();
        same = bench_bare(length, count, ad);
        seal_ours[round] = ours.seal;
        open_ours[round] = ours.open;
        seal_bare[round] = bare.seal;
        open_bare[round] = bare.open;
        seal_ratio[round] = bare.seal / ours.seal;
        open_ratio[round] = bare.open / ours.open;
        both_ratio[round] = (bare.seal + bare.open) / (ours.seal + ours.open);
        same_ratio[round] = (same.seal + same.open) / (ours.seal + ours.open);
        start_bare();
    }
    printf("chunks of %zu bytes, a rekey after each\n", length);
    print_rate("libsodium push", median(seal_bare, rounds), length, count);
    print_rate("begin and sent", median(seal_ours, rounds), length, count);
    print_rate("libsodium pull", median(open_bare, rounds), length, count);
    print_rate("open", median(open_ours, rounds), length, count);
    m = median(both_ratio, rounds);
    report("  pfswrap's rate / libsodium's, both", m, "at least", bound, m >= bound);
    printf("  sealing %.3f, opening %.3f; compared with libsodium with additional data %.3f\n",
           median(seal_ratio, rounds), median(open_ratio, rounds), median(same_ratio, rounds));
    free_ends();
}

/* Usage: seal [ROUNDS] */
int main(int argc, char **argv)
{
    if (argc == 2)
        rounds_all = strtoul(argv[1], NULL, 10);
    must(rounds_all >= ROUNDS_LEAST && rounds_all <= ROUNDS, "expected 10 to 1001 rounds");
    must(sodium_init() >= 0, "libsodium");
    randombytes_buf(plain, sizeof plain);
    cipher_choose();
    printf("libsodium %s, cipher of %s, medians of %zu to %zu rounds\n", sodium_version_string(), cipher_name(),
           rounds_all / 2, rounds_all);
    bench_data(16384, 16, rounds_all / 2, 1.4);
    bench_data(64, CHUNKS_MAX, rounds_all, 1.1);
    bench_handshake("IK", 0, 1.2);
    bench_handshake("IKpsk2", 1, 1.27);
    bench_hybrid();
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
