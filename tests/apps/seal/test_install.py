"""The library as a new user gets it: installed somewhere, found by pkg-config, with examples that build against it without
a warning and work together; and an uninstall that leaves nothing."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

from lib.process import BUILD, PROGRAMS, ROOT
from lib.tap import Tap

LIBRARY = BUILD / "libpfswrap-seal.so"
tap = Tap()
report = tap.result


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=120, **options)


def make(target, stage):
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return run("make", "-s", "-C", ROOT, target, f"PREFIX={stage}", f"SANITIZE={os.environ.get('SANITIZE', '')}",
               env=environment)


def files(stage):
    return sorted(str(path.relative_to(stage)) for path in stage.rglob("*") if not path.is_dir())


def build_examples(stage, directory, static):
    """cc example.c $(pkg-config ...), as their comments say."""
    environment = dict(os.environ, PKG_CONFIG_PATH=str(stage / "lib/pkgconfig"))
    flags = run("pkg-config", "--cflags", "--libs", *(["--static"] if static else []), "libpfswrap-seal", env=environment)
    if not report(flags.returncode == 0, f"pkg-config finds the library{' for static linking' if static else ''}",
                  flags.stderr):
        return False
    words = flags.stdout.split()
    if static:
        words = [str(stage / "lib/libpfswrap-seal.a") if word == "-lpfswrap-seal" else word for word in words]
    else:
        words.append(f"-Wl,-rpath,{stage / 'lib'}")
    built = [run("cc", "-Wall", "-Wextra", "-Werror", "-O2", ROOT / f"examples/seal_{name}.c", "-o", directory / name, *words)
             for name in ("client", "server")]
    return report(all(each.returncode == 0 for each in built),
                  f"the examples build against the {'static' if static else 'shared'} library without a warning",
                  "\n".join(each.stderr for each in built))


def make_keys(directory):
    commands = PROGRAMS / "seal/seal_keys"
    public = {}
    for name in ("ann", "server"):
        secret = run(commands, "genkey").stdout
        path = directory / f"{name}.key"
        path.touch(mode=0o600)
        path.write_text(secret)
        public[name] = run(commands, "pubkey", input=secret).stdout.strip()
    peers = directory / "peers"
    peers.touch(mode=0o644)
    peers.write_text("".join(f"{name} {key}\n" for name, key in public.items()))


def check_conversation(directory, kind):
    server = subprocess.Popen([directory / "server", directory / "server.key", directory / "peers"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
    port = server.stdout.readline().strip()
    client = run(directory / "client", port, directory / "ann.key", directory / "peers", "server", "a sealed line")
    said = server.communicate(timeout=60)[1]
    report(client.returncode == 0 and client.stdout == "a sealed line" and server.returncode == 0 and said == "ann was here\n",
           f"client and server ({kind}) authenticate each other and echo", f"{client}\n{said}")


def check_symbols(stage):
    names = run("nm", "-D", "--defined-only", stage / "lib/libpfswrap-seal.so").stdout
    exported = set(re.findall(r" T (\w+)@@PFSWRAP_SEAL_0\.1", names))
    declared = set()
    for header in ("keys.h", "seal.h", "tunnel.h"):
        text = (ROOT / "include/pfswrap" / header).read_text()
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        declared |= set(re.findall(r"\b(pfswrap_\w+)\(", text))
    report(exported == declared and " T " in names and not re.search(r" [TDBR] (?!\w+@@PFSWRAP)", names),
           "the library exports exactly what the headers declare, with a version", sorted(exported ^ declared))
    needed = re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", stage / "lib/libpfswrap-seal.so").stdout)
    report(all(re.match(r"lib(c|sodium)\.so", name) for name in needed) and needed, "it needs libsodium and libc only", needed)


def check_headers(stage, directory):
    for compiler, suffix, standard in (("cc", "c", "gnu11"), ("c++", "cc", "gnu++17")):
        if shutil.which(compiler) is None:
            report(True, f"the headers compile as {standard}", skip=f"there is no {compiler}")
            continue
        for header in ("keys.h", "seal.h", "tunnel.h"):
            source = directory / f"alone.{suffix}"
            source.write_text(f"#include <pfswrap/{header}>\n")
            built = run(compiler, f"-std={standard}", "-Wall", "-Wextra", "-Werror", "-pedantic", f"-I{stage / 'include'}",
                        "-fsyntax-only", source)
            report(built.returncode == 0, f"pfswrap/{header} compiles alone as {standard}", built.stderr)


def main():
    if os.environ.get("SANITIZE"):
        report(True, "the installed library", skip="a library built with sanitizers is not one to install")
        return
    if not LIBRARY.exists():
        report(False, "the library is built", f"{LIBRARY} is missing: make")
        return
    with tempfile.TemporaryDirectory() as name:
        stage, directory = pathlib.Path(name) / "stage", pathlib.Path(name) / "work"
        directory.mkdir()
        installed = make("install-seal", stage)
        if not report(installed.returncode == 0, "make install-seal succeeds", installed.stderr):
            return
        report(files(stage) == ["include/pfswrap/keys.h", "include/pfswrap/seal.h", "include/pfswrap/tunnel.h",
                                "lib/.debug/libpfswrap-seal.so.1.debug", "lib/libpfswrap-seal.a",
                                "lib/libpfswrap-seal.so", "lib/libpfswrap-seal.so.1",
                                "lib/pkgconfig/libpfswrap-seal.pc"],
               "it installs both libraries, the debug file, the headers and the pkg-config file", files(stage))
        make_keys(directory)
        for static in (False, True):
            if build_examples(stage, directory, static):
                check_conversation(directory, "static" if static else "shared")
        check_symbols(stage)
        check_headers(stage, directory)
        make("uninstall-seal", stage)
        report(files(stage) == [], "make uninstall-seal leaves nothing", files(stage))


main()
tap.finish()
