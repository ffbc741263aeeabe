"""A log of two weeks with everything that a page can show: for looking at it, and for measuring.

python3 tests/report/sample.py EVENTS > audit.jsonl
"""

import datetime
import json
import random
import sys

START, SECONDS = datetime.datetime(2026, 11, 1), 14 * 86400
POLICIES = (("nginx", "enforce"), ("redis-server", "enforce"), ("legacy-app", "audit"), ("curl", "enforce"))
HOSTILE = ['<script>alert(1)</script>', '{"time":"2026-11-02T00:00:00.000000Z","event":"refused","pid":1',
           '{"time":"2026-11-02T00:00:00.000000Z","event":"refused","pid":1,"program":"<img src=x onerror=alert(1)>",'
           '"role":"server","peer":"203.0.113.66:1","reason":"\\u001b[2J\\u202e\\" onmouseover=\\"alert(1)"}']


def handshake(pick, day):
    hybrid = pick.random() < 0.1 + 0.04 * day
    return "handshake", "nginx", {
        "role": "server", "local": "192.0.2.1:443", "peer": f"198.51.100.{pick.randrange(250)}:{pick.randrange(32768, 60000)}",
        "server_name": "shop.example.org", "version": pick.choices(["TLSv1.3", "TLSv1.2"], [96, 4])[0],
        "group": "X25519MLKEM768" if hybrid else pick.choice(["X25519", "X25519", "P-256", "P-384"]),
        "cipher": pick.choice(["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256", "TLS_CHACHA20_POLY1305_SHA256"]),
        "resumed": pick.random() < 0.3, "verified": "none", "rule": "tls"}


def refused(pick, _):
    reason = pick.choices(["unsupported protocol", "no shared group", "no shared cipher"], [6, 3, 1])[0]
    return "refused", "nginx", {"role": "server", "local": "192.0.2.1:443", "peer": f"203.0.113.{pick.randrange(40)}:4444",
                                "reason": reason, "library": "libssl.so.3", "rule": "tls"}


def would_refuse(pick, _):
    return "would-refuse", "legacy-app", {"role": "client", "peer": f"192.0.2.{pick.randrange(3) + 80}:443",
                                          "reason": "the server has only TLS 1.0", "rule": "tls"}


def override(_pick, _):
    return "override", "nginx", {"setting": "cipher-list", "asked": "AES128-SHA:DHE-RSA-AES256-SHA", "forced": "(policy)",
                                 "rule": "tls"}


def plaintext(pick, _):
    return "plaintext", "curl", {"role": "client", "local": "192.0.2.1:40000", "peer": f"192.0.2.{pick.randrange(2) + 9}:80",
                                 "library": "libcurl.so.4", "rule": "wire"}


def unprotected(_pick, _):
    return "unprotected", "nginx", {"reason": "the program is static", "detail": "/usr/local/bin/exporter", "rule": "children"}


def weak(pick, _):
    return "weak", "legacy-app", {"role": "client", "peer": f"192.0.2.{pick.randrange(3) + 80}:443", "version": "TLSv1.1",
                                  "cipher": "0x002f", "preshared_key": False, "reason": "the version is below the policy's",
                                  "library": "libnss3.so", "rule": "wire"}


def sealed(pick, number):
    peer, name = f"198.51.100.{pick.randrange(9)}:{20000 + number % 9000}", f"app-{pick.randrange(4)}"
    ends = {"role": "server", "local": "192.0.2.1:6379", "peer": peer, "rule": "redis", "layer": "socket", "peer_name": name,
            "pattern": pick.choice(["IK", "IKpsk2"])}
    chunks = pick.randrange(1, 400)
    end = pick.choices(["clean", "truncated"], [99, 1])[0]
    return [("opened", "redis-server", {**ends, "rekey": 1}),
            ("closed", "redis-server", {**ends, "rehandshakes": pick.randrange(3), "sent_rekeys": chunks, "received_rekeys": 2,
                                        "sent_bytes": chunks * 900, "sent_chunks": chunks, "received_bytes": 70,
                                        "received_chunks": 2, "end": end})]


