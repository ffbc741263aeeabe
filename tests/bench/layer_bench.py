"""make bench-layer: the bulk rate of data under `layer = tls`, beside the ceiling that two ciphers in sequence set.

nginx sends a file to curl, each on a core of its own: with TLS 1.3 alone (rate T) and with the inner layer. libsodium
alone in memory gives S. What must be reached is 0.85 of 1 / (1/T + 1/S), all in one run. Contenders take turns within
each round and change places from round to round; stated are medians and the median of the rounds' own ratios.

The same is worked out for each end's processor time, as if it alone were the bottleneck: that holds on a machine with
other things to do as well, where the time on the clock tells little.
"""

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

import figures  # noqa: E402
from lib import certs, layer  # noqa: E402
from lib.process import BUILD, ROOT, Process, free_port, merged, run, temporary_directory  # noqa: E402
from tls_server import worker_of  # noqa: E402

SERVER_CORE, CLIENT_CORE = 0, 1
TARGET, ENOUGH = 0.85, 0.02
DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"
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
        self.server = Process(pinned(SERVER_CORE, ends.server.argv(argv) if ends else argv))
        self.server.wait_for_port(self.port)
        self.worker = worker_of(self.server.pid)

    def rates(self):
        """Bytes per second of one download: by the clock, by the server's processor time, by the client's."""
        argv = layer.curl(self.port, "--http1.1", "-o", "/dev/null", "-w", "%{size_download} %{speed_download}")
        before = run_time(self.worker)
        client = subprocess.Popen(pinned(CLIENT_CORE, self.ends.client.argv(argv) if self.ends else argv),
                                  stdout=subprocess.PIPE, env=merged({}))
        output = client.stdout.read()
        client.stdout.close()
        _, status, usage = os.wait4(client.pid, 0)
        client.returncode = status
        if status != 0:
            raise SystemExit(f"bench-layer: curl ended with {status}")
        size, speed = map(float, output.split())
        if size != (self.folder / "blob").stat().st_size:
            raise SystemExit(f"bench-layer: {size} bytes arrived")
        return speed, size / (run_time(self.worker) - before), size / (usage.ru_utime + usage.ru_stime)

    def stop(self):
        self.server.stop()


def run_time(pid):
    """Seconds that a process was on a processor (sched-stats, /proc/PID/schedstat)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def pinned(core, argv):
    return ["taskset", "-c", str(core), *map(str, argv)]


def sodium(megabytes):
    """Bytes per second that libsodium seals, and opens."""
    result = run(pinned(CLIENT_CORE, [BUILD / "tests" / "bench" / "layer_rate", megabytes]), timeout=60)
    if result.status != 0:
        raise SystemExit(f"bench-layer: {result!r}")
    return [float(word) for word in result.out.split()]


def measure(rounds, megabytes, progress):
    """-> rates of TLS alone, with the layer, of libsodium, per round."""
    tls, layered, alone = [], [], []
    contenders = {False: Contender(None, megabytes), True: Contender(layer.Ends(), megabytes)}
    for number in range(rounds):
        for sealed in ((False, True) if number % 2 == 0 else (True, False)):
            progress.step(f"round {number + 1}: {'with the layer' if sealed else 'TLS 1.3 alone'}")
            (layered if sealed else tls).append(contenders[sealed].rates())
        progress.step(f"round {number + 1}: libsodium alone")
        seal, opened = sodium(megabytes // 2)
        alone.append((seal, seal, opened))
    for contender in contenders.values():
        contender.stop()
    return tls, layered, alone


VIEWS = ("by the clock", "nginx's processor time", "curl's processor time")


def report(tls, layered, alone):
    """The table, and the shares of the ceiling."""
    rows, shares = [], []
    for place, view in enumerate(VIEWS):
        rates, sealed, other = ([values[place] for values in each] for each in (tls, layered, alone))
        ceilings = [1 / (1 / one + 1 / two) for one, two in zip(rates, other)]
        paired = [one / two for one, two in zip(sealed, ceilings)]
        shares.append(statistics.median(paired))
        rows.append([view, *(with_spread_mb(each) for each in (rates, other, ceilings, sealed)), f"{shares[-1]:.3f}",
                     figures.verdict(shares[-1] >= TARGET, figures.median_error(paired), ENOUGH)])
    header = ["nginx to curl, MB/s", "TLS alone (T)", "libsodium (S)", "ceiling", "with the layer", "share",
              f"target {TARGET}"]
    return figures.table(header, rows), shares


def with_spread_mb(values):
    return figures.with_spread([value / 1e6 for value in values])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--write", action="store_true", help="put the table into docs/BENCHMARKS.md")
    options = parser.parse_args()
    progress = figures.Progress(options.rounds * 3)
    text, shares = report(*measure(options.rounds, options.megabytes, progress))
    progress.end()
    text = f"{figures.machine()}; {options.rounds} rounds of {options.megabytes} MiB.\n\n{text}"
    print(text)
    if options.write:
        figures.replace_section(DOCUMENT, "layer", text)
    sys.exit(0 if min(shares[1:]) >= TARGET else 1)


if __name__ == "__main__":
    main()
