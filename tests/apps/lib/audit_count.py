"""Counts the events of audit logs a second time, independently of `pfswrap report`: slowly, with Python's own JSON reader.

docs/AUDIT.md describes the lines, and docs/CONTROLS.md what counts as which kind of incident.
"""

import collections
import datetime
import json
import re

EVENTS = ("policy lost handshake override would-override refused would-refuse failed unprotected opened closed plain left "
          "observed weak plaintext unjudged reload expiring expired end finding").split()
SIMPLE = "refused would-refuse failed unprotected plain left weak plaintext unjudged".split()
LINE_MAX = 128 * 1024  # pfswrap writes 4,096 bytes at most
NIST_GROUPS = {"P-256", "P-384", "P-521"}
AEAD = re.compile(r"GCM|CCM|POLY1305|CHACHA20|0xc02[bcf]|0xc030|0xcca[89]")


class Repeated(ValueError):
    """A line with a field that occurs twice."""


def unique(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise Repeated(pairs)
    return dict(pairs)


def parse(line):
    """The event of a line (bytes), or None for a line that no pfswrap has written."""
    try:
        event = json.loads(line.decode("utf-8"), object_pairs_hook=unique)
        datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ")
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(event, dict) or event.get("event") not in EVENTS or len(line) > LINE_MAX:
        return None
    if not isinstance(event.get("pid"), int) or not isinstance(event.get("program"), str):
        return None
    return event if "2020" <= event["time"] < "2100" else None


def word(event, name):
    value = event.get(name, "")
    return str(value).lower() if isinstance(value, bool) else str(value)


def weight(event):
    """How many events a line stands for."""
    return event.get("count", 1)


def peer_of(event):
    if event.get("role") == "server" and "network" in event:
        return event["network"]
    peer = word(event, "peer")
    return peer.rpartition(":")[0] if event.get("role") == "server" and ":" in peer else peer


class Count:
    """What `pfswrap report --json` says, counted from lines."""

    def __init__(self, lines):
        self.events, self.handshakes, self.verified = (collections.Counter() for _ in range(3))
        self.incidents, self.overrides, self.policies = (collections.Counter() for _ in range(3))
        self.sealed = collections.defaultdict(collections.Counter)
        self.damaged, self.lost, self.pids = 0, 0, set()
        for line in lines:
            event = parse(line) if line.strip() else {}
            if event is None:
                self.damaged += 1
            elif event:
                self.add(event)

    def incident(self, kind, event, peer, reason):
        self.incidents[kind, word(event, "program"), word(event, "role"), peer, word(event, "rule"), reason] += weight(event)

    def add(self, event):
        kind = event["event"]
        self.events[kind] += weight(event)
        self.pids.add((event["pid"], event["program"]))
        if kind in SIMPLE:
            reason = word(event, "reason")
            if kind == "unprotected" and event.get("detail"):
                reason += ": " + event["detail"]
            self.incident(kind, event, peer_of(event), reason[:199])
        if kind in ("handshake", "observed", "weak"):
            self.add_handshake(event)
        if kind == "finding" and "reason" in event and not event["kind"].endswith("-full"):
            self.add_finding(event)
        if kind in ("override", "would-override"):
            self.overrides[kind, word(event, "program"), word(event, "setting"), word(event, "asked"), word(event, "forced")] += weight(event)
        if kind == "policy":
            self.policies[word(event, "program"), word(event, "policy"), word(event, "mode"), word(event, "version")] += 1
        if kind == "lost":
            self.lost += event["events"]
        if kind in ("opened", "closed"):
            self.add_sealed(event)

    def add_finding(self, event):
        is_certificate = event["kind"].startswith("certificate")
        incident = {"certificate": "certificate", "certificate-transparency": "transparency"}.get(
            event["kind"], "cookie" if event["kind"].startswith("cookie") else "hsts")
        about = word(event, "subject" if is_certificate else "detail")
        reason = event["reason"] + (": " + about if about else "")
        self.incident(incident, event, word(event, "server_name") or word(event, "local"), reason[:199])

    def add_handshake(self, event):
        is_wire = event["event"] != "handshake"
        resumed = word(event, "preshared_key" if is_wire else "resumed") or "false"
        self.handshakes["wire" if is_wire else "tls", word(event, "role"), word(event, "version"), word(event, "group"),
                        word(event, "cipher"), resumed] += weight(event)
        if not is_wire:
            self.verified[word(event, "role"), word(event, "verified")] += weight(event)
        if event["event"] == "weak":
            return
        group, cipher = word(event, "group"), word(event, "cipher")
        if event.get("version") not in ("TLSv1.3", "TLSv1.2", "DTLSv1.2"):
            self.incident("old-version", event, peer_of(event), word(event, "version"))
        if not group or group.startswith("ffdhe"):
            self.incident("no-ephemeral-group", event, peer_of(event), cipher)
        elif group not in NIST_GROUPS and "MLKEM" not in group:
            self.incident("group-not-nist", event, "", group)
        if not AEAD.search(cipher):
            self.incident("weak-cipher", event, peer_of(event), cipher)
        if "AES" not in cipher:
            self.incident("cipher-not-nist", event, "", cipher)
        if not is_wire and event.get("role") == "client" and event.get("verified") == "none":
            self.incident("unverified-server", event, peer_of(event), word(event, "server_name"))

    def add_sealed(self, event):
        sums = self.sealed[tuple(word(event, name) for name in ("program", "role", "rule", "layer", "peer_name", "pattern"))]
        sums[event["event"]] += 1
        sums["clean"] += event.get("end") == "clean"
        for name in ("sent_bytes", "received_bytes", "rehandshakes"):
            sums[name] += event.get(name, 0)
        for total in ("chunks", "rekeys"):
            sums[total] += event.get(f"sent_{total}", 0) + event.get(f"received_{total}", 0)
        if event.get("end") in ("truncated", "error"):
            kind = {"truncated": "truncated", "error": "seal-error"}[event["end"]]
            if word(event, "reason").startswith("the keys are too old"):
                kind = "keys-too-old"
            self.incident(kind, event, peer_of(event), word(event, "reason")[:199])


def table(report, name, *keys):
    """A table of the report as a Counter with the values of `keys` as its key."""
    found = collections.Counter()
    for row in report[name]:
        found[tuple(row[key] for key in keys)] += row["count"]
    return found
