"""pfswrap status and pfswrap connections: what they show is what the log adds up to, in children, chroots and pid
namespaces too, and a hostile process can neither mislead a terminal nor stop them."""

import collections
import json
import os
import re
import signal
import struct

from lib.certs import self_signed
from lib.listening import listens
from lib.process import DEADLINE, PYTHON, Process, find, free_port, no_namespaces, run, temporary_directory, wait_until
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, LIBRARY, Wrap

ECHO = """import os, socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def echo(connection):
    try:
        while data := connection.recv(65536):
            connection.sendall(data)
    except OSError:
        pass
    connection.close()
while True:
    connection, _ = server.accept()
    if sys.argv[2:] == ["fork"]:
        if os.fork() == 0:
            server.close()
            echo(connection)
            os._exit(0)
        connection.close()
    else:
        threading.Thread(target=echo, args=(connection,), daemon=True).start()
"""
CLIENT = """import socket, sys
held = []
for count in map(int, sys.argv[3:]):
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    connection.sendall(b"x" * count)
    while count > 0:
        part = connection.recv(65536)
        if not part:
            raise SystemExit("the server ended the stream")
        count -= len(part)
    held.append(connection)
for _ in range(int(sys.argv[2])):
    held.pop(0).close()
print("ready", flush=True)
sys.stdin.read()
"""
# What each kind of counter is called in the output, and the fields of the event by which it is counted.
KINDS = {"handshake": ("handshakes", "version", "group"), "override": ("overrides", "setting", None),
         "refused": ("refused", "rule", "reason"), "failed": ("failed", "rule", "reason"),
         "opened": ("opened", "rule", "peer_name"), "closed": ("closed", "rule", "end")}

tap = Tap()


def programs():
    folder = temporary_directory()
    for name, text in (("echo.py", ECHO), ("client.py", CLIENT)):
        (folder / name).write_text(text)
    return folder


PROGRAMS = programs()


def echo(wrap, port, *words):
    return Process(wrap.argv([*PYTHON, PROGRAMS / "echo.py", port, *words])).wait_for_port(port)


class Client:
    """A client that sends so many bytes on each of its connections, closes the first `closed`, and keeps the others."""

    def __init__(self, wrap, port, *counts, closed=0):
        self.end, other = os.pipe()[::-1]
        argv = [*PYTHON, PROGRAMS / "client.py", port, closed, *counts]
        self.process = Process(wrap.argv(argv) if wrap else argv, stdin=other)
        os.close(other)
        wait_until(lambda: "ready" in self.process.text() or not self.process.running(), self.process.text)
        equal(self.process.text().strip(), "ready", "what the client printed")

    def finish(self):
        os.close(self.end)
        equal(self.process.wait(), 0, "exit status of the client")


def status(*words):
    result = run([LAUNCHER, "status", "--json", *words])
    return [json.loads(line) for line in result.out.decode().splitlines()]


def status_of(pid):
    found = status(pid)
    equal(len(found), 1, f"processes with the id {pid}")
    equal(found[0]["counters"], None, "why the counters cannot be read")
    return found[0]


def connections(*words):
    return [json.loads(line) for line in run([LAUNCHER, "connections", "--json", *words]).out.decode().splitlines()]


def counted(shown):
    """{(kind, a, b): count} of a process, as `status` shows it."""
    found = collections.Counter()
    for kind, (name, a, b) in KINDS.items():
        for cell in shown[name]:
            found[kind, cell[a], cell.get(b)] += cell["count"]
    for cell in shown["events"]:
        found[cell["event"], None, None] += cell["count"]
    return dict(found)


def logged(wrap, pid):
    """The same, as the lines of the log add up."""
    found = collections.Counter()
    for event in wrap.events(pid=pid):
        _, a, b = KINDS.get(event["event"], (None, None, None))
        reason = event.get(b) if b else None
        found[event["event"], event.get(a) if a else None, reason] += 1
    return dict(found)


def agree(wrap, pid):
    """Waits until both are the same: a line is written before or after it is counted."""
    last = {}

    def same():
        last["shown"], last["log"] = counted(status_of(pid)), logged(wrap, pid)
        return last["shown"] == last["log"]
    wait_until(same, lambda: f"the same counts; status: {last['shown']}, log: {last['log']}")


