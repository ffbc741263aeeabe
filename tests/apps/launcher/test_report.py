#!/usr/bin/env python3
"""pfswrap report: a log of services that run, counted a second time; other forms of the log; gaps, damage and hostile lines."""

import gzip
import html.parser
import json
import os
import pty
import subprocess
import threading

from lib import certs, peers
from lib.audit_count import Count, table
from lib.findings import findings_wrap, log_findings
from lib.process import DEADLINE, free_port, run, temporary_directory
from lib.seal import Keys, SealWrap
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, WireWrap, Wrap

DAY = 86400
HOSTILE = [
    b'<script>alert(1)</script>',
    b'{"time":"2026-11-20T01:00:00.000000Z","event":"refused","pid":7,"program":"<script>alert(2)</script>","role":"server",'
    b'"peer":"\\"><img src=x onerror=alert(3)>:5","reason":"\\u001b[31m\\u202egnp.\\u0000","rule":"tls"}',
    b'{"time":"2026-11-20T01:00:01.000000Z","event":"refused","pid":7,"program":"p","reason":"' + b"A" * 1_000_000 + b'"}',
    b'{"time":"2026-11-20T01:00:02.000000Z","event":"refused","pid":7,"program":"p","reason":"' + b"B" * 100_000 + b'"}',
    b'{"time":"2026-11-20T01:00:03.000000Z","event":"handshake","pid":7,"program":"\xff\xfe"}',
    b'{"time":"2026-11-20T01:00:04.000000Z","event":"handshake","pid":7,"program":"p","pid":8}',
    b'{"time":"2026-11-20T01:00:05.000000Z","event":"handshake","pid":"x","program":"p"}',
    b'{"time":"9999-11-20T01:00:05.000000Z","event":"handshake","pid":7,"program":"p"}',
    b'{"time":"2026-13-41T01:00:05.000000Z","event":"handshake","pid":7,"program":"p"}',
    b'{"time":"2026-11-20T01:00:06.000000Z","event":"invented","pid":7,"program":"p"}',
    b'{"time":"2026-11-20T01:00:07.000000Z","event":"refused","pid":7,"program":"p","reason":' + b"[" * 5000,
    b'{"event":"refused"', b"\x00\x01\x02\x00", b"[1]", b"null", b'{"a":tru}', b'{"a":"\\ud800\\x"}', b'{"a":01}',
]
DAMAGED = len(HOSTILE) - 2  # the two with a program in HTML and with 100,000 bytes are valid lines


def report(*arguments, data=b"", status=0):
    result = run([LAUNCHER, "report", *map(str, arguments)], data=data)
    equal(result.status, status, f"status of {result!r}")
    return result


def report_json(*arguments, data=b"", status=0):
    return json.loads(report("--json", *arguments, data=data, status=status).out)


# --- the mix ---

def seal_some(keys, log):
    """Sealed connections, one refused, between C programs of the tests."""
    port = free_port()
    both = SealWrap(keys, identity="app", listen=port, connect=port, peer="app")
    script = ("import socket, sys, threading\n"
              "server = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
              "def serve():\n"
              "    for _ in range(3):\n"
              "        connection, _ = server.accept()\n"
              "        while part := connection.recv(65536): connection.sendall(part)\n"
              "        connection.close()\n"
              "thread = threading.Thread(target=serve); thread.start()\n"
              "for size in (10, 20000, 300000):\n"
              "    client = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
              "    sender = threading.Thread(target=lambda: (client.sendall(b'x' * size), client.shutdown(socket.SHUT_WR)))\n"
              "    sender.start()\n"
              "    while client.recv(65536): pass\n"
              "    sender.join(); client.close()\n"
              "thread.join()\n")
    result = run(both.argv(["python3", "-c", script, port]))
    equal(result.status, 0, f"{result!r}; log: {both.tail()}")
    log.append(both)


