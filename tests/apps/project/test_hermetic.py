"""The shared object: it needs libc only, exports the functions of one list, and hides everything else."""

import os
import re

from lib.process import BUILD, ROOT, run
from lib.tap import Tap, check, equal
from lib.wrap import LIBRARY


def listed():
    """The names in the X-macros of shim/base/interposed.h: the one list of what may be exported."""
    text = (ROOT / "shim/base/interposed.h").read_text()
    if run(["uname", "-m"]).out.strip() != b"i686":
        text = re.sub(r"#if defined\(__i386__\)\n#define PFSWRAP_TIME64.*?#endif\n", "", text, flags=re.S)
    return set(re.findall(r"\bX\((\w+)\)", re.sub(r"#define \w+\(X\)", "", text)))


def symbols():
    """
    The dynamic symbols as (name, type, binding, section), versions cut off. Without the names of versions (ABS), and
    without the sections that ld lists for 64-bit ARM, to which nothing binds.
    """
    rows = [line.split() for line in run(["readelf", "--wide", "--dyn-syms", LIBRARY]).out.decode().splitlines()]
    return [(row[7].split("@")[0], row[3], row[4], row[6]) for row in rows
            if len(row) >= 8 and row[0][:-1].isdigit() and row[6] != "ABS" and row[3:5] != ["SECTION", "LOCAL"]]


def main():
    tap = Tap()
    dynamic = run(["readelf", "--wide", "--dynamic", LIBRARY]).out.decode()
    with tap.case("the shared object needs libc and nothing else"):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic)
        # libc's own loader, which every program has, defines the stack protector's value on 64-bit ARM.
        equal([name for name in needed if name != "ld-linux-aarch64.so.1"], ["libc.so.6"], "NEEDED entries")
    with tap.case("the shared object has no search path of its own and no text relocations"):
        equal(re.findall(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic), [], "entries")
    with tap.case("the shared object is bound at load time, and its relocated data is then read-only"):
        check(re.search(r"\(FLAGS\).*BIND_NOW", dynamic) and re.search(r"\(FLAGS_1\).*NOW", dynamic), dynamic)
        headers = run(["readelf", "--wide", "--program-headers", LIBRARY]).out.decode()
        check("GNU_RELRO" in headers, f"expected GNU_RELRO in {headers}")
        stack = [line for line in headers.splitlines() if "GNU_STACK" in line]
        check(stack and "RWE" not in stack[0], f"expected a stack that cannot be executed: {stack}")
    with tap.case("the shared object exports exactly the functions of the list"):
        names = listed()
        check(len(names) > 60, f"shim/base/interposed.h lists {sorted(names)}")
        equal({name for name, _, _, section in symbols() if section != "UND"}, names, "exported symbols")
    with tap.case("the shared object exports functions only, which other objects can interpose in turn"):
        kinds = {(kind, binding) for _, kind, binding, section in symbols() if section != "UND"}
        equal(kinds, {("FUNC", "GLOBAL")}, "types and bindings")
    with tap.case("functions of old binaries only are exported in libc's version of them, all others without a version"):
        text = run(["readelf", "--wide", "--dyn-syms", LIBRARY]).out.decode()
        source = (ROOT / "shim/base/interposed.h").read_text()
        old = source[source.index("#define PFSWRAP_COMPAT_CALLS"):source.index("/* The dynamic loader")]
        versioned = re.findall(r" (\d+) (\w+)@(GLIBC_[\d.]+)(?: \(\d+\))?$", text, re.M)
        defined = {name for section, name, _ in versioned if section != "UND"}
        equal(defined, set(re.findall(r"\bX\((\w+)\)", old.split("\n", 1)[1])), "names with a version")
    with tap.case("the shared object needs no symbol of libssl, libsodium or inih at load time"):
        wanted = {name for name, _, _, section in symbols() if section == "UND"}
        equal([name for name in sorted(wanted) if re.match(r"(SSL|BIO|EVP|X509|ERR|sodium|crypto|ini)_", name)], [],
              "undefined symbols")
    with tap.case("of libcrypto, the shared object has the cipher and nothing that runs by itself"):
        names = {line.split()[-1] for line in run(["nm", LIBRARY]).out.decode().splitlines()}
        of_libcrypto = {name for name in names if re.match(r"(OPENSSL|CRYPTO|EVP|ERR|RAND)_", name)}
        check(of_libcrypto <= {"OPENSSL_cleanse", "OPENSSL_ia32cap_P"}, f"found {sorted(of_libcrypto)}")
    with tap.case("the static library of the seal can be linked beside any libcrypto"):
        names = set(run(["nm", "--extern-only", "--defined-only", BUILD / "libpfswrap-seal.a"]).out.decode().split())
        equal([name for name in sorted(names) if re.match(r"(OPENSSL_|ChaCha20_|Poly1305_|poly1305_)", name)], [], "names")
        check("openssl_cipher_push" in names, f"expected openssl_cipher_push in {sorted(names)}")
    with tap.case("the shared object runs with glibc 2.17 and later"):
        versions = set(re.findall(r"\(GLIBC_([0-9.]+)\)", run(["objdump", "-T", LIBRARY]).out.decode()))
        check("2.17" in versions or "2.2.5" in versions, f"versions that were found: {sorted(versions)}")
        newer = {version for version in versions if [int(part) for part in version.split(".")] > [2, 17]}
        equal(sorted(newer), [], "versions of symbols that are newer than GLIBC_2.17")
    with tap.case("what becomes read-only after the start fills whole pages of the machine's largest size"):
        largest = 65536 if "AArch64" in run(["readelf", "--file-header", LIBRARY]).text else 4096
        table = run(["readelf", "--wide", "--symbols", LIBRARY]).out.decode()
        pages = [(int(at, 16), int(size, 0)) for at, size in re.findall(r"(\w+) +(\w+) OBJECT +LOCAL .* state$", table, re.M)
                 if int(size, 0) >= largest]
        check(len(pages) >= 1, f"expected the policy of the start (config/init.c) among {pages}")
        equal([page for page in pages if page[0] % largest or page[1] % largest], [], f"not whole pages of {largest} bytes")
    with tap.case("syscall() knows each interposed call that the kernel has a number for"):
        compiler = os.environ.get("CC", "cc").split()
        numbers = set(re.findall(r"#define SYS_(\w+)", run([*compiler, "-E", "-dM", "-include", "sys/syscall.h", "-xc", "/dev/null"]).out.decode()))
        source = "".join((ROOT / "shim/socket" / name).read_text() for name in ("syscall.c", "syscall_list.h"))
        handled = set(re.findall(r"case SYS_(\w+)", source)) | set(re.findall(r"X\((\w+),", source))
        # vfork(2) by number returns twice on a stack frame that is gone: no program can use it.
        equal(sorted((listed() & numbers) - handled - {"vfork"}), [], "calls without a case")
        check(len(listed() & numbers) > 30, f"expected more than {len(listed() & numbers)} numbers")
    tap.finish()


main()
