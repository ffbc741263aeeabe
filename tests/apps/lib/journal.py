"""A journal for the tests: the datagram socket of systemd-journald, and its native protocol decoded from its description.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: fields are NAME=VALUE and a newline; or NAME, a newline, the length of the
value as 64 bits (little-endian), the value and a newline. A large entry comes in a sealed memfd without data beside it.
"""

import array
import os
import re
import socket
import struct

from lib.process import temporary_directory, wait_until

NAME = re.compile(rb"[A-Z0-9][A-Z0-9_]{0,63}")  # a name that begins with _ is reserved for journald


def decode(data):
    """{name: value} of an entry, as text. Anything that is not the protocol raises, and so does a name that repeats."""
    fields, at = {}, 0
    while at < len(data):
        newline = data.index(b"\n", at)
        name, equals, value = data[at:newline].partition(b"=")
        at = newline + 1
        if not equals:
            (length,) = struct.unpack_from("<Q", data, at)
            value, at = data[at + 8:at + 8 + length], at + 8 + length
            if len(value) != length or data[at:at + 1] != b"\n":
                raise AssertionError(f"the length of {name!r} is wrong: {length}")
            at += 1
        if not NAME.fullmatch(name) or name.decode() in fields:
            raise AssertionError(f"a field {name!r} in {data!r}")
        fields[name.decode()] = value.decode()
    return fields


class Journal:
    """A socket that receives entries. The kernel's process id of the sender is added as _PID, as journald does it."""

    def __init__(self, path=None):
        self.path = path or temporary_directory() / "socket"
        self.entries = []
        self.listen()

    def listen(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(str(self.path))
        os.chmod(self.path, 0o666)

    def restart(self):
        """Another socket at the same path."""
        self.read()
        self.socket.close()
        os.unlink(self.path)
        self.listen()

    def read(self):
        """All entries so far."""
        while True:
            try:
                data, control, _, _ = self.socket.recvmsg(65536, 256)
            except BlockingIOError:
                return self.entries
            pid = None
            for level, kind, content in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    pid = struct.unpack("3i", content)[0]
                elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    (file,) = array.array("i", content)
                    data = os.pread(file, 1 << 20, 0)
                    os.close(file)
            self.entries.append({**decode(data), "_PID": str(pid)})

    def events(self, kind=None, **fields):
        """The entries of that event whose fields PFSWRAP_NAME are these."""
        return [entry for entry in self.read() if (kind is None or entry.get("PFSWRAP_EVENT") == kind) and
                all(entry.get(f"PFSWRAP_{name.upper()}") == str(value) for name, value in fields.items())]

    def wait(self, kind, skip=0, **fields):
        return wait_until(lambda: self.events(kind, **fields)[skip:],
                          lambda: f"an entry {kind} {fields}; the journal has: {self.entries[-3:]}")[0]
