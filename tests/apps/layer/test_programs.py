# run: first
"""The inner layer between unmodified programs: both ends wrapped, big transfers both ways, and no other client admitted."""

import os

from lib import certs, layer, peers
from lib.legacy import require_programs
from lib.process import run, temporary_directory
from lib.tap import Tap, check, contains, equal
from lib.wrap import Wrap

DATA = os.urandom(24 << 20)


def transfers(tap, row, ends, path):
    with row.start(None, DATA) as server, tap.case(f"{row.name} bare serves the file, so that it means something wrapped"):
        layer.download(None, layer.curl(server.port), DATA)
    with row.start(ends.server, DATA) as server:
        for client, argv, hashed in (("curl", layer.curl(server.port), False),
                                     ("curl over HTTP/1.1", layer.curl(server.port, "--http1.1"), False),
                                     ("python3", layer.python_client(server.port), True)):
            with tap.case(f"{client} gets a file of {len(DATA) >> 20} MiB from {row.name} with the same digest, both wrapped"):
                seen = len(ends.server.events("opened", role="server"))
                layer.download(ends.client, argv, DATA, hashed)
                event = ends.server.wait_event("opened", skip=seen, role="server", layer="tls")
                equal((event["rule"], event["peer_name"], event["pattern"]), ("web", "client", "IK"), f"{event}")
        if row.uploads:
            for client, argv in (("curl", layer.curl_put(server.port, path)),
                                 ("python3", layer.python_client(server.port, path))):
                with tap.case(f"{client} sends {len(DATA) >> 20} MiB to {row.name} with the same digest, both wrapped"):
                    layer.upload(ends.client, argv, server, DATA)
        with tap.case(f"{row.name} ends the TLS connection cleanly for a client that does not seal, and logs why"):
            seen = len(ends.server.events("refused"))
            with peers.connected(server.port) as connection:
                equal(connection.recv(100), b"", "what a TLS client without the layer receives")
            event = ends.server.wait_event("refused", skip=seen, layer="tls")
            equal(event["reason"], layer.REFUSED_PLAIN, f"{event}")
        with tap.case(f"{row.name} also logs it if that client has sent a request at once"):
            seen = len(ends.server.events("refused"))
            result = run(layer.curl(server.port, "--http1.1"))
            check(result.status != 0 and not result.out, f"{result!r}")
            ends.server.wait_event("refused", skip=seen, layer="tls")
        with tap.case(f"{row.name} refuses a client with an unknown key"):
            unknown = layer.Ends()
            unknown.keys.peers.write_text(ends.keys.peers.read_text())
            result = run(unknown.client.argv(layer.curl(server.port)))
            check(result.status != 0 and not result.out, f"{result!r}")
            event = ends.server.wait_event("refused", reason="the client's key is not among the peers")
            equal(event["role"], "server", f"{event}")
            event = unknown.client.wait_event("refused", layer="tls")
            contains(event["reason"], "ended the connection", "the client's reason")


def never_falls_back(tap, ends):
    row = layer.ROWS["nginx"]
    with row.start(None, DATA) as server:
        for name, argv in (("curl", layer.curl(server.port)), ("python3", layer.python_client(server.port))):
            with tap.case(f"{name} sends no request to a server without the layer"):
                seen = len(ends.client.events("refused"))
                result = run(ends.client.argv(argv))
                check(result.status != 0 and not result.out, f"{result!r}")
                ends.client.wait_event("refused", skip=seen, layer="tls", role="client")
                equal(ends.client.events("opened"), [], "layers opened")


