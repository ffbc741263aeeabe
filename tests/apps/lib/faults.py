"""Runs of fault_steps in which one system call fails, on sealed and inspected connections and in audit mode.

Each run has a deadline. Whatever fails, no plaintext may leave or be taken where the policy forbids it, no run may
hang or crash, and a refusal has a reason in the log, unless the fault is in the log's own way. In audit mode the
program gets as far as without pfswrap.
"""

import errno
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from lib.filters import FILTERED, filtered, numbers
from lib.listening import listens
from lib.process import PROGRAMS, free_port, temporary_directory
from lib.seal import Keys, SealWrap
from lib.wrap import Wrap

STEPS = PROGRAMS / "seal" / "fault_steps"
MARK = b"PFSMARK:"
LINE = b"PFSMARK:a-line-of-the-program..\n"
PLAIN = b"PFSMARK:a-line-without-pfswrap.\n"
ACTIONS = {name: str(getattr(errno, name)) for name in ("EPERM", "ENOSYS", "EINTR", "EAGAIN", "ENOMEM", "EMFILE", "ENFILE")}
ACTIONS["kill"] = "kill"
MOMENTS = ("before", "start", "start-seen", "open", "open-seen")
MANNERS = ("blocking", "polling")
ROLES = ("client", "server")
# plane, and the program at the other end: with pfswrap, or without
PLANES = (("sealed", "sealed"), ("sealed", "bare"), ("inspected", "bare"), ("audit", "bare"))
DEADLINE = 30.0  # longer than every timeout in the policies together
GOT_PLAINTEXT, NO_FILTER, NOT_STARTED = 77, 78, 125  # NOT_STARTED: and standard error says why
LIBC_GIVES_UP = {"futex", "rseq", "set_robust_list"}  # libc ends the process itself when it gets an error that the kernel never returns
LOG_CALLS = {"write", "openat", "fstat", "newfstatat", "fcntl", "lseek", "prlimit64", "ppoll", "rt_sigprocmask",
             "clock_gettime", "getpid", "mmap", "mprotect", "brk", "read", "close"}


class Fault:
    """One run: which call fails how and when, and what is tried meanwhile."""

    def __init__(self, call, action, moment, role, manner, plane, peer):
        self.call, self.action, self.moment, self.role = call, action, moment, role
        self.manner, self.plane, self.peer = manner, plane, peer

    def __str__(self):
        return f"{self.plane}, {self.manner} {self.role}, {self.peer} peer: {self.call} {self.action} {self.moment}"


def every_fault(calls):
    return [Fault(call, action, moment, role, manner, plane, peer)
            for call in calls for action in ACTIONS for moment in MOMENTS for role in ROLES for manner in MANNERS
            for plane, peer in PLANES]


class Outcome:
    def __init__(self, status, wire, seconds):
        self.status, self.wire, self.seconds = status, wire, seconds  # status None: it did not end

    @property
    def text(self):
        if self.status is None:
            return "did not end"
        return f"ended with {signal.Signals(-self.status).name if self.status < 0 else self.status}"


class Recorder:
    """The network between the two ends: forwards one connection and keeps what passes. Without a target it is a peer
    that has no pfswrap: it echoes, or as a client it sends a line first."""

    def __init__(self, target=None, connect_to=None, line=PLAIN):
        self.wire, self.target, self.line, self.sockets = bytearray(), target, line, []
        self.listener = None
        if connect_to is None:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.sockets.append(self.listener)
            self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve if connect_to is None else self.talk, daemon=True,
                                       args=() if connect_to is None else (connect_to,))

    def start(self):
        self.thread.start()
        return self

    def serve(self):
        try:
            end, _ = self.listener.accept()
            self.sockets.append(end)
            if self.target is None:
                self.echo(end)
                return
            other = socket.create_connection(("127.0.0.1", self.target))
            self.sockets.append(other)
            back = threading.Thread(target=self.forward, args=(other, end), daemon=True)
            back.start()
            self.forward(end, other)
        except OSError:
            pass

    def forward(self, source, sink):
        try:
            while data := source.recv(65536):
                self.wire += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            for each in (source, sink):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def echo(self, end):
        while data := end.recv(65536):
            self.wire += data
            end.sendall(data)

    def talk(self, port):
        try:
            end = socket.create_connection(("127.0.0.1", port))
            self.sockets.append(end)
            for _ in range(3):
                end.sendall(self.line)
                data = end.recv(65536)
                self.wire += data
                if not data:
                    return
        except OSError:
            pass

    def close(self):
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()


