"""The recipes of docs/LOGS.md and examples/logs: run by the real tool where Debian has it, otherwise parsed."""

import configparser
import json
import os
import re
import subprocess
import tomllib

from lib.process import ROOT, Process, find, free_port, run, temporary_directory, wait_until
from lib.tap import Skip, Tap, check, equal
from lib.wrap import LAUNCHER

EXAMPLES = ROOT / "examples" / "logs"
JOURNALD = "/lib/systemd/systemd-journald"
# In a mount namespace of its own: journald, rsyslogd, then the program; ends when rsyslogd has written a line. $1: the folder.
DAEMONS = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=\\nForwardToSyslog=no\\n' > /run/systemd/journald.conf.d/t.conf
mount --bind /dev/null /dev/kmsg
"$2" >/dev/null 2>&1 &
journald=$!
trap 'kill $journald $rsyslogd 2>/dev/null; wait || true' EXIT
wait_for() { tries=0; until "$@"; do sleep 0.1; tries=$((tries + 1)); [ $tries -lt 300 ] || exit 77; done; }
wait_for test -S /run/systemd/journal/socket
rsyslogd -n -f "$1/rsyslog.conf" -i "$1/pid" >"$1/rsyslog-output" 2>&1 &
rsyslogd=$!
wait_for test -e "$1/pid"
"$3" run --policy "$1/policy.conf" -- true >&2
wait_for test -s "$1/out"
"""


def events(folder):
    """The log file of a program that was refused a connection, or at least of its start."""
    (folder / "policy.conf").write_text(f"[policy]\nlog = {folder}/audit.jsonl\n[wire]\nplaintext = refuse\n")
    (folder / "policy.conf").chmod(0o600)
    run([LAUNCHER, "run", "--policy", folder / "policy.conf", "--", "curl", "-sS", "http://127.0.0.1:1/"])
    with (folder / "audit.jsonl").open("a") as log:
        log.write('{"time":"2026-11-29T17:00:00.000001Z","event":"refused","pid":1,"program":"x","reason":"a \\"reason\\""}\n')
    return [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]


def prove_jq(tap):
    folder = temporary_directory()
    written = events(folder)
    commands = re.search(r"```sh\n(.*?)```", (ROOT / "docs/LOGS.md").read_text(), re.DOTALL).group(1).splitlines()
    with tap.case("the commands with jq find the events of a log"):
        if not find("jq"):
            raise Skip("jq is not installed")
        first = run(["sh", "-c", commands[0]], cwd=folder)
        equal((first.status, first.lines[-1]), (0, '2026-11-29T17:00:00.000001Z\tx\t\ta "reason"'), f"{first!r}")
        second = json.loads(run(["sh", "-c", commands[1]], cwd=folder).out)
        equal(sum(row["count"] for row in second), len(written), "counted events")
        entry = '{"PFSWRAP_EVENT":"policy","PFSWRAP_PEER_NAME":"x","_PID":"1"}'
        third = run(["sh", "-c", commands[2].split("|", 1)[1]], data=entry.encode())
        equal(json.loads(third.out), {"event": "policy", "peer_name": "x"}, f"{third!r}")


def prove_rsyslog(tap):
    if not find("rsyslogd"):
        for example in ("rsyslog-file.conf", "rsyslog-journal.conf"):
            tap.result(True, example, skip="rsyslogd is not installed")
        return
    with tap.case("rsyslog-file.conf forwards each line as it is, and puts the refused ones into a file of its own"):
        folder = temporary_directory()
        events(folder)
        port = free_port()
        text = (EXAMPLES / "rsyslog-file.conf").read_text()
        for old, new in (("/var/log/pfswrap/*.jsonl", f"{folder}/audit.jsonl"), ("/var/log/pfswrap-alerts", f"{folder}/alerts"),
                         ("logs.example.org", "127.0.0.1"), ("5514", str(port))):
            check(old in text, f"{old} in the example")
            text = text.replace(old, new)
        (folder / "rsyslog.conf").write_text(f'global(workDirectory="{folder}")\n{text}')
        result = run([find("rsyslogd"), "-N1", "-f", folder / "rsyslog.conf"])
        equal(result.status, 0, f"{result!r}")
        with Process(["socat", "-u", f"TCP-LISTEN:{port},reuseaddr,fork", f"OPEN:{folder}/received,creat,append"]).wait_for_port(port), \
                Process([find("rsyslogd"), "-n", "-f", folder / "rsyslog.conf", "-i", folder / "pid"]) as daemon:
            sent = (folder / "audit.jsonl").read_text().splitlines()
            received = folder / "received"
            wait_until(lambda: received.exists() and len(received.read_text().splitlines()) == len(sent),
                       lambda: f"{len(sent)} lines; rsyslogd says {daemon.text()!r}")
            equal([line.strip() for line in received.read_text().splitlines()], sent, "lines")
            wait_until(lambda: (folder / "alerts").exists() and (folder / "alerts").read_text(), "the file of alerts")
            equal({json.loads(line)["event"] for line in (folder / "alerts").read_text().splitlines()} -
                  {"refused", "unprotected", "weak"}, set(), "other events in the file of alerts")
    with tap.case("rsyslog-journal.conf turns the journal's fields into JSON"):
        if os.getuid() != 0 or not os.path.exists(JOURNALD) or run(["unshare", "-m", "true"]).status != 0:
            raise Skip("systemd-journald is not installed, or mount namespaces are not permitted here")
        folder = temporary_directory()
        text = (EXAMPLES / "rsyslog-journal.conf").read_text()
        for old, new in (("/var/lib/rsyslog/imjournal.state", f"{folder}/state"), ("/var/log/pfswrap-journal", f"{folder}/out")):
            check(old in text, f"{old} in the example")
            text = text.replace(old, new)
        (folder / "rsyslog.conf").write_text(f'global(workDirectory="{folder}")\n{text}')
        (folder / "policy.conf").write_text("[policy]\nlog = journald\n")
        (folder / "policy.conf").chmod(0o600)
        result = run(["unshare", "-m", "sh", "-c", DAEMONS, "sh", folder, JOURNALD, LAUNCHER])
        output = (folder / "rsyslog-output").read_text() if (folder / "rsyslog-output").exists() else ""
        equal(result.status, 0, f"{result!r} rsyslogd: {output}")
        event = json.loads((folder / "out").read_text().splitlines()[0])
        equal((event["event"], event["program"]), ("policy", "true"), f"{event}")


def prove_others(tap):
    with tap.case("vector.toml is TOML, and each sink has an input that exists"):
        config = tomllib.loads((EXAMPLES / "vector.toml").read_text())
        for name, sink in config["sinks"].items():
            check(set(sink["inputs"]) <= set(config["sources"]), f"inputs of {name}")
        if find("vector"):
            equal(subprocess.run(["vector", "validate", "--no-environment", EXAMPLES / "vector.toml"], check=False,
                                 env={**os.environ, "SPLUNK_TOKEN": "x"}).returncode, 0, "vector validate")
    with tap.case("fluent-bit.conf has sections whose lines are keys and values"):
        sections = re.split(r"^\[(\w+)\]$", (EXAMPLES / "fluent-bit.conf").read_text(), flags=re.MULTILINE)[1:]
        kinds = list(zip(sections[::2], sections[1::2]))
        equal([kind for kind, _ in kinds], ["INPUT", "INPUT", "OUTPUT", "OUTPUT"], "sections")
        for kind, text in kinds:
            for line in filter(None, text.splitlines()):
                check(line.startswith("#") or re.fullmatch(r"    [A-Z]\w+ +\S+", line), f"a line of {kind}: {line!r}")
        if find("fluent-bit"):
            equal(run(["fluent-bit", "--dry-run", "-c", EXAMPLES / "fluent-bit.conf"], env={"SPLUNK_TOKEN": "x"}).status, 0,
                  "fluent-bit --dry-run")
    with tap.case("splunk-inputs.conf has the sections and keys of inputs.conf"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string((EXAMPLES / "splunk-inputs.conf").read_text())
        equal(parser.sections(), ["monitor:///var/log/pfswrap/*.jsonl"], "sections")
        equal(set(parser[parser.sections()[0]]), {"sourcetype", "index"}, "keys")
    with tap.case("docs/LOGS.md names every example"):
        text = (ROOT / "docs/LOGS.md").read_text()
        for example in EXAMPLES.iterdir():
            check(f"`{example.name}`" in text, f"{example.name} in docs/LOGS.md")


def main():
    tap = Tap()
    prove_jq(tap)
    prove_rsyslog(tap)
    prove_others(tap)
    tap.finish()


main()
