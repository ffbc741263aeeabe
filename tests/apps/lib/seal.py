"""Sealed connections for the test scripts: keys, policies, and test programs run bare and sealed over the same cases.

A case says what must come true. It is run bare first, which shows that the program expects the right thing and that the
capture sees what is on the wire, and then with both ends under `pfswrap run`. Uses lib.wrap and lib.sniff; of the protocol
only the magic that begins every sealed connection.
"""

import functools
import os

from lib.process import DEADLINE, PROGRAMS, free_port, run, temporary_directory
from lib.sniff import Sniffer, missing_capture
from lib.tap import Skip, check, equal
from lib.wrap import LAUNCHER, Wrap

MAGIC = bytes.fromhex("f5706673770d0a01")
MARK = b"PFSMARK:"  # stands in every 16 bytes of what sock.h sends
LOOPBACKS = ("127.0.0.1", "[::1]")


class Keys:
    """Identities of one script, in their own folder, and the peers file that lists them all."""

    def __init__(self, *names):
        self.folder = temporary_directory()
        self.peers = self.folder / "peers"
        self.peers.touch(0o600)
        for name in names:
            self.make(name)

    def path(self, name):
        return self.folder / f"{name}.key"

    def make(self, name, listed=True):
        """A new identity; `listed`: whether it is in the peers file. Returns its public key."""
        secret = command("genkey")
        path = self.path(name)
        path.touch(0o600)
        path.write_text(secret)
        public = command("pubkey", data=secret.encode()).strip()
        if listed:
            with self.peers.open("a") as file:
                file.write(f"{name} {public}\n")
        return public

    def public(self, name):
        """The public key that the peers file lists for `name`."""
        return next(line.split()[1] for line in self.peers.read_text().splitlines() if line.split()[0] == name)


def make_psk(keys, name="psk"):
    """The path of a new psk in the folder of the keys."""
    path = keys.path(name)
    path.touch(0o600)
    path.write_text(command("genpsk"))
    return path


def command(word, data=b""):
    result = run([LAUNCHER, word], data=data)
    equal(result.status, 0, f"status of pfswrap {word}: {result!r}")
    return result.out.decode()


class SealWrap(Wrap):
    """
    A policy that seals: `listen` and `connect` are ports or lists of ADDRESS:PORT; more keys of [seal] by name. The
    timeouts are longer than the default ones: on a busy machine a server may accept late, or a peer read late.
    """

    def __init__(self, keys, identity="peer", listen=(), connect=(), peer="peer", clients=None, seal="require",
                 service=None, rules="", children="protect", post_quantum=None,
                 padding=None, **settings):
        lines = ["[seal]", f"identity = {keys.path(identity)}", f"peers = {keys.peers}"]
        times = {"handshake_timeout": f"{DEADLINE:g}s", "linger": f"{DEADLINE / 2:g}s"}
        lines += [f"{name.replace('_', '-')} = {value}" for name, value in {**times, **settings}.items()]
        for direction, where in (("listen", listen), ("connect", connect)):
            if where:
                mode = seal if direction == "listen" else "require"
                lines += [f"[{direction} test]", f"address = {addresses(where)}", f"seal = {mode}"]
                if direction == "connect":
                    lines += [f"peer = {peer}"]
                elif clients:
                    lines += [f"clients = {clients}"]
                if service:
                    lines += [f"service = {service}"]
                if post_quantum:
                    lines += [f"post-quantum = {post_quantum}"]
                if padding:
                    lines += [f"padding = {padding}"]
        super().__init__(children=children, extra="\n".join(lines + [rules]))

    def refusal(self):
        """Why this build does not accept the policy, or None."""
        result = run([LAUNCHER, "check", self.policy])
        return None if result.status == 0 else result.text.strip()


def addresses(where):
    if isinstance(where, int):
        return ", ".join(f"{host}:{where}" for host in LOOPBACKS)
    return ", ".join(where)


@functools.lru_cache(maxsize=1)
def missing():
    """What a build without a seal plane prints, or None."""
    refusal = SealWrap(Keys("peer"), listen=1).refusal()
    return refusal if refusal and "seal plane" in refusal else None


def needs_seal():
    if missing():
        raise Skip(missing())


def seal_connect(keys, port, *options, data=b"hello\n"):
    """Runs `pfswrap seal connect` from "client" to "peer" with `data`."""
    return run([LAUNCHER, "seal", "connect", "-v", "--handshake-timeout", f"{DEADLINE:g}s", "--identity", keys.path("client"),
                "--peers", keys.peers, "--peer", "peer", *options, f"127.0.0.1:{port}"], data=data)


