"""32-bit programs on a 64-bit system: the object is chosen by the program, in trees of both kinds.

`make check-i386` builds what this needs; in `make check` it is skipped if that was not built.
"""

import shutil
import ssl
import struct

from lib import certs, peers
from lib.listening import listens
from lib.process import BUILD, PROGRAMS, ROOT, Process, free_port, run, wait_until
from lib.seal import Scenarios
from lib.stale import stale
from lib.tap import Skip, Tap, contains, equal
from lib.wrap import LIBRARY, Wrap

OTHER = ROOT / "build-i386/tests/apps/programs"
OBJECT = LIBRARY.parent / "i386/libpfswrap.so"
CALLS = ["execve", "execvpe", "fexecve", "execveat", "execle", "vfork", "posix_spawn", "posix_spawnp", "execv", "execvp",
         "execl", "execlp", "system", "popen"]
KINDS = {"64-bit": PROGRAMS, "32-bit": OTHER}
OBJECTS = {"64-bit": LIBRARY, "32-bit": OBJECT}


def needed():
    """Skips the case if there is nothing to run, or no 32-bit ld.so to run it with."""
    for path in (OBJECT, OTHER / "launcher/who", OTHER / "launcher/execute", OTHER / "seal/sock_inetd"):
        if not path.exists():
            raise Skip(f"{path} was not built, expected 'make check-i386'")
    old = stale(OBJECT, ROOT / "build-i386", "make check-i386")
    if old:
        raise Skip(old)
    result = run([OTHER / "launcher/who"])
    if result.status != 0:
        raise Skip(f"32-bit programs do not run here: {result.text}")


def protected(result, words=b"PROTECTED\n"):
    """`words` is all that was printed: no ld.so complains on standard error."""
    equal((result.status, result.out, result.err), (0, words, b""), "status, output and errors")


def chooses_objects(tap):
    with tap.case("run preloads the object for the program, and bare it is not there"):
        needed()
        for programs in KINDS.values():
            protected(run([programs / "launcher/who"]), b"UNPROTECTED\n")
            protected(run(Wrap().argv([programs / "launcher/who"])))

    with tap.case("LD_PRELOAD has one entry of pfswrap's, and the program's own ones stay in order"):
        needed()
        before = f"{OBJECT}:/no/such/first.so {LIBRARY}:/no/such/second.so"
        for kind, other in (("64-bit", "32-bit"), ("32-bit", "64-bit")):
            script = f"echo $LD_PRELOAD >&2; exec {KINDS[kind] / 'launcher/execute'} execve LD_PRELOAD={OBJECTS[kind]} " \
                     f"{KINDS[other] / 'launcher/who'}"
            result = run(Wrap().argv(["sh", "-c", script]))
            equal((result.out, result.err), (b"PROTECTED\n", f"{LIBRARY}\n".encode()), "output and errors")
        wrap = Wrap()
        result = run(wrap.argv(["env", f"LD_PRELOAD={before}", "sh", "-c", "echo $LD_PRELOAD"]))
        contains(result.out.decode(), f"{LIBRARY}:/no/such/first.so:/no/such/second.so", "LD_PRELOAD")

    with tap.case("run in a protected program replaces the entry"):
        needed()
        wrap = Wrap()
        inner = " ".join(map(str, wrap.argv([OTHER / "launcher/who"])))
        protected(run(wrap.argv(["sh", "-c", inner])))

    for kind, other in (("64-bit", "32-bit"), ("32-bit", "64-bit"), ("32-bit", "32-bit")):
        for call in CALLS:
            with tap.case(f"a {kind} program protects the {other} one that {call} executes"):
                needed()
                program = KINDS[kind] / "launcher/execute"
                protected(run(Wrap().argv([program, call, "WORD=kept", KINDS[other] / "launcher/who"])))

    with tap.case("a script is protected by its interpreter's object, and env chooses the next one"):
        needed()
        wrap = Wrap()
        for line in (f"#!{OTHER / 'launcher/execute'}", f"#!/usr/bin/env {OTHER / 'launcher/execute'}"):
            script = wrap.folder / "execve"
            script.write_text(line + "\n")
            script.chmod(0o755)
            result = run(wrap.argv([script, "WORD=kept", PROGRAMS / "launcher/who"]))
            equal(result.err.count(b"cannot be preloaded"), 0, f"{result!r}")

    with tap.case("without the object, run names it and the log has the child"):
        needed()
        wrap = Wrap()
        shutil.copy(LIBRARY, wrap.folder)
        shutil.copy(BUILD / "pfswrap-tool", wrap.folder)
        tool = wrap.folder / "pfswrap-tool"
        result = run([tool, "run", "--policy", wrap.policy, OTHER / "launcher/who"])
        equal((result.status, result.out), (125, b""), "status and output")
        contains(result.err.decode(), f"{wrap.folder}/i386/libpfswrap.so: No such file or directory", "message")
        run([tool, "run", "--policy", wrap.policy, PROGRAMS / "launcher/execute", "execve", "A=b", OTHER / "launcher/who"])
        contains(wrap.wait_event("unprotected")["reason"], "i386/libpfswrap.so, which is not installed", "reason")