def sealed_cases(keys, port):
    server = SealWrap(keys, identity="server", listen=port, clients="client")
    client = SealWrap(keys, identity="client", connect=port, peer="server")
    stranger = SealWrap(Keys("client", "server"), identity="client", connect=port, peer="server")
    with echo(server, port) as process:
        with tap.case("a process is shown with its policy, its planes and its keys"):
            shown = status_of(process.pid)
            equal((shown["mode"], shown["policy"], shown["policy_state"]), ("enforce", str(server.policy), "current"),
                  "mode, policy and its state")
            equal(shown["policy_digest"], run(["b2sum", "-l", "256", server.policy]).text.split()[0], "b2sum -l 256")
            equal(shown["planes"], ["tls", "seal", "wire"], "planes")
            equal((len(shown["identities"]), shown["peers"]), (1, 2), "identities and peers")
            with server.policy.open("a") as file:
                file.write("# changed\n")
            equal(status_of(process.pid)["policy_state"], "changed", "state after a change")

        with tap.case("sealed connections that are open are listed, and what passes is counted"):
            held = Client(client, port, 100_000, 20_000, 5, closed=1)
            server.wait_event("closed")
            agree(server, process.pid)
            shown = status_of(process.pid)
            listed = sorted(each["received_bytes"] for each in shown["connections"])
            equal(listed, [5, 20_000], "bytes of those that are open")
            equal({each["peer_name"] for each in shown["connections"]}, {"client"}, "who the peer is")
            equal(shown["rules"][0]["connections"], 2, "open connections of the rule")
            equal([shown["rules"][0][f"{way}_bytes"] for way in ("sent", "received")], [120_005] * 2, "bytes in all")

        with tap.case("both ends are in the list of connections, each with the other's name"):
            found = [each for each in connections() if str(port) in f"{each['local']} {each['peer']}"]
            equal(collections.Counter((each["peer_name"], each["role"], each["pattern"], each["rule"])
                                      for each in found),
                  {("client", "server", "IK", "test"): 2, ("server", "client", "IK", "test"): 2}, "the list")
            equal({each["pids"][0] for each in found}, {process.pid, held.process.pid}, "the processes")

        with tap.case("refusals are counted by their reasons, as in the log"):
            run(stranger.argv([*PYTHON, PROGRAMS / "client.py", port, 0, 1]))
            run([*PYTHON, PROGRAMS / "client.py", port, 0, 1])
            wait_until(lambda: len(server.events("refused")) == 2, server.tail)
            agree(server, process.pid)
            equal(sum(cell["count"] for cell in status_of(process.pid)["refused"]), 2, "refusals")

        with tap.case("when all connections are closed, the counters say what the lines `closed` add up to"):
            held.finish()
            wait_until(lambda: len(server.events("closed")) == 3, server.tail)
            agree(server, process.pid)
            shown = status_of(process.pid)
            equal((shown["connections"], shown["rules"][0]["connections"]), ([], 0), "open connections")
            for name in ("sent_bytes", "received_bytes", "sent_chunks", "received_chunks"):
                equal(shown["rules"][0][name], sum(event[name] for event in server.events("closed")), name)

        with tap.case("the text for people fits 80 columns, whatever the names are, and is not cut without a terminal"):
            text = run([LAUNCHER, "status"], env={"COLUMNS": "80"}).text
            check(max(map(len, text.splitlines())) <= 80, text)
            contains(text, str(process.pid), "the table")
            contains(run([LAUNCHER, "status"]).text, str(server.policy), "the table in a pipe")
            contains(run([LAUNCHER, "status", process.pid]).text, "client", "what is known of one process")


def tls_cases():
    wrap, port = Wrap(), free_port()
    certificate = self_signed("p256")
    argv = ["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-www",
            "-max_protocol", "TLSv1.2"]
    with tap.case("handshakes by version and group, overrides and refusals of libssl are counted, as in the log"):
        with Process(wrap.argv(argv)).wait_for_port(port) as process:
            for options in ([], ["-groups", "P-256"], ["-tls1_2"]):
                run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options], data=b"Q\n")
            wait_until(lambda: wrap.events("refused") and len(wrap.events("handshake")) == 2, wrap.tail)
            agree(wrap, process.pid)
            shown = status_of(process.pid)
            equal(sum(cell["count"] for cell in shown["handshakes"]), 2, "handshakes")
            check(shown["overrides"] and shown["refused"], f"overrides and refusals in {shown}")


