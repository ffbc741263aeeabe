"""The cost of the audit log: the part `log`. A line for each handshake, chained, counted, or none, in turns.

A server with 10,000 handshakes in a second has 100 us for each, so a microsecond is a percent of a processor.
"""

import statistics

import figures
from contenders import CLIENT_CORE, PROGRAMS, pinned
from figures import table, with_spread
from lib.process import run, temporary_directory
from part import Part, add, circumstances, turns

TARGET_SUMMARY_US = 2.0  # 2 % of a processor at 10,000 handshakes in a second
KINDS = {"all": ("a line for each", ""), "chained": ("a line for each, chained", "log-chain = {folder}/key\n"),
         "summary": ("log-handshakes = summary", "log-handshakes = summary\n"),
         "off": ("log-handshakes = off", "log-handshakes = off\n")}


class Log(Part):
    name, needs = "log", ("taskset",)

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.rounds or scale.of(9, 3, 1)
        self.events = scale.of(100_000, 30_000, 100)
        self.folder = None

    def seconds(self):
        return self.rounds * self.events * 25e-6

    def open(self):
        self.folder = temporary_directory()
        (self.folder / "key").write_text("0" * 64 + "\n")
        for kind, (_, lines) in KINDS.items():
            policy = self.folder / f"{kind}.conf"
            policy.write_text(f"[policy]\nlog = {self.folder}/{kind}.jsonl\n{lines.format(folder=self.folder)}")
            policy.chmod(0o600)

    def round(self, number, found, progress):
        for kind in turns(KINDS, number):
            progress.step("log", self.seconds() / self.rounds / len(KINDS))
            log = self.folder / f"{kind}.jsonl"
            log.unlink(missing_ok=True)
            done = run(pinned([PROGRAMS / "log_cost", self.folder / f"{kind}.conf", self.events], CLIENT_CORE), timeout=120)
            lines = log.read_bytes().count(b'"handshake"')
            if done.status != 0 or lines != {"all": self.events, "chained": self.events, "summary": 2, "off": 0}[kind]:
                raise SystemExit(f"bench: {done}, {lines} lines of handshakes")
            add(found, "log", kind, float(done.out))

    def text(self, found):
        rows = [[KINDS[kind][0], with_spread(each, 2), f"{statistics.median(each):.2f} %"] for kind, each in found["log"].items()]
        return f"{circumstances(found)}\n\n" + table(["for each handshake", "us of a processor", "at 10,000 in a second"], rows)

    def targets(self, found):
        summary = found["log"]["summary"]
        yield figures.Target("log: a handshake that is counted, us", statistics.median(summary), summary, TARGET_SUMMARY_US, False,
                             "{:.2f}", f"{statistics.median(summary):.2f}", f"a line {statistics.median(found['log']['all']):.2f}")
