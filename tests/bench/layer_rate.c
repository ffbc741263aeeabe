// link: -l:libsodium.a -lpthread
/*
 * The rate of libsodium alone, the second of the two ciphers that data under `layer = tls` goes through:
 * secretstream in chunks of 16 KiB with a rekey for each, in memory. Prints bytes per second for sealing and for
 * opening. Usage: layer_rate MEGABYTES
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHUNK = 16384, OVERHEAD = crypto_secretstream_xchacha20poly1305_ABYTES };

/* Of this process only: other work of the machine does not count. */
static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    static unsigned char plain[CHUNK], sealed[CHUNK + OVERHEAD];
    unsigned char key[crypto_secretstream_xchacha20poly1305_KEYBYTES];
    unsigned char header[crypto_secretstream_xchacha20poly1305_HEADERBYTES];
    crypto_secretstream_xchacha20poly1305_state push, pull;
    double sealing = 0, opening = 0;
    long chunks = argc == 2 ? strtol(argv[1], NULL, 10) * 64 : 0;
    if (chunks <= 0 || sodium_init() < 0)
        return 64;
    crypto_secretstream_xchacha20poly1305_keygen(key);
    crypto_secretstream_xchacha20poly1305_init_push(&push, header, key);
    if (crypto_secretstream_xchacha20poly1305_init_pull(&pull, header, key) != 0)
        return 1;
    for (long i = 0; i < chunks; i++) {
        unsigned char tag;
        double begun = now();
        crypto_secretstream_xchacha20poly1305_push(&push, sealed, NULL, plain, CHUNK, NULL, 0,
                                                   crypto_secretstream_xchacha20poly1305_TAG_REKEY);
        double half = now();
        if (crypto_secretstream_xchacha20poly1305_pull(&pull, plain, NULL, &tag, sealed, sizeof sealed, NULL, 0) !=
            0)
            return 1;
        sealing += half - begun;
        opening += now() - half;
    }
    printf("%.0f %.0f\n", (double)chunks * CHUNK / sealing, (double)chunks * CHUNK / opening);
    return 0;
}