def fork_cases(keys, port):
    server = SealWrap(keys, identity="server", listen=port, clients="client")
    client = SealWrap(keys, identity="client", connect=port, peer="server")
    with echo(server, port, "fork") as process:
        with tap.case("a child of fork() has counters of its own, and both ends of its connection are listed"):
            held = Client(client, port, 40_000, 3)
            children = [each for each in status() if each["pid"] != process.pid and each.get("policy") == str(server.policy)]
            equal(len(children), 2, "children")
            for child in children:
                agree(server, child["pid"])
            equal(sorted(child["rules"][0]["sent_bytes"] for child in children), [3, 40_000], "bytes of the children")
            agree(server, process.pid)
            found = [each for each in connections() if each["local"] == f"127.0.0.1:{port}"]
            equal(len(found), 2, "connections, each of them once")
            held.finish()
            wait_until(lambda: not [each for each in status() if each["pid"] != process.pid and
                                    each.get("policy") == str(server.policy)], "the children end, and so do their counters")

    with tap.case("an exec begins anew"):
        wrap = Wrap()
        with Process(wrap.argv(["sh", "-c", "echo begun; exec sleep 60"])) as process:
            wait_until(lambda: [each for each in status(process.pid) if each["program"] == "sleep"], process.text)
            agree_once = status_of(process.pid)
            equal(agree_once["events"], [{"event": "policy", "count": 1}], "events of the new program")
            process.signal(signal.SIGTERM)


def namespace_cases():
    if no_namespaces():
        raise Skip(no_namespaces())
    wrap = Wrap()
    argv = ["unshare", "--fork", "--pid", "--mount", "chroot", "/proc/self/root", "sleep", "60"]
    with Process(wrap.argv(argv)) as process:
        def found():
            return [each for each in status() if each.get("policy") == str(wrap.policy) and each["program"] == "sleep"]
        wait_until(found, lambda: f"a sleep in a namespace; unshare printed: {process.text()}")
        shown = found()[0]
        equal((shown["counters"], shown["policy_state"]), (None, "current"), "what is known of it")
        equal(shown["events"], [{"event": "policy", "count": 1}], "its counters, which have another process id")
        os.kill(shown["pid"], signal.SIGKILL)  # the first process of a namespace ignores SIGTERM
        process.wait()


def other_user_case():
    if os.geteuid() != 0 or not find("setpriv"):
        raise Skip("only root with setpriv can become another user")
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if run([*become, "test", "-x", LAUNCHER]).status != 0:
        raise Skip("the user nobody cannot reach the build tree")
    wrap = Wrap()
    with Process(wrap.argv(["sleep", "60"])) as process:
        wait_until(lambda: status(process.pid), process.text)
        result = run([*become, LAUNCHER, "status", process.pid])
        equal(result.status, 1, "exit status")
        contains(result.text, "may not examine", "what another user is told")
        process.signal(signal.SIGTERM)


