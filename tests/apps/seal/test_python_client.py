"""The Python package (clients/python) against programs under pfswrap, both ways: sockets, asyncio, and the tunnel inside TLS."""

import asyncio
import hashlib
import os
import select
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

from lib.layer import Ends
from lib.process import BUILD, DEADLINE, ROOT, Process, free_port, python_with, run
from lib.seal import Keys, SealWrap, needs_seal
from lib.tap import Skip, Tap, check, equal
from lib import certs

os.environ["PFSWRAP_SEAL_LIBRARY"] = str(BUILD / "libpfswrap-seal.so")
sys.path.insert(0, str(ROOT / "clients/python"))
import pfswrap_seal  # noqa: E402  pylint: disable=wrong-import-position
from pfswrap_seal import aio  # noqa: E402  pylint: disable=wrong-import-position

TEXT = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(32768))  # 1 MiB that no compression shortens
keys = Keys("server", "app")


def context(**changes):
    settings = {"identity": keys.path("app"), "peers": keys.peers, "names": ["server"], **changes}
    return pfswrap_seal.Context(**settings)


@contextmanager
def echo(program="cat", identity="server", **settings):
    """socat under pfswrap that gives each client the program's output; yields the port and the policy."""
    needs_seal()
    port = free_port()
    wrap = SealWrap(keys, identity=identity, listen=port, **settings)
    with Process(wrap.argv(["socat", f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{program}"])) as server:
        server.wait_for_port(port)
        yield port, wrap


def raises(kind, action, *words):
    """action() raises this exception, whose text has the words."""
    try:
        action()
    except kind as error:
        for word in words:
            check(word in str(error), f"'{word}' in: {error!r}")
        return error
    raise AssertionError(f"no {kind.__name__}")


def both_ways(sock, data):
    """Sends in a thread while this one receives as much."""
    sender = threading.Thread(target=sock.sendall, args=(data,))
    sender.start()
    got = bytearray()
    while len(got) < len(data):
        part = sock.recv(65536)
        check(part, f"the end after {len(got)} bytes")
        got += part
    sender.join()
    equal(hashlib.sha256(got).digest(), hashlib.sha256(data).digest(), "what came back")


def two_threads():
    with echo() as (port, wrap):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(), timeout=DEADLINE) as sock:
            equal((sock.info().pattern, sock.info().peer_name), ("IK", "server"), "pattern and peer")
            equal(str(sock.info().peer_key), keys.public("server"), "the peer's key")
            both_ways(sock, TEXT * 4)
            sock.shutdown(socket.SHUT_WR)
            equal(sock.recv(10), b"", "after FINAL of both")
        event = wrap.wait_event("closed")
        equal((event["peer_name"], event["end"]), ("app", "clean"), "the server's log")


def files_and_selects():
    with echo() as (port, _):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(), timeout=DEADLINE) as sock:
            with sock.makefile("rw", newline="\n") as file:
                for line in ("first line\n", "zweite Zeile: äöü\n"):
                    file.write(line)
                    file.flush()
                    equal(file.readline(), line, "the line that came back")
            buffer = bytearray(5)
            sock.sendall(b"12345")
            at = 0
            while at < 5:
                at += sock.recv_into(memoryview(buffer)[at:])
            equal(buffer, b"12345", "what recv_into() received")
            sock.settimeout(0.05)
            raises(TimeoutError if sys.version_info >= (3, 10) else socket.timeout, lambda: sock.recv(1))
            sock.setblocking(False)
            raises(BlockingIOError, lambda: sock.recv(1))
            equal(sock.send(b"x"), 1, "bytes sent")
            while True:
                check(select.select([sock], [], [], DEADLINE)[0], "select() shows the answer")
                try:
                    equal(sock.recv(1), b"x", "the answer")
                    break
                except BlockingIOError:
                    continue  # a part of a frame
            raises(ValueError, lambda: sock.recv(1, socket.MSG_PEEK), "flags")


def new_keys():
    with echo() as (port, _):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(rehandshake_bytes=1 << 20), timeout=DEADLINE) as sock:
            both_ways(sock, TEXT)
            both_ways(sock, TEXT)
            check(1 <= sock.info().rehandshakes, f"{sock.info()}")