def seals(tap):
    if not OBJECT.exists() or not (OTHER / "seal/sock_inetd").exists():
        tap.result(True, "sealed connections between 32-bit and 64-bit programs", skip="they were not built")
        return
    for kind, other in (("64-bit", "32-bit"), ("32-bit", "64-bit"), ("32-bit", "32-bit")):
        on = Scenarios(tap, KINDS[kind] / "seal/sock_exec")
        inetd = str(KINDS[other] / "seal/sock_inetd")
        on.both("lines", f"a {kind} server executes a {other} program with the connection as its standard streams",
                more=["both", inetd])
        on.both("lines_later", f"the same with {kind} and {other}, in the middle of both streams", more=["both", inetd])


def connects(port, version):
    """Whether an unwrapped client gets a connection with that version, and data over it."""
    try:
        with peers.connected(port, peers.client_context(version)) as connection:
            connection.sendall(b"one line\n")
            return connection.recv(100) == b"enil eno\n"
    except (ssl.SSLError, ConnectionError):
        return False


def forces(tap):
    sysroot = ROOT / "build-i386/sysroot/usr"
    command, environment = sysroot / "bin/openssl", {"LD_LIBRARY_PATH": str(sysroot / "lib/i386-linux-gnu")}
    with tap.case("a 32-bit openssl s_server with TLS 1.2 only is upgraded: TLS 1.2 is refused, TLS 1.3 carries data"):
        needed()
        if not command.exists():
            raise Skip(f"{command} is not there, expected 'make check-i386'")
        equal(struct.unpack_from("<H", command.read_bytes(), 18)[0], 3, "e_machine of openssl")
        for wrapped in (False, True):
            port, certificate, wrap = free_port(), certs.server(), Wrap()
            argv = [command, "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-no_tls1_3",
                    "-rev", "-quiet"]
            with Process(wrap.argv(argv) if wrapped else argv, env=environment):
                wait_until(lambda port=port: listens(port), "the server to listen")
                equal(connects(port, ssl.TLSVersion.TLSv1_2), not wrapped, f"TLS 1.2, wrapped: {wrapped}")
                equal(connects(port, ssl.TLSVersion.TLSv1_3), wrapped, f"TLS 1.3, wrapped: {wrapped}")
            if wrapped:
                equal(wrap.wait_event("handshake", role="server")["version"], "TLSv1.3", "version in the log")

    with tap.case("a 32-bit openssl s_client with TLS 1.2 only is upgraded"):
        needed()
        if not command.exists():
            raise Skip(f"{command} is not there, expected 'make check-i386'")
        for wrapped in (False, True):
            seen = []
            with peers.Server(lambda connection, _, seen=seen: seen.append(connection.version())) as server:
                wrap = Wrap()
                argv = [command, "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2"]
                run(wrap.argv(argv) if wrapped else argv, env=environment)
                wait_until(lambda seen=seen: seen, "a connection")
            equal(seen, ["TLSv1.3" if wrapped else "TLSv1.2"], f"versions, wrapped: {wrapped}")


def main():
    tap = Tap()
    chooses_objects(tap)
    seals(tap)
    forces(tap)
    tap.finish()


main()
