"""The seal protocol in memory: the part `memory`. Runs tests/bench/seal, which has its contenders in turn itself."""

import re

import figures
from contenders import PROGRAMS
from lib.process import run
from part import Part, add, circumstances

MISSED = 1  # how the program ends if all was measured and a target was missed
BOUND = re.compile(r"^ *(.*?) +([\d.]+)  \((at least|at most) ([\d.]+)\)  (ok|MISSED)$")
NAMES = {"pfswrap's rate / libsodium's, both": "channel in memory, {}, relative to libsodium",
         "handshake / X25519": "handshake in memory, {}, relative to its X25519"}


class Memory(Part):
    name = "memory"

    def __init__(self, scale):
        super().__init__(scale)
        self.rounds = scale.of(5, 1, 1)

    def seconds(self):
        return self.rounds * 4

    def round(self, number, found, progress):
        progress.step("the seal in memory", 4)
        done = run([PROGRAMS / "seal", *self.scale.of((), (), ("20",))], timeout=300)
        if done.status not in (0, MISSED):
            raise SystemExit(f"bench: {done}")
        add(found, "text", done.out.decode().rstrip())
        under = ""
        for line in done.out.decode().splitlines():
            bound = BOUND.match(line)
            if bound:
                add(found, "bounds", f"{NAMES[bound[1]].format(under)}|{bound[3]}|{bound[4]}", float(bound[2]))
            elif not line.startswith(" "):
                under = line.partition(",")[0].partition(":")[0].replace("chunks of ", "")
                under = re.sub(r" bytes.*", " B", under)

    def text(self, found):
        middle = sorted(found["text"])[len(found["text"]) // 2]
        return f"{circumstances(found, after=' The output of one run:')}\n\n```\n{middle}\n```"

    def targets(self, found):
        for key, values in found["bounds"].items():
            what, sense, bound = key.split("|")
            middle = sorted(values)[len(values) // 2]
            yield figures.Target(what, middle, values, float(bound), sense == "at least", "{:.3f}")