def run_mix():
    """Runs services and clients under several policies. Returns the lines that they logged, in the order of time."""
    wraps = []
    strict, audit, plain = Wrap(), Wrap(mode="audit"), WireWrap(plaintext="log")
    with peers.Server(peers.reply_http(b"body")) as server:
        curl = ["curl", "-sS", "--cacert", certs.authority().cert, f"https://localhost:{server.port}/"]
        for wrap, more in ((strict, []), (strict, ["--tls-max", "1.2"]), (audit, ["--tls-max", "1.2"])):
            result = run(wrap.argv([*curl[:2], *more, *curl[2:]]))
            equal(result.status, 0, f"{result!r}; log: {wrap.tail()}")
    with peers.Server(peers.reply_http(b"body"), version=peers.ssl.TLSVersion.TLSv1_2) as server:
        old = [*curl[:-1], f"https://localhost:{server.port}/"]
        check(run(strict.argv(old)).status != 0, "a server without TLS 1.3 is refused")
        equal(run(audit.argv(old)).status, 0, "curl with mode = audit")
    listener = subprocess.Popen(["python3", "-m", "http.server", "--bind", "127.0.0.1", str(free := free_port())],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=plain.folder)
    try:
        run(plain.argv(["curl", "-sS", "--retry", "50", "--retry-connrefused", "--retry-delay", "1",
                        f"http://127.0.0.1:{free}/"]))
    finally:
        listener.terminate()
        listener.wait(DEADLINE)
    wraps += [strict, audit, plain]
    wraps.append(findings_wrap())
    log_findings(wraps[-1])
    seal_some(Keys("app"), wraps)
    lines = [line for wrap in wraps for line in wrap.log.read_bytes().splitlines(keepends=True)]
    return sorted(lines, key=lambda line: json.loads(line)["time"]), strict


def spread(lines, copies=60, day="2026-11-20"):
    """The lines many times, over a day: the log of a service that does the same again and again."""
    spread_lines, total = [], copies * len(lines)
    for number in range(total):
        event = json.loads(lines[number % len(lines)])
        seconds = number * (DAY - 1) / total
        clock = f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{int(seconds % 60):02d}.{int(seconds % 1 * 1e6):06d}"
        event["time"], event["pid"] = f"{day}T{clock}Z", event["pid"] + number // len(lines)
        spread_lines.append(json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode() + b"\n")
    return spread_lines


def rotated(folder, lines):
    """Writes the lines as logrotate leaves them: the oldest third compressed. Returns the files as a shell sorts them."""
    third = len(lines) // 3
    (folder / "audit.jsonl").write_bytes(b"".join(lines[2 * third:]))
    (folder / "audit.jsonl.1").write_bytes(b"".join(lines[third:2 * third]))
    (folder / "audit.jsonl.2.gz").write_bytes(gzip.compress(b"".join(lines[:third])))
    return sorted(folder.glob("audit.jsonl*"))


# --- other forms ---

def entry_of(line):
    """The fields of the journal's entry of an event, as shim/audit/entry.c makes them, and some of journald's own."""
    event = json.loads(line)
    fields = {"__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1795136400000000", "_HOSTNAME": "web-1",
              "_SYSTEMD_UNIT": "mix.service", "SYSLOG_IDENTIFIER": "pfswrap", "MESSAGE": event["event"] + " in words"}
    for name, value in event.items():
        fields[f"PFSWRAP_{name.upper()}"] = json.dumps(value) if isinstance(value, (bool, int)) else value
    return fields


def export(entries):
    out = bytearray()
    for fields in entries:
        for name, value in fields.items():
            data = value.encode()
            if b"\n" in data:
                out += name.encode() + b"\n" + len(data).to_bytes(8, "little") + data + b"\n"
            else:
                out += name.encode() + b"=" + data + b"\n"
        out += b"\n"
    return out


FOREIGN = {"__CURSOR": "s=1;i=3", "_HOSTNAME": "web-1", "MESSAGE": "two\nlines", "_SYSTEMD_UNIT": "cron.service"}


def same_count(found, count, what):
    """Compares a report with an independent count."""
    equal({name: number for name, number in found["events"].items() if number}, dict(count.events), f"events of {what}")
    equal(table(found, "handshakes", "plane", "role", "version", "group", "cipher", "resumed"), count.handshakes,
          f"handshakes of {what}")
    equal(table(found, "verified", "role", "verified"), count.verified, f"verified of {what}")
    equal(table(found, "incidents", "kind", "program", "role", "peer", "rule", "reason"), count.incidents,
          f"incidents of {what}")
    equal(table(found, "overrides", "event", "program", "setting", "asked", "forced"), count.overrides, f"overrides of {what}")
    equal(table(found, "policies", "program", "policy", "mode", "version"), count.policies, f"policies of {what}")
    keys = ("program", "role", "rule", "layer", "peer_name", "pattern")
    sums = ("opened", "closed", "sent_bytes", "received_bytes", "chunks", "rekeys", "rehandshakes", "clean")
    equal({tuple(row[key] for key in keys): {name: row[name] for name in sums} for row in found["sealed"]},
          {key: {name: counts[name] for name in sums} for key, counts in count.sealed.items()}, f"sealed of {what}")
    equal((found["lost"], found["processes"]["seen"]), (count.lost, len(count.pids)), f"lost events and processes of {what}")


