"""An attacker who records traffic and later gets secrets: a capture, and its decryption.

record() records a TLS connection to a port; decrypt() decrypts it with a key log (SSLKEYLOGFILE's format) and returns both
directions; exporter() derives a connection's exporter value from the same file. Needs dumpcap and tshark.
"""

import contextlib
import os
from pathlib import Path

from lib.exporter import exporter_values
from lib.process import Process, run, temporary_directory, wait_until
from lib.tap import Skip, check, equal


# dumpcap's buffer in MiB. Its own 2 MiB hold about 30 packets: on the loopback a place in it has the size of the MTU, 64 KiB.
BUFFER = "64"


@contextlib.contextmanager
def capture(port):
    """Records the loopback's traffic with `port`; yields the file, which is complete when the block has ended."""
    if os.geteuid() != 0:
        raise Skip("recording what travels needs root")
    path = temporary_directory() / "capture.pcapng"
    path.parent.chmod(0o777)
    process = Process(["dumpcap", "-q", "-B", BUFFER, "-i", "lo", "-f", f"tcp port {port}", "-w", path])
    with process:
        wait_until(lambda: "File:" in process.text(), lambda: f"dumpcap to record; it printed {process.text()}")
        yield path
        # The file is complete when the end of both directions is in it, or a reset. curl's close_notify may meet a closed
        # socket: its TLS has a BIO of its own, so that FINAL and the close_notify are two packets.
        fins = ["tshark", "-r", path, "-Y", "tcp.flags.fin == 1", "-T", "fields", "-e", "tcp.srcport"]
        resets = ["tshark", "-r", path, "-Y", "tcp.flags.reset == 1"]
        wait_until(lambda: len(set(run(fins).out.split())) > 1 or run(resets).out, "the end of the connection to be recorded")


def record(port, talk):
    """Records what talk(key log) sends and receives; returns (recording, key log).

    The kernel may drop packets of a recording on a busy machine. Such a recording is made again, with a new key log.
    """
    lost = ["-Y", "tcp.analysis.lost_segment || tcp.analysis.ack_lost_segment"]
    for _ in range(5):
        keys = temporary_directory() / "keys"
        with capture(port) as path:
            talk(keys)
        if not run(["tshark", "-r", path, *lost]).out:
            return path, keys
    raise AssertionError(f"each of five recordings of port {port} lacks packets; the last is {path}")


def tshark(path, keys, port, *options):
    # Two processors can record packets in another order than they were sent. Without the parsers of HTTP, which ALPN selects,
    # what TLS carries is only data: they leave out what is not correct HTTP, and sealed data can look like a part of it.
    result = run(["tshark", "-r", path, "-d", f"tcp.port=={port},tls", "-o", f"tls.keylog_file:{keys}",
                  "-o", "tcp.reassemble_out_of_order:TRUE", "--disable-protocol", "http", "--disable-protocol", "http2", *options])
    equal(result.status, 0, f"{result!r}")
    return result.out.decode("ascii", "replace")


def decrypt(path, keys, port, stream=0):
    """What was inside a recorded TLS connection: (from the client, from the server), as bytes."""
    text = tshark(path, keys, port, "-q", "-z", f"follow,tls,raw,{stream}")
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
