"""Servers that answer each line with a three-digit reply, as those of FTP and SMTP do."""

from lib.tap import check


def reply(connection):
    """The last line of the server's next reply (RFC 5321, section 4.2): in the lines before, "-" follows the digits."""
    line = b""
    while not (line.endswith(b"\n") and line[3:4] != b"-"):
        if line.endswith(b"\n"):
            line = b""
        more = connection.recv(1)
        check(more, f"the stream ended after {line!r}")
        line += more
    return line


def say(connection, words, expected):
    """Sends a line, and expects a reply that begins with `expected`."""
    connection.sendall(words + b"\r\n")
    line = reply(connection)
    check(line.startswith(expected), f"{words!r}: expected {expected!r}, found {line!r}")


def auth_tls(connection):
    """The greeting of an FTP server and AUTH TLS (RFC 4217), after which TLS begins."""
    check(reply(connection).startswith(b"220"), "a greeting")
    say(connection, b"AUTH TLS", b"234")
