"""pfswrap explain: its output for real programs and for programs made for the test, as text and as JSON.

The programs of the test contain a library's soname or the texts that identify a TLS implementation, and nothing else of
the implementation.
"""

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

from lib.process import find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER

HANDSHAKE = "TLS 1.3, server CertificateVerify"  # the context string of RFC 8446 4.4.3
tap = Tap()


def explain(program, *options, **keywords):
    result = run([LAUNCHER, "explain", *options, "--", program], **keywords)
    equal((result.status, result.err), (0, b""), f"status and stderr of {result!r}")
    return result.out.decode()


def facts(program, **keywords):
    text = explain(program, "--json", **keywords)
    equal(text.count("\n"), 1, "lines of JSON")
    return json.loads(text)


def build(name="program", body="", flags=(), folder=None):
    """Compiles a program, or with -shared a library, whose source is `body`."""
    folder = folder or temporary_directory()
    source = folder / f"{name}.c"
    source.write_text(body if "-shared" in flags else f"{body}\nint main(void) {{ return 0; }}\n")
    subprocess.run([os.environ.get("CC", "gcc"), "-o", folder / name, source, *flags], check=True)
    return folder / name


def holding(*texts, name="program", flags=()):
    """A program with these texts in its data."""
    arrays = [f"__attribute__((used)) static const char text{number}[] = {json.dumps(text)};"
              for number, text in enumerate(texts)]
    return build(name, "\n".join(arrays), flags)


def linking(soname, folder=None, through=None):
    """A program that links a library of that soname, or links `through`, which links it."""
    folder = folder or temporary_directory()
    build(soname, "int probe(void); int probe(void) { return 0; }\n", ["-shared", "-fPIC", f"-Wl,-soname,{soname}"], folder)
    linked = soname
    search = [f"-L{folder}", f"-Wl,-rpath,{folder}"]
    if through:
        build(through, "int probe(void); int relay(void); int relay(void) { return probe(); }\n",
              ["-shared", "-fPIC", f"-Wl,-soname,{through}", *search, f"-l:{soname}"], folder)
        linked = through
    return build("program", "", ["-Wl,--no-as-needed", *search, f"-l:{linked}"], folder)


def stack(found, name):
    """The entry of `tls` with that name."""
    entries = [entry for entry in found["tls"] if entry["name"] == name]
    equal(len(entries), 1, f"entries called {name} in {found['tls']}")
    return entries[0]


def tells_linked_stacks():
    with tap.case("a program that links libssl or GnuTLS is upgraded, with OpenSSL 3 and 1.1"):
        for soname, name in (("libssl.so.3", "OpenSSL 3"), ("libssl.so.1.1", "OpenSSL 1.1"), ("libgnutls.so.30", "GnuTLS")):
            program = linking(soname)
            found = facts(program)
            equal((found["verdict"], found["refusal"]), ("upgraded", None), f"verdict on {soname}")
            entry = stack(found, name)
            equal((entry["library"], entry["through"], entry["covered"]), (soname, None, True), "entry")
            equal(entry["path"], str(program.parent / soname), "path")
            contains(explain(program), "upgraded: every connection through libssl or GnuTLS", "text")

    with tap.case("a libssl that another library links is found, with that library"):
        entry = stack(facts(linking("libssl.so.3", through="librelay.so.1")), "OpenSSL 3")
        equal(entry["through"], "librelay.so.1", "through")
        contains(explain(linking("libssl.so.3", through="librelay.so.1")), "linked through librelay.so.1", "text")

    with tap.case("the seal plane covers every program that can be preloaded, with TLS or without"):
        for program in (linking("libgnutls.so.30"), find("true")):
            contains(" ".join(explain(program).split()), "seals the TCP connections that a [listen] or [connect] rule",
                     f"text for {program}")

    with tap.case("other TLS libraries are named and not covered"):
        for soname, name in (("libssl3.so", "NSS"), ("libmbedtls.so.14", "Mbed TLS"),
                             ("libwolfssl.so.35", "wolfSSL"), ("libjvm.so", "Java"), ("librustls.so", "rustls"),
                             ("libssl.so.1.0.0", "OpenSSL or LibreSSL of another version")):
            program = linking(soname)
            found = facts(program)
            equal(found["verdict"], "not-covered", f"verdict on {soname}")
            equal(stack(found, name)["covered"], False, f"covered for {soname}")
            contains(explain(program), "not covered by the tls plane: its TLS", f"text for {soname}")

    with tap.case("a program with libssl and another TLS library is upgraded in part"):
        folder = temporary_directory()
        linking("libssl3.so", folder)
        found = facts(build("program", "", ["-Wl,--no-as-needed", f"-L{folder}", f"-Wl,-rpath,{folder}",
                                            "-l:libssl3.so", *libssl(folder)], folder))
        equal(found["verdict"], "partly", "verdict")
        equal(sorted(entry["covered"] for entry in found["tls"]), [False, True], "covered")

    with tap.case("a library that is not found is reported"):
        broken = linking("libprobe.so.1")
        (broken.parent / "libprobe.so.1").unlink()
        contains(explain(broken), "missing      libprobe.so.1 is not found: the program will not start", "text")


