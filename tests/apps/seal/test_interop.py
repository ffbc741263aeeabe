"""The C core against peers built on packages that its authors did not write, as initiator and as responder: handshakes in
every pattern, data, rekeying, re-handshakes and the orderly end. Both sides must report the same."""

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess

from lib.process import BUILD, PROGRAMS, ROOT, python_with, run
from lib.tap import Tap
from lib.wrap import LAUNCHER

CORE = PROGRAMS / "seal/seal_peer"
PEERS = ROOT / "tests/peers"
SIZES = [1, 2, 100, 16384, 17, 20000, 5000, 16383, 3, 40000, 64, 1000]
TIMEOUT = 120
VOLUME = 30000          # bytes after which the core's initiator does another handshake
EVERY = 4               # frames after which a peer's initiator does
NAMES = {1: "IK", 2: "NK", 3: "IKpsk2", 4: "NKpsk2", 5: "IKhfs", 6: "NKhfs", 7: "IKhfs+psk2", 8: "NKhfs+psk2"}
PADDINGS = ((2, 2), (512, 1), (1, 16384), (1, 0))
tap = Tap()
report = tap.result


def find_node():
    """The command of the Node peer, in a folder of the build that has the packages of package-lock.json beside it."""
    folder = BUILD / "peers"
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None, "there is no node and npm here"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "node_peer.mjs", "hybrid_noise.mjs", "check_hybrid.mjs"):
        shutil.copy(PEERS / name, folder / name)
    if not all((folder / f"node_modules/{name}/package.json").is_file() for name in ("noise-c.wasm", "@noble/post-quantum")):
        install = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder,
                                 capture_output=True, text=True)
        if install.returncode != 0:
            return None, "npm ci failed: " + " ".join(install.stderr.split())[-200:]
    return ["node", str(folder / "node_peer.mjs")], None


def hybrid_reason(why):
    """Why the hybrid patterns cannot be tried, or None: this build without ML-KEM, or a Node that its package does not run on."""
    if "post-quantum: no" in run([LAUNCHER, "version"]).out.decode():
        return "this build has no ML-KEM (make mlkem-source)"
    if why:
        return why
    version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    return None if [int(part) for part in version[1:].split(".")[:2]] >= [20, 19] else f"this is Node {version}, and ML-KEM needs 20.19"


def make_keys():
    """A key pair from Python's random bytes and libsodium. One from the core's own commands would prove less."""
    from ctypes import CDLL, create_string_buffer
    from ctypes.util import find_library
    sodium = CDLL(find_library("sodium") or "libsodium.so.23")
    secret, public = os.urandom(32), create_string_buffer(32)
    sodium.crypto_scalarmult_base(public, secret)
    return base64.b64encode(secret).decode(), base64.b64encode(public.raw).decode()


def run_pair(left, right):
    """Two programs with one socket between them as stdin and stdout of both. Returns what each printed on stderr."""
    ends = socket.socketpair()
    processes = [subprocess.Popen(command, stdin=end, stdout=end, stderr=subprocess.PIPE, text=True)
                 for command, end in zip((left, right), ends)]
    for end in ends:
        end.close()
    reports = []
    for process in processes:
        try:
            reports.append(process.communicate(timeout=TIMEOUT)[1])
        except subprocess.TimeoutExpired:
            for each in processes:
                each.kill()
            reports.append(process.communicate()[1] + '{"error": "no end in time"}')
    return [json.loads(text.strip().splitlines()[-1]) if text.strip() else {"error": "silence"} for text in reports]


def arguments(options):
    return [f"--{key}={value}" for key, value in options.items()]