def serves_wrapped_clients():
    needs_seal()
    with pfswrap_seal.create_server(("127.0.0.1", 0), context(identity=keys.path("server"), names=["app"])) as server:
        port = server.getsockname()[1]
        wrap = SealWrap(keys, identity="app", connect=port, peer="server")
        client = wrap.argv(["socat", "-t", f"{DEADLINE:g}", "-", f"TCP:127.0.0.1:{port}"])
        with subprocess.Popen(client, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            answer = []
            talks = threading.Thread(target=lambda: answer.append(process.communicate(TEXT)[0]))
            talks.start()
            sock, _ = server.accept()
            sock.settimeout(DEADLINE)
            with sock:
                equal(sock.info().peer_name, "app", "the client")
                got = bytearray()
                while part := sock.recv(65536):
                    got += part
                sock.sendall(hashlib.sha256(got).hexdigest().encode())
            talks.join(DEADLINE)
        equal(wrap.wait_event("closed")["end"], "clean", "the client's log")
        equal(answer, [hashlib.sha256(TEXT).hexdigest().encode()], "the digest that the client printed")


def two_pinned_keys():
    """The first key is one that the server does not have; the second is its own."""
    other = pfswrap_seal.SecretKey.generate().public()
    pinned = context(peers={"server": [other, keys.public("server")]})
    with echo() as (port, wrap):
        for _ in range(2):
            with pfswrap_seal.create_connection(("127.0.0.1", port), pinned, timeout=DEADLINE) as sock:
                equal(str(sock.info().peer_key), keys.public("server"), "the peer's key")
            wrap.wait_event("closed")
        wrap.wait_event("refused")
        equal(len(wrap.events("refused")), 1, "refusals: the second connection begins with the key that worked")


def refusals():
    other = pfswrap_seal.SecretKey.generate()
    with echo(clients="app") as (port, wrap):
        address = ("127.0.0.1", port)
        error = raises(pfswrap_seal.SealRefused, lambda: pfswrap_seal.create_connection(
            address, context(peers={"server": other.public()}), timeout=DEADLINE), "during the handshake")
        check(isinstance(error, ConnectionError), "a ConnectionError")
        raises(pfswrap_seal.SealError, lambda: pfswrap_seal.create_connection(address, context(identity=None)), "E_NO_IDENTITY")
        raises(pfswrap_seal.SealError, lambda: pfswrap_seal.create_connection(address, context(names=["nobody"])), "E_NO_PEER")
        stranger = context(identity=other)

        def ask():
            with pfswrap_seal.create_connection(address, stranger, timeout=DEADLINE) as sock:
                sock.recv(1)
        raises(ConnectionError, ask)
        wrap.wait_event("refused", reason="the client's key is not among the peers")


def mistakes():
    bad = keys.folder / "bad.key"
    bad.write_text("not a key\n")
    bad.chmod(0o600)
    raises(pfswrap_seal.KeyFileError, lambda: context(identity=bad), str(bad))
    raises(pfswrap_seal.KeyFileError, lambda: context(identity=keys.folder / "none"), "none", "No such file")
    raises(pfswrap_seal.KeyFileError, lambda: context(peers={"server": "AAAA"}), "44 characters")
    raises(pfswrap_seal.KeyFileError, lambda: context(peers={"bad name": keys.public("server")}), "a name is 1 to 63 characters")
    raises(pfswrap_seal.SealError, lambda: context(names="server"), "list of names")
    raises(pfswrap_seal.SealError, lambda: context(post_quantum="yes"), "off, allow, require")
    secret = pfswrap_seal.SecretKey.generate()
    check(secret.base64() not in repr(secret), "the secret in its repr()")
    equal(pfswrap_seal.SecretKey(secret.base64()).public(), secret.public(), "the public key of a key in base64")


def truncation():
    """The transport ends while the client waits."""
    with echo() as (port, _):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(), timeout=DEADLINE) as sock:
            both_ways(sock, b"x")
            sock._sock.shutdown(socket.SHUT_RD)  # pylint: disable=protected-access
            raises(pfswrap_seal.SealTruncated, lambda: sock.recv(1), "E_TRUNCATED")


def forks():
    with echo() as (port, _):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(), timeout=DEADLINE) as sock:
            pid = os.fork()
            if pid == 0:
                try:
                    sock.sendall(b"from the child")
                except pfswrap_seal.SealError as error:
                    os._exit(7 if error.name == "E_POISONED" else 8)
                os._exit(9)
            equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 7, "status of the child, whose keys are wiped")
            both_ways(sock, b"from the parent")


def hybrid():
    if not pfswrap_seal.has_post_quantum():
        raise Skip("this build has no ML-KEM (make mlkem-source)")
    with echo(post_quantum="require") as (port, _):
        with pfswrap_seal.create_connection(("127.0.0.1", port), context(post_quantum="require"), timeout=DEADLINE) as sock:
            equal(sock.info().pattern, "IKhfs", "pattern")
            both_ways(sock, b"hybrid")


def padded():
    with echo(padding="block:1024") as (port, wrap):
        for setting in ("allow", "padme", 256):
            with pfswrap_seal.create_connection(("127.0.0.1", port), context(padding=setting), timeout=DEADLINE) as sock:
                both_ways(sock, TEXT)
                check(sock.info().peer_pads, f"{sock.info()}")
        equal([event["padding"] for event in wrap.events("opened")], ["sent", "both", "both"], "padding in the log")
    with echo() as (port, _):
        raises(pfswrap_seal.SealError, lambda: pfswrap_seal.create_connection(("127.0.0.1", port), context(padding="padme"),
                                                                              timeout=DEADLINE), "does not read padded frames")
    raises(pfswrap_seal.SealError, lambda: context(padding=100), "a power of 2 from 16 to 16384")


