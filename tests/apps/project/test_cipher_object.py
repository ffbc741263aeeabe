"""scripts/cipher-object: what it links, and what it does where OpenSSL's code cannot be had."""

import os
import re

from lib.process import ROOT, run, temporary_directory
from lib.tap import Tap, check, equal

SOURCE = "shim/seal/cipher_openssl.c"


def make_object(folder, how, compiler="gcc", **variables):
    """The result of the script, and the names that its object defines for others."""
    output = folder / "cipher.o"
    output.unlink(missing_ok=True)
    command = ["scripts/cipher-object", how, output, compiler, "-std=gnu11", "-O2", "-fPIC", "-Ishim", "-Iinclude",
               "-D_GNU_SOURCE", "-c", "-o", output, SOURCE]
    result = run(command, cwd=ROOT, env=dict(os.environ, **variables))
    names = run(["nm", "--extern-only", "--defined-only", output]).out.decode() if output.exists() else ""
    return result, set(re.findall(r" [A-Z] (\w+)$", names, re.M))


def has_chacha20(folder):
    return "ChaCha20_ctr32" in run(["nm", folder / "cipher.o"]).out.decode()


def main():
    tap = Tap()
    folder = temporary_directory()
    with tap.case("the object has OpenSSL's code, and shows only its own functions"):
        result, names = make_object(folder, "openssl")
        equal((result.status, result.err.decode()), (0, ""), "status and messages")
        check(has_chacha20(folder), "no ChaCha20 in it")
        equal([name for name in sorted(names) if not name.startswith("openssl_cipher_")], [], "other names")
        with_openssl = names
    with tap.case("without OpenSSL the object has the same functions"):
        result, names = make_object(folder, "libsodium")
        equal((result.status, result.err.decode(), names), (0, "", with_openssl), "status, messages, names")
        check(not has_chacha20(folder), "ChaCha20 in it")
    with tap.case("if there is no archive, auto says so and continues"):
        result, names = make_object(folder, "auto", LIBCRYPTO="/nowhere/libcrypto.a")
        equal((result.status, names), (0, with_openssl), "status, names")
        check(b"/nowhere/libcrypto.a" in result.err and b"expected the libcrypto.a of libssl-dev" in result.err, result.err)
        check(not has_chacha20(folder), "ChaCha20 in it")
    with tap.case("if there is no archive, openssl fails and leaves no object"):
        result, names = make_object(folder, "openssl", LIBCRYPTO="/nowhere/libcrypto.a")
        equal((result.status, names), (1, set()), "status, names")
        check(b"CIPHER=libsodium" in result.err, result.err)
    with tap.case("an archive whose code needs more of libcrypto is not used"):
        source, archive = folder / "more.c", folder / "libcrypto.a"
        names = ("ChaCha20_ctr32", "Poly1305_ctx_size", "Poly1305_Init", "Poly1305_Update", "Poly1305_Final")
        source.write_text("void ERR_new(void);\n" + "".join(f"void {name}(void) {{ ERR_new(); }}\n" for name in names))
        run(["gcc", "-c", "-fPIC", "-o", source.with_suffix(".o"), source])
        run(["ar", "rcs", archive, source.with_suffix(".o")])
        result, _ = make_object(folder, "openssl", LIBCRYPTO=str(archive))
        equal(result.status, 1, "status")
        check(b"would need ERR_new" in result.err, result.err)
    with tap.case("on other processors, auto continues without"):
        compiler = folder / "gcc-other"  # stands for one of another processor
        compiler.write_text("#!/bin/sh\ncase $* in *PFSWRAP_CIPHER_OPENSSL*) set -- -U__x86_64__ \"$@\" ;; esac\n"
                            "exec gcc \"$@\"\n")
        compiler.chmod(0o755)
        result, names = make_object(folder, "auto", compiler=compiler)
        equal((result.status, names), (0, with_openssl), "status, names")
        check(b"x86-64 only" in result.err, result.err)
    with tap.case("another word is refused"):
        result, names = make_object(folder, "boringssl")
        equal((result.status, names), (1, set()), "status, names")
        check(b"expected openssl, libsodium or auto" in result.err, result.err)
    tap.finish()


main()
