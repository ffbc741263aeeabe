#!/usr/bin/env python3
"""log-handshakes, log-repeats and log-interval: events that are counted in place of lines, and none that is lost."""

import collections
import json
import re
import signal
import subprocess
import textwrap

from lib import certs, peers
from lib.audit_count import Count, table
from lib.process import DEADLINE, PYTHON, run, wait_until
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, Wrap

# Handshakes as a client, in the process that calls it. `end` is what happens afterwards.
CLIENT = textwrap.dedent("""
    import os, signal, socket, ssl, sys, threading
    port = int(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    def shake(count):
        for _ in range(count):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as tls:
                tls.sendall(b"x")
                tls.recv(10)
    """)
# A server and its clients in one process: both roles.
BOTH = textwrap.dedent("""
    import socket, ssl, sys, threading
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(sys.argv[1], sys.argv[2])
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    def pair(host, count, group):
        listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        server.set_ecdh_curve(group)
        def serve():
            for _ in range(count):
                with server.wrap_socket(listener.accept()[0], server_side=True) as tls:
                    tls.sendall(tls.recv(1))
        thread = threading.Thread(target=serve)
        thread.start()
        for _ in range(count):
            with client.wrap_socket(socket.create_connection(listener.getsockname()[:2])) as tls:
                tls.sendall(b"x")
                tls.recv(1)
        thread.join()
    pair("127.0.0.1", 7, "prime256v1")
    pair("127.0.0.1", 4, "secp384r1")
    pair("::1", 5, "prime256v1")
    """)


def wrap_with(*lines):
    wrap = Wrap()
    wrap.policy.write_text(wrap.policy.read_text().replace("[tls]", "\n".join([*lines, "[tls]"]), 1))
    return wrap


def client(wrap, port, end, expected=0):
    result = run(wrap.argv([*PYTHON, "-c", CLIENT + end, port]))
    equal(result.status, expected, f"{result!r}; log: {wrap.tail()}")
    return result


def total(wrap, kind="handshake", **fields):
    """How many events the lines stand for."""
    return sum(event.get("count", 1) for event in wrap.events(kind, **fields))


def report_json(*paths):
    result = run([LAUNCHER, "report", "--json", *map(str, paths)])
    check(result.status in (0, 1), f"{result!r}")
    return json.loads(result.out)


