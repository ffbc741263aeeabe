"""A relay between the two ends of a connection, which a test can hold, cut and falsify at any byte.

It is the network in the hands of an attacker: it sees, delays, ends and changes bytes, whatever they mean.
"""

import socket
import threading

from lib.process import DEADLINE, wait_until


class Middle:
    """Listens on a port of its own, connects to `port` for each client, and forwards bytes as the test wants.

    `hold`: how many bytes from the client to the server may pass before the rest waits for release().
    `cut`: (direction, count, how): after so many bytes that direction ends, by "fin" or by "reset".
    `change`: (direction, offset): a bit of the byte at that offset is flipped.
    `keep`: what is forwarded is kept in kept["up"] and kept["down"].
    Directions are "up", from client to server, and "down".
    """

    def __init__(self, port, hold=None, cut=None, change=None, keep=False):
        self.target, self.hold, self.cut, self.change = port, hold, cut, change
        self.passed = {"up": 0, "down": 0}
        self.keep, self.kept = keep, {"up": bytearray(), "down": bytearray()}
        self.held = False
        self.reached = False  # what `cut` or `change` requests has been done
        self.gate = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.threads = [self.listener], []
        self.start(self.accept)

    def start(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open += [client, server]
            self.start(self.pass_on, "up", client, server)
            self.start(self.pass_on, "down", server, client)

    def pass_on(self, direction, source, sink):
        place = 0
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                data, ended = self.touch(direction, place, data, source, sink)
                place += len(data)
                if self.keep:
                    self.kept[direction] += data
                if data:
                    sink.sendall(data)
                    self.passed[direction] = place
                if ended:
                    self.end(ended, source, sink)
                    return
        except OSError:
            return  # an error at one end ends the other: the test closes both

    def touch(self, direction, place, data, source, sink):
        """What of `data` passes, and how the direction ends after it, if it does."""
        if self.change and self.change[0] == direction and place <= self.change[1] < place + len(data):
            changed = bytearray(data)
            changed[self.change[1] - place] ^= 0x20
            data, self.reached = bytes(changed), True
        if self.cut and self.cut[0] == direction and place + len(data) > self.cut[1]:
            self.reached = True
            return data[:self.cut[1] - place], self.cut[2]
        if direction == "up" and self.hold is not None and place + len(data) > self.hold and not self.gate.is_set():
            first = data[:self.hold - place]
            if first:
                sink.sendall(first)
            self.passed[direction], self.held = self.hold, True
            self.gate.wait(DEADLINE)
            return data[len(first):], None
        return data, None

    def end(self, how, source, sink):
        if how == "fin":
            sink.shutdown(socket.SHUT_WR)
            while source.recv(65536):  # so that the sender gets no reset
                pass
            return
        for end in (source, sink):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            end.close()

    def wait_held(self):
        wait_until(lambda: self.held, lambda: f"byte {self.hold} to be held back; passed {self.passed}")

    def release(self):
        self.gate.set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.gate.set()
        for end in self.open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()