def libssl(folder):
    build("libssl.so.3", "int other(void); int other(void) { return 0; }\n", ["-shared", "-fPIC", "-Wl,-soname,libssl.so.3"],
          folder)
    return ["-l:libssl.so.3"]


def tells_inner_stacks():
    with tap.case("TLS inside the executable is named and not covered"):
        for text, name in (("OpenSSL 3.0.2 15 Mar 2022", "OpenSSL 3"), ("OpenSSL 1.1.1w  11 Sep 2023", "OpenSSL 1.1"),
                           ("BoringSSL", "BoringSSL"), ("/cargo/src/rustls-0.21.7/src/lib.rs", "rustls"),
                           ("mbed TLS 2.28.3", "Mbed TLS"), ("nothing known", "a TLS implementation of unknown make")):
            program = holding(HANDSHAKE, text)
            found = facts(program)
            entry = stack(found, name)
            equal((entry["library"], entry["covered"], found["verdict"]), (None, False, "not-covered"), f"entry for {text}")
            contains(" ".join(explain(program).split()), "inside the executable", "text")

    with tap.case("OpenSSL before TLS 1.3 inside the executable is named, too"):
        stack(facts(holding("OpenSSL 1.0.2u  20 Dec 2019", "master secret", "server finished")), "OpenSSL 1.0")

    with tap.case("an executable that exports libssl's functions contains it"):
        found = facts(build(body="void SSL_CTX_new(void) {}\n__attribute__((used)) static const char v[] = \"OpenSSL 3.1.0\";",
                            flags=["-rdynamic"]))
        equal((stack(found, "OpenSSL 3")["library"], found["verdict"]), (None, "not-covered"), "entry")

    with tap.case("a program that only prints OpenSSL's version does not contain OpenSSL"):
        found = facts(holding("built with OpenSSL 3.0.11 19 Sep 2023"))
        equal((found["tls"], found["verdict"]), ([], "no-tls"), "entry")


def tells_refusals():
    with tap.case("a static program is refused by run, and its TLS is still named"):
        program = holding(HANDSHAKE, "\u00ff Go buildinf:".encode("latin-1").decode("latin-1"), flags=["-static"])
        data = program.read_bytes().replace("\u00ff Go buildinf:".encode(), b"\xff Go buildinf:\0")
        program.write_bytes(data)
        found = facts(program)
        equal((found["kind"], found["verdict"], found["interpreter"]), ("static", "refused", None), "found")
        stack(found, "Go's crypto/tls")
        contains(found["refusal"], "is statically linked", "refusal")
        contains(" ".join(explain(program).split()), f"refused by run: {program} is statically linked", "text")

    with tap.case("a program with privileges is refused by run"):
        program = build()
        program.chmod(0o4755)
        found = facts(program)
        equal((found["privileges"], found["verdict"]), ("set-user-ID", "refused"), "found")

    with tap.case("a program for another machine is refused by run"):
        program = build()
        with open(program, "r+b") as file:
            file.seek(18)
            file.write(struct.pack("<H", 243))
        found = facts(program)
        equal((found["kind"], found["verdict"]), ("foreign", "refused"), "found")
        equal(found["machine"], "riscv64", "machine")

    with tap.case("a program that is not there is 127"):
        result = run([LAUNCHER, "explain", "no-such-program"], env={"PATH": "/usr/bin:/bin"})
        equal((result.status, result.out), (127, b""), f"status and output of {result!r}")
        equal(result.err, b"pfswrap: no-such-program: No such file or directory\n", "message")

    with tap.case("a wrong command line is 2"):
        for words in ([], ["a", "b"], ["--xml", "a"]):
            equal(run([LAUNCHER, "explain", *words]).status, 2, f"status of explain {words}")


