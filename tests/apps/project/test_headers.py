"""The shim's own declarations of OpenSSL and GnuTLS, compared with the headers of those libraries by the compiler.

The headers are those that are installed, and those of Debian 11 (OpenSSL 1.1.1, GnuTLS 3.7) and 13 (3.5, 3.8), which are
unpacked and never installed. A constant that a version lacks is left out there; one that it has must be the same. The
value of NAME since version 3.2 is called NAME_SINCE_3_2.
"""

import os
import re

from lib import other_libssl
from lib.process import ROOT, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal

OWN = {
    "OpenSSL": ("shim/tls", "openssl_constants.h", ["tls/openssl_types.h", "tls/openssl_crypto.h", "tls/openssl_ssl.h"],
                ["openssl/bio.h", "openssl/ct.h", "openssl/ec.h", "openssl/err.h", "openssl/evp.h", "openssl/ssl.h", "openssl/x509v3.h"]),
    "GnuTLS": ("shim/gnutls", "constants.h", ["gnutls/declarations.h"],
               ["gnutls/gnutls.h", "gnutls/abstract.h", "gnutls/x509.h"]),
}
# The same for a caller, but not for the compiler: what 1.1.1 declares with other qualifiers.
QUALIFIERS = {("OpenSSL", "1.1.1"): {"CRYPTO_EX_dup", "CRYPTO_get_ex_new_index", "EVP_PKEY_get0_EC_KEY", "X509_STORE_CTX_get0_param",
                                     "X509_STORE_CTX_get_error", "i2d_X509_PUBKEY"}}
# Reasons that all libraries of OpenSSL share were numbered anew in 3.0 (shim/tls/error.c).
RENUMBERED = {("OpenSSL", "1.1.1"): {"ERR_R_MALLOC_FAILURE", "ERR_R_SHOULD_NOT_HAVE_BEEN_CALLED", "ERR_R_INTERNAL_ERROR"}}


def compiled(text, folders):
    """What gcc finds wrong with a C file that has the library's headers."""
    options = [word for folder in folders for word in ("-isystem", folder)]
    source = temporary_directory() / "headers.c"
    source.write_text(text)
    return run(["gcc", "-std=gnu11", "-fsyntax-only", "-fmax-errors=0", "-w", "-D_GNU_SOURCE", *options, "-Ishim",
                source], cwd=ROOT, env=dict(os.environ, LC_ALL="C")).err.decode()


def own_constants(library, version):
    """The names of our own header that stand for numbers and strings in this version: name -> value."""
    folder, header = OWN[library][:2]
    text = (ROOT / folder / header).read_text()
    found = dict(re.findall(r"^#define ([A-Z]\w+) (.+)$", text, re.M))
    for name in [name for name in found if "_SINCE_" in name]:
        value, (base, since) = found.pop(name), name.split("_SINCE_")
        if [int(word) for word in version.split(".")] >= [int(word) for word in since.split("_")]:
            found[base] = value
    return found


def own_functions(library):
    text = "".join((ROOT / "shim" / name).read_text() for name in OWN[library][2])
    return set(re.findall(r"\b((?:SSL|SSLv3|TLS|TLSv1|DTLS|DTLSv1|BIO|CRYPTO|OPENSSL|ERR|EVP|EC|X509|ASN1|OBJ|CT|CTLOG|SCT|i2d|i2o|o2i|gnutls)_\w+)\(", text))


def includes(library):
    return "".join(f"#include <{name}>\n" for name in OWN[library][3])


def compare_constants(library, version, folders):
    """Each value, by an assertion of the compiler, which says also what the headers do not have."""
    names = own_constants(library, version)
    check(len(names) > 30, f"only {len(names)} constants were found")
    lines = ["#define SSL_OP_BIT_(n) (1ULL << (n))\n"]
    for name, value in names.items():
        value = value.replace("SSL_OP_BIT(", "SSL_OP_BIT_(")
        same = f"!__builtin_strcmp({name}, {value})" if value.startswith('"') else f"({name}) == ({value})"
        lines.append(f'_Static_assert({same}, "{name}");\n')
    said = compiled(includes(library) + "".join(lines), folders)
    missing = set(re.findall(r"error: [‘'](\w+)[’'] undeclared", said))
    check(len(missing) < len(names) / 10, f"{version} lacks {missing}")
    wrong = set(re.findall(r'static assertion failed: "(\w+)"', said))
    equal(wrong, RENUMBERED.get((library, version), set()), f"constants with another value; gcc said:\n{said[:3000]}")


def compare_functions(library, version, folders):
    """Our declarations behind the library's own: the compiler refuses a second declaration of another type."""
    names = own_functions(library)
    check(len(names) > 50, f"only {len(names)} functions were found")
    undo = "".join(f"#undef {name}\n" for name in sorted(names))
    own = "".join(f'#include "{name}"\n' for name in OWN[library][2])
    said = compiled(f"#define PFSWRAP_HEADERS_OF_{library.upper()}\n{includes(library)}{undo}{own}", folders)
    wrong = set(re.findall(r"conflicting types for [‘'](\w+)[’']", said))
    equal(wrong, QUALIFIERS.get((library, version), set()), f"declarations of another type; gcc said:\n{said[:3000]}")
    equal([line for line in said.splitlines() if " error: " in line and "conflicting types" not in line], [], "other errors")


def sets_of_headers():
    """(folders, or why there are none) for each set."""
    yield lambda: []
    for suite in other_libssl.PACKAGES:
        yield lambda suite=suite: other_libssl.get(suite).headers()


def version_of(library, folders):
    """1.1.1, 3.0, 3.7 …: what the headers say. Raises Skip if there are none."""
    macro = "OPENSSL_VERSION_TEXT" if library == "OpenSSL" else "GNUTLS_VERSION"
    options = [word for folder in folders for word in ("-isystem", folder)]
    source = temporary_directory() / "version.c"
    source.write_text(f"#include <{OWN[library][3][-1 if library == 'OpenSSL' else 0]}>\nversion {macro}\n")
    result = run(["gcc", "-E", "-P", *options, source])
    found = re.search(r'^version "(?:OpenSSL )?(\d+\.\d+(?:\.\d+)?)', result.out.decode(), re.M)
    if not found:
        raise Skip(f"no headers of {library}: {result.err.decode().strip()[:200]}")
    return found[1] if found[1].startswith("1.") else ".".join(found[1].split(".")[:2])


def main():
    tap = Tap()
    for number, find in enumerate(sets_of_headers()):
        for library in OWN:
            place = "installed" if number == 0 else f"Debian {list(other_libssl.PACKAGES)[number - 1]}'s"
            with tap.case(f"{library}: constants have the values that the {place} headers have"):
                folders = find()
                compare_constants(library, version_of(library, folders), folders)
            with tap.case(f"{library}: functions and types are those of the {place} headers"):
                folders = find()
                compare_functions(library, version_of(library, folders), folders)

    with tap.case("a wrong constant and a wrong declaration are found"):
        version_of("OpenSSL", [])
        said = compiled(includes("OpenSSL") + '_Static_assert(SSL_ERROR_SSL == 2, "SSL_ERROR_SSL");\n'
                        "int SSL_read(SSL *, const void *, int);\n", [])
        contains(said, 'static assertion failed: "SSL_ERROR_SSL"', "what gcc said")
        contains(re.sub("[‘’]", "'", said), "conflicting types for 'SSL_read'", "what gcc said")
    tap.finish()


main()