def finding(pick, _):
    """What a server says to browsers, what is in certificates, and what servers show of Certificate Transparency."""
    client = {"role": "client", "peer": f"192.0.2.{pick.randrange(3) + 80}:443", "server_name": "api.example.org"}
    server = {"role": "server", "server_name": f"shop{pick.randrange(3)}.example.org"}
    return pick.choice([
        ("finding", "nginx", {**server, "kind": "hsts-missing", "reason": "no Strict-Transport-Security", "rule": "http"}),
        ("finding", "nginx", {**server, "kind": "cookie-not-secure", "reason": "a cookie without Secure", "detail": "session",
                              "rule": "http"}),
        ("finding", "nginx", {**server, "kind": "certificate", "reason": "no subjectAltName, expires in less than 30 days",
                              "whose": "own", "subject": "/CN=<b>shop</b>.example.org", "key": "RSA 2048", "days": 9,
                              "rule": "certificate"}),
        ("finding", "curl", {**client, "kind": "certificate-transparency", "subject": "/CN=api.example.org", "scts": 0, "valid": 0,
                             "reason": "the server has no signed certificate timestamp (SCT)", "rule": "certificate-transparency"}),
        ("finding", "curl", {**client, "kind": "certificate-transparency", "subject": "/CN=good.example.org", "scts": 2, "valid": 2,
                             "rule": "certificate-transparency"})])


def scan():
    """What `pfswrap scan --json` could have printed about three ports, one of them with hostile text."""
    def row(offered, answer, policy, detail=None):
        return {"id": offered, "offered": offered, "answer": answer, "policy": policy, "outside": False, "detail": detail}

    good = [row("TLS 1.3", "accepted", "allows", "TLS_AES_256_GCM_SHA384, X25519"), row("TLS 1.3, group X25519MLKEM768", "accepted", "allows"),
            *[row(f"TLS 1.2, suite {number}", "refused", "forbids", "alert 70") for number in range(20)],
            row("the seal", "not-probed", "says-nothing", "pfswrap-seal is not installed")]
    bad = [row("TLS 1.0", "accepted", "forbids", "0xc013"), row("TLS 1.2, static RSA", "accepted", "forbids", "0x009d"),
           row("plaintext", "accepted", "forbids", 'answers "HTTP/1.1 400 Bad Request"'), row("TLS 1.2, compression", "unclear", "forbids")]
    evil = [row("<script>alert(4)</script>", "accepted", "forbids", "\u001b[2J\u202e\" onmouseover=\"alert(5)")]
    common = {"policy": "/etc/pfswrap/nginx.conf", "mode": "enforce", "rule": None}
    return json.dumps({"schema": 1, "time": "2026-11-14T23:50:00Z", "targets": [
        {"address": "192.0.2.1:443", "name": "shop.example.org", "program": "nginx", **common, "rows": good},
        {"address": "192.0.2.1:8443", "name": None, "program": "legacy-app", **common, "rows": good + bad},
        {"address": "<img src=x onerror=alert(6)>", "name": None, "program": None, **common, "rows": evil}]})


def lines(events, seed=16):
    """Yields the lines, in the order of time, with a silence of eight hours in the middle."""
    pick = random.Random(seed)
    kinds = (handshake, refused, would_refuse, override, plaintext, weak, unprotected, finding, None)
    weights = (70, 6, 3, 2, 2, 2, 1, 2, 14)

    def line(seconds, event, program, fields):
        clock = (START + datetime.timedelta(seconds=seconds)).isoformat(timespec="microseconds")
        return json.dumps({"time": (clock + "Z"), "event": event, "pid": 1000 + len(program) * 7 % 30, "program": program, **fields},
                          separators=(",", ":")) + "\n"

    for program, mode in POLICIES:
        yield line(1, "policy", program, {"policy": f"/etc/pfswrap/{program}.conf", "mode": mode, "version": "0.1.0",
                                         **({"findings": "http, certificates"} if program == "nginx" else {})})
    for number in range(events):
        seconds = 2 + number * (SECONDS - 10) / events
        if SECONDS * 0.5 < seconds < SECONDS * 0.5 + 8 * 3600:
            continue
        kind = pick.choices(kinds, weights)[0]
        if kind:
            yield line(seconds, *kind(pick, seconds / 86400))
        else:
            for part in sealed(pick, number):
                yield line(seconds, *part)
    yield line(SECONDS - 5, "lost", "nginx", {"events": 17})
    yield from (each + "\n" for each in HOSTILE)


if __name__ == "__main__":
    sys.stdout.writelines(lines(int(sys.argv[1])))