def end_session(process):
    """Ends what a run has started, in its own session."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == process.pid and fields[0] != "Z":
                os.kill(int(entry), signal.SIGKILL)
        except (OSError, UnicodeDecodeError):
            continue
    process.wait()


class Bench:
    """Policies and keys for the runs of one thread."""

    def __init__(self):
        self.keys = Keys("peer")
        self.ports = [free_port(), free_port()]

    def wrap(self, plane, where):
        if plane == "sealed":
            return SealWrap(self.keys, listen=where, connect=where, handshake_timeout="6s", linger="1s")
        return Wrap(mode="audit" if plane == "audit" else "enforce", extra="[wire]\nplaintext = refuse\n")

    def start(self, argv, environment):
        if argv[0] == str(FILTERED):  # the filter is installed without pfswrap, and the program starts behind it
            settings = [f"{name}={value}" for name, value in environment.items()]
            argv, environment = argv[:4] + ["/usr/bin/env", *settings] + argv[4:], {}
        return subprocess.Popen(argv, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, cwd="/",
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def command(self, fault, port, faulty=True):
        moment = fault.moment if faulty and fault.moment != "before" else "never"
        argv = [str(STEPS), fault.role, str(port), fault.manner, moment, str(numbers()[fault.call]), ACTIONS[fault.action]]
        return filtered(argv, [fault.call], ACTIONS[fault.action]) if faulty and fault.moment == "before" else argv

    def wait_listening(self, port, process):
        end = time.monotonic() + DEADLINE
        while process.poll() is None and time.monotonic() < end:
            if listens(port):
                return
            time.sleep(0.005)

    def run(self, fault, bare=False):
        """Returns the outcome of the program with the fault, and its log."""
        server_port = free_port()
        recorder = peer = None
        processes = []
        try:
            if fault.role == "client":
                if fault.peer == "sealed" and not bare:
                    recorder = Recorder(target=server_port)
                    wrap = self.wrap(fault.plane, [f"127.0.0.1:{recorder.port}"])
                    other = self.wrap("sealed", [f"127.0.0.1:{server_port}"])
                    peer = self.start([str(STEPS), "server", str(server_port), "blocking", "never", "0", "0"],
                                      other.preload())
                    processes.append(peer)
                    self.wait_listening(server_port, peer)
                else:
                    recorder = Recorder()
                    wrap = self.wrap(fault.plane, [f"127.0.0.1:{recorder.port}"])
                recorder.start()
                begun = time.monotonic()
                program = self.start(self.command(fault, recorder.port), {} if bare else wrap.preload())
                processes.append(program)
            else:
                wrap = self.wrap(fault.plane, [f"127.0.0.1:{server_port}"])
                begun = time.monotonic()
                program = self.start(self.command(fault, server_port), {} if bare else wrap.preload())
                processes.append(program)
                self.wait_listening(server_port, program)
                if program.poll() is None:
                    if fault.peer == "sealed" or bare:
                        recorder = Recorder(target=server_port).start()
                        other = self.wrap("sealed", [f"127.0.0.1:{recorder.port}"])
                        peer = self.start([str(STEPS), "client", str(recorder.port), "blocking", "never", "0", "0"],
                                          {} if bare else other.preload())
                        processes.append(peer)
                    else:
                        line = LINE if fault.plane == "audit" else PLAIN
                        recorder = Recorder(connect_to=server_port, line=line).start()
            try:
                status = program.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                status = None
            return Outcome(status, bytes(recorder.wire) if recorder else b"", time.monotonic() - begun), wrap
        finally:
            for process in processes:
                end_session(process)
            if recorder:
                recorder.close()

    def violation(self, fault):
        """What went wrong in a run, or None."""
        outcome, wrap = self.run(fault)
        if outcome.status == NO_FILTER:
            return None  # the call is one that installs the filter
        if fault.plane != "audit" and (MARK in outcome.wire or outcome.status == GOT_PLAINTEXT):
            return "plaintext was " + ("sent" if MARK in outcome.wire else "taken") + f", {outcome.text}"
        killed = fault.action == "kill" and outcome.status == -signal.SIGSYS
        if outcome.status in (0, GOT_PLAINTEXT, NOT_STARTED) or killed or fault.call in LIBC_GIVES_UP:
            return None
        bare, _ = self.run(fault, bare=True)
        if outcome.status is not None and outcome.status < 0:
            return f"a crash: {outcome.text}" if bare.status is None or bare.status >= 0 else None
        if outcome.status is None:
            return None if bare.status is None else f"a hang, where a bare program {bare.text}"
        if bare.status != 0:
            return None
        if fault.plane == "audit":
            return f"{outcome.text} in audit mode, where a bare program {bare.text}"
        if fault.peer == "bare" or fault.call in LOG_CALLS or fault.action == "kill":
            return None
        reasons = [event for event in wrap.events() if "reason" in event]
        return None if reasons else f"{outcome.text} without a reason in the log, where a bare program {bare.text}"
