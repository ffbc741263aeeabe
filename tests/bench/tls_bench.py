"""make bench-tls: what pfswrap costs. nginx wrapped against bare, start-up, the single call, memory.

Contenders take turns within each round, and change places from round to round, so that what else the machine does
falls on both. Stated are medians, the ratio of the medians, and the median of the rounds' own ratios.
"""

import argparse
import collections
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "apps"))

import figures  # noqa: E402
from figures import Progress, table, verdict, with_spread  # noqa: E402
from lib import certs  # noqa: E402
from lib.process import BUILD, ROOT, find, run, temporary_directory  # noqa: E402
from lib.wrap import LAUNCHER, Wrap  # noqa: E402
from tls_server import Contender  # noqa: E402

SERVER_CORE, CLIENT_CORE = 0, 1
KINDS = {"rsa": "RSA-2048", "p256": "ECDSA P-256"}
TARGET_RATIO, TARGET_RUN_US, TARGET_PRELOAD_US = 0.98, 2000, 1000
TARGET_RATIO_ERROR = 0.01
DOCUMENT = ROOT / "docs" / "BENCHMARKS.md"
CALLS = 50000


class Plan:
    """How long to measure what."""

    def __init__(self, quick, rounds):
        self.quick = quick
        # Many short turns: the closer two contenders are in time, the more alike is what else the machine does.
        self.rounds = rounds or (2 if quick else 15)
        self.seconds = 1
        self.spawns = 100 if quick else 400
        self.call_rounds = 3 if quick else 15
        self.patience = 0 if quick else 60  # seconds to wait for a quiet machine, of all rounds together
        loads = [(kind, close) for kind in KINDS for close in (False, True)]
        # The certificate is not used after the handshake: a quick look at keepalive needs one kind.
        self.loads = loads[:1] + loads[1::2] if quick else loads


def load_name(kind, close):
    return f"{'handshakes' if close else 'requests'}/s, {KINDS[kind]}"


def measure_servers(plan, progress, folder):
    """-> {(kind, close): {wrapped: [(rate, cpu)]}}, {wrapped: [(resident, own)]}, share of other load per round."""
    results = collections.defaultdict(lambda: {False: [], True: []})
    memory, busy, patience = {False: [], True: []}, [], plan.patience
    for number in range(plan.rounds):
        begun = time.monotonic()
        busy.append(figures.wait_for_quiet(patience))
        patience = max(0, patience - (time.monotonic() - begun))
        for kind in sorted({kind for kind, _ in plan.loads}, reverse=True):
            contenders = {wrapped: Contender(folder, kind, wrapped, SERVER_CORE) for wrapped in (False, True)}
            agreed = {wrapped: contender.agreed() for wrapped, contender in contenders.items()}
            if agreed[False] != agreed[True]:
                raise SystemExit(f"bench-tls: bare gives {agreed[False]}, wrapped {agreed[True]}, expected the same")
            for close in [close for each, close in plan.loads if each == kind]:
                for wrapped in ((False, True) if number % 2 == 0 else (True, False)):
                    progress.step(f"round {number + 1}: {load_name(kind, close)}, {'wrapped' if wrapped else 'bare'}")
                    results[kind, close][wrapped].append(contenders[wrapped].measure(plan.seconds, close, CLIENT_CORE))
            for wrapped, contender in contenders.items():
                memory[wrapped].append(contender.resident_bytes())
                contender.stop()
    return results, memory, busy


def measure_start(plan, progress):
    """-> lists of microseconds: /bin/true bare, preloaded, by pfswrap run, by the tool that an installed pfswrap is."""
    progress.step("start-up")
    wrap = Wrap()
    preload = " ".join(f"{name}={value}" for name, value in wrap.preload().items())
    done = run(["taskset", "-c", str(CLIENT_CORE), BUILD / "tests" / "bench" / "tls_start", plan.spawns, "/bin/true",
                f"{preload} /bin/true", f"{LAUNCHER} run --policy {wrap.policy} -- /bin/true",
                f"{BUILD / 'pfswrap-tool'} run --policy {wrap.policy} -- /bin/true"], timeout=120)
    if done.status != 0:
        raise SystemExit(f"bench-tls: {done.text.strip()}")
    return list(zip(*[[float(word) for word in line.split()] for line in done.out.decode().splitlines()]))


def measure_calls(plan, progress):
    """-> {wrapped: [nanoseconds per call]}"""
    certificate, wrap = certs.server("p256"), Wrap()
    results = {False: [], True: []}
    for number in range(plan.call_rounds):
        progress.step("single calls")
        for wrapped in ((False, True) if number % 2 == 0 else (True, False)):
            done = run(["taskset", "-c", str(CLIENT_CORE), BUILD / "tests" / "bench" / "tls_call", certificate.cert,
                        certificate.key, CALLS], env=wrap.preload() if wrapped else None)
            if done.status != 0:
                raise SystemExit(f"bench-tls: {done.text.strip()}")
            results[wrapped].append(float(done.out))
    return results


