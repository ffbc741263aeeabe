#!/usr/bin/env python3
"""log-chain: each change of a log is found by pfswrap report --verify, and by a second verifier; whole logs pass it."""

import base64
import gzip
import hashlib
import json
import re
import signal
import textwrap

from lib import peers
from lib.process import PYTHON, run, temporary_directory
from lib.tap import Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER, Wrap

CLIENT = textwrap.dedent("""
    import os, signal, socket, ssl, subprocess, sys, threading
    port = int(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    def shake(count=1):
        for _ in range(count):
            with context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost") as tls:
                tls.sendall(b"x")
                tls.recv(10)
    def child(act):
        if os.fork() == 0:
            act(); os._exit(0)
        os.wait()
    """)


def new_key(folder):
    path = folder / "log.key"
    path.write_bytes(run([LAUNCHER, "genpsk"]).out)
    path.chmod(0o400)
    return path


def chained(folder, key, *lines, mode="enforce"):
    wrap = Wrap(mode=mode)
    text = wrap.policy.read_text().replace("[tls]", "\n".join([f"log-chain = {key}", *lines, "[tls]"]), 1)
    wrap.policy.write_text(text)
    return wrap


def client(wrap, port, act, expected=0):
    result = run(wrap.argv([*PYTHON, "-c", CLIENT + act, port]))
    equal(result.status, expected, f"{result!r}; log: {wrap.tail()}")
    return result


def verify(key, *paths, status=0, data=b""):
    result = run([LAUNCHER, "report", "--verify", key, *map(str, paths)], data=data)
    equal(result.status, status, f"{result!r}")
    return result.out.decode()


# --- a second verifier, with Python's own BLAKE2b ---

def derive(key, label, text):
    return hashlib.blake2b(label.encode() + text.encode(), key=key, digest_size=32).digest()


def keys_of(master, name):
    """The key of line 0 of a chain."""
    root, *steps = re.split(r"(?=/)", name)
    line, fork = derive(master, "pfswrap log line 1", root), derive(master, "pfswrap log fork 1", root)
    for step in steps:
        for _ in range(int(step[1:].split(".")[0])):
            fork = derive(fork, "next", "")
        line, fork = derive(fork, "pfswrap log line 1", step), derive(fork, "pfswrap log fork 1", step)
    return line


def count_good(key, lines):
    """How many lines have the right number and MAC, when each chain is followed from its beginning."""
    master, state, good = base64.b64decode(key.read_text().split()[0]), {}, 0
    for line in lines:
        event = json.loads(line)
        at, line_key = state.get(event["chain"]) or (0, keys_of(master, event["chain"]))
        signed = line[:line.rindex(b',"mac":"')]
        mac = hashlib.blake2b(signed, key=line_key, digest_size=16).hexdigest()
        good += event["seq"] == at and event["mac"] == mac
        state[event["chain"]] = at + 1, derive(line_key, "next", "")
    return good