def streams():
    async def talk(port, number):
        reader, writer = await aio.open_connection("127.0.0.1", port, shared)
        equal(writer.get_extra_info("seal").peer_name, "server", "the server")
        data = TEXT[number * 1000:][:300_000]
        writer.write(data)
        equal(hashlib.sha256(await reader.readexactly(len(data))).digest(), hashlib.sha256(data).digest(), "what came back")
        writer.write_eof()
        equal(await reader.read(), b"", "the end")
        writer.close()
        await writer.wait_closed()

    async def all_at_once(port):
        await asyncio.wait_for(asyncio.gather(*(talk(port, number) for number in range(12))), DEADLINE)
    shared = context()
    with echo() as (port, wrap):
        asyncio.run(all_at_once(port))
        wrap.wait_event("closed", skip=11)
        equal({event["end"] for event in wrap.events("closed")}, {"clean"}, "the server's log")


def stream_server():
    """A wrapped client sends a megabyte to start_server(), which reads slowly and answers with the digest."""
    needs_seal()
    names = []

    async def digest(reader, writer):
        names.append(writer.get_extra_info("seal").peer_name)
        state = hashlib.sha256()
        while part := await reader.read(1000):
            state.update(part)
        writer.write(state.hexdigest().encode())
        await writer.drain()
        writer.close()

    async def main():
        server = await aio.start_server(digest, "127.0.0.1", 0, context(identity=keys.path("server"), names=["app"]))
        port = server.sockets[0].getsockname()[1]
        wrap = SealWrap(keys, identity="app", connect=port, peer="server")
        client = await asyncio.create_subprocess_exec(
            *map(str, wrap.argv(["socat", "-t", f"{DEADLINE:g}", "-", f"TCP:127.0.0.1:{port}"])),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        out, _ = await asyncio.wait_for(client.communicate(TEXT), DEADLINE)
        server.close()
        return out, wrap.events("closed")[0]["end"]
    equal(asyncio.run(main()), (hashlib.sha256(TEXT).hexdigest().encode(), "clean"), "digest and end")
    equal(names, ["app"], "the clients")


def stream_refusals():
    other = pfswrap_seal.SecretKey.generate().public()

    async def main(port):
        try:
            await aio.open_connection("127.0.0.1", port, context(peers={"server": other}))
        except pfswrap_seal.SealRefused:
            pass
        else:
            raise AssertionError("a server with another key was accepted")
        _, writer = await aio.open_connection("127.0.0.1", port, context(peers={"server": [other, keys.public("server")]}))
        writer.close()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            try:
                await aio.open_connection("127.0.0.1", silent.getsockname()[1], context(), handshake_timeout=0.1)
            except pfswrap_seal.SealRefused as error:
                check("no handshake in 0.1 s" in str(error), f"{error!r}")
                return
        raise AssertionError("no time-out")
    with echo() as (port, _):
        asyncio.run(asyncio.wait_for(main(port), DEADLINE))


def inside_tls():
    python = python_with("OpenSSL")
    if python is None:
        raise Skip("no Python here has pyOpenSSL (Debian: python3-openssl)")
    needs_seal()
    port, certificate = free_port(), certs.server()
    wrap = Ends(clients="app", keys=keys).server
    with Process(wrap.argv(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", certificate.cert, "-key",
                            certificate.key, "-rev", "-quiet"])) as server:
        server.wait_for_port(port)
        done = run([python, ROOT / "clients/python/examples/tls_client.py", f"localhost:{port}", certs.authority().cert,
                    keys.path("app"), keys.public("server")], data=b"hello\n",
                   env={"PYTHONPATH": str(ROOT / "clients/python")})
    equal((done.status, done.out), (0, b"olleh\n"), f"{done!r}; log: {wrap.tail()}")


def main():
    tap = Tap()
    for name, case in (
            ("4 MiB there and back in two threads, and an end that both sides see", two_threads),
            ("makefile, recv_into, timeouts, select", files_and_selects),
            ("both sides agree on new keys while data passes", new_keys),
            ("a client under pfswrap talks to a server in Python", serves_wrapped_clients),
            ("the second of two pinned keys, and the next time at once", two_pinned_keys),
            ("a server with another key, no identity, an unknown name, an unknown client", refusals),
            ("mistakes in keys and settings have a message that says where", mistakes),
            ("an end without FINAL is a truncation", truncation),
            ("a forked child cannot use the connection, and the parent can", forks),
            ("a hybrid handshake", hybrid),
            ("padding, from either side, and a server that does not read it", padded),
            ("asyncio: twelve streams at once", streams),
            ("asyncio: a server that reads slowly, and a client under pfswrap", stream_server),
            ("asyncio: refusals, the second pinned key, a server that says nothing", stream_refusals),
            ("inside TLS, with the tunnel and pyOpenSSL", inside_tls)):
        with tap.case(name):
            case()
    tap.finish()


main()