def hostile_object(folder, texts):
    """A file that looks like the shared object, and has such texts where the counters are."""
    block, note, escapes = 4096, 256, texts * 40
    about = b"pfswrap counters" + struct.pack("<IIII", 1, 1 << 20, 24576, 0) + struct.pack("<i11I", 0, *[0] * 11)
    image = bytearray(1 << 20)
    image[:64] = struct.pack("<4sBBBB8xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    image[64:120] = struct.pack("<IIQQQQQQ", 4, 4, note, note, note, 24, 24, 4)
    image[note:note + 24] = struct.pack("<III8si", 8, 4, 1, b"pfswrap", block - note - 20)
    image[block:block + len(about)] = about
    image[block + 150:block + 150 + 22000] = (escapes * (22000 // len(escapes) + 1))[:22000]
    path = folder / "libpfswrap.so"
    path.write_bytes(image)
    return path


def hostile_case():
    folder = temporary_directory()
    path = hostile_object(folder, b"\x1b[31m\x07\xc2\x9b2J\xff\r")
    program = ("import mmap, sys\nfile = open(sys.argv[1], 'r+b')\nheld = mmap.mmap(file.fileno(), 0)\n"
               "print('ready', flush=True)\nsys.stdin.read()")
    end, other = os.pipe()[::-1]
    with Process([*PYTHON, "-c", program, path], stdin=other) as process:
        wait_until(lambda: "ready" in process.text(), process.text)
        for words in ([], [process.pid], ["--json"]):
            result = run([LAUNCHER, "status", *words])
            equal(result.status, 0, f"exit status of status {words}")
            contains(result.text, str(process.pid), "the hostile process is shown")
            check(not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", result.out), f"control bytes: {result!r}")
            result.out.decode()
        equal(run([LAUNCHER, "connections"]).status, 0, "exit status of connections")
        os.close(other)
        os.close(end)
        process.wait()


def cost_case():
    """Each process may cost so many system calls that 500 of them take less than a second on any machine."""
    if not find("strace"):
        raise Skip("no strace")
    out, wrap, numbers = temporary_directory() / "calls", Wrap(), []
    environment = wrap.preload()
    processes = []

    def calls():
        equal(run(["strace", "-c", "-U", "calls,name", "-o", out, LAUNCHER.replace("scripts/pfswrap", "scripts/pfswrap"),
                   "status"]).status, 0, "strace")
        return int(re.search(r"^ *(\d+) +total$", out.read_text(), re.M)[1])
    for _ in range(2):
        numbers.append(calls())
        processes += [Process(["sleep", "100"], env=environment) for _ in range(20)]
        wait_until(lambda: sum(each.get("policy") == str(wrap.policy) for each in status()) == len(processes), "sleeps")
    numbers.append(calls())
    each = min(numbers[1] - numbers[0], numbers[2] - numbers[1]) / 20  # other tests start and end processes, too
    for process in processes:
        process.signal(signal.SIGTERM)
        process.wait()
    check(each < 60, f"{each} system calls for each process: {numbers}")


def usage_cases():
    with tap.case("wrong words on the command line are refused"):
        for words in (["status", "--jso"], ["status", "1", "2"], ["connections", "-x"], ["status", "--unprotected", "1"],
                      ["status", "99999999999999999999"]):
            equal(run([LAUNCHER, *words]).status, 2, f"exit status of {words}")
        equal(run([LAUNCHER, "status", str(os.getpid())]).status, 1, "of a process without pfswrap")


def unprotected_cases(keys):
    folder, port = temporary_directory(), free_port()
    wrap = SealWrap(keys, identity="server", listen=port, clients="client")
    policy = folder / "server.conf"
    policy.write_text(wrap.policy.read_text())
    policy.chmod(0o600)
    words = [LAUNCHER, "status", "--unprotected", "--json", "--policies", folder]

    def found():
        result = run(words)
        mine = [each for each in map(json.loads, result.out.decode().splitlines())]
        equal(result.status, 1 if mine else 0, "exit status")
        return mine
    with tap.case("a server without pfswrap that listens on a sealed port is found"):
        with Process([*PYTHON, PROGRAMS / "echo.py", port]).wait_for_port(port) as process:
            equal([(each["pid"], each["rule"], each["address"]) for each in found()],
                  [(process.pid, "test", f"127.0.0.1:{port}")], "what is not protected")
            contains(run([word for word in words if word != "--json"]).text, "127.0.0.1", "the table")
    with tap.case("under pfswrap it is not"):
        with echo(wrap, port):
            equal(found(), [], "what is not protected")
    with tap.case("a program that a policy names is found"):
        name = "pfs-named"
        (folder / f"{name}.conf").write_text("[policy]\nmode = audit\n")
        (folder / f"{name}.conf").chmod(0o600)
        with Process(["bash", "-c", f"exec -a {name} sleep 60"]) as process:
            wait_until(lambda: [each["pid"] for each in found()] == [process.pid], "it is found")
            process.signal(signal.SIGTERM)
    check(not listens(port), "the port is free again")


def main():
    keys = Keys("server", "client")
    sealed_cases(keys, free_port())
    tls_cases()
    fork_cases(keys, free_port())
    for sentence, case in (
            ("a process in another pid namespace and in a chroot is shown as any other", namespace_cases),
            ("another user learns nothing of a process", other_user_case),
            ("a hostile process cannot put control characters on the terminal", hostile_case),
            ("a process costs fewer than 60 system calls", cost_case)):
        with tap.case(sentence):
            case()
    usage_cases()
    unprotected_cases(keys)
    tap.finish()


if __name__ == "__main__":
    main()