def prove_forms(tap, lines, folder):
    count = Count(lines)
    with tap.case("the report over a rotated log of services that ran is what an independent count finds"):
        for kind in ("handshake", "override", "would-override", "refused", "opened", "closed", "plaintext"):
            check(count.events[kind] > 0, f"the mix has events {kind}: {count.events}")
        files = rotated(folder, lines)
        found = report_json(*files)
        same_count(found, count, "the rotated log")
        equal([log["path"] for log in found["logs"]], [str(folder / f"audit.jsonl{end}") for end in (".2.gz", ".1", "")],
              "logs in the order of time")
        check(not [finding for finding in found["findings"] if finding["id"] == "backwards"], "the order of time")
    with tap.case("entries of the journal, as export and as JSON, and syslog lines give the same report"):
        entries = [entry_of(line) for line in lines] + [FOREIGN]
        forms = {
            "export": export(entries),
            "json": b"".join(json.dumps(entry).encode() + b"\n" for entry in entries),
            "stderr": b"".join(json.dumps({**FOREIGN, "MESSAGE": line.decode().rstrip()}).encode() + b"\n" for line in lines),
            "syslog": b"".join(b"Nov 20 01:02:03 web-1 pfswrap[12]: " + line for line in lines) +
                      b"Nov 20 01:02:04 web-1 cron[13]: {hello}\n",
            "syslog of RFC 3339": b"".join(b"2026-11-20T01:02:03.5+00:00 web-1 pfswrap[12]: " + line for line in lines),
        }
        for name, data in forms.items():
            (folder / "other").write_bytes(data)
            found = report_json(folder / "other")
            same_count(found, count, name)
            equal(sum(found["lines"].values()), 0 if name in ("stderr", "syslog of RFC 3339") else 1, f"other lines of {name}")
            contains(found["policies"][0]["origin"], "web-1", f"the machine in {name}")
    with tap.case("a log on standard input is read"):
        same_count(report_json("-", data=b"".join(lines)), count, "standard input")


def prove_damage(tap, lines, folder):
    with tap.case("hostile lines are counted and listed as findings, and change nothing else"):
        mixed = list(lines)
        for number, line in enumerate(HOSTILE):
            mixed.insert(7 * number + 5, line + b"\n")
        (folder / "hostile").write_bytes(b"".join(mixed))
        found = report_json(folder / "hostile")
        count = Count(mixed)
        equal(count.damaged, DAMAGED, "damaged lines, by Python")
        equal(found["events"]["handshake"], count.events["handshake"], "handshakes")
        equal(sum(found["lines"].values()), DAMAGED, f"damaged lines: {found['lines']}")
        equal(len(found["damaged"]), DAMAGED, "listed lines")
        check(any(finding["id"] == "damaged" and finding["level"] == "gap" for finding in found["findings"]), "a finding")
    with tap.case("a log that ends in the middle of a line, or of a compressed file, is a finding"):
        (folder / "cut").write_bytes(b"".join(lines)[:-20])
        found = report_json(folder / "cut")
        equal(found["events"]["handshake"] + found["lines"]["the log ends in the middle of the line"],
              Count(lines).events["handshake"] + (not lines[-1].count(b'"handshake"')), "lines")
        contains([finding["id"] for finding in found["findings"]], "log-cut", "findings")
        (folder / "cut.gz").write_bytes(gzip.compress(b"".join(lines))[:-200])
        found = report_json(folder / "cut.gz", status=1)
        contains([finding["id"] for finding in found["findings"]], "log-not-read", "findings")
        check(found["controls"][0]["verdict"] != "met", "a verdict with a gap in the evidence is not met")
    with tap.case("a log that does not exist is a finding, and the status is 1"):
        result = report(folder / "nothing", folder / "audit.jsonl", status=1)
        contains(result.text, "nothing was not read to its end", "output")


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


