"""socat, netcat and bash, sealed: connections that become descriptors 0 and 1 of another program, as with inetd."""

import hashlib

from lib.legacy import require_programs
from lib.process import wait_until
from lib.sealed import MARKER, begin, ended, prove
from lib.tap import Tap, check, equal

DATA = b"".join(b"%07d %s\n" % (number, MARKER) for number in range(2 * 1024 * 1024 // 37))


def listen(ends, port, target, *options):
    """A socat that gives its connections to a command."""
    address = ",".join([f"TCP-LISTEN:{port}", "bind=127.0.0.1", "reuseaddr", "fork", *options])
    return ends.server(["socat", "-t", "10", address, target], port=port)


def start_target(target):
    """The start function of a server with one target."""
    def start(ends):
        (ends.folder / "data").write_bytes(DATA)
        server = listen(ends, ends.port, target.replace("FOLDER", str(ends.folder)))
        yield server
        ended(server, (143,))
    return start


def through_socat(ends, data, options="-t 10"):
    done = ends.client(["socat", *options.split(), "-", f"TCP:127.0.0.1:{ends.port}"], data=data)
    equal(done.status, 0, f"status of {done!r}")
    return done.out


def same(found, expected):
    check(found == expected, f"expected {len(expected)} bytes, digest {hashlib.sha256(expected).hexdigest()[:16]}, "
                             f"found {len(found)}, digest {hashlib.sha256(found).hexdigest()[:16]}: {found[:200]!r}")


def echoed(ends, _server):
    same(through_socat(ends, DATA), DATA)


def short(ends, _server):
    same(through_socat(ends, MARKER + b"\n"), MARKER + b"\n")


def netcat(ends, _server):
    """nc -N half-closes after its standard input ends."""
    done = ends.client(["nc.openbsd", "-N", "127.0.0.1", ends.port], data=DATA)
    equal(done.status, 0, f"status of {done!r}")
    same(done.out, DATA)


def bash(ends, _server):
    """/dev/tcp: bash connects, and duplicates the descriptor for cat and read."""
    script = 'exec 3<>/dev/tcp/127.0.0.1/$0; for word in a b c; do echo "$word $1" >&3; read -r line <&3; echo "$line"; done'
    done = ends.client(["bash", "-c", script, ends.port, MARKER.decode()])
    equal((done.status, done.out), (0, b"".join(b"%c %s\n" % (letter, MARKER) for letter in b"abc")), f"{done!r}")


def bash_children(ends, _server):
    """The connection is standard input and output of programs that bash starts."""
    script = 'exec 3<>/dev/tcp/127.0.0.1/$0; echo "$1" >&3; head -n 1 <&3; printf "%s\\n" "$1" | cat >&3; head -n 1 <&3'
    done = ends.client(["bash", "-c", script, ends.port, MARKER.decode()])
    equal((done.status, done.out), (0, (MARKER + b"\n") * 2), f"{done!r}")


def fetched(ends, _server):
    """The program behind the connection only writes, and exits."""
    same(through_socat(ends, b""), DATA)


def asked(ends, _server):
    """A shell that reads a line and answers with printf, a builtin that writes through stdio."""
    out = through_socat(ends, MARKER + b"\n")
    equal(out, b"you said " + MARKER + b"\n" + b"and goodbye\n", "answer")


def start_netcat(ends):
    """nc -l -k accepts one connection after the other, and prints what it receives."""
    server = ends.server(["nc.openbsd", "-l", "-k", "127.0.0.1", ends.port])
    yield server
    ended(server, (-15,))


def printed(ends, server):
    """A program that only writes and exits: every byte of it must arrive, and the end of the stream."""
    for count in (1, 2):
        same(through_socat(ends, DATA, "-u"), b"")
        wait_until(lambda: len(server.text()) == count * len(DATA), lambda: f"{count} times 2 MB, {len(server.text())} bytes")
    check(server.text().encode() == DATA + DATA, "expected the data twice, unchanged")


ECHO = [("2 MB come back unchanged", echoed), ("a line comes back", short), ("nc gets 2 MB back", netcat),
        ("bash's /dev/tcp exchanges lines", bash), ("bash gives its connection to programs", bash_children)]


def main():
    require_programs("socat", "nc.openbsd", "bash")
    tap = Tap()
    begin(tap)
    prove(tap, "socat EXEC:cat", start_target("EXEC:cat"), ECHO)
    prove(tap, "socat EXEC:cat,nofork", start_target("EXEC:cat,nofork"), ECHO)
    prove(tap, "socat SYSTEM:cat", start_target("SYSTEM:cat"), ECHO[:2])
    prove(tap, "socat EXEC with a file to send", start_target("EXEC:cat FOLDER/data"),
          [("a program that only writes delivers 2 MB before it exits", fetched)])
    prove(tap, "socat EXEC,nofork with a file to send", start_target("EXEC:cat FOLDER/data,nofork"),
          [("a program that only writes delivers 2 MB before it exits", fetched)])
    shell = "SYSTEM:'read line; printf \"you said %s\\n\" \"$line\"; echo and goodbye'"
    prove(tap, "socat SYSTEM,nofork with a shell", start_target(shell + ",nofork"),
          [("it reads a line and answers", asked)])
    prove(tap, "nc -l -k", start_netcat, [("two clients that only write deliver 2 MB each", printed)])
    prove(tap, "socat PIPE", start_target("PIPE"), ECHO[:1])
    tap.finish()


main()
