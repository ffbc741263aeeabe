"""A listener in a thread of the test, for servers that are written in Python."""

import contextlib
import socket
import threading

from lib.process import DEADLINE


class Acceptor:
    """Listens on a free port of the loopback. Its thread calls accepted(connection, peer), one connection after the other.

    The thread itself closes the listener: as long as it may be in accept(), its descriptor must not become another one's.
    """

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def accepted(self, connection, peer):
        raise NotImplementedError

    def _serve(self):
        with self.listener:
            while True:
                try:
                    connection, peer = self.listener.accept()
                except OSError:
                    return
                self.accepted(connection, peer)

    def stop(self):
        with contextlib.suppress(OSError):  # it has ended already
            self.listener.shutdown(socket.SHUT_RDWR)

    def finish(self):
        """Stops, and waits until the last connection has been served."""
        self.stop()
        self.thread.join(DEADLINE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
