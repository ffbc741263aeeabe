"""The bulk rate of data under `layer = tls`, beside the ceiling that two ciphers in sequence set: the part `layer`.

nginx sends a file to curl, each on a core of its own: with TLS 1.3 alone (rate T) and with the inner layer. libsodium
alone in memory gives S. What must be reached is 0.85 of 1 / (1/T + 1/S), all in one run. Contenders take turns within
each round and change places from round to round.

The same is worked out for each end's processor time, as if it alone were the bottleneck: that holds on a machine with
other things to do as well, where the time on the clock tells little.
"""

import os
import statistics
import subprocess
from pathlib import Path

import charts
import figures
from contenders import CLIENT_CORE, PROGRAMS, SERVER_CORE, pinned
from lib import certs, layer
from lib.process import Process, free_port, merged, run, temporary_directory
from part import Part, add, circumstances, turns
from tls_server import worker_of

TARGET = 0.85
CONFIG = """
worker_processes 1; pid nginx.pid; error_log error.log; daemon off;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on;
    client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.3; ssl_certificate {certificate.cert}; ssl_certificate_key {certificate.key};
        root {folder};
    }}
}}
"""


class Contender:
    """nginx with a file of so many megabytes, and the curl that fetches it."""

    def __init__(self, ends, megabytes):
        self.folder, self.port = temporary_directory(), free_port()
        with (self.folder / "blob").open("wb") as file:
            file.truncate(megabytes << 20)
        (self.folder / "nginx.conf").write_text(CONFIG.format(port=self.port, certificate=certs.server("p256"),
                                                              folder=self.folder))
        self.ends = ends
        argv = ["nginx", "-p", self.folder, "-c", self.folder / "nginx.conf"]
        self.server = Process(pinned(ends.server.argv(argv) if ends else argv, SERVER_CORE))
        self.server.wait_for_port(self.port)
        self.worker = worker_of(self.server.pid)

    def rates(self):
        """Bytes per second of one download: by the clock, by the server's processor time, by the client's."""
        argv = layer.curl(self.port, "--http1.1", "-o", "/dev/null", "-w", "%{size_download} %{speed_download}")
        before = run_time(self.worker)
        client = subprocess.Popen(pinned(self.ends.client.argv(argv) if self.ends else argv, CLIENT_CORE),
                                  stdout=subprocess.PIPE, env=merged({}))
        output = client.stdout.read()
        client.stdout.close()
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = status
        if status != 0:
            raise SystemExit(f"bench: curl ended with {status}")
        size, speed = map(float, output.split())
        if size != (self.folder / "blob").stat().st_size:
            raise SystemExit(f"bench: {size} bytes arrived")
        return speed, size / (run_time(self.worker) - before), size / (usage.ru_utime + usage.ru_stime)

    def stop(self):
        self.server.stop()


def run_time(pid):
    """Seconds that a process was on a processor (sched-stats, /proc/PID/schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def sodium(megabytes):
    """Bytes per second that libsodium seals, and opens."""
    result = run(pinned([PROGRAMS / "layer_rate", megabytes], CLIENT_CORE), timeout=60)
    if result.status != 0:
        raise SystemExit(f"bench: {result!r}")
    return [float(word) for word in result.out.split()]


VIEWS = {"clock": "wall-clock time", "server": "nginx's processor time", "client": "curl's processor time"}
SIDES = ("tls", "layer")


class Layer(Part):
    name, needs, charts = "layer", ("nginx", "curl", "taskset"), ("layer",)

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.rounds or scale.of(15, 3, 1)
        self.megabytes = scale.of(512, 128, 8)
        self.contenders = {}

    def seconds(self):
        return self.rounds * self.megabytes / 512 * 2.5

    def open(self):
        self.contenders = {"tls": Contender(None, self.megabytes), "layer": Contender(layer.Ends(), self.megabytes)}

    def close(self):
        for contender in self.contenders.values():
            contender.stop()

    def round(self, number, found, progress):
        for side in turns(SIDES, number):
            progress.step("nginx to curl, " + ("with the layer" if side == "layer" else "TLS 1.3 alone"),
                          self.megabytes / 512)
            for view, rate in zip(VIEWS, self.contenders[side].rates()):
                add(found, side, view, rate)
        progress.step("libsodium alone", self.megabytes / 1024)
        sealed, opened = sodium(self.megabytes // 2)
        for view, rate in zip(VIEWS, (sealed, sealed, opened)):
            add(found, "sodium", view, rate)

    def text(self, found):
        rows = []
        for view, words in VIEWS.items():
            shares = [one / two for one, two in zip(found["layer"][view], ceilings(found, view))]
            rows.append([words, *(with_spread_mb(each) for each in (found["tls"][view], found["sodium"][view],
                                                                    ceilings(found, view), found["layer"][view])),
                         f"{statistics.median(shares):.3f}"])
        header = ["nginx to curl, MB/s", "TLS alone (T)", "libsodium (S)", "ceiling", "with the layer", "share"]
        return f"{circumstances(found)}\n\n{figures.table(header, rows)}"

    def draw(self, found, folder):
        series = (("TLS 1.3 alone", charts.GREY, found["tls"]), ("ceiling of two ciphers", charts.YELLOW,
                  {view: ceilings(found, view) for view in VIEWS}), ("with the layer", charts.BLUE, found["layer"]))
        charts.groups_chart(folder / "layer.svg", "nginx to curl, the layer inside TLS: more is better", "",
                            "MB/s", [words.replace(" processor", "\nprocessor") for words in VIEWS.values()],
                            [{"name": name, "colour": colour, "values": [[rate / 1e6 for rate in each[view]]
                                                                         for view in VIEWS]}
                             for name, colour, each in series])

    def targets(self, found):
        for view, words in VIEWS.items():
            yield figures.ratio_target(f"layer inside TLS, {words}, MB/s",
                                       *([rate / 1e6 for rate in each] for each in (found["layer"][view],
                                                                                    ceilings(found, view))),
                                       TARGET, form="{:.3f}", beside="ceiling")


def ceilings(found, view):
    return [1 / (1 / one + 1 / two) for one, two in zip(found["tls"][view], found["sodium"][view])]


def with_spread_mb(values):
    return figures.with_spread([value / 1e6 for value in values])