def redis(tap, ends):
    value = os.urandom(1 << 20).hex().encode()
    with layer.Row("redis", layer.redis, ["redis-server"]).start(ends.server, b"") as server:
        cli = ["redis-cli", "-h", "localhost", "-p", server.port, "--tls", "--cacert", certs.authority().cert]
        with tap.case("redis-cli stores and fetches 2 MiB through a redis-server, both wrapped"):
            result = run(ends.client.argv([*cli, "-x", "SET", "key"]), data=value)
            equal(result.out.strip(), b"OK", f"{result!r}; log: {ends.client.tail()}")
            result = run(ends.client.argv([*cli, "GET", "key"]))
            equal(result.out.strip(), value, "the value")
            layer.shake(ends.server, "server")
        with tap.case("redis-cli pipelines 20,000 commands through a redis-server, both wrapped"):
            commands = b"".join(b"*3\r\n$3\r\nSET\r\n$%d\r\nk%d\r\n$4\r\nv%03d\r\n" % (len(str(i)) + 1, i, i % 1000)
                                for i in range(20000))
            result = run(ends.client.argv([*cli, "--pipe"]), data=commands)
            contains(result.text, "errors: 0, replies: 20000", "what redis-cli counted")
        with tap.case("redis-server refuses a redis-cli that is not wrapped"):
            result = run([*cli, "PING"])
            check(b"PONG" not in result.out, f"{result!r}")
            ends.server.wait_event("refused", reason=layer.REFUSED_PLAIN)


def s_client(tap, ends):
    row = layer.Row("openssl s_server -rev", lambda folder, port: [*layer.s_server(folder, port)[:-2], "-rev", "-quiet"],
                    ["openssl"])
    with row.start(ends.server, b"") as server:
        argv = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", certs.authority().cert]
        with tap.case("openssl s_client exchanges lines with openssl s_server -rev, both wrapped"):
            result = run(ends.client.argv([*argv, "-ign_eof"]), data=b"abc\ndef\nCLOSE\n")
            contains(result.text, "cba\nfed\n", "what came back")
            layer.shake(ends.server, "server")


def two_rules(tap):
    """A program that moves the bytes itself gives libssl no address to choose a rule by."""
    differ = layer.Ends(more_client="[connect other]\naddress = 192.0.2.1:*\nseal = require\nlayer = tls\n"
                                    "peer = server\nservice = other")
    same = layer.Ends(keys=differ.keys, more_client="[connect other]\naddress = 192.0.2.1:*\nseal = require\nlayer = tls\n"
                                                    "peer = server")
    with layer.ROWS["nginx"].start(same.server, DATA) as server:
        with tap.case("curl, whose socket libssl does not have, is sealed if all rules of the layer agree"):
            layer.download(same.client, layer.curl(server.port), DATA)
        with tap.case("curl is refused if they differ, before it sends anything to the server"):
            seen = len(same.server.events("handshake"))
            result = run(differ.client.argv(layer.curl(server.port)))
            check(result.status != 0 and not result.out, f"{result!r}")
            event = differ.client.wait_event("refused", layer="tls")
            contains(event["reason"], "more than one rule", f"{event}")
            equal(len(same.server.events("handshake")), seen, "handshakes at the server")
        with tap.case("python3, whose socket libssl has, matches rules by address"):
            layer.download(differ.client, layer.python_client(server.port), DATA, True)


def bystanders(tap):
    """Connections that no rule covers are not changed."""
    ends = layer.Ends()
    policy = ends.policy("client", "connect", "require", lines=["peer = server"], address="192.0.2.0/24:*")
    with layer.ROWS["nginx"].start(Wrap(), DATA) as server:
        with tap.case("python3 with a rule for other addresses connects to a server without the layer"):
            layer.download(policy, layer.python_client(server.port), DATA, True)
            equal(policy.events("opened"), [], "layers opened")


def main():
    tap = Tap()
    require_programs("nginx", "apache2", "curl", "redis-server", "redis-cli", "openssl")
    ends = layer.Ends()
    path = temporary_directory() / "upload"
    path.write_bytes(DATA)
    for row in layer.ROWS.values():
        transfers(tap, row, layer.Ends(), path)
    never_falls_back(tap, ends)
    redis(tap, layer.Ends())
    s_client(tap, layer.Ends())
    two_rules(tap)
    bystanders(tap)
    tap.finish()


main()
