"""nginx and curl, both sealed: sendfile, uploads, keepalive, pipelining, and nginx as a proxy to a sealed upstream."""

import hashlib
import os

from lib.legacy import require_programs
from lib.process import PYTHON, run
from lib.sealed import MARKER, SCRIPTS, begin, ended, prove
from lib.tap import Tap, check, equal

LINES = b"".join(b"%08d %s\n" % (number, MARKER) for number in range(4 * 1024 * 1024 // 38))
DIGEST = hashlib.sha256(LINES).hexdigest()
UPLOAD = LINES[:3 * 1024 * 1024 + 17]
CONFIG = """
{user}
worker_processes 2;
pid nginx.pid;
error_log error.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    client_max_body_size 0;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 100000;
    server {{
        listen 127.0.0.1:{port};
        listen [::1]:{port};
        root {folder};
        location /hello {{ return 200 "{marker}\\n"; }}
        location /upstream/ {{ proxy_pass http://127.0.0.1:{upstream}/; proxy_http_version 1.1; }}
    }}
}}
"""


def start(ends):
    """nginx on the first port, the upstream (Python's http.server) on the second."""
    (ends.folder / "big").write_bytes(LINES)
    user = "user www-data;" if os.geteuid() == 0 else ""
    (ends.folder / "nginx.conf").write_text(CONFIG.format(port=ends.ports[0], upstream=ends.ports[1], folder=ends.folder,
                                                          marker=MARKER.decode(), user=user))
    upstream = ends.server([*PYTHON, SCRIPTS / "http_digest.py", ends.ports[1]], port=ends.ports[1])
    log = ["-e", "error.log"] if "-e filename" in run(["nginx", "-h"]).text else []  # since 1.19.5
    nginx = ends.server(["nginx", "-p", ends.folder, *log, "-c", "nginx.conf", "-g", "daemon off;"],
                        cwd=ends.folder)
    yield nginx
    ended(nginx)
    ended(upstream, (-15,))


def curl(ends, *arguments, data=b"", path="/hello", host="127.0.0.1"):
    done = ends.client(["curl", "-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "25", *arguments,
                        f"http://{host}:{ends.port}{path}"], data=data, cwd=ends.folder)
    equal(done.status, 0, f"status of {done!r}")
    return done.out


def big_file(ends, _nginx):
    equal(hashlib.sha256(curl(ends, path="/big")).hexdigest(), DIGEST, "digest of 4 MB")


def ipv6(ends, _nginx):
    equal(hashlib.sha256(curl(ends, path="/big", host="[::1]")).hexdigest(), DIGEST, "digest of 4 MB")


def slow_reader(ends, _nginx):
    """--limit-rate makes curl leave bytes in the kernel, so that nginx's socket is full most of the time."""
    equal(curl(ends, "--limit-rate", "2M", "--range", f"0-{len(UPLOAD) - 1}", path="/big"), UPLOAD, "range of the file")


def upload(ends, _nginx):
    printed = curl(ends, "--data-binary", "@-", "-H", "Expect:", data=UPLOAD, path="/upstream/digest")
    equal(printed.decode(), hashlib.sha256(UPLOAD).hexdigest(), "digest of an upload of 3 MB")


def expect_continue(ends, _nginx):
    printed = curl(ends, "--data-binary", "@-", "-H", "Expect: 100-continue", data=UPLOAD, path="/upstream/digest")
    equal(printed.decode(), hashlib.sha256(UPLOAD).hexdigest(), "digest of an upload of 3 MB")


def proxied(ends, _nginx):
    """The upstream echoes, so that nginx relays in both directions."""
    body = curl(ends, "--data-binary", "@-", data=UPLOAD, path="/upstream/echo")
    check(body == UPLOAD, f"expected {len(UPLOAD)} bytes back unchanged, found {len(body)} others")


def keepalive(ends, _nginx):
    urls = [f"http://127.0.0.1:{ends.port}/hello"] * 40
    printed = curl(ends, "--write-out", "%{num_connects} %{http_code}\n", *urls).decode().splitlines()
    counts = [line for line in printed if line != MARKER.decode()]
    equal(counts, ["1 200"] + ["0 200"] * 40, "connections made and statuses")


def parallel(ends, _nginx):
    names = [word for number in range(5) for word in ("--output", f"part-{number}",
                                                       f"http://127.0.0.1:{ends.port}/big?{number}")]
    curl(ends, "--parallel", "--parallel-max", "3", *names, "--output", "part-5", path="/big")
    for number in range(6):
        equal(hashlib.sha256((ends.folder / f"part-{number}").read_bytes()).hexdigest(), DIGEST, f"digest of part {number}")


def pipelined(ends, _nginx):
    """100 requests in one write, then their answers."""
    done = ends.client([*PYTHON, SCRIPTS / "http_pipeline.py", ends.port, "/hello", 100])
    equal((done.status, done.out), (0, b"100 answers, 0 wrong\n"), f"{done!r}")


def many_clients(ends, _nginx):
    done = ends.client(["ab", "-q", "-k", "-n", "3000", "-c", "20", f"http://127.0.0.1:{ends.port}/hello"])
    check(b"Complete requests:      3000" in done.out and b"Failed requests:        0" in done.out and
          b"Non-2xx" not in done.out, f"expected 3,000 answers, found {done!r}")


def many_connections(ends, _nginx):
    done = ends.client(["ab", "-q", "-n", "300", "-c", "10", f"http://127.0.0.1:{ends.port}/hello"])
    check(b"Complete requests:      300" in done.out and b"Failed requests:        0" in done.out,
          f"expected 300 answers over 300 connections, found {done!r}")


def main():
    require_programs("nginx", "curl", "ab")
    tap = Tap()
    begin(tap)
    prove(tap, "nginx", start, [
        ("curl gets a file of 4 MB, which nginx sends by sendfile", big_file),
        ("curl gets it over IPv6", ipv6),
        ("a client that reads slowly gets every byte", slow_reader),
        ("an upload of 3 MB reaches the upstream server unchanged", upload),
        ("an upload that waits for 100 Continue reaches it, too", expect_continue),
        ("3 MB travel to the upstream server and back", proxied),
        ("40 requests keep one connection", keepalive),
        ("6 downloads of 4 MB in parallel are intact", parallel),
        ("100 pipelined requests are answered in order", pipelined),
        ("ab's 20 clients get 3,000 answers over kept connections", many_clients),
        ("ab's 10 clients get 300 answers over 300 connections", many_connections),
    ], ports=2)
    tap.finish()


main()
