"""nginx and wrk for bench: one contender is an nginx with TLS 1.3, bare or wrapped, on a core of its own.

The configuration is a modern one, the same for both: what is compared is the price of the wrapper, not of TLS 1.3.
"""

import re
import ssl
from pathlib import Path

from lib import certs, peers
from lib.process import Process, Timeout, free_port, run, wait_until
from lib.wrap import Wrap

CONFIG = """
{user}
worker_processes 1;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    keepalive_requests 100000000;
    keepalive_timeout 600;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate.cert};
        ssl_certificate_key {certificate.key};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ecdh_curve X25519;
        ssl_session_tickets off; # wrk resumes where it can, and a handshake without a signature is half of one
        ssl_session_cache off;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""
BODY = "x" * 1024
CONNECTIONS = 16
SECONDS = 1  # the least that wrk can


def worker_of(master):
    """The pid of nginx's one worker."""
    def children():
        return Path(f"/proc/{master}/task/{master}/children").read_text().split()
    return int(wait_until(children, f"a worker of nginx {master}")[0])


class Contender:
    """One nginx, bare or wrapped, pinned to `core`."""

    def __init__(self, folder, kind, wrapped, core, wrap=None):
        self.wrap = wrap or (Wrap() if wrapped else None)
        self.name = f"{kind}, {'wrapped' if wrapped else 'bare'}"
        self.port = free_port()
        folder = folder / f"{kind}-{'wrapped' if wrapped else 'bare'}"
        folder.mkdir(exist_ok=True)
        user = "user www-data;" if Path("/proc/self").stat().st_uid == 0 else ""
        (folder / "nginx.conf").write_text(CONFIG.format(user=user, port=self.port, certificate=certs.server(kind),
                                                         body=BODY))
        argv = ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-g", "daemon off;"]
        if self.wrap:
            argv = self.wrap.argv(argv)
        self.process = Process(["taskset", "-c", str(core), *map(str, argv)]).wait_for_port(self.port)
        self.worker = worker_of(self.process.pid)

    def agreed(self):
        """Version and cipher that a client gets: both contenders must give the same."""
        with peers.connected(self.port, peers.client_context(ssl.TLSVersion.TLSv1_3)) as connection:
            return connection.version(), connection.cipher()[0]

    def cpu_ns(self):
        """Nanoseconds the worker has been on a processor (proc(5), schedstat)."""
        return int(Path(f"/proc/{self.worker}/schedstat").read_text().split()[0])

    def resident_bytes(self):
        """What of the worker's memory is resident, and what of that is its own alone."""
        text = Path(f"/proc/{self.worker}/smaps_rollup").read_text()
        kib = {name: int(value) for name, value in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
        return kib["Rss"] * 1024, (kib["Private_Clean"] + kib["Private_Dirty"]) * 1024

    def measure(self, close, core):
        """
        wrk against it. Returns (requests per second, microseconds of the worker's processor time per request); with
        `close` each request is a connection and a handshake of its own.
        """
        header = ["-H", "Connection: close"] if close else []
        before_cpu, before_log = self.cpu_ns(), self.handshakes_logged()
        done = run(["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *header,
                    f"https://127.0.0.1:{self.port}/"], timeout=30)
        cpu = self.cpu_ns() - before_cpu
        rate = re.search(r"Requests/sec: +([\d.]+)", done.text)
        total = re.search(r"(\d+) requests in ", done.text)
        if done.status != 0 or not rate or "Socket errors" in done.text or "Non-2xx" in done.text:
            raise SystemExit(f"bench: wrk against {self.name} met errors: {done.text.strip()[-300:]}")
        requests = int(total[1])
        logged = self.handshakes_logged() - before_log
        expected = requests if close else 1
        if self.wrap and logged < expected:
            raise SystemExit(f"bench: {self.name} logged {logged} full handshakes, expected {expected} or more")
        return float(rate[1]), cpu / 1000 / requests

    def handshakes_logged(self):
        if self.wrap is None or not self.wrap.log.exists():
            return 0
        with open(self.wrap.log, "rb") as log:
            return sum(b'"event":"handshake"' in line and b'"resumed":false' in line for line in log)

    def stop(self):
        status = self.process.stop()
        if self.wrap:
            self.wrap.log.unlink(missing_ok=True)
        if status != 0:
            raise Timeout(f"{self.name} ended with status {status}: {self.process.text()[-500:]}")
