"""Reloads while a program forks and executes others in a loop: no child starts with half a policy, and none dies."""

import subprocess
import time

from lib.process import PYTHON, Process, wait_until
from lib.reload import Service, applied
from lib.tap import Tap, check, equal

SECONDS = 4
# Keeps a sealed connection, and makes children until it is told to end: by fork, vfork (posix_spawn) and exec in place of a child.
FORKS = """
import os, socket, subprocess, sys, threading
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
statuses, stop = [], threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), stop.set()), daemon=True).start()
count = 0
while not stop.is_set():
    connection.sendall(b"line\\n")
    assert connection.recv(5, socket.MSG_WAITALL) == b"line\\n"
    child = os.fork()
    if child == 0:
        os.execv("/bin/true", ["true"])
    statuses.append(os.waitpid(child, 0)[1])
    statuses.append(os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1])
    child = os.fork()
    if child == 0:
        os._exit(0)
    statuses.append(os.waitpid(child, 0)[1])
print(len(statuses), sorted(set(statuses)), flush=True)
"""
tap = Tap()


def check_loop(reload):
    with tap.case(f"reload = {reload}: each child ends with status 0, and each one that starts has one of the policies"):
        service = Service(reload=reload)
        wrap = service.wrap("first", reload, connect=service.port, peer="server", rekey=1)
        whole = wrap.policy.read_text()
        program = Process(wrap.argv([*PYTHON, "-c", FORKS, service.port]), stdin=subprocess.PIPE)
        wait_until(lambda: len(wrap.events("policy")) > 3, lambda: f"children: {program.text()} {wrap.tail()}")
        until, count = time.monotonic() + SECONDS, 0
        while time.monotonic() < until or count < 8:
            text = whole.replace("rekey = 1\n", f"rekey = {2 + count % 5}\n" + "# a comment\n" * (500 * (count % 3)))
            service.rewrite(wrap.policy, lambda _, new=text: new)
            if reload == "request":
                applied(service.reload(program.pid))
            count += 1
            time.sleep(0.05)
        program.popen.stdin.write(b"\n")
        program.popen.stdin.flush()
        equal(program.wait(), 0, f"status: {program.text()} {wrap.tail()}")
        number, statuses = program.text().split(" ", 1)
        equal(statuses.strip(), "[0]", "how children ended")
        check(int(number) >= 6 and count >= 8, f"{number} children, {count} changes")
        equal(wrap.events("refused"), [], "refusals")
        equal([event for event in wrap.events("reload", result="refused")], [], "reloads that were refused")
        started = wrap.events("policy")
        check(len(started) > int(number) // 2, f"{len(started)} starts of {number} children")
        print(f"# {number} children, {count} changes, {len(started)} starts")


for each in ("request", "auto"):
    check_loop(each)
tap.finish()
