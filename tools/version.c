/*
 * pfswrap version: the versions of pfswrap and of the libraries in it, for bug reports, audits and fleets.
 */
#include "commands.h"
#include "components.h"
#include "json.h"
#include "machine.h"
#include "message.h"

#include <sodium.h>
#include <string.h>

#include "seal/cipher_openssl.h"
#include "seal/mlkem.h"

/* What computes the frames of the seal on this machine. */
static const char *cipher_in_use(void)
{
    if (sodium_init() >= 0)
        cipher_choose();
    return cipher_name();
}

/* The same, and why. */
static void print_cipher(void)
{
    const char *const openssl = openssl_cipher_name(), *const used = cipher_in_use();

    if (openssl == NULL)
        out("cipher: libsodium (built without OpenSSL's libcrypto.a)\n");
    else if (used == openssl)
        out("cipher: %s (static)\n", openssl);
    else
        out("cipher: libsodium (this processor has no AVX2 for %s)\n", openssl);
}

static void print_post_quantum(void)
{
    if (mlkem_is_available())
        out("post-quantum: ML-KEM-768 of %s\n", mlkem_name());
    else
        out("post-quantum: no (built without ML-KEM)\n");
}

static void write_text(void)
{
    out("pfswrap %s\n", PFSWRAP_VERSION);
    out("planes: tls, seal, wire\n");
    out("machine: %s, %s\n", machine_own_name(), PFSWRAP_INTERPRETER);
    out("inside: ");
    for (const struct component *each = components; each->name != NULL; each++)
        out("%s%s %s", each == components ? "" : ", ", each->name, each->version);
    out("\n");
    print_cipher();
    print_post_quantum();
}

static void write_component(const struct component *component)
{
    out("{");
    json_write_member("name", component->name);
    out(", ");
    json_write_member("version", component->version);
    out(", ");
    json_write_member("package", strcmp(component->package, "-") != 0 ? component->package : NULL);
    out(", ");
    json_write_member("licence", component->licence);
    out(", ");
    json_write_member("sha256", component->sha256);
    out("}");
}

static void write_json(void)
{
    out("{");
    json_write_member("version", PFSWRAP_VERSION);
    out(", \"planes\": [\"tls\", \"seal\", \"wire\"], ");
    json_write_member("machine", machine_own_name());
    out(", ");
    json_write_member("interpreter", PFSWRAP_INTERPRETER);
    out(", ");
    json_write_member("cipher", cipher_in_use());
    out(", ");
    json_write_member("post_quantum", mlkem_name());
    out(", \"components\": [");
    for (const struct component *each = components; each->name != NULL; each++) {
        out(each == components ? "" : ", ");
        write_component(each);
    }
    out("]}\n");
}

int command_version(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        write_json();
    } else if (argc == 1) {
        write_text();
    } else {
        message("version %.80s is not known, expected pfswrap version [--json]", argv[argc == 2 ? 1 : 2]);
        return 2;
    }
    return out_finish();
}
