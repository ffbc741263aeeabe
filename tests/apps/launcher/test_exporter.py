"""pfswrap exporter: Prometheus's own tool accepts what it serves, its counters never go back, and its HTTP is strict. The rules
and the dashboard in examples/prometheus use the metrics that there are."""

import json
import os
import re
import signal
import socket

from lib.process import PYTHON, ROOT, Process, find, free_port, run, temporary_directory, wait_until
from lib.seal import Keys, SealWrap
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LAUNCHER, Wrap

EXAMPLES = ROOT / "examples/prometheus"
CLIENT = """import socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.sendall(b"x" * 30000)
left = 30000
while left > 0:
    left -= len(connection.recv(65536)) or sys.exit("the end")
print("ready", flush=True)
sys.stdin.read()
"""
SERVER = """import socket, sys, threading
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
def echo(connection):
    while data := connection.recv(65536):
        connection.sendall(data)
while True:
    threading.Thread(target=echo, args=(server.accept()[0],), daemon=True).start()
"""

tap = Tap()


def ask(port, request=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", seconds=60):
    """The whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def parse(text):
    """{name{labels}: value}"""
    return {series: int(value) for series, value in re.findall(r"^(\w+(?:\{.*\})?) (\d+)$", text, re.M)}


def metrics(port):
    return parse(ask(port).decode().split("\r\n\r\n", 1)[1])


def value(found, name, **labels):
    """The sum of the series with that name and these labels."""
    words = [f'{key}="{text}"' for key, text in labels.items()]
    return sum(number for series, number in found.items()
               if re.match(rf"{name}(\{{|$)", series) and all(word in series for word in words))


def promtool(*words, data=b""):
    if not find("promtool"):
        raise Skip("no promtool (Debian's package prometheus)")
    return run(["promtool", *words], data=data)


def served(port):
    with tap.case("the answer is text that promtool accepts without a remark"):
        head, text = ask(port).split(b"\r\n\r\n", 1)
        equal(head.split(b"\r\n")[0], b"HTTP/1.1 200 OK", "status line")
        contains(head.decode(), "Content-Type: text/plain; version=0.0.4", "content type")
        equal(int(re.search(rb"Content-Length: (\d+)", head)[1]), len(text), "length")
        result = promtool("check", "metrics", data=text)
        equal((result.status, result.text.strip()), (0, ""), "what promtool says")


def http(port):
    with tap.case("other requests get an error, and the exporter goes on"):
        for request, status in ((b"GET / HTTP/1.0\r\n\r\n", b"200"), (b"HEAD /metrics HTTP/1.1\r\n\r\n", b"200"),
                                (b"GET /other HTTP/1.1\r\n\r\n", b"404"), (b"POST /metrics HTTP/1.1\r\n\r\n", b"405"),
                                (b"GET /metrics HTTP/2\r\n\r\n", b"405"), (b"GET\r\n\r\n", b"405"),
                                (b"\r\n\r\n", b"405"), (b"GET /\0 HTTP/1.1\r\n\r\n", b"400"),
                                (b"x" * 4095, b"400")):
            equal(ask(port, request).split(b" ")[1], status, f"status of {request[:40]}")
        equal(ask(port, b"HEAD /metrics HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")[1], b"", "body of HEAD")
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(b"GET /met")
            equal(silent.recv(1), b"", "what a client gets that does not go on")
        equal(ask(port).split(b" ")[1], b"200", "status of the next request")


def counting(port, folder):
    keys, sealed = Keys("server", "client"), free_port()
    server = SealWrap(keys, identity="server", listen=sealed, clients="client", rules="")
    client = SealWrap(keys, identity="client", connect=sealed, peer="server")
    (folder / "server.py").write_text(SERVER)
    (folder / "client.py").write_text(CLIENT)
    with Process(server.argv([*PYTHON, folder / "server.py", sealed])).wait_for_port(sealed) as process:
        with tap.case("connections and bytes are those of the log"):
            end, other = os.pipe()[::-1]
            peer = Process(client.argv([*PYTHON, folder / "client.py", sealed]), stdin=other)
            os.close(other)
            wait_until(lambda: "ready" in peer.text(), peer.text)
            found = metrics(port)
            labels = {"program": protected_name(process.pid), "rule": "test"}
            before = value(found, "pfswrap_sent_bytes_total", **labels)
            equal(value(found, "pfswrap_connections", **labels, peer="client"), 1, "open at the server")
            check(before >= 60_000, f"bytes sent at both ends: {before}")
            equal(value(found, "pfswrap_processes", policy=str(server.policy)), 1, "processes with this policy")

        with tap.case("when a process ends, what it had counted stays in the sum"):
            os.close(end)
            peer.wait()
            server.wait_event("closed")
            after = wait_until(lambda: metrics(port), "metrics")
            check(value(after, "pfswrap_sent_bytes_total", **labels) >= before, "the sum does not go back")
            check(value(after, "pfswrap_connections_closed_total", **labels, end="clean") >= 1, "closed at the server")
            equal(value(after, "pfswrap_processes", policy=str(client.policy)), 0, "processes that have ended")

        with tap.case("a process that runs without its policy is counted"):
            policies = folder / "policies"
            policies.mkdir()
            (policies / "server.conf").write_text(server.policy.read_text())
            (policies / "server.conf").chmod(0o600)
            out = folder / "once.prom"
            bare = free_port()
            text = (policies / "server.conf").read_text().replace(f":{sealed}", f":{bare}")
            (policies / "server.conf").write_text(text)
            with Process([*PYTHON, folder / "server.py", bare]).wait_for_port(bare):
                equal(run([LAUNCHER, "exporter", "--once", "--textfile", out, "--policies", policies]).status, 0, "status")
                equal(value(parse(out.read_text()), "pfswrap_unprotected_processes", policy=str(policies / "server.conf")),
                      1, "processes that are not protected")
            equal(out.stat().st_mode & 0o777, 0o644, "mode of the file")
            equal(sorted(path.name for path in folder.glob("once.prom*")), ["once.prom"], "files that are left")


def protected_name(pid):
    return json.loads(run([LAUNCHER, "status", "--json", pid]).lines[0])["program"]


def examples(port):
    with tap.case("promtool accepts the alert rules and the configuration, and the rules pass their tests"):
        for words in (("check", "rules", EXAMPLES / "pfswrap.rules.yml"), ("check", "config", EXAMPLES / "prometheus.yml"),
                      ("test", "rules", EXAMPLES / "pfswrap.test.yml")):
            result = promtool(*words)
            equal(result.status, 0, f"promtool {words[0]} {words[1]}: {result.text}")

    with tap.case("rules and dashboard name metrics that the exporter has"):
        known = set(re.findall(r'"(pfswrap_\w+)", (?:true|false)', (ROOT / "tools/series.c").read_text()))
        board = json.loads((EXAMPLES / "dashboard.json").read_text())
        expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
        expressions += re.findall(r"expr: (.*)", (EXAMPLES / "pfswrap.rules.yml").read_text())
        used = set(re.findall(r"pfswrap_\w+", "\n".join(expressions)))
        check(len(known) > 20 and used, f"metrics: {known}")
        equal(sorted(used - known), [], "metrics that nobody has")
        equal(len({panel["id"] for panel in board["panels"]}), len(board["panels"]), "ids of panels")
        check(set(re.sub(r"\{.*", "", series) for series in metrics(port)) <= known, "series without a description")


def usage():
    with tap.case("wrong words, addresses and ports are refused"):
        for words in (["--listen", "localhost:1"], ["--listen", "127.0.0.1"], ["--listen", "127.0.0.1:70000"],
                      ["--listen", "[::1:1"], ["--listen", ":1"], ["--once"], ["--listen", "127.0.0.1:1", "--textfile", "x"],
                      ["x"]):
            equal(run([LAUNCHER, "exporter", *words]).status, 2, f"exit status of {words}")
        with socket.create_server(("127.0.0.1", 0)) as taken:
            equal(run([LAUNCHER, "exporter", "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]).status, 125, "taken port")
        equal(run([LAUNCHER, "exporter", "--once", "--textfile", "/nonexistent/x.prom"]).status, 1, "no such folder")


def main():
    folder, port = temporary_directory(), free_port()
    usage()
    with Process([LAUNCHER, "exporter", "--listen", f"127.0.0.1:{port}"]).wait_for_port(port) as exporter, \
            Process(Wrap().argv(["sleep", "100"])) as sleeper:
        served(port)
        http(port)
        counting(port, folder)
        examples(port)
        sleeper.signal(signal.SIGTERM)
        exporter.signal(signal.SIGTERM)
    tap.finish()


if __name__ == "__main__":
    main()