def server_tables(results):
    """Rates with their verdict, and what the worker's core spent."""
    rates, costs = [], []
    for (kind, close), contenders in results.items():
        (bare, bare_cpu), (wrapped, wrapped_cpu) = (zip(*contenders[each]) for each in (False, True))
        ratio = figures.ratio_of_medians(wrapped, bare)
        error = figures.median_error([one / other for one, other in zip(wrapped, bare)])
        rates.append([load_name(kind, close), with_spread(bare), with_spread(wrapped), f"{ratio:.3f}",
                      f"{figures.paired_ratio(wrapped, bare):.3f}",
                      verdict(ratio >= TARGET_RATIO, error, TARGET_RATIO_ERROR)])
        busy = statistics.median(bare) * statistics.median(bare_cpu) / 1e4
        costs.append([load_name(kind, close).replace("s/s", ""), with_spread(bare_cpu, 1), with_spread(wrapped_cpu, 1),
                      f"{figures.paired_difference(wrapped_cpu, bare_cpu):+.1f} us",
                      f"{1 / figures.paired_ratio(wrapped_cpu, bare_cpu):.3f}", f"{busy:.0f} %"])
    return (table(["nginx", "bare", "wrapped", "ratio", "paired", f"target {TARGET_RATIO}"], rates),
            table(["CPU of nginx for one", "bare, us", "wrapped, us", "added", "ratio", "its core"], costs))


def start_table(times):
    rows = [["bare", with_spread(times[0]), "", "", ""]]
    for name, column, target in (("preloaded object alone", times[1], TARGET_PRELOAD_US),
                                 ("pfswrap run, build tree", times[2], TARGET_RUN_US),
                                 ("pfswrap run, installed", times[3], TARGET_RUN_US)):
        added = statistics.median(column) - statistics.median(times[0])
        error = figures.median_error([one - other for one, other in zip(column, times[0])])
        rows.append([name, with_spread(column), f"{added:+,.0f} us",
                     f"{figures.paired_difference(column, times[0]):+,.0f} us",
                     f"<= {target:,} us: {verdict(added <= target, error, target / 20)}"])
    return table(["/bin/true", "us", "added", "paired", "target"], rows)


def call_table(calls):
    added = figures.paired_difference(calls[True], calls[False])
    return table(["one byte over memory BIOs", "bare, ns", "wrapped, ns", "added", "paired ratio"],
                 [["SSL_write, SSL_read: one call", with_spread(calls[False]), with_spread(calls[True]),
                   f"{added:+.0f} ns", f"{figures.paired_ratio(calls[True], calls[False]):.3f}"]])


def memory_table(memory):
    rows = []
    for name, place in (("resident", 0), ("of that, its own alone", 1)):
        bare, wrapped = ([sample[place] for sample in memory[each]] for each in (False, True))
        rows.append([name, *(f"{statistics.median(values) / 1024:,.0f}" for values in (bare, wrapped)),
                     f"{figures.paired_difference(wrapped, bare):+,.0f} bytes"])
    return table(["memory of an nginx worker after the load", "bare, KiB", "wrapped, KiB", "added"], rows)


def versions():
    nginx = run([find("nginx"), "-v"]).text.strip().rpartition(": ")[2]
    openssl = " ".join(run(["openssl", "version"]).text.split()[:2])
    pfswrap = run([LAUNCHER, "version"]).text.splitlines()[0]
    return f"{pfswrap}, {nginx}, {openssl}"


def report(plan, results, memory, busy, times, calls):
    rates, costs = server_tables(results)
    noise = statistics.median(busy) * 100
    return "\n\n".join([
        f"{versions()}; {figures.machine()}; {time.strftime('%Y-%m-%d', time.gmtime())}. {plan.rounds} rounds of "
        f"{plan.seconds} s\neach, before which others used {noise:.0f} % of the processors (median). ± is half the "
        "distance between the quartiles.",
        rates, costs, start_table(times), call_table(calls), memory_table(memory)])


def main():
    parser = argparse.ArgumentParser(description="Measure what pfswrap costs a TLS server.")
    parser.add_argument("--quick", action="store_true", help="a look that takes 20 s; leaves docs/BENCHMARKS.md alone")
    parser.add_argument("--rounds", type=int, help="rounds of the server measurements (default: 15)")
    options = parser.parse_args()
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}, expected 1 or more")
    for program in ("nginx", "wrk", "taskset", "openssl"):
        if find(program) is None:
            raise SystemExit(f"bench-tls: {program} is not installed, expected it by: scripts/install-deps bench")
    plan = Plan(options.quick, options.rounds)
    progress = Progress(plan.rounds * len(plan.loads) * 2 + 1 + plan.call_rounds)
    times = measure_start(plan, progress)
    calls = measure_calls(plan, progress)
    results, memory, busy = measure_servers(plan, progress, temporary_directory())
    progress.end()
    text = report(plan, results, memory, busy, times, calls)
    print(text)
    if not plan.quick:
        figures.replace_section(DOCUMENT, "bench-tls", text)


main()
