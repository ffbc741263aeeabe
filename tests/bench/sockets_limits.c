// link: -l:libsodium.a -pthread
/*
 * The limits that no sealed connection passes, for the socket benchmark: libsodium's secretstream in memory with a
 * rekey at every chunk, and X25519.
 *
 * sockets_limits push|pull SIZE MILLISECONDS CHUNKS   until one of the two is reached; prints `BYTES SECONDS`
 * sockets_limits x25519 MILLISECONDS OPERATIONS       the same; prints `OPERATIONS SECONDS`
 */
#include <sodium.h>

#include "lib/load.h"

enum {
    CHUNK_MAX = 16384,
    SEALED = 64, /* so many chunks are sealed ahead for `pull`: they stay in the second level cache */
};

static uint8_t plain[CHUNK_MAX];
static uint8_t sealed[SEALED][CHUNK_MAX + crypto_secretstream_xchacha20poly1305_ABYTES];
static crypto_secretstream_xchacha20poly1305_state state;

static void stream_push(uint8_t *out, size_t size)
{
    must(crypto_secretstream_xchacha20poly1305_push(&state, out, NULL, plain, size, NULL, 0,
                                                    crypto_secretstream_xchacha20poly1305_TAG_REKEY) == 0,
         "push");
}

static void measure_push(size_t size, double seconds, long chunks)
{
    uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
    uint8_t header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    long done = 0;
    crypto_secretstream_xchacha20poly1305_keygen(key);
    must(crypto_secretstream_xchacha20poly1305_init_push(&state, header, key) == 0, "init_push");
    double begun = clock_seconds();
    while (done < chunks && clock_seconds() - begun < seconds) {
        stream_push(sealed[0], size);
        done++;
    }
    printf("%zu %.9f\n", (size_t)done * size, clock_seconds() - begun);
}

static void measure_pull(size_t size, double seconds, long chunks)
{
    uint8_t key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
    uint8_t header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    double spent = 0;
    long done = 0;
    while (done < chunks && spent < seconds) {
        crypto_secretstream_xchacha20poly1305_keygen(key);
        must(crypto_secretstream_xchacha20poly1305_init_push(&state, header, key) == 0, "init_push");
        for (int i = 0; i < SEALED; i++)
            stream_push(sealed[i], size);
        must(crypto_secretstream_xchacha20poly1305_init_pull(&state, header, key) == 0, "init_pull");
        double begun = clock_seconds();
        for (int i = 0; i < SEALED && done < chunks; i++, done++) {
            uint8_t tag;
            must(crypto_secretstream_xchacha20poly1305_pull(&state, plain, NULL, &tag, sealed[i],
                                                            size + crypto_secretstream_xchacha20poly1305_ABYTES,
                                                            NULL, 0) == 0,
                 "pull");
        }
        spent += clock_seconds() - begun;
    }
    printf("%zu %.9f\n", (size_t)done * size, spent);
}

static void measure_x25519(double seconds, long operations)
{
    uint8_t secret[crypto_scalarmult_SCALARBYTES];
    uint8_t point[crypto_scalarmult_BYTES];
    long done = 0;
    randombytes_buf(secret, sizeof secret);
    must(crypto_scalarmult_base(point, secret) == 0, "scalarmult_base");
    double begun = clock_seconds();
    while (done < operations && clock_seconds() - begun < seconds) {
        must(crypto_scalarmult(point, secret, point) == 0, "scalarmult");
        done++;
    }
    printf("%ld %.9f\n", done, clock_seconds() - begun);
}

int main(int argc, char **argv)
{
    must(sodium_init() >= 0, "libsodium");
    if (argc == 4 && strcmp(argv[1], "x25519") == 0) {
        measure_x25519((double)number_parse(argv[2], 1, 3600000) / 1e3, number_parse(argv[3], 1, INT64_MAX));
    } else if (argc == 5 && (strcmp(argv[1], "push") == 0 || strcmp(argv[1], "pull") == 0)) {
        const int pushes = strcmp(argv[1], "push") == 0;
        size_t size = (size_t)number_parse(argv[2], 1, CHUNK_MAX);
        double seconds = (double)number_parse(argv[3], 1, 3600000) / 1e3;
        long chunks = number_parse(argv[4], 1, INT64_MAX / CHUNK_MAX);
        (pushes ? measure_push : measure_pull)(size, seconds, chunks);
    } else {
        (void)fputs("usage: sockets_limits push|pull SIZE MILLISECONDS CHUNKS | x25519 MILLISECONDS OPERATIONS\n",
                    stderr);
        return 2;
    }
    return 0;
}
