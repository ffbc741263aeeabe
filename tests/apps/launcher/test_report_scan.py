#!/usr/bin/env python3
"""pfswrap report --scan: what `pfswrap scan --json` found is in the report, with a verdict; hostile files harm nothing."""

import json

from lib import certs
from lib.process import Process, free_port, run, temporary_directory
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, Wrap

OUTSIDE = 3
LINES = [{"time": "2026-11-20T01:00:00.000000Z", "event": "policy", "pid": 7, "program": "web", "policy": "builtin", "mode": "enforce",
          "version": "1"},
         {"time": "2026-11-20T01:00:01.000000Z", "event": "handshake", "pid": 7, "program": "web", "role": "server",
          "peer": "192.0.2.1:5", "version": "TLSv1.3", "group": "P-256", "cipher": "TLS_AES_256_GCM_SHA384", "resumed": False,
          "verified": "none", "rule": "tls"}]
LOG = "".join(json.dumps(line) + "\n" for line in LINES).encode()
SCANNED = ("asvs-9.1.1", "asvs-9.1.2", "nist-800-52r2", "pci-4.2.1", "cwe-326", "capec-117")


def report(*arguments, status=0):
    result = run([LAUNCHER, "report", *map(str, arguments), "-"], data=LOG)
    equal(result.status, status, f"status of {result!r}")
    return result


def report_json(*arguments):
    return json.loads(report("--json", *arguments).out)


def scan(command, port, file, status):
    with Process(command) as process:
        process.wait_for_port(port)
        result = run([LAUNCHER, "scan", "--json", "--policy", "builtin", f"127.0.0.1:{port}"], env={"PATH": "/nonexistent"})
    equal(result.status, status, f"status of {result!r}")
    file.write_bytes(result.out)
    return json.loads(result.out)


def prove_real(tap, folder):
    certificate, port = certs.server(), free_port()
    server = ["openssl", "s_server", "-accept", port, "-cert", certificate.cert, "-key", certificate.key, "-www"]
    bare, wrapped = folder / "bare.json", folder / "wrapped.json"
    with tap.case("what a bare server accepts outside the policy is in each form of the report, and an exception"):
        found = scan(server, port, bare, OUTSIDE)
        outside = [row["offered"] for row in found["targets"][0]["rows"] if row["outside"]]
        check("TLS 1.2" in outside, f"outside: {outside}")
        document = report_json("--scan", bare)
        target, = document["scans"]
        equal((target["address"], target["policy"], target["made"], target["outside"]),
              (f"127.0.0.1:{port}", "builtin", found["time"], len(outside)), "the target")
        equal([row["offered"] for row in target["rows"] if row["outside"]], outside, "rows outside the policy")
        for answer in "accepted", "refused", "unclear", "not-probed":
            equal(target[answer], sum(row["answer"] == answer for row in found["targets"][0]["rows"]), answer)
        equal({control["id"] for control in document["controls"] if control["scan_outside"] == len(outside)}, set(SCANNED), "controls")
        equal({control["verdict"] for control in document["controls"] if control["id"] in SCANNED}, {"met-with-exceptions"}, "verdicts")
        page = folder / "page.html"
        text = report("--scan", bare, "--html", page).text
        contains(text, f"127.0.0.1:{port}: {len(outside)} accepted outside the policy", "the text")
        for words in f"{len(outside)} accepted outside the policy", "accepted, outside the policy", "TLS 1.2, static RSA", 'id="scans"':
            contains(page.read_text(), words, "the page")
    with tap.case("a wrapped server accepts nothing outside, and two scans are two ports"):
        wrap = Wrap(extra="[wire]\nplaintext = refuse")
        port = server[3] = free_port()
        scan(wrap.argv(server), port, wrapped, 0)
        document = report_json("--scan", wrapped)
        equal(document["scans"][0]["verdict"], "nothing outside the policy", "the verdict")
        equal({control["scan_outside"] for control in document["controls"]}, {0}, "controls")
        check(any(control["verdict"] == "met" for control in document["controls"] if control["id"] in SCANNED), "a control is met")
        equal([target["outside"] > 0 for target in report_json("--scan", bare, "--scan", wrapped)["scans"]], [True, False], "ports")
    with tap.case("a report without --scan has no section of one"):
        equal(report_json()["scans"], [], "scans")
        page = folder / "without.html"
        report("--html", page)
        lacks(page.read_text(), "From outside", "the page")


