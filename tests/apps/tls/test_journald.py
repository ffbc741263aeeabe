"""log = journald: what the journal's socket receives, when it is full, gone or out of reach, and what journald makes of it."""

import json
import os
import re
import subprocess
from pathlib import Path

from lib import certs, peers
from lib.filters import numbers
from lib.journal import Journal
from lib.process import PROGRAMS, PYTHON, Process, find, free_port, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

JOURNALD = "/lib/systemd/systemd-journald"
# For each line of its input, opens a plain connection to the port, and prints how that went and how long it took.
CLIENT = """
import socket, sys, time
for line in sys.stdin:
    begun = time.monotonic()
    try:
        with socket.create_connection(("127.0.0.1", int(line)), 30) as connection:
            connection.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            result = "answered" if connection.recv(4) else "ended"
    except OSError:
        result = "refused"
    print(result, time.monotonic() - begun, flush=True)
"""
SERVER = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    with listener.accept()[0] as connection:
        connection.recv(100)
        connection.sendall(b"HTTP/1.0 200 OK\\r\\n\\r\\n")
"""


def journal_wrap(where, more=""):
    wrap = Wrap()
    wrap.policy.write_text(f"[policy]\nlog = journald{where}\n{more}")
    return wrap


def curl(server, program="curl"):
    return [program, "-sS", "--tls-max", "1.2", "--cacert", certs.authority().cert, f"https://localhost:{server.port}/"]


def prove_fields(tap, server):
    journal, wrap = Journal(), Wrap()
    with tap.case("an entry has the same fields and values as the JSON line of the same event"):
        run(wrap.argv(curl(server)))
        result = run(journal_wrap(f":{journal.path}").argv(curl(server)))
        equal((result.status, result.err), (0, b""), f"{result!r}")
        lines, entries = wrap.events(), journal.events()
        equal([line["event"] for line in lines], [entry["PFSWRAP_EVENT"] for entry in entries], "events")
        check(len(lines) >= 3, f"policy, override and handshake: {lines}")
        for line, entry in zip(lines, entries):
            expected = {f"PFSWRAP_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
                        for name, value in line.items()}
            found = {name: value for name, value in entry.items() if name.startswith("PFSWRAP_")}
            equal(sorted(found), sorted(expected), "names")
            changing = {"PFSWRAP_TIME", "PFSWRAP_PID", "PFSWRAP_LOCAL", "PFSWRAP_POLICY"}
            equal({name: found[name] for name in found if name not in changing},
                  {name: expected[name] for name in expected if name not in changing}, "values")
            check(re.fullmatch(r"[0-9a-f]{32}", entry["MESSAGE_ID"]), f"MESSAGE_ID in {entry}")
            equal((entry["SYSLOG_IDENTIFIER"], entry["_PID"]), ("pfswrap", entry["PFSWRAP_PID"]), "identifier and process")
            contains(entry["MESSAGE"], f"{line['event']} ", "MESSAGE")
        equal({entry["PFSWRAP_EVENT"]: entry["PRIORITY"] for entry in entries},
              {"policy": "6", "override": "5", "observed": "6", "handshake": "6"}, "priorities")
    with tap.case("a program whose name has newlines and fields of the journal forges none"):
        name = "x\nPFSWRAP_EVENT=forged\nPRIORITY=0"
        (wrap.folder / name).symlink_to(find("curl"))
        before = len(journal.events())
        result = run(journal_wrap(f":{journal.path}").argv(curl(server, wrap.folder / name)))
        equal(result.status, 0, f"{result!r}")
        check(len(journal.events()) >= before + 3, "entries")  # decode() refuses a name that repeats
        equal({entry["PFSWRAP_PROGRAM"] for entry in journal.events()[before:]}, {name}, "the program")
        equal(journal.events("forged"), [], "forged entries")
    with tap.case("the children of fork() write with their own process ids"):
        code = "import os, ssl; ssl.create_default_context(); os.fork() or os.execvp('true', ['true']); os.wait()"
        before = len(journal.events())
        run(journal_wrap(f":{journal.path}").argv([*PYTHON, "-c", code]))
        entries = journal.events()[before:]
        equal(len({entry["_PID"] for entry in entries}), 2, f"processes in {entries}")
        check(all(entry["_PID"] == entry["PFSWRAP_PID"] for entry in entries), f"{entries}")
    with tap.case("pfswrap check prints the log as it was written, and warns if there is no such socket"):
        wrap = journal_wrap(f":{journal.path}")
        result = run([LAUNCHER, "check", wrap.policy])
        equal((result.status, result.err), (0, b""), f"{result!r}")
        contains(result.lines, f"log = journald:{journal.path}", "output")
        result = run([LAUNCHER, "check", journal_wrap(":/nonexistent").policy])
        contains(result.err.decode(), "log /nonexistent cannot be written: No such file or directory", "warning")


def prove_reach(tap, server):
    for how in ("close", "close_range", "closefrom"):
        with tap.case(f"a program that calls {how} on all descriptors, chroots and drops root is still logged"):
            if os.getuid() != 0:
                raise Skip("only root can chroot and drop privileges")
            journal = Journal()
            wrap = journal_wrap(f":{journal.path}")
            folder = wrap.folder / "root"
            folder.mkdir()
            result = run(wrap.argv([PROGRAMS / "tls/detached", how, server.port, folder]))
            equal(result.status, 0, f"{result!r}")
            journal.wait("handshake", role="client", version="TLSv1.3")
            equal({path.read_bytes() for path in folder.glob("own-*")}, {b"mine\nmine\n"}, "the program's own files")
    with tap.case("after chroot, a socket at the same path inside the new root gets nothing, even if the journal is gone"):
        if os.getuid() != 0:
            raise Skip("only root can chroot")
        outside = Journal()
        wrap = journal_wrap(f":{outside.path}")
        inside = Path(str(wrap.folder / "root") + str(outside.path))
        inside.parent.mkdir(parents=True)
        other = Journal(inside)
        code = ("import os, socket, sys; os.chroot(sys.argv[1]); os.chdir('/'); print(flush=True); sys.stdin.readline(); "
                "c = socket.socket(); c.connect(('127.0.0.1', int(sys.argv[2]))); c.sendall(b'plain'); c.recv(1)")
        program = subprocess.Popen(wrap.argv([*PYTHON, "-c", code, wrap.folder / "root", server.port]),
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        program.stdout.readline()
        outside.events()
        outside.socket.close()
        _, err = program.communicate(b"\n")
        contains(err.decode(), f"cannot write the audit log to {outside.path}: ", "standard error")
        equal(other.events(), [], "entries inside")
    with tap.case("in a mount namespace that hides the socket, entries arrive"):
        if os.getuid() != 0 or run(["unshare", "-m", "true"]).status != 0:
            raise Skip("mount namespaces are not permitted here")
        journal = Journal()
        code = ("import os, socket, subprocess, sys; subprocess.run(['mount', '-t', 'tmpfs', 'tmpfs', sys.argv[1]], check=True); "
                "c = socket.create_connection(('127.0.0.1', int(sys.argv[2]))); c.sendall(b'plain'); c.recv(1)")
        wrap = journal_wrap(f":{journal.path}")
        result = run(["unshare", "-m", *wrap.argv([*PYTHON, "-c", code, journal.path.parent, server.port])])
        equal(result.status, 0, f"{result!r}")
        journal.wait("plaintext", role="client")
    with tap.case("behind a filter that forbids what only a new connection needs, entries are written by write(2) alone"):
        journal = Journal()
        code = ("import ctypes, socket, sys; c = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
                "import os, struct\n"
                "allow, libc = [int(n) for n in sys.argv[2].split(',')], ctypes.CDLL(None, use_errno=True)\n"
                "code = struct.pack('HBBI', 0x20, 0, 0, 0) + b''.join(struct.pack('HBBIHBBI', 0x15, 0, 1, n, 6, 0, 0, 0x7fff0000)"
                " for n in allow) + struct.pack('HBBI', 6, 0, 0, 0x00050001)\n"
                "class Prog(ctypes.Structure): _fields_ = [('n', ctypes.c_ushort), ('p', ctypes.c_void_p)]\n"
                "buffer = ctypes.create_string_buffer(code); prog = Prog(len(code) // 8, ctypes.addressof(buffer))\n"
                "assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(prog), 0, 0) == 0\n"
                "os.write(c.fileno(), b'plain'); os.read(c.fileno(), 1); os._exit(0)")
        allowed = ",".join(str(numbers()[name]) for name in ("write", "read", "exit_group", "close", "futex", "munmap", "mmap"))
        result = run(journal_wrap(f":{journal.path}").argv([*PYTHON, "-c", code, server.port, allowed]))
        equal(result.status, 0, f"{result!r}")
        journal.wait("plaintext", role="client")


class Client:
    """A wrapped program that opens a connection whenever it is told to."""

    def __init__(self, wrap, port):
        self.port = port
        self.process = subprocess.Popen(wrap.argv([*PYTHON, "-c", CLIENT]), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def connect(self):
        """("answered" or "refused", seconds)"""
        self.process.stdin.write(f"{self.port}\n")
        self.process.stdin.flush()
        word, seconds = self.process.stdout.readline().split()
        return word, float(seconds)

    def end(self):
        self.process.stdin.close()
        text = self.process.stderr.read()
        equal(self.process.wait(), 0, f"status; standard error: {text}")
        return text


def prove_failing(tap, port):
    with tap.case("a journal that is made again is found again, and no entry is missing"):
        journal = Journal()
        client = Client(journal_wrap(f":{journal.path}"), port)
        for _ in range(3):
            count = len(journal.events("plaintext"))
            equal(client.connect()[0], "answered", "the connection")
            journal.wait("plaintext", skip=count)
            journal.restart()
        equal((client.end(), journal.events("lost")), ("", []), "standard error and lost events")
    with tap.case("log-failure = continue: a journal that does not read delays a program once, and then says what is missing"):
        journal = Journal()
        client = Client(journal_wrap(f":{journal.path}"), port)
        answers = [client.connect() for _ in range(600)]  # the queue has 10 to 512 places (net.unix.max_dgram_qlen)
        equal({word for word, _ in answers}, {"answered"}, "connections")
        slow = [seconds for _, seconds in answers if seconds >= 0.1]
        check(sum(slow) < 10, f"delays: {slow}")  # if each line waited, it would be 8 seconds and more, on an idle machine
        written = len(journal.events("plaintext"))
        check(written < 600, f"entries: {written}")
        equal(client.connect()[0], "answered", "afterwards")
        equal(int(journal.wait("lost")["PFSWRAP_EVENTS"]), 600 - written, "events that are missing")
        equal(client.end().count("cannot write the audit log"), 1, "lines on standard error")
    with tap.case("log-failure = refuse: connections are refused while the journal is full, and accepted afterwards"):
        journal = Journal()
        client = Client(journal_wrap(f":{journal.path}", "log-failure = refuse\n"), port)
        first = next(i for i in range(2000) if client.connect()[0] == "refused")
        check(first > 2, f"the first connection that was refused: {first}")
        equal(client.connect()[0], "refused", "the next one")
        journal.read()
        equal(client.connect()[0], "answered", "afterwards")
        journal.wait("lost")
        client.end()
    for failure, expected in (("refuse", 125), ("continue", 0)):
        with tap.case(f"log-failure = {failure}: a program starts without a journal: {expected == 0}"):
            result = run(journal_wrap(":/nonexistent", f"log-failure = {failure}\n").argv(["echo", "started"]))
            equal(result.status, expected, f"{result!r}")
            contains(result.err.decode(), "pfswrap: cannot write the audit log to /nonexistent: No such file or directory",
                     "standard error")


# In a mount namespace of its own: nothing that it writes is seen outside. It does not touch the kernel's log or auditing.
DAEMON = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=\\nRateLimitBurst=0\\nForwardToSyslog=no\\n' > /run/systemd/journald.conf.d/t.conf
mount --bind /dev/null /dev/kmsg
"$1" >/dev/null 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon || true' EXIT
tries=0
until [ -S /run/systemd/journal/socket ]; do sleep 0.1; tries=$((tries + 1)); [ $tries -lt 300 ] || exit 77; done
shift
"$@" >&2 || exit 1
kill -USR1 $daemon
tries=0
until journalctl -o json -D /run/log/journal 2>/dev/null | grep -q PFSWRAP_GROUP; do
    sleep 0.1; tries=$((tries + 1)); [ $tries -lt 300 ] || exit 78
done
journalctl -o json -D /run/log/journal -t pfswrap
"""


