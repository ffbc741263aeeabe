/*
 * libFuzzer: the verifier of chains (tools/report/verify.h). Any line but those that were written is a problem; and
 * of a whole log, each change of a byte is found, wherever it is.
 */
#include "../../tools/report/verify.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES = 4, LINE_MAX_BYTES = 256 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t master[CHAIN_KEY_BYTES] = {7};
static const struct verify_place place = {.path = "log", .program = "p", .pid = "1", .line = 1};

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void make_lines(char lines[LINES][LINE_MAX_BYTES])
{
    static const char name[] = "0123456789abcdef";
    uint8_t key[CHAIN_KEY_BYTES], mac[CHAIN_MAC_BYTES];
    char hex[2 * CHAIN_MAC_BYTES + 1];
    chain_key_derive(key, master, CHAIN_LINE_LABEL, name, sizeof name - 1);
    for (int i = 0; i < LINES; i++) {
        const int length = snprintf(lines[i], LINE_MAX_BYTES,
                                    "{\"event\":\"refused\",\"reason\":\"x\",\"chain\":\"%s\",\"seq\":%d", name, i);
        chain_mac(mac, key, lines[i], (size_t)length);
        (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
        (void)snprintf(lines[i] + length, LINE_MAX_BYTES - (size_t)length, ",\"mac\":\"%s\"}", hex);
        chain_key_next(key, key);
    }
}

/* Replaces one byte of a whole log, or none. */
static void change_a_log(const uint8_t *data)
{
    static struct verifier verifier;
    static char lines[LINES][LINE_MAX_BYTES];
    char problem[VERIFY_PROBLEM];
    bool is_right = true;
    make_lines(lines);
    char *const line = lines[data[0] % LINES];
    char *const byte = line + data[1] % strlen(line);
    const bool is_changed = (uint8_t)*byte != data[2];
    *byte = (char)data[2];
    check(verifier_start(&verifier, master));
    for (int i = 0; i < LINES; i++) /* a zero byte does not end a line */
        is_right &= verifier_add(
            &verifier, lines[i],
            i == data[0] % LINES && data[2] == 0 ? (size_t)(byte - line) + 1 : strlen(lines[i]), &place, problem);
    check(is_right != is_changed);
    verifier_wipe(&verifier);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct verifier verifier;
    static bool is_started;
    char problem[VERIFY_PROBLEM] = "";
    if (!is_started)
        check(verifier_start(&verifier, master));
    is_started = true;
    verifier.work = 1000;
    check(!verifier_add(&verifier, (const char *)data, size, &place, problem));
    check(problem[0] != '\0' && verifier.verified == 0);
    if (size == 3)
        change_a_log(data);
    return 0;
}
