/*
 * Prints the worked example of docs/WIRE.md: a whole short connection in hexadecimal, with fixed keys and random
 * bytes that count upwards, so that it can be made again and compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include <pfswrap/seal.h>

#include "../lib/counting.h"
#include "seal/channel.h"

enum { LINE_BYTES = 32, NOW = 1800000000 };

static struct end client = {.name = "client"}, server = {.name = "server"};
static const char *const server_name[] = {"server"};

static void print_hex(const char *label, const uint8_t *bytes, size_t length)
{
    printf("%s\n", label);
    for (size_t i = 0; i < length; i++) {
        printf("%s%02x%s", i % LINE_BYTES == 0 ? "    " : "", bytes[i],
               i + 1 == length || i % LINE_BYTES == LINE_BYTES - 1 ? "\n" : "");
    }
}

static void receive(struct end *to, const uint8_t *bytes, size_t length)
{
    uint8_t copy[1024];
    struct pfswrap_seal_opened opened;

    memcpy(copy, bytes, length);
    for (size_t at = 0; at < length; at += opened.consumed) {
        const int event = pfswrap_seal_open_in_place(&to->channel, &to->config, copy + at, length - at, &opened);

        must(event > 0 && event != PFSWRAP_SEAL_MORE, pfswrap_seal_error_text(event));
    }
}

/* Prints what `from` owes next under `label`, and gives it to `to`. */
static void carry(struct end *from, struct end *to, const char *label)
{
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];
    const int n = pfswrap_seal_take(&from->channel, &from->config, out, sizeof out);

    must(n > 0, "nothing to take");
    print_hex(label, out, (size_t)n);
    receive(to, out, (size_t)n);
}

static void carry_data(struct end *from, struct end *to, const char *text, const char *label)
{
    uint8_t out[256];
    size_t accepted;
    const int n = pfswrap_seal_begin(&from->channel, text, strlen(text), out, sizeof out, &accepted);

    must(n > 0 && accepted == strlen(text) && pfswrap_seal_sent(&from->channel, out, (size_t)n) == 0, "begin");
    print_hex(label, out, (size_t)n);
    receive(to, out, (size_t)n);
}

static void print_hash(const char *label)
{
    struct pfswrap_seal_info info, other;

    must(pfswrap_seal_describe(&client.channel, &info) == 0 &&
             pfswrap_seal_describe(&server.channel, &other) == 0 &&
             memcmp(info.handshake_hash, other.handshake_hash, sizeof info.handshake_hash) == 0,
         "the hashes differ");
    print_hex(label, info.handshake_hash, sizeof info.handshake_hash);
}

static void connect_and_print(void)
{
    must(pfswrap_seal_init(&client.channel, PFSWRAP_SEAL_INITIATOR, &client.config, NULL, 0, 0, NOW) == 0, "init");
    must(pfswrap_seal_init(&server.channel, PFSWRAP_SEAL_RESPONDER, &server.config, NULL, 0, 0, NOW) == 0, "init");
    carry(&client, &server, "client sends preamble and message 1; salt 00..07, ephemeral secret 08..27");
    carry(&server, &client,
          "server sends length, message 2, stream header; ephemeral secret 28..47, header 48..5f");
    print_hex("key in the state of the server's stream, before its first frame",
              channel_of(&server.channel)->push.stream.k, 32);
    carry_data(&client, &server, "hello", "client sends stream header 60..77 and a data frame: \"hello\"");
    carry_data(&server, &client, "world", "server sends a data frame: \"world\"");
}

static void rehandshake_and_print(void)
{
    pfswrap_seal_tick(&client.channel, NOW + 3600);
    carry(&client, &server, "an hour later the client asks, type 1; ephemeral secret 78..97");
    carry(&server, &client, "the server answers and switches, type 2; ephemeral secret 98..b7, header b8..cf");
    carry(&client, &server, "the client switches, type 2; header d0..e7");
    print_hash("handshake hash of the second handshake");
    carry_data(&client, &server, "again", "client sends a data frame in its new stream: \"again\"");
}

int main(void)
{
    must(sodium_init() >= 0, "libsodium");
    end_make(&client, 0x80);
    end_make(&server, 0xC0);
    client.config.service = server.config.service = "example";
    must(pfswrap_keyring_add_peer(client.keyring, "server", server.public_key, PFSWRAP_NEVER, NULL) == 0, "peer");
    must(pfswrap_keyring_add_peer(server.keyring, "client", client.public_key, PFSWRAP_NEVER, NULL) == 0, "peer");
    client.config.names = server_name;
    client.config.name_count = 1;
    counting_start(0);

    print_hex("client's static secret key", client.secret, 32);
    print_hex("client's static public key", client.public_key, 32);
    print_hex("server's static secret key", server.secret, 32);
    print_hex("server's static public key", server.public_key, 32);
    connect_and_print();
    print_hash("handshake hash of the first handshake");
    rehandshake_and_print();
    must(pfswrap_seal_close(&client.channel) == 0 && pfswrap_seal_close(&server.channel) == 0, "close");
    carry(&client, &server, "client sends FINAL");
    carry(&server, &client, "server sends FINAL");
    must(pfswrap_seal_end(&client.channel) == 0 && pfswrap_seal_end(&server.channel) == 0, "end");
    pfswrap_keyring_free(client.keyring);
    pfswrap_keyring_free(server.keyring);
    return EXIT_SUCCESS;
}
