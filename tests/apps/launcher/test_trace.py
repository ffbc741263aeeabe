"""PFSWRAP_TRACE: what it shows, where it goes, and that no data is in it."""

import os
import re
import socket
import subprocess

from lib.process import DEADLINE, PROGRAMS, free_port, run, temporary_directory
from lib.seal import MARK, Keys, SealWrap, needs_seal
from lib.tap import Tap, check, contains, equal

LINE = re.compile(rb"^\d+\.\d{3} \d+/\d+ (calls|fd|handshake) [ a-z0-9_,()]+ fd=-?\d+ [a-z]+=-?\d+$")
ALL = "calls,fd,handshake"


def traced(keys, categories, file=None):
    """Runs a sealed conversation of two processes. Returns its result and the trace."""
    port = free_port()
    wrap = SealWrap(keys, listen=port, connect=port)
    environment = {"PFSWRAP_TRACE": categories, **({"PFSWRAP_TRACE_FILE": str(file)} if file else {})}
    result = run(wrap.argv([PROGRAMS / "seal/sock_unsealed", "without_rule", port, "127.0.0.1"]), env=environment)
    equal(result.status, 0, f"{result!r}; log {wrap.tail()}")
    equal(len(wrap.events("opened")), 2, f"connections opened; log {wrap.tail()}")
    return file.read_bytes() if file else result.err


def shown(text):
    """The categories of the lines, each of which has the form of one."""
    lines = text.splitlines()
    bad = [line for line in lines if not LINE.match(line)]
    equal(bad[:3], [], "lines of another form")
    return {LINE.match(line)[1].decode() for line in lines}


def main():
    tap = Tap()
    needs_seal()
    keys = Keys("peer")
    with tap.case("each category shows its own lines, in a file that is appended to"):
        for category in ALL.split(","):
            file = temporary_directory() / "trace"
            file.write_bytes(b"0.000 1/1 calls before fd=1 result=1\n")
            text = traced(keys, category, file)
            check(text.startswith(b"0.000 1/1 calls before"), "the file was not appended to")
            equal(shown(text.split(b"\n", 1)[1]), {category}, "categories")
    with tap.case("a sealed conversation can be followed from connect to close"):
        text = traced(keys, ALL, temporary_directory() / "trace")
        equal(shown(text), set(ALL.split(",")), "categories")
        for part in (b"calls connect, sealed fd=", b"calls accept, sealed fd=", b"fd sealed fd=", b"fd closing fd=",
                     b"fd foreign fd=", b"handshake handshake fd=", b"handshake open fd=", b"calls close fd="):
            contains(text, part, "the trace")
    with tap.case("no byte of the data is in the trace"):
        text = traced(keys, ALL, temporary_directory() / "trace")
        check(MARK not in text and MARK[:8] not in text, "the program's data is in the trace")
    with tap.case("without a file the trace goes to stderr"):
        equal(shown(traced(keys, "handshake")), {"handshake"}, "categories")
    with tap.case("nothing is written without the variable"):
        port = free_port()
        result = run(SealWrap(keys, listen=port, connect=port).argv(["true"]), env={"PFSWRAP_TRACE_FILE": "/nowhere/x"})
        equal((result.status, result.err), (0, b""), "status and stderr")
    with tap.case("an unknown category, a file that cannot be opened and a socket as stderr are refused in one line"):
        wrap = SealWrap(keys, listen=free_port(), connect=free_port())
        for environment, expected in (
                ({"PFSWRAP_TRACE": "calls,data"}, "PFSWRAP_TRACE: unknown category 'data', expected a list of calls, fd, handshake"),
                ({"PFSWRAP_TRACE": ""}, None),
                ({"PFSWRAP_TRACE": "fd,"}, "PFSWRAP_TRACE: unknown category '', expected a list of calls, fd, handshake"),
                ({"PFSWRAP_TRACE": "fd", "PFSWRAP_TRACE_FILE": "/nowhere/x"},
                 "PFSWRAP_TRACE_FILE: cannot append to '/nowhere/x', expected a file that this user may write")):
            result = run(wrap.argv(["true"]), env=environment)
            wanted = (0, b"") if expected is None else (125, f"pfswrap: {expected}\n".encode())
            equal((result.status, result.err), wanted, f"{environment}")
        one, end = socket.socketpair()
        with one, end:
            words = [str(word) for word in wrap.argv(["true"])]
            status = subprocess.run(words, env={**os.environ, "PFSWRAP_TRACE": "fd"}, stderr=end, timeout=DEADLINE).returncode
        equal(status, 125, "status with a socket as stderr")
    tap.finish()


main()