def tells_scripts():
    with tap.case("a script is explained by its chain of interpreters"):
        program = linking("libssl.so.3")
        script = program.parent / "script"
        script.write_text("#!/usr/bin/env program\n")
        script.chmod(0o755)
        path = f"{program.parent}:{os.environ['PATH']}"
        found = facts(script, env={"PATH": path})
        equal(found["files"], [str(script), str(program)], "files")
        equal(found["verdict"], "upgraded", "verdict")
        contains(" ".join(explain(script, env={"PATH": path}).split()), f"{script}: a script, run through env by {program}",
                 "text")


def tells_run_time():
    with tap.case("a program that may load libssl later is reported as such"):
        program = build(body="#include <dlfcn.h>\nvoid *load(const char *name); void *load(const char *name) "
                             "{ return dlopen(name, RTLD_NOW); }", flags=["-ldl"])
        found = facts(program)
        equal((found["dlopen"], found["tls"], found["verdict"]), (True, [], "run-time"), "found")
        contains(" ".join(explain(program).split()), "upgraded if it loads a shared libssl or GnuTLS at run time", "text")

    with tap.case("no code of the program or its libraries runs"):
        folder = temporary_directory()
        witness = folder / "witness"
        touch = (f"#include <fcntl.h>\n__attribute__((constructor)) static void touch(void) "
                 f"{{ open({json.dumps(str(witness))}, O_CREAT | O_WRONLY, 0600); }}\n")
        build("libtouch.so.1", touch, ["-shared", "-fPIC", "-Wl,-soname,libtouch.so.1"], folder)
        program = build("program", touch, ["-Wl,--no-as-needed", f"-L{folder}", f"-Wl,-rpath,{folder}", "-l:libtouch.so.1"],
                        folder)
        explain(program)
        check(not witness.exists(), "expected no code of the program to run")
        run([program])
        check(witness.exists(), "expected the witness to appear when the program is run")


def tells_versions():
    with tap.case("the version of a TLS implementation is reported, completely if a text has it"):
        for texts, version in ((["OpenSSL 3.0 provider", "OpenSSL 3.0.2 15 Mar 2022"], "3.0.2"), (["OpenSSL 3.5"], "3.5"),
                               (["OpenSSL 1.1.1w  11 Sep 2023"], "1.1.1w"), (["/cargo/src/rustls-0.21.7/src/lib.rs"], "0.21.7"),
                               (["mbed TLS 2.28.3"], "2.28.3"), (["BoringSSL"], None)):
            program = holding(HANDSHAKE, *texts)
            equal(facts(program)["tls"][0]["version"], version, f"version in {texts}")
        contains(explain(holding(HANDSHAKE, "OpenSSL 3.0.2 15 Mar 2022")), "OpenSSL 3, version 3.0.2", "text")


