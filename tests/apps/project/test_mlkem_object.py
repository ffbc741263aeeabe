"""scripts/mlkem-object: what it links, what it does where ML-KEM cannot be had, and the unit tests with an object without it."""

import os
import re

from lib.process import BUILD, ROOT, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal

SOURCE = "shim/seal/mlkem.c"
FETCHED = next((path for path in [ROOT / "third-party/libsodium"] if path.exists()), ROOT / "build/libsodium")
SYSTEM_HAS_IT = run(["grep", "-q", "crypto_kem_mlkem768", "/usr/include/sodium.h"]).status == 0
NAMES = {"mlkem_is_available", "mlkem_name", "mlkem_public", "mlkem_encapsulate", "mlkem_decapsulate"}


def make_object(folder, how, source=FETCHED):
    """The result of the script, and the names that its object defines for others."""
    output = folder / "mlkem.o"
    output.unlink(missing_ok=True)
    command = ["scripts/mlkem-object", how, output, "gcc", "-std=gnu11", "-O2", "-fPIC", "-Ishim", "-Iinclude", "-D_GNU_SOURCE",
               "-c", "-o", output, SOURCE]
    result = run(command, cwd=ROOT, env=dict(os.environ, SOURCE=str(source)))
    names = run(["nm", "--extern-only", "--defined-only", output]).out.decode() if output.exists() else ""
    return result, set(re.findall(r" [A-Z] (\w+)$", names, re.M))


def unit_test(folder, name):
    """A unit test of shim/seal, linked with the object in `folder` in place of the build's."""
    objects = [BUILD / f"tests/unit/{name}.o", folder / "mlkem.o", *(BUILD / f"lib{each}.a" for each in
               ("test-unit", "pfswrap-parts", "pfswrap-core"))]
    if not all(each.exists() for each in objects):
        raise Skip("the unit tests are not built (make tests)")
    program = folder / name.replace("/", "-")
    linked = run(["gcc", "-o", program, *objects, "-l:libinih.a", "-l:libsodium.a", "-lcheck", "-lsubunit", "-lrt", "-lm", "-pthread"])
    equal(linked.status, 0, f"status of the linker: {linked!r}")
    result = run([program], cwd=ROOT)
    check(result.status == 0 and b"not ok" not in result.out, f"{result!r}")
    return result.out.decode()


def main():
    tap = Tap()
    folder = temporary_directory()
    with tap.case("the object has ML-KEM, and shows only its own functions"):
        if not SYSTEM_HAS_IT and not (FETCHED / "version").exists():
            raise Skip("no libsodium with ML-KEM was fetched (make mlkem-source)")
        result, names = make_object(folder, "on")
        equal((result.status, result.err.decode(), names), (0, "", NAMES), "status, messages, names")
        if not SYSTEM_HAS_IT:
            undefined = run(["nm", "--undefined-only", folder / "mlkem.o"]).out.decode().split()[1::2]
            equal([name for name in undefined if name.startswith(("crypto_", "shake", "mlkem"))], [], "functions from elsewhere")
    with tap.case("without ML-KEM, auto says so and continues, and `on` fails"):
        if SYSTEM_HAS_IT:
            raise Skip("the installed libsodium has ML-KEM")
        result, names = make_object(folder, "auto", folder / "nowhere")
        equal((result.status, names), (0, NAMES), "status and names")
        contains(result.err.decode(), "no post-quantum handshakes", "message")
        result, names = make_object(folder, "on", folder / "nowhere")
        equal((result.status, names), (1, set()), "status and names")
        contains(result.err.decode(), "make mlkem-source", "message")
    with tap.case("another word is refused"):
        result, names = make_object(folder, "yes")
        equal(result.status, 1, "status")
        contains(result.err.decode(), "expected on, auto or off", "message")
    with tap.case("an object without ML-KEM: what needs it is refused, and all else works"):
        result, names = make_object(folder, "off")
        equal((result.status, result.err.decode(), names), (0, "", NAMES), "status, messages, names")
        contains(unit_test(folder, "seal/test_mlkem"), "a_build_without_it_says_so", "cases")
        contains(unit_test(folder, "seal/test_hybrid"), "without_mlkem_only_what_needs_it_is_refused", "cases")
        contains(unit_test(folder, "policy/test_rules"), "post_quantum_is_required_only_where_this_build_has_it", "cases")
    tap.finish()


main()