def prove_endings(tap, port):
    endings = {
        "_exit": "shake(20); os._exit(0)",
        "exit_group by number": "shake(20); import ctypes; ctypes.CDLL(None).syscall(231 if os.uname().machine == 'x86_64' else 94, 0)",
        "an exec": "shake(20); os.execv('/bin/true', ['true'])",
        "an exec that fails, and exit": "shake(12)\ntry: os.execv('/nonexistent', ['x'])\nexcept OSError: pass\nshake(8)",
        "threads": "each = [threading.Thread(target=shake, args=(5,)) for _ in range(4)]\n"
                   "for thread in each: thread.start()\nfor thread in each: thread.join()",
    }
    for how, end in endings.items():
        with tap.case(f"log-handshakes = summary loses no handshake at {how}"):
            wrap = wrap_with("log-handshakes = summary")
            client(wrap, port, end)
            equal(total(wrap, "handshake", role="client"), 20, f"handshakes; log: {wrap.tail()}")
            check(len(wrap.events("handshake")) <= 6, f"a few lines; log: {wrap.tail()}")
    with tap.case("children of a fork count for themselves, and their parent for itself"):
        wrap = wrap_with("log-handshakes = summary")
        client(wrap, port, "shake(5)\nfor count in (3, 4):\n    if os.fork() == 0:\n        shake(count); os._exit(0)\n"
                           "    os.wait()\nshake(6)")
        by_process = collections.Counter()
        for event in wrap.events("handshake"):
            by_process[event["pid"]] += event.get("count", 1)
        equal(sorted(by_process.values()), [3, 4, 11], f"handshakes of each process; log: {wrap.tail()}")
    with tap.case("SIGKILL: the first handshake of a kind is in the log, those that were only counted are not"):
        wrap = wrap_with("log-handshakes = summary")
        client(wrap, port, "shake(9); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)
        equal([event.get("count") for event in wrap.events("handshake")], [None], f"lines; log: {wrap.tail()}")


def prove_interval(tap, port):
    with tap.case("log-interval = 1s: the count is written when the interval is over, with its times"):
        wrap = wrap_with("log-handshakes = summary", "log-interval = 1s")
        process = subprocess.Popen(wrap.argv([*PYTHON, "-uc", CLIENT + "while True:\n    shake(1); print(1)", port]),
                                   stdout=subprocess.PIPE)
        try:
            wait_until(lambda: wrap.events("handshake", role="client")[3:], lambda: f"four lines; log: {wrap.tail()}")
        finally:
            process.terminate()
            process.communicate(timeout=DEADLINE)
        counted = [event for event in wrap.events("handshake") if "count" in event]
        check(counted, f"lines with a count; log: {wrap.tail()}")
        for event in counted:
            check(event["since"] <= event["until"] <= event["time"], f"times of {event}")
            equal([event[name] for name in ("role", "peer", "version", "verified", "server_name")],
                  ["client", f"127.0.0.1:{port}", "TLSv1.3", "none", "localhost"], "what was counted")
            lacks(event, "local", "fields of a client's count, whose port is another one each time")


def times_removed(rows):
    return sorted(json.dumps({name: value for name, value in row.items() if name not in ("first", "last", "peer")},
                             sort_keys=True) for row in rows)


def prove_report(tap):
    documents, counts = {}, {}
    for how in ("all", "summary"):
        wrap = wrap_with(f"log-handshakes = {how}")
        result = run(wrap.argv([*PYTHON, "-c", BOTH, certs.server().cert, certs.server().key]))
        equal(result.status, 0, f"{result!r}; log: {wrap.tail()}")
        documents[how], counts[how] = report_json(wrap.log), Count(wrap.log.read_bytes().splitlines())
        counts[how].lines = len(wrap.events())
    with tap.case("log-handshakes = summary writes fewer lines, with the networks of a server's clients"):
        check(counts["summary"].lines < counts["all"].lines - 10, f"lines: {counts['summary'].lines} of {counts['all'].lines}")
        networks = {event["network"] for event in wrap.events("handshake", role="server") if "count" in event}
        equal(networks, {"127.0.0.0/24", "::/48"}, "networks")
    for name in ("handshakes", "verified", "services", "incident_totals", "events"):
        with tap.case(f"pfswrap report counts the same with all and with summary: {name}"):
            sides = [documents[how][name] for how in ("all", "summary")]
            if isinstance(sides[0], list):
                sides = [times_removed(side) for side in sides]
            equal(sides[1], sides[0], name)
    with tap.case("so do an independent count, and the report of it"):
        equal(counts["summary"].handshakes, counts["all"].handshakes, "handshakes")
        equal(sum(counts["all"].handshakes.values()), 32, "both sides of 16 handshakes")
        equal(table(documents["summary"], "handshakes", "plane", "role", "version", "group", "cipher", "resumed"),
              counts["summary"].handshakes, "the report")
    with tap.case("the verdicts are the same"):
        verdicts = [[(control["id"], control["verdict"], control["shown_by"]) for control in documents[how]["controls"]]
                    for how in ("all", "summary")]
        equal(verdicts[1], verdicts[0], "verdicts")


def prove_off(tap, port):
    with tap.case("log-handshakes = off: no handshake is in the log, the policy line says so, and so does the report"):
        wrap = wrap_with("log-handshakes = off")
        client(wrap, port, "shake(3)")
        equal([event["event"] for event in wrap.events() if event["event"] == "handshake"], [], "handshakes")
        check(wrap.events("policy", log_handshakes="off"), f"a policy line; log: {wrap.tail()}")
        findings = [finding["id"] for finding in report_json(wrap.log)["findings"]]
        check("no-handshakes" in findings, f"a finding among {findings}")
    with tap.case("pfswrap status counts handshakes that are summed up, or not logged"):
        for how in ("summary", "off"):
            wrap = wrap_with(f"log-handshakes = {how}")
            result = client(wrap, port, "shake(6); import subprocess; sys.stdout.flush()\n"
                            f"subprocess.run([{str(LAUNCHER)!r}, 'status', '--json', str(os.getpid())])")
            equal(re.findall(r'"count": *6\b', result.out.decode())[:1] != [], True, f"6 handshakes in {result!r}")


def learned(wrap):
    """What pfswrap learn proposes, without the times and the name of the log."""
    result = run([LAUNCHER, "learn", "--yes", str(wrap.log)])
    equal(result.status, 0, f"{result!r}")
    return re.sub(r"20\d\d-\S+( \d\S*)?|from \d+ events|/tmp/\S+", "", result.out.decode())


def prove_learn(tap, port):
    with tap.case("pfswrap learn proposes the same from a log with all and with summary"):
        proposals = {}
        for how in ("all", "summary"):
            wrap = wrap_with(f"log-handshakes = {how}")
            wrap.policy.write_text(wrap.policy.read_text().replace("mode = enforce", "mode = audit"))
            client(wrap, port, "shake(9)")
            equal(total(wrap, "handshake"), 9, f"handshakes; log: {wrap.tail()}")
            proposals[how] = learned(wrap)
        contains(proposals["all"], "min-version = 1.2", "proposal")
        contains(proposals["all"], "9", "proposal")
        equal(proposals["summary"], proposals["all"], "proposal from the summary")


def prove_repeats(tap, port):
    for limit, lines in (("all", 12), ("3", 4)):
        with tap.case(f"log-repeats = {limit}: 12 refusals for one reason are {lines} lines"):
            wrap = wrap_with(f"log-repeats = {limit}")
            client(wrap, port, "for _ in range(12):\n    try: shake(1)\n    except OSError: pass")
            events = wrap.events("refused")
            equal((len(events), total(wrap, "refused")), (lines, 12), f"lines and events; log: {wrap.tail()}")
            equal(len({event["reason"] for event in events}), 1, "reasons")
            equal(report_json(wrap.log)["incident_totals"]["refused"], 12, "refusals in the report")


def main():
    tap = Tap()
    # Both at once: a thread of the first could still accept a connection at the descriptor number of the second.
    with peers.Server(peers.echo_line) as server, \
            peers.Server(peers.echo_line, version=peers.ssl.TLSVersion.TLSv1_2) as older:
        prove_endings(tap, server.port)
        prove_interval(tap, server.port)
        prove_off(tap, server.port)
        prove_report(tap)
        prove_repeats(tap, older.port)
        prove_learn(tap, older.port)
    tap.finish()


main()