def prove_journald(tap, server):
    with tap.case("systemd-journald stores the entries, and journalctl finds them by their fields"):
        if os.getuid() != 0 or not os.path.exists(JOURNALD) or not find("journalctl"):
            raise Skip("systemd-journald is not installed, or this is not root")
        if run(["unshare", "-m", "true"]).status != 0:
            raise Skip("mount namespaces are not permitted here")
        name = temporary_directory() / "new\nline"
        name.symlink_to(find("curl"))
        result = run(["unshare", "-m", "sh", "-c", DAEMON, "sh", JOURNALD, *journal_wrap("").argv(curl(server, name))])
        equal(result.status, 0, f"{result!r}")
        entries = [json.loads(line) for line in result.lines]
        entry = next(entry for entry in entries if entry["PFSWRAP_EVENT"] == "handshake")
        equal(entry["PFSWRAP_VERSION"], "TLSv1.3", "version")
        equal((entry["_PID"], entry["_TRANSPORT"]), (entry["PFSWRAP_PID"], "journal"), f"what journald adds in {entry}")
        equal(entry["PFSWRAP_PROGRAM"], "new\nline", "program")


def main():
    tap = Tap()
    port = free_port()
    with peers.Server(peers.reply_http(b"body")) as server:
        prove_fields(tap, server)
        prove_journald(tap, server)
    with peers.Server(peers.echo) as server:
        prove_reach(tap, server)
    with Process([*PYTHON, "-c", SERVER, port]).wait_for_port(port):
        prove_failing(tap, port)
    tap.finish()


main()