def prove_page(tap, folder):
    with tap.case("the page over a hostile log has no markup of the log, is complete in itself and under 2 MB"):
        output = report("--html", folder / "page.html", folder / "hostile")
        text = (folder / "page.html").read_text("utf-8")
        page = Page(text)
        lacks(page.tags, "script", "tags")
        equal(page.tags & {"img", "iframe", "object", "link", "form"}, set(), "tags")
        equal({name for name in page.attributes if name.startswith("on")}, set(), "attributes")
        contains(page.text, "<script>alert(2)</script>", "the program's name, as text")
        lacks(text, "http://", "links to elsewhere")
        lacks(text, "\u202e", "marks that change the direction of text")
        lacks(text + output.out.decode(), "\x1b", "control characters")
        check(len(text.encode()) < 2_000_000, f"{len(text)} bytes")
    with tap.case("a page over 12,000 hostile groups is under 2 MB, and nothing is lost from the totals"):
        rows = (b"".join(b'{"time":"2026-11-20T01:00:00.%06dZ","event":"refused","pid":7,"program":"%s","role":"server","peer":'
                         b'"%d.%s:5","reason":"%s"}\n' % (n, b"&<" * 99, n, b"<" * 150, b"'" * 150) for n in range(12000)))
        found = report_json("--html", folder / "page.html", "-", data=rows)
        check((folder / "page.html").stat().st_size < 2_000_000, f"{(folder / 'page.html').stat().st_size} bytes")
        equal(found["incident_totals"]["refused"], 12000, "refused connections")
        equal(sum(row["count"] for row in found["incidents"]), 12000, "refused connections in the table")


# --- verdicts and findings ---

def line(event, clock="01:00:00", program="web", pid=7, **fields):
    return json.dumps({"time": f"2026-11-20T{clock}.000000Z", "event": event, "pid": pid, "program": program,
                       **fields}).encode() + b"\n"


POLICY = line("policy", "00:00:01", policy="/etc/pfswrap/web.conf", mode="enforce", version="0.1.0")
GOOD = line("handshake", "01:00:00", role="server", peer="192.0.2.1:5", version="TLSv1.3", group="P-256",
            cipher="TLS_AES_256_GCM_SHA384", resumed=False, verified="none", rule="tls")


def verdicts(*lines, options=()):
    found = report_json(*options, "-", data=b"".join(lines))
    return {control["id"]: control["verdict"] for control in found["controls"]}, found


def prove_verdicts(tap, folder):
    with tap.case("a verdict is met, met with exceptions that are listed, or not shown"):
        found = verdicts(POLICY, GOOD)[0]
        http = [found.pop("asvs-14.4.5"), found.pop("asvs-3.4")]
        equal((http, set(found.values())), (["not-shown"] * 2, {"met"}), "verdicts of a good handshake")
        looks = POLICY.replace(b'"mode"', b'"findings":"http","mode"')
        equal(set(verdicts(looks, GOOD)[0].values()), {"met"}, "verdicts of one whose responses were read")
        cookie = line("finding", role="server", server_name="a.test", kind="cookie-not-secure", reason="r", detail="sid",
                      rule="http")
        found = verdicts(looks, GOOD, cookie)[0]
        equal((found["asvs-14.4.5"], found["asvs-3.4"]), ("met", "met-with-exceptions"), "verdicts with a cookie")
        equal(set(verdicts(POLICY)[0].values()), {"not-shown"}, "verdicts without a connection")
        found, whole = verdicts(POLICY, GOOD, line("plaintext", role="client", peer="192.0.2.9:80", rule="wire"))
        equal(found["asvs-9.1.1"], "met-with-exceptions", "ASVS 9.1.1 with plaintext")
        equal(found["cwe-326"], "met", "CWE-326 with plaintext")
        equal([control["exceptions"] for control in whole["controls"] if control["id"] == "asvs-9.1.1"], [{"plaintext": 1}],
              "exceptions")
        found, _ = verdicts(POLICY, GOOD.replace(b"P-256", b"X25519"))
        equal((found["nist-800-52r2"], found["asvs-9.1.2"]), ("met-with-exceptions", "met"), "verdicts with X25519")
        found, _ = verdicts(POLICY, GOOD.replace(b"TLSv1.3", b"TLSv1"))
        equal(found["cwe-326"], "met-with-exceptions", "CWE-326 with TLS 1.0")
    with tap.case("keys that a sealed connection used for longer than the cryptoperiod are an exception"):
        ends = dict(role="server", local="192.0.2.1:6379", peer="198.51.100.7:4", rule="r", layer="socket", peer_name="a")
        sealed = [POLICY, line("opened", "02:00:00", **ends, pattern="IK", rekey=1),
                  line("closed", "06:00:00", **ends, pattern="IK", rehandshakes=1, sent_rekeys=9, end="clean")]
        found = verdicts(*sealed)[0]
        equal(found["pci-3.7.4"], "met", "verdict with 2 hours of 25")
        equal([found[name] for name in ("asvs-9.1.1", "asvs-9.1.2", "nist-800-52r2")], ["not-shown"] * 3,
              "verdicts about TLS, which sealed connections do not show")
        found, whole = verdicts(*sealed, options=["--cryptoperiod", "90m"])
        equal((found["pci-3.7.4"], whole["key_ages"]["longest_keys_microseconds"]), ("met-with-exceptions", 2 * 3600 * 10**6),
              "verdict, and the age of the keys")
    with tap.case("gaps are findings: silence, no policy line, a mode that changed, lost events, a clock set back"):
        found = verdicts(GOOD, POLICY.replace(b"00:00:01", b"01:00:01"),
                         POLICY.replace(b"00:00:01", b"09:00:00").replace(b"enforce", b"audit"),
                         line("lost", "09:00:01", events=12), GOOD)[1]
        ids = [finding["id"] for finding in found["findings"]]
        for name in ("no-policy-line", "silence", "mode-changed", "mode-audit", "lost", "backwards", "policy-not-given"):
            contains(ids, name, "findings")
        lacks([finding["id"] for finding in verdicts(POLICY, GOOD)[1]["findings"]], "silence", "findings of one hour")
        contains([finding["id"] for finding in verdicts(POLICY, GOOD, options=["--gap", "30m"])[1]["findings"]], "silence",
                 "findings with --gap 30m")
    with tap.case("the lines of the policy in force are those of the file of --policy"):
        policy = folder / "web.conf"
        policy.write_text("[policy]\nlog = stderr\n[tls]\ngroups = P-384\n")
        policy.chmod(0o600)
        found = verdicts(POLICY, GOOD, options=["--policy", policy])[1]
        held = next(control for control in found["controls"] if control["id"] == "cwe-326")["held_by"][0]
        contains(held["lines"], {"section": "tls", "line": "groups = P-384"}, "lines")
        lacks([each["line"] for each in held["lines"]], "log = stderr", "lines that have nothing to do with it")
        policy.write_text("[tls]\ngroups = ffdhe2048\n")
        contains(report("--policy", policy, "-", data=POLICY, status=1).text, "web.conf:2:", "a wrong policy")
    with tap.case("--since and --until select the period"):
        found = verdicts(POLICY, GOOD, options=["--since", "2026-11-20T00:30:00Z", "--until", "2026-11-21"])[1]
        equal((found["events"]["policy"], found["events"]["handshake"], found["lines"]["outside the period"]), (0, 1, 1),
              "events")


