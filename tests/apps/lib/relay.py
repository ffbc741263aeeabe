"""A wrapped program that forwards the bytes of others: the wire plane inspects both its sides."""

from lib.process import Process, free_port


def relay(wrap, target):
    """Listens on .port, and connects each client with port `target`."""
    port = free_port()
    listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"
    process = Process(wrap.argv(["socat", listen, f"TCP:127.0.0.1:{target}"])).wait_for_port(port)
    process.port = port
    return process
