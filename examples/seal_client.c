/*
 * A sealed client over a plain socket. It sends one line, and prints the answer until the server closes.
 *
 *     cc seal_client.c $(pkg-config --cflags --libs libpfswrap-seal)
 *     ./a.out PORT SECRET-KEY-FILE PEERS-FILE SERVER LINE
 */
#include <arpa/inet.h>
#include <pfswrap/seal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct pfswrap_seal channel;

static void must(int good, const char *what)
{
    if (!good) {
        fprintf(stderr, "seal_client: %s (%s)\n", what, pfswrap_seal_error_text(pfswrap_seal_error(&channel)));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    struct pfswrap_seal_config config = {.keyring = keyring, .name_count = 1};
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t in[PFSWRAP_SEAL_FRAME_MAX], out[PFSWRAP_SEAL_FRAME_MAX + PFSWRAP_SEAL_HEADER_BYTES];
    struct pfswrap_seal_opened opened;
    struct pfswrap_keys_error error;
    size_t have = 0, accepted;
    int n, event = 0, sent = 0, fd = socket(AF_INET, SOCK_STREAM, 0);

    must(argc == 6, "usage: seal_client PORT SECRET-KEY-FILE PEERS-FILE SERVER LINE");
    must(pfswrap_keyring_load_identity(keyring, argv[2], &error) == 0, error.text);
    must(pfswrap_keyring_load_peers(keyring, argv[3], &error) == 0, error.text);
    config.names = (const char *const *)&argv[4];
    server.sin_port = htons((uint16_t)atoi(argv[1]));
    must(connect(fd, (struct sockaddr *)&server, sizeof server) == 0, "connect");
    n = pfswrap_seal_init(&channel, PFSWRAP_SEAL_INITIATOR, &config, NULL, 0, 0, (uint64_t)time(NULL));
    must(n == 0, pfswrap_seal_error_text(n));
    while (event != PFSWRAP_SEAL_FINAL) {
        if (pfswrap_seal_ready(&channel) && !sent++) { /* the line fits into one chunk, and so into one frame */
            n = pfswrap_seal_begin(&channel, argv[5], strlen(argv[5]), out, sizeof out, &accepted);
            must(n > 0 && pfswrap_seal_sent(&channel, out, (size_t)n) == 0 && write(fd, out, (size_t)n) == n,
                 "send");
            must(accepted == strlen(argv[5]) && pfswrap_seal_close(&channel) == 0, "close");
        } else if (pfswrap_seal_owes(&channel)) {
            n = pfswrap_seal_take(&channel, &config, out, sizeof out);
            must(n > 0 && write(fd, out, (size_t)n) == n, "take");
            if (sent > 0 && !pfswrap_seal_owes(&channel)) /* that was FINAL; FIN belongs behind it */
                shutdown(fd, SHUT_WR);
        } else if ((event = pfswrap_seal_open(&channel, &config, in, have, out, sizeof out, &opened)) > 0) {
            fwrite(out, 1, event == PFSWRAP_SEAL_DATA ? opened.length : 0, stdout);
            memmove(in, in + opened.consumed, have -= opened.consumed);
            n = event == PFSWRAP_SEAL_MORE ? (int)read(fd, in + have, sizeof in - have) : 0;
            must(n > 0 || event != PFSWRAP_SEAL_MORE || pfswrap_seal_end(&channel) == 0, "end");
            have += (size_t)n;
        }
        must(event >= 0, "open");
    }
    pfswrap_seal_wipe(&channel);
    pfswrap_keyring_free(keyring);
    return close(fd) != 0 || fflush(stdout) != 0;
}