def document(*targets, **members):
    return {"schema": 1, "targets": list(targets), **members}


def target(*rows, **members):
    return {"address": "192.0.2.1:443", "policy": "builtin", **members, "rows": list(rows)}


def row(**members):
    return {"id": "x", "offered": "TLS 1.1", "answer": "accepted", "policy": "forbids", "outside": False, "detail": None, **members}


def prove_hostile(tap, folder):
    file, page = folder / "hostile.json", folder / "hostile.html"
    with tap.case("an answer is judged by what was accepted and what the policy says, not by what a file claims"):
        file.write_text(json.dumps(document(target(row(), row(policy="allows", outside=True), row(answer="refused", outside=True)))))
        equal(report_json("--scan", file)["scans"][0]["outside"], 1, "outside")
    with tap.case("markup, control characters and long fields of a file are text, and cut"):
        evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u001b[31m\u202egnp.' + "A" * 20_000
        file.write_text(json.dumps(document(target(row(offered=evil, detail=evil), address=evil[:90], name=evil, program=evil,
                                                   mode=evil, rule=evil), time=evil)))
        text = report("--scan", file, "--html", page).out
        for found in text, page.read_bytes(), report("--json", "--scan", file).out:
            for bad in b"\x1b", "\u202e".encode(), b"A" * 500:
                lacks(found, bad, "the output")
        lacks(page.read_text().lower(), "<script", "the page")
        lacks(page.read_text().lower(), "<img", "the page")
    with tap.case("a file with too many ports and answers is cut, that is said, and the page is under 2 MB"):
        many = [target(*[row(offered=f"offer {i} {j} " + "<&>" * 40, detail="<&>" * 60) for j in range(30)]) for i in range(1200)]
        file.write_text(json.dumps(document(*many)))
        found = report_json("--scan", file)
        equal((len(found["scans"]), found["scans_cut"], sum(each["outside"] for each in found["scans"])), (1000, True, 30_000), "ports")
        report("--scan", file, "--html", page)
        check(page.stat().st_size < 2_000_000, f"{page.stat().st_size} bytes")
        contains(page.read_text(), "more ports or answers than the report reads", "the page")
    good = json.dumps(document(target(row())))
    wrong = {
        "what is no JSON": b"{",
        "a file that ends within a row": good[:-20].encode(),
        "bytes that are not UTF-8": good.replace("TLS 1.1", "\xff").encode("latin-1"),
        "a NUL": good.encode() + b"\0",
        "an array": b"[" + good.encode() + b"]",
        "another schema": good.replace('"schema": 1', '"schema": 2').encode(),
        "objects in a row": json.dumps(document(target(row(detail={"a": {}})))).encode(),
        "a row without an answer": json.dumps(document(target({"offered": "x"}))).encode(),
        "an answer that a scan does not give": json.dumps(document(target(row(answer="maybe")))).encode(),
        "a target without an address": json.dumps(document(target(row(), address=""))).encode(),
        "nothing": b"",
        "deep nesting": b'{"schema":1,"targets":' + b"[" * 100_000,
        "a row of 100,000 bytes": json.dumps(document(target(row(detail="x" * 100_000)))).encode(),
        "an audit log": LOG,
    }
    for words, data in wrong.items():
        with tap.case(f"{words} is refused with one line"):
            file.write_bytes(data)
            result = report("--scan", file, status=1)
            contains(result.err.decode(), f"pfswrap: --scan {file}: ", "the message")
            equal(result.err.count(b"\n"), 1, f"lines of {result!r}")
            equal(result.out, b"", "standard output")
    with tap.case("a file that does not exist is refused, and so is a missing one"):
        contains(report("--scan", folder / "none", status=1).text, "No such file or directory", "the message")
        report("--scan", status=2)


def main():
    tap, folder = Tap(), temporary_directory()
    prove_real(tap, folder)
    prove_hostile(tap, folder)
    tap.finish()


main()