def check(language, command, pattern, foreign_initiates, rekey, extra, padding=None):
    """`padding`: the settings of the side that initiates and of the other, as in struct pfswrap_seal_config."""
    psk = base64.b64encode(hashlib.sha256(b"psk").digest()).decode()
    core_secret, core_public = make_keys()
    peer_secret, peer_public = make_keys()
    shared = {"rekey": rekey, **extra}
    if pattern % 2 == 0:
        shared["anonymous"] = 1
    if pattern in (3, 4, 7, 8):
        shared["psk"] = psk
    if pattern > 4:
        shared["hybrid"] = 1
    core = {"role": "responder" if foreign_initiates else "initiator", "secret": core_secret, "peer": peer_public,
            "volume": VOLUME, **shared}
    peer = {"role": "initiator" if foreign_initiates else "responder", "secret": peer_secret, "peer": core_public,
            "every": EVERY, **shared}
    if padding:
        (peer if foreign_initiates else core)["padding"], (core if foreign_initiates else peer)["padding"] = padding
    (peer if foreign_initiates else core)["sizes"] = ",".join(map(str, SIZES))
    seen, theirs = run_pair([str(CORE)] + arguments(core), command + arguments(peer))
    sent = hashlib.sha256(b"".join(bytes((i + size) & 255 for i in range(size)) for size in SIZES)).hexdigest()
    problems = [side["error"] for side in (seen, theirs) if "error" in side]
    if not problems:
        for key, value in (("pattern", pattern), ("bytes", sum(SIZES)), ("sha256", sent), ("rekey", rekey)):
            problems += [f"{key}: {side[key]}, expected {value}" for side in (seen, theirs) if side[key] != value]
        if seen["hash"] != theirs["hash"] or seen["rehandshakes"] != theirs["rehandshakes"] or seen["rehandshakes"] < 2:
            problems.append(f"core {seen}, peer {theirs}")
    who = "initiates to the core" if foreign_initiates else "answers the core"
    padded = f"padding {padding[0]} and {padding[1]}, " if padding else ""
    report(not problems, f"{language} {who} in {NAMES[pattern]}, rekeying every {rekey}, {padded}with re-handshakes and an end",
           "\n".join(map(str, problems)))


def check_refusal(language, command):
    """The other side's service name differs: the core must refuse, and send nothing."""
    core_secret, core_public = make_keys()
    peer_secret, peer_public = make_keys()
    seen, theirs = run_pair(
        [str(CORE)] + arguments({"role": "responder", "secret": core_secret, "peer": peer_public, "service": "redis"}),
        command + arguments({"role": "initiator", "secret": peer_secret, "peer": core_public, "service": "postgres",
                             "sizes": "1"}))
    report(seen.get("code") == -30 and "ended" in theirs.get("error", ""),
           f"{language} that names another service is refused without an answer", f"core {seen}, peer {theirs}")


def main():
    if not CORE.exists():
        report(False, "the core's endpoint is built", f"{CORE} is missing: make seal-programs")
        return
    python, (node, why) = python_with("dissononce", "cryptography"), find_node()
    binding = {"service": "redis", "binding": "0123456789abcdef" * 4}
    for pattern in (1, 2, 3, 4):
        for foreign_initiates in (True, False):
            name = f"Python's dissononce in {NAMES[pattern]}"
            if python is None:
                report(True, name, skip="no Python here has dissononce (Debian: python3-dissononce)")
                continue
            command = [python, str(PEERS / "python_peer.py")]
            check("Python's dissononce", command, pattern, foreign_initiates, 1, binding)
            if pattern in (1, 4):
                check("Python's dissononce", command, pattern, foreign_initiates, 5, {})
            for padding in PADDINGS if pattern == 3 else ():
                check("Python's dissononce", command, pattern, foreign_initiates, 3, binding, padding)
    for pattern in (1, 2):
        for foreign_initiates in (True, False):
            if node is None:
                report(True, f"Node's noise-c in {NAMES[pattern]}", skip=why)
                continue
            check("Node's noise-c", node, pattern, foreign_initiates, 1, binding)
            check("Node's noise-c", node, pattern, foreign_initiates, 5, {})
            for padding in PADDINGS if pattern == 1 else ():
                check("Node's noise-c", node, pattern, foreign_initiates, 3, binding, padding)
    why_not = hybrid_reason(why)
    for pattern in (5, 6, 7, 8):
        for foreign_initiates in (True, False):
            if why_not:
                report(True, f"Node's noble ML-KEM in {NAMES[pattern]}", skip=why_not)
                continue
            check("Node's noble ML-KEM", node, pattern, foreign_initiates, 1, binding)
            if pattern in (5, 8):
                check("Node's noble ML-KEM", node, pattern, foreign_initiates, 5, {})
    sentence = "noble's ML-KEM and node:crypto compute all hybrid vectors and their errors without the product's code"
    if why_not:
        report(True, sentence, skip=why_not)
    else:
        checked = subprocess.run(["node", BUILD / "peers/check_hybrid.mjs", ROOT / "docs/vectors/hybrid.json"], capture_output=True,
                                 text=True, timeout=TIMEOUT)
        report(checked.stdout == "4 connections, 4 refused inputs\n", sentence, checked.stderr or checked.stdout)
    if python:
        check_refusal("Python's dissononce", [python, str(PEERS / "python_peer.py")])
    if node:
        check_refusal("Node's noise-c", node)


main()
tap.finish()
