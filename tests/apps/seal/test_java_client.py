"""The Java client (clients/java): all vectors, and connections with programs under pfswrap, both ways and inside TLS."""

import shutil
import socket
from pathlib import Path

from lib import client_vectors, newer_debian
from lib.clients import CASES, Client, echo, example_says, has_post_quantum, hybrid, keys, own, page
from lib.process import DEADLINE, ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, contains, equal, skip_all

JARS = Path("/usr/share/java")
JAVA = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m", "-cp"]
VECTORS = {"seal.json": "6 connections, 36 refused inputs\n", "hybrid.json": "4 connections, 4 refused inputs\n"}


class Java(Client):
    """A JVM that runs scenarios (clients/java/src/test/java/pfswrap/seal/Scenarios.java)."""

    def __init__(self, *jars):
        self.folder, jars = temporary_directory(), ":".join(map(str, jars))
        built = run([ROOT / "clients/java/compile", "--tests", self.folder, jars], timeout=2 * DEADLINE)
        equal(built.status, 0, f"the compiler: {built!r}")
        self.path = f"{self.folder / 'classes'}:{jars}"
        super().__init__([*JAVA, self.path, "pfswrap.seal.Scenarios"])

    def check_vectors(self, file, change=lambda vectors: None):
        text = "\n".join(client_vectors.lines(file, change)) + "\n"
        return run([*JAVA, self.path, "pfswrap.seal.VectorCheck"], data=text.encode())


def vectors(java, file):
    done = java.check_vectors(file)
    equal(done.out.decode(), VECTORS[file], f"{done!r}")


def changed_vector(java):
    def change(all_vectors):
        step = all_vectors["connections"][0]["steps"][6]
        step["bytes"] = step["bytes"][:-4] + ("00" if step["bytes"][-4:-2] != "00" else "01") + step["bytes"][-2:]
    contains(java.check_vectors("seal.json", change).text, "expected", "what it says")


def times_out(java):
    with echo() as (port, _):
        java.run("timeout", port=port, **own())


def example(java):
    """The program of the README, run as a developer would, and what it says when it is refused."""
    example_says([*JAVA, java.path, "Get", "127.0.0.1"], "UPDATE_APP")


def kotlin(java):
    """The sample in Kotlin, against a web server."""
    if not find("kotlinc"):
        raise Skip("there is no kotlinc here (Debian: kotlin)")
    built = run(["kotlinc", "-jvm-target", "1.8", "-cp", java.path, "-d", java.folder / "kotlin",
                 ROOT / "clients/java/examples/Sample.kt"], timeout=4 * DEADLINE)
    equal(built.status, 0, f"{built!r}")
    runtime = JARS / "kotlin-stdlib.jar"
    if not runtime.exists():
        raise Skip(f"the sample compiles; there is no {runtime} to run it with")
    with echo(program=page(), clients="any") as (port, _):
        done = run([*JAVA, f"{java.folder / 'kotlin'}:{java.path}:{runtime}", "SampleKt", "127.0.0.1", port, keys.public("server"),
                    keys.public("client")])
        equal((done.status, done.out), (0, b"hello"), f"{done!r}")


def without_mlkem(java):
    with socket.create_server(("127.0.0.1", 0)) as server:
        java.fails("echo", "SealException E_NO_HYBRID", "1.79 or later", port=server.getsockname()[1], hybrid=1, **own())
        with server.accept()[0] as sock:
            sock.settimeout(DEADLINE)
            equal(sock.recv(1), b"", "what the client sent")


def with_mlkem(_java):
    has_post_quantum()
    newer = Java(newer_debian.command("libbcprov-java", "usr/share/java/bcprov.jar"))
    try:
        vectors(newer, "hybrid.json")
        hybrid(newer)
    finally:
        newer.stop()


def main():
    tap = Tap()
    if not shutil.which("javac") or not shutil.which("java"):
        skip_all("there is no JDK here (Debian: openjdk-17-jdk-headless)")
    missing = [name for name in ("bcprov.jar", "bcutil.jar", "bctls.jar") if not (JARS / name).exists()]
    if missing:
        skip_all(f"no {missing[0]} in {JARS} (Debian: libbcprov-java, libbctls-java)")
    java = Java(*(JARS / name for name in ("bcprov.jar", "bcutil.jar", "bctls.jar")))
    for name, case in (
            ("computes every vector of seal.json", lambda java: vectors(java, "seal.json")),
            ("finds a changed byte in a vector", changed_vector),
            *CASES,
            ("a time-out of a read does no harm", times_out),
            ("the example uses the second pinned key, and says what to do", example),
            ("the sample in Kotlin compiles and runs", kotlin),
            ("post-quantum with a Bouncy Castle that has no ML-KEM is refused before a byte is sent", without_mlkem),
            ("a hybrid handshake and its vectors, with a Bouncy Castle that has ML-KEM", with_mlkem)):
        with tap.case(name):
            case(java)
    java.stop()
    tap.finish()


main()
