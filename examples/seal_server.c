/*
 * A sealed server over a plain socket. It prints its port, accepts one connection, echoes until the client
 * closes, and prints the client's name.
 *
 *     cc seal_server.c $(pkg-config --cflags --libs libpfswrap-seal)
 *     ./a.out SECRET-KEY-FILE PEERS-FILE
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
        fprintf(stderr, "seal_server: %s (%s)\n", what, pfswrap_seal_error_text(pfswrap_seal_error(&channel)));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    struct pfswrap_keyring *keyring = pfswrap_keyring_new();
    struct pfswrap_seal_config config = {.keyring = keyring};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t in[PFSWRAP_SEAL_FRAME_MAX], out[PFSWRAP_SEAL_FRAME_MAX + PFSWRAP_SEAL_HEADER_BYTES],
        data[PFSWRAP_SEAL_CHUNK_MAX];
    struct pfswrap_seal_opened opened;
    struct pfswrap_seal_info info;
    struct pfswrap_keys_error error;
    socklen_t length = sizeof address;
    size_t have = 0, accepted;
    int n, event = 0, fd = -1, listener = socket(AF_INET, SOCK_STREAM, 0);

    must(argc == 3, "usage: seal_server SECRET-KEY-FILE PEERS-FILE");
    must(pfswrap_keyring_load_identity(keyring, argv[1], &error) == 0, error.text);
    must(pfswrap_keyring_load_peers(keyring, argv[2], &error) == 0, error.text);
    must(bind(listener, (struct sockaddr *)&address, length) == 0 && listen(listener, 1) == 0, "listen");
    must(getsockname(listener, (struct sockaddr *)&address, &length) == 0, "getsockname");
    must(printf("%u\n", ntohs(address.sin_port)) > 0 && fflush(stdout) == 0, "print");
    must((fd = accept(listener, NULL, NULL)) >= 0 && close(listener) == 0, "accept");
    n = pfswrap_seal_init(&channel, PFSWRAP_SEAL_RESPONDER, &config, NULL, 0, 0, (uint64_t)time(NULL));
    must(n == 0, pfswrap_seal_error_text(n));
    do {
        while (pfswrap_seal_owes(&channel)) {
            n = pfswrap_seal_take(&channel, &config, out, sizeof out);
            must(n > 0 && write(fd, out, (size_t)n) == n, "take");
        }
        event = pfswrap_seal_open(&channel, &config, in, have, data, sizeof data, &opened);
        must(event > 0, "open");
        memmove(in, in + opened.consumed, have -= opened.consumed);
        if (event == PFSWRAP_SEAL_DATA) {
            n = pfswrap_seal_begin(&channel, data, opened.length, out, sizeof out, &accepted);
            must(n > 0 && pfswrap_seal_sent(&channel, out, (size_t)n) == 0 && write(fd, out, (size_t)n) == n,
                 "send");
        } else if (event == PFSWRAP_SEAL_FINAL) {
            must(pfswrap_seal_close(&channel) == 0, "close");
        } else if (event == PFSWRAP_SEAL_MORE) {
            must((n = (int)read(fd, in + have, sizeof in - have)) > 0 || pfswrap_seal_end(&channel) == 0, "end");
            have += (size_t)n;
        }
    } while (event != PFSWRAP_SEAL_FINAL || pfswrap_seal_owes(&channel));
    must(pfswrap_seal_describe(&channel, &info) == 0, "describe");
    fprintf(stderr, "%s was here\n", info.peer_name);
    /* Read to the end: closing a socket that has unread bytes, even the last byte of FINAL, would reset it. */
    shutdown(fd, SHUT_WR);
    while (read(fd, in, sizeof in) > 0)
        continue;
    pfswrap_seal_wipe(&channel);
    pfswrap_keyring_free(keyring);
    return close(fd);
}