def calls_on_small_stacks(wrap, port):
    """Runs each call on a stack of 8 KiB, both ends on this machine under `wrap`."""
    result = run(wrap.argv([PROGRAMS / "seal/sock_stacks", "calls", port, "127.0.0.1"]), env={"SOCK_SEALED": "1"})
    check(result.status == 0 and result.out.endswith(b"ok\n"), f"{result!r}; log {wrap.tail()}")


class Mode:
    """How one run of a case goes: bare or sealed. A case may look at `mode.sealed` where the two must differ."""

    def __init__(self, sealed):
        self.sealed, self.name = sealed, "sealed" if sealed else "bare"

    def argv(self, wrap, argv):
        return wrap.argv(argv) if self.sealed else [str(word) for word in argv]

    def environment(self):
        return {"SOCK_SEALED": "1"} if self.sealed else {}


MODES = (Mode(False), Mode(True))


def check_wire(wire, sealed, marked=True):
    """Sealed: each client's stream begins with the magic, and no word of the text is seen. Bare: it is seen."""
    wire.finish()
    if wire is UNSEEN:
        return
    if not sealed:
        check(not marked or MARK in wire.seen(), "the text was not seen on the wire bare: the capture proves nothing")
        return
    equal(wire.seen(), set(), "plaintext seen on the wire")
    check(wire.bytes() > 0 or not marked, "nothing was seen on the wire at all")
    for head in wire.client_heads():
        equal(head[:len(MAGIC)], MAGIC[:max(len(head), 1)], "what a client's stream begins with")


def story(wrap):
    """What the log says about connections, shortened, for the report of a failure."""
    names = ("event", "pid", "role", "reason", "end", "sent_bytes", "received_bytes")
    return "\n".join(" ".join(str(event[name]) for name in names if name in event)
                     for event in wrap.events()[-12:] if event["event"] != "policy")


class Unseen:
    """Takes the place of a capture where that is not allowed."""

    def finish(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


UNSEEN = Unseen()


def look(port, words=(MARK,), **place):
    """A Sniffer, or without root, nothing; look_case() reports that once a script."""
    return UNSEEN if missing_capture() else Sniffer(port, words, **place)


def look_case(tap):
    if missing_capture():
        tap.result(True, "no plaintext is seen on the wire", skip=missing_capture())


class Scenarios:
    """Runs scenarios of the sock_* programs, each bare and sealed, as two cases."""

    def __init__(self, tap, program, link=None, environment=None, behind=list):
        """
        `link`: a lib.link.Link whose two machines are the two ends; without it both ends are on this machine.
        `behind`: a function that changes the command line, such as lib.filters.filtered.
        """
        self.tap, self.program, self.link, self.environment = tap, PROGRAMS / "seal" / program, link, environment or {}
        self.behind = behind
        self.keys = Keys("peer")
        look_case(tap)

    def both(self, scenario, sentence, address=None, marked=True, then=None, only=None, more=(), data=b"",
             not_thread="", **settings):
        """`then(mode, result, wrap)` may check more; `only` is "bare" or "sealed" where the other makes no sense.

        `not_thread` says why ThreadSanitizer's runtime does not allow what the program does.
        """
        for mode in MODES:
            if only in (None, mode.name):
                with self.tap.case(f"{mode.name}: {sentence}"):
                    if mode.sealed:
                        needs_seal()
                    if not_thread and os.environ.get("PFSWRAP_SANITIZED") == "thread":
                        raise Skip(not_thread)
                    self.once(mode, scenario, address, marked, then, more, data, settings)

    def once(self, mode, scenario, address, marked, then, more, data, settings):
        port, link = free_port(), self.link
        address = address or (link.address if link else "127.0.0.1")
        where = [f"{address}:{port}"] if link else port
        wrap = SealWrap(self.keys, listen=where, connect=where, **settings)
        argv = self.behind(mode.argv(wrap, [self.program, scenario, port, address, *more]))
        environment = {**mode.environment(), **self.environment}
        if link:
            argv = link.argv(argv)
            environment.update(link.environment())
        with look(port, **(link.place() if link else {})) as wire:
            result = run(argv, data=data, env=environment)
            details = f"{scenario} {port} {address} ended with {result.status}: {result.text[-800:].strip()}"
            if mode.sealed:
                details += f"\n{story(wrap)}"
            check(result.status == 0 and result.out.endswith(b"ok\n"), details)
            check_wire(wire, mode.sealed, marked)
            if then:
                then(mode, result, wrap)


def descriptors(pid):
    """The number of open descriptors of a process."""
    return len(os.listdir(f"/proc/{pid}/fd"))
