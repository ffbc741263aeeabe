"""Questions to `pfswrap agent` by many threads at once, beside children that vfork(2) makes, and behind a filter without socket(2)."""

import platform

from lib.agent import AgentService
from lib.process import PYTHON, Process, run, wait_until
from lib.tap import Skip, Tap, check, equal

THREADS, EACH = 20, 10
# Connections by many threads at once, while the first thread makes children: posix_spawn(3) does it by vfork(2) or a like call.
DIAL = """
import os, socket, sys, threading
port, count, each = map(int, sys.argv[1:4])
failed, gate = [], threading.Barrier(count + 1)
def dial():
    gate.wait()
    for _ in range(each):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                connection.sendall(b"line\\n")
                if connection.recv(5, socket.MSG_WAITALL) != b"line\\n":
                    failed.append("an end")
        except OSError as error:
            failed.append(str(error))
threads = [threading.Thread(target=dial) for _ in range(count)]
for thread in threads:
    thread.start()
gate.wait()
children = 0
while any(thread.is_alive() for thread in threads) or children < 5:
    status = os.waitpid(os.posix_spawn("/bin/true", ["true"], os.environ), 0)[1]
    if status != 0:
        failed.append(f"a child with status {status}")
    children += 1
for thread in threads:
    thread.join()
print(len(failed), sorted(set(failed)))
"""
# An echo server that forbids itself socket(2) before it accepts: seccomp(2) with errno EPERM.
FILTERED = """
import ctypes, socket, struct, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=64)
code = struct.pack("=" + "HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, int(sys.argv[2]), 0x06, 0, 0, 0x00050001, 0x06, 0, 0, 0x7fff0000)
code = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(code)))
libc = ctypes.CDLL(None)
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
try:
    socket.socket()
    raise AssertionError("socket(2) is allowed")
except PermissionError:
    print("filtered", flush=True)
while True:
    try:
        connection = listener.accept()[0]
        connection.sendall(connection.recv(100))
        connection.close()
    except OSError:
        pass
"""
tap = Tap()


def check_threads():
    with tap.case(f"{THREADS} threads handshake at once, beside children: each handshake has its result"):
        service = AgentService()
        wrap = service.wrap("first", connect=service.port, peer="server")
        done = run(wrap.argv([*PYTHON, "-c", DIAL, service.port, THREADS, EACH]))
        equal((done.status, done.out), (0, b"0 []\n"), f"{done!r}; the log says {wrap.tail()}")
        # In IK, each side asks once for each connection; ss is asked for until one thread has kept it.
        for name in ("server", "first"):
            answered = service.agent.answered(name)
            check(THREADS * EACH < answered <= THREADS * (EACH + 2), f"results for {name}: {answered}")
        equal(service.server_wrap.events("refused"), [], "refusals")


def check_filter():
    with tap.case("a server that forbids itself socket(2) before its first handshake has its connection to the agent already"):
        number = {"x86_64": 41, "aarch64": 198}.get(platform.machine())
        if number is None:
            raise Skip("the number of socket(2) is not known here")
        service = AgentService()
        service.server.stop()
        server = Process(service.server_wrap.argv([*PYTHON, "-c", FILTERED, service.port, number])).wait_for_port(service.port)
        client = service.client()
        equal([client.ask("try") for _ in range(3)], ["ok"] * 3, f"connections; the server printed {server.text()}")
        check("filtered" in server.text(), server.text())
        service.agent.restart()
        check(client.ask("try").startswith("failed"), "a handshake without the agent's connection, which cannot be made anew")
        wait_until(lambda: any(event["reason"].startswith("agent: ") for event in service.server_wrap.events("refused")),
                   lambda: f"the reason; the log says {service.server_wrap.tail()}")


check_threads()
check_filter()
tap.finish()
