"""An attacker who records traffic and later gets secrets: a capture, and its decryption.

capture() records TLS connections to a port; decrypt() decrypts them with a key log (SSLKEYLOGFILE's format) and returns
both directions; exporter() derives a connection's exporter value from the same file. Needs dumpcap and tshark.
"""

import contextlib
import os
from pathlib import Path

from lib.exporter import exporter_values
from lib.process import Process, run, temporary_directory, wait_until
from lib.tap import Skip, check, equal


@contextlib.contextmanager
def capture(port):
    """Records the loopback's traffic with `port`; yields the file, which is complete when the block has ended."""
    if os.geteuid() != 0:
        raise Skip("recording what travels needs root")
    path = temporary_directory() / "capture.pcapng"
    path.parent.chmod(0o777)
    process = Process(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {port}", "-w", path])
    with process:
        wait_until(lambda: "File:" in process.text(), lambda: f"dumpcap to record; it printed {process.text()}")
        yield path
        # The file is complete when the end of both directions is in it, or a reset. curl's close_notify may meet a closed
        # socket: its TLS has a BIO of its own, so that FINAL and the close_notify are two packets.
        fins = ["tshark", "-r", path, "-Y", "tcp.flags.fin == 1", "-T", "fields", "-e", "tcp.srcport"]
        resets = ["tshark", "-r", path, "-Y", "tcp.flags.reset == 1"]
        wait_until(lambda: len(set(run(fins).out.split())) > 1 or run(resets).out, "the end of the connection to be recorded")


def tshark(path, port, keys, *options):
    result = run(["tshark", "-r", path, "-d", f"tcp.port=={port},tls", "-o", f"tls.keylog_file:{keys}", *options])
    equal(result.status, 0, f"{result!r}")
    return result.out.decode("ascii", "replace")


def decrypt(path, port, keys, stream=0):
    """What was inside a recorded TLS connection: (from the client, from the server), as bytes."""
    text = tshark(path, port, keys, "-q", "-z", f"follow,tls,raw,{stream}")
    sides, client = [b"", b""], 0
    for line in text.splitlines():
        words = line.strip()
        if line.startswith("Node 0:") and line.endswith(f":{port}"):
            client = 1
        if words and all(character in "0123456789abcdef" for character in words):
            sides[line.startswith("\t") ^ client] += bytes.fromhex(words)
    check(sides[0], f"nothing could be decrypted; tshark printed {text[:500]}")
    return sides[0], sides[1]


def exporter(keys):
    """The exporter value of the key log's only connection."""
    values = exporter_values(Path(keys).read_text())
    equal(len(values), 1, "connections in the key log")
    return values[0]