def prove_whole(tap, key, port):
    shapes = {
        "a program": ("shake(5)", 1),
        "forks, also of children": ("shake(2); child(lambda: shake(2)); child(lambda: (child(shake), shake()))\nshake()", 4),
        "a child of a child that wrote nothing": ("child(lambda: child(shake))", 2),
        "threads": ("each = [threading.Thread(target=shake, args=(9,)) for _ in range(6)]\n"
                    "for thread in each: thread.start()\nfor thread in each: thread.join()", 1),
        "an exec": (f"shake(); os.execv(sys.executable, [sys.executable, '-c', {CLIENT + 'shake(2)'!r}, sys.argv[1]])", 2),
        "children of vfork that execute programs": ("shake(); subprocess.run(['true']); subprocess.run(['true']); shake()", 3),
        "an exec that fails": ("shake()\ntry: os.execv('/nonexistent', ['x'])\nexcept OSError: shake()", 1),
    }
    logs = []
    for what, (act, chains) in shapes.items():
        with tap.case(f"the lines of {what} are verified, and each chain has an end"):
            wrap = chained(temporary_directory(), key)
            client(wrap, port, act)
            text = verify(key, wrap.log)
            count = len(wrap.events())
            contains(text, f"lines as they were written: {count}, chains: {chains}, problems: 0", "the last line")
            lacks(text, "no end", f"the text {text}; log: {wrap.tail()}")
            equal(count_good(key, wrap.log.read_bytes().splitlines()), count, "lines that the second verifier accepts")
            logs.append(wrap.log)
    with tap.case("a process that is killed has no end, and its lines are verified"):
        wrap = chained(temporary_directory(), key)
        client(wrap, port, "shake(3); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)
        contains(verify(key, wrap.log), "no end: python", "the text")
    with tap.case("counted handshakes are in the chain, too"):
        wrap = chained(temporary_directory(), key, "log-handshakes = summary")
        client(wrap, port, "shake(9)")
        contains(verify(key, wrap.log), "problems: 0", "the text")
        check([event for event in wrap.events("handshake") if event.get("count") == 8], f"a count; log: {wrap.tail()}")
    return logs


def prove_forms(tap, key, logs):
    folder = temporary_directory()
    lines = [line for log in logs for line in log.read_bytes().splitlines(keepends=True)]
    count = len(lines)
    with tap.case("rotated logs, one compressed, are verified together, and by the order of their times"):
        (folder / "audit.jsonl").write_bytes(b"".join(lines[count // 2:]))
        (folder / "audit.jsonl.1").write_bytes(b"".join(lines[count // 4:count // 2]))
        (folder / "audit.jsonl.2.gz").write_bytes(gzip.compress(b"".join(lines[:count // 4])))
        contains(verify(key, *sorted(folder.glob("audit.jsonl*"))), f"lines as they were written: {count},", "the text")
    with tap.case("so are the lines of a syslog file, and of a journal that has them in MESSAGE"):
        syslog = b"".join(b"Nov 30 03:12:04 web pfswrap[7]: " + line for line in lines)
        other = b"Nov 30 03:12:05 web cron[9]: hello\n"
        contains(verify(key, "-", data=syslog + other), f"lines as they were written: {count},", "the text")
        journal = b"".join(json.dumps({"__CURSOR": "s", "_HOSTNAME": "web", "MESSAGE": line.decode().rstrip("\n")}).encode() + b"\n"
                           for line in lines)
        contains(verify(key, "-", data=journal), f"lines as they were written: {count},", "the text")
        entries = b"".join(b"__CURSOR=s\n_HOSTNAME=web\nMESSAGE=" + line + b"\n" for line in lines)
        contains(verify(key, "-", data=entries), f"lines as they were written: {count},", "the text")


def prove_changes(tap, key, log):
    lines = log.read_bytes().splitlines(keepends=True)
    handshakes = [number for number, line in enumerate(lines) if b'"event":"handshake"' in line]
    at = handshakes[1]
    forged = re.sub(rb'"mac":"\w+"', b'"mac":"' + b"0" * 32 + b'"', lines[at])
    other_chain = re.sub(rb'"chain":"(\w)', lambda found: b'"chain":"' + (b"0" if found[1] != b"0" else b"1"), lines[at])
    changes = {
        "a changed character": (lines[:at] + [lines[at].replace(b"TLSv1.3", b"TLSv1.2")] + lines[at + 1:],
                                [(at + 1, "was changed")]),
        "a removed line": (lines[:at] + lines[at + 1:], [(at + 1, "after a gap of 1")]),
        "three removed lines": (lines[:at] + lines[at + 3:], [(at + 1, "after a gap of 3")]),
        "the removed first line": (lines[1:], [(1, "after a gap of 1: it is number 1 of chain")]),
        "two lines in another order": (lines[:at] + [lines[at + 1], lines[at]] + lines[at + 2:],
                                       [(at + 1, "after a gap"), (at + 2, "out of place")]),
        "a repeated line": (lines[:at + 1] + [lines[at]] + lines[at + 1:], [(at + 2, "out of place")]),
        "an added line without a chain": (lines[:at] + [b'{"time":"2026-11-30T03:00:00.000000Z","event":"refused","pid":1,"program":"x"}\n']
                                          + lines[at:], [(at + 1, "is in no chain")]),
        "an added line with an invented MAC": (lines[:at] + [forged] + lines[at:], [(at + 1, "was changed")]),
        "an added line of an invented chain": (lines[:at] + [other_chain] + lines[at:], [(at + 1, "was changed")]),
        "a line that is cut off": (lines[:at] + [lines[at][:50] + b"\n"] + lines[at + 1:],
                                   [(at + 1, "not one JSON object"), (at + 2, "after a gap of 1")]),
        "a file that ends in a line": (lines[:-1] + [lines[-1][:-20]], [(len(lines), "ends in the middle")]),
        "a newer number": (lines[:at] + [lines[at].replace(b'"seq":', b'"seq":9')] + lines[at + 1:],
                           [(at + 1, "was changed"), (at + 2, "after a gap of 1")]),
        "a number that is far ahead": (lines + [re.sub(rb'"seq":\d+', b'"seq":9999999999999999999', lines[at])],
                                       [(len(lines) + 1, "was changed")]),
    }
    for what, (changed, found) in changes.items():
        with tap.case(f"{what} is found, with its line"):
            text = verify(key, "-", data=b"".join(changed), status=1)
            problems = [line for line in text.splitlines() if line.startswith("-:")]
            equal(len(problems), len(found), f"problems of {text}")
            for problem, (line, words) in zip(problems, found):
                contains(problem, words, "the problem")
                equal(problem.split(":")[1], str(line), f"the line of {problem}")
    with tap.case("--json has the same problems, with their lines"):
        changed = lines[:at] + lines[at + 1:-2] + [b'{"<\xff', b"\n"]
        text = verify(key, "-", data=b"".join(changed), status=1).splitlines()
        found = json.loads(verify(key, "--json", "-", data=b"".join(changed), status=1))
        equal([f"-:{each['line']}: {each['problem']}" for each in found["problems"]],
              [each for each in text if each.startswith("-:")], "problems")
        equal((found["problem_count"], found["chains_without_end"], len(found["without_end"])), (2, 1, 1), "counts")
        equal(text[-1], f"lines as they were written: {found['lines']}, chains: {found['chains']}, problems: 2", "the text")
        good = json.loads(verify(key, "--json", log))
        equal((good["problems"], good["without_end"], good["lines"]), ([], [], len(lines)), "a whole log")
        absent = json.loads(verify(key, "--json", log, log.parent / "absent", status=1))
        equal([(each["line"], each["log"]) for each in absent["problems"]], [(None, str(log.parent / "absent"))], "absent log")
    with tap.case("removed last lines leave a chain without an end, which is said"):
        contains(verify(key, "-", data=b"".join(lines[:-2])), "without an end", "the text")
    with tap.case("under another key, no line is right"):
        text = verify(new_key(temporary_directory()), log, status=1)
        contains(text, "\nlines as they were written: 0,", "the text")


def prove_keys(tap, port):
    folder = temporary_directory()
    key = new_key(folder)
    open_to_others = folder / "open.key"
    open_to_others.write_bytes(key.read_bytes())
    open_to_others.chmod(0o644)
    for path, words in ((folder / "missing.key", "No such file"), (open_to_others, "all users can read it"), (folder, "not a regular file")):
        with tap.case(f"a program whose log-chain is {path.name} does not start, and says why"):
            wrap = chained(folder, path)
            result = run(wrap.argv(["true"]))
            equal(result.status, 125, f"{result!r}")
            contains(result.err.decode(), f"{wrap.policy}:5: log-chain {path}: ", "standard error")
            contains(result.err.decode(), words, "standard error")
            equal(run([LAUNCHER, "check", wrap.policy]).status, 1, "status of pfswrap check")
    with tap.case("with mode = audit it starts, and its lines have no chain"):
        wrap = chained(folder, folder / "missing.key", mode="audit")
        client(wrap, port, "shake()")
        check(wrap.events("handshake") and not any("chain" in event for event in wrap.events()), f"log: {wrap.tail()}")


def main():
    tap = Tap()
    key = new_key(temporary_directory())
    with peers.Server(peers.echo_line) as server:
        logs = prove_whole(tap, key, server.port)
        prove_forms(tap, key, logs)
        prove_changes(tap, key, logs[0])
        prove_keys(tap, server.port)
    tap.finish()


main()