def tells_runtimes():
    node = "void napi_create_function(void) {}\n"
    with tap.case("Node.js and Java are identified, with the variable that configures them"):
        program = build(body=node, flags=["-rdynamic"])
        found = facts(program, env={"NODE_OPTIONS": "--tls-min-v1.0 --no-warnings"})
        equal((found["runtime"], list(found["environment"])), ("Node.js", ["NODE_OPTIONS"]), "found")
        check(found["environment"]["NODE_OPTIONS"].startswith("--no-warnings --tls-min-v1.3 --tls-cipher-list=TLS_AES_256_"),
              f"expected the policy's options in {found}")
        contains(" ".join(explain(program).split()), "environment NODE_OPTIONS=--tls-min-v1.3 --tls-cipher-list=", "text")
        found = facts(linking("libjli.so"))
        equal((found["runtime"], list(found["environment"])), ("Java", ["JAVA_TOOL_OPTIONS"]), "found")
        contains(found["environment"]["JAVA_TOOL_OPTIONS"], "-Djdk.tls.client.protocols=TLSv1.3 ", "value")

    with tap.case("the variable follows the policy that is in force, and mode = audit sets none"):
        program = build(body=node, flags=["-rdynamic"])
        policy = temporary_directory() / "policy.conf"
        for text, expected in (("[tls]\nmin-version = 1.2\n", "--tls-min-v1.2 "), ("[policy]\nmode = audit\n", None)):
            policy.write_text(text)
            policy.chmod(0o600)
            found = facts(program, env={"PFSWRAP_POLICY": str(policy)})["environment"]
            check(found["NODE_OPTIONS"].startswith(expected) if expected else found == {}, f"{text!r}: found {found}")

    with tap.case("Go and Rust are identified, and other programs have no runtime"):
        equal(facts(holding("/rustc/90b35a6239c3/library/core/src/panicking.rs"))["runtime"], "Rust", "runtime")
        program = build()
        equal((facts(program)["runtime"], facts(program)["environment"]), (None, {}), "found")
        subprocess.run(["objcopy", "--add-section", f".gopclntab={__file__}", program], check=True)
        equal(facts(program)["runtime"], "Go", "runtime")

    with tap.case("io_uring is reported, linked or contained"):
        equal(facts(linking("liburing.so.2"))["io_uring"], True, "linked")
        equal(facts(holding("io_uring_setup"))["io_uring"], True, "held")
        contains(explain(holding("io_uring_setup")), "ENOSYS", "text")
        equal(facts(build())["io_uring"], False, "neither")


def explains_real_programs():
    for name, library, verdicts in (("nginx", "libssl.so", ("upgraded",)), ("openssl", "libssl.so", ("upgraded",)),
                                    ("curl", "libssl.so", ("upgraded", "partly"))):
        with tap.case(f"{name} is upgraded through {library}"):
            program = find(name)
            if not program:
                raise Skip(f"{name} is not installed")
            found = facts(program)
            contains(verdicts, found["verdict"], "verdict")
            check(any((entry["library"] or "").startswith(library) and entry["covered"] for entry in found["tls"]),
                  f"expected {library} in {found['tls']}")

    with tap.case("the text has at most 80 columns, except for paths"):
        for program in filter(None, map(find, ("nginx", "curl", "sh"))):
            for line in explain(program).splitlines():
                check(len(line) <= 80 or "/" in line, f"expected at most 80 columns, found {line!r}")
                lacks(line, "\t", "a line")

    with tap.case("a name that is not UTF-8 or has a newline is still one line of JSON"):
        folder = os.fsencode(temporary_directory())
        name = folder + b"/a\xff\n\"b"
        shutil.copyfile(find("true"), name)
        os.chmod(name, 0o755)
        result = subprocess.run([LAUNCHER, "explain", "--json", name], capture_output=True, check=True)
        equal(result.stdout.count(b"\n"), 1, "lines")
        equal(json.loads(result.stdout)["files"], [os.fsdecode(folder) + "/a\ufffd\n\"b"], "files")
        text = subprocess.run([LAUNCHER, "explain", name], capture_output=True, check=True).stdout
        contains(text.splitlines()[0], b"?\"b", "first line of the text")

    with tap.case("damaged ELF files give an answer, not a crash"):
        original = Path(find("true")).read_bytes()
        path = temporary_directory() / "damaged"
        for offset in range(0, 64):
            path.write_bytes(original[:offset] + bytes([original[offset] ^ 0xff]) + original[offset + 1:])
            path.chmod(0o755)
            result = run([LAUNCHER, "explain", "--json", path])
            check(result.status in (0, 126, 127), f"byte {offset}: expected an answer, found {result!r}")


for part in (tells_linked_stacks, tells_inner_stacks, tells_refusals, tells_scripts, tells_run_time, tells_versions,
             tells_runtimes, explains_real_programs):
    part()
tap.finish()