# --- the command ---

def prove_command(tap, lines, folder):
    with tap.case("a wrong option, a value that is wrong and no log are 2, with one line"):
        for arguments in ([], ["--nothing", "x"], ["--gap", "6", "-"], ["--since", "yesterday", "-"], ["--html"]):
            result = report(*arguments, status=2)
            equal((len(result.err.splitlines()), b"expected" in result.err), (1, True), f"{result!r}")
    with tap.case("a page that cannot be written is 1, and no file is left"):
        (folder / "locked").mkdir()
        result = report("--html", folder / "locked" / "no" / "page.html", folder / "audit.jsonl", status=1)
        contains(result.text, "cannot be written", "message")
        equal(list((folder / "locked").iterdir()), [], "files")
    with tap.case("a terminal sees a progress bar, and a file does not"):
        data = folder / "large"
        data.write_bytes(b"".join(lines) * (40_000_000 // sum(map(len, lines)) + 1))
        master, slave = pty.openpty()
        process = subprocess.Popen([LAUNCHER, "report", "--json", str(data)], stdout=subprocess.DEVNULL, stderr=slave,
                                   env={**os.environ, "TERM": "xterm"})
        os.close(slave)
        seen = b""
        reader = threading.Thread(target=lambda: process.wait(DEADLINE))
        reader.start()
        try:
            while part := os.read(master, 4096):
                seen += part
        except OSError:  # the terminal's other end is closed
            pass
        reader.join()
        os.close(master)
        equal(process.returncode, 0, "status")
        contains(seen, b" %, ", "what the terminal got")
        equal(report("--json", data).err, b"", "standard error in a file")
    with tap.case("the memory does not grow with the log"):
        peaks = []
        for path in (folder / "audit.jsonl", folder / "large"):
            process = subprocess.Popen([LAUNCHER, "report", "--json", str(path)], stdout=subprocess.DEVNULL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            equal(process.returncode, 0, "status")
            peaks.append(usage.ru_maxrss)
        check(peaks[1] < peaks[0] + 4096, f"peaks in KiB: {peaks}")


def main():
    tap, folder = Tap(), temporary_directory()
    lines = None
    with tap.case("services and clients run, and log"):
        found, _ = run_mix()
        lines = spread(found)
    if lines is not None:
        prove_forms(tap, lines, folder)
        prove_damage(tap, lines, folder)
        prove_page(tap, folder)
        prove_command(tap, lines, folder)
    prove_verdicts(tap, folder)
    tap.finish()


main()
