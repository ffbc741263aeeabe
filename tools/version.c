/*
 * pfswrap version: the versions of pfswrap and of the libraries in it, for bug reports and audits.
 */
#include "commands.h"
#include "machine.h"
#include "message.h"

#include <gnu/libc-version.h>
#include <sodium.h>

#include "seal/cipher_openssl.h"

/* What computes the frames of the seal on this machine, and why. */
static void print_cipher(void)
{
    const char *openssl = openssl_cipher_name();

    if (sodium_init() >= 0)
        cipher_choose();
    if (openssl == NULL)
        out("cipher: libsodium (built without OpenSSL's libcrypto.a)\n");
    else if (cipher_name() == openssl)
        out("cipher: %s (static)\n", openssl);
    else
        out("cipher: libsodium (this processor has no AVX2 for %s)\n", openssl);
}

int command_version(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        message("version takes no argument, expected pfswrap version");
        return 2;
    }
    out("pfswrap %s\n", PFSWRAP_VERSION);
    out("planes: tls, seal, wire\n");
    out("machine: %s, %s\n", machine_own_name(), PFSWRAP_INTERPRETER);
    out("glibc %s, inih (static), libsodium %s (static)\n", gnu_get_libc_version(), sodium_version_string());
    print_cipher();
    return out_finish();
}
