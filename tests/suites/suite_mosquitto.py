"""mosquitto's tests of the broker: Python clients that speak raw MQTT to Debian's mosquitto, also over TLS."""

import re

import runs

SOURCE = "mosquitto"
KNOWN = ()


def prepare(work, _jobs):
    tree = work / "source/test/broker"
    if not list((tree / "c").glob("*.test")):
        runs.build(tree / "c", ["make"])
    return tree


def run(tree, run_, words):
    """{test: outcome}. A test is a script, with the ports that test.py gives it."""
    found = {}
    for count, name in re.findall(r"\((\d), '\./(\S+?\.py)'\)", (tree / "test.py").read_text()):
        if runs.chosen(name, words):
            ports = [1888 + number for number in range(int(count))]
            status, _ = run_.command([f"./{name}", *ports], 300, cwd=tree, output=f"{name}.txt")
            found[name] = runs.word(status)
    return found
