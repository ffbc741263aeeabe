"""`pfswrap check` and `version`, the ready-made policies, keys that a policy needs, and what bash completes."""

import os
from pathlib import Path

from lib.command import NOBODY, TRUE, as_nobody, environment, message_of, pfswrap, policy_file, refused, sealing_policy
from lib.process import ROOT, find, run
from lib.tap import Skip, Tap, check, contains, equal
from lib.wrap import LIBRARY

tap = Tap()


def checks_policies():
    with tap.case("check prints the policy in force, in a form that check accepts"):
        printed = pfswrap("check", policy_file("[tls]\nmin-version = 1.2\n"))
        equal((printed.status, printed.err), (0, b""), f"status and stderr of {printed!r}")
        contains(printed.out, b"\nmin-version = 1.2\n", "output")
        again = pfswrap("check", policy_file(printed.out.decode()))
        equal(again.out.splitlines()[1:], printed.out.splitlines()[1:], "what check prints of its own output")

    with tap.case("check prints FILE:LINE of an error and exits with 1"):
        path = policy_file("\n[tls]\nmin-version = 1.1\n")
        refused(pfswrap("check", path), 1, f"{path}:3: min-version = 1.1, expected 1.3 or 1.2")

    with tap.case("check warns if this machine lacks something"):
        path = policy_file("[policy]\nlog = /no/such/log\n[tls]\nverify-server = require\nca-file = /no/ca.pem\n")
        result = pfswrap("check", path)
        equal(result.status, 0, "status")
        equal(result.err.decode().splitlines(),
              [f"pfswrap: warning: {path}: ca-file /no/ca.pem cannot be read: No such file or directory",
               f"pfswrap: warning: {path}: log /no/such/log cannot be written: No such file or directory"], "warnings")

    with tap.case("check and run load the keys that a sealing rule needs"):
        path, folder = sealing_policy()
        equal(pfswrap("check", path).status, 0, "status of check")
        equal(pfswrap("run", "--policy", path, TRUE).status, 0, "status of run")
        (folder / "identity").chmod(0o644)
        message = f"{path}:2: identity {folder}/identity: mode 0644: all users can read it, expected 0400 or 0600, " \
                      "or 0440 with a group of this process, since it holds a secret (chmod 0400; Kubernetes: " \
                      "defaultMode: 0400 or fsGroup; Docker: mode: 0400)"
        refused(pfswrap("check", path), 1, message)
        refused(pfswrap("run", "--policy", path, TRUE), 125, message)

    with tap.case("check warns of a name whose keys have expired, and of a rule that admits no peer"):
        path, folder = sealing_policy()
        (folder / "peers").write_text((folder / "peers").read_text().rstrip() + " not-after=2001-01-01\n")
        result = pfswrap("check", path)
        equal((result.status, message_of(result)),
              (0, f"warning: {path}:7: [listen app] clients app-1 has no key that is valid today"), "warning")
        path.write_text(path.read_text().replace("clients = app-1\n", ""))
        (folder / "peers").write_text("")
        equal(message_of(pfswrap("check", path)),
              f"warning: {path}:6: [listen app] admits no client: {folder}/peers is empty", "warning")

    with tap.case("a program that is preloaded by hand does not start without its keys either"):
        path, folder = sealing_policy()
        preloaded = {"LD_PRELOAD": str(LIBRARY), "PFSWRAP_POLICY": str(path)}
        equal(run([TRUE], env=preloaded).status, 0, "status with the keys")
        (folder / "identity").unlink()
        refused(run([TRUE], env=preloaded), 125, f"{path}:2: identity {folder}/identity: No such file or directory")

    with tap.case("only a program that a protected program executes as another user starts without keys"):
        path, folder = sealing_policy()
        for entry in (path, folder, path.parent):
            os.chmod(entry, 0o755)
        as_nobody("version")  # skips where it cannot be done
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        for command in (["env", "-u", "PFSWRAP_CHILD", "true"], ["env", "-i", find("true")]):
            result = pfswrap("run", "--policy", path, *become, *command)
            equal((result.status, result.err), (0, b""), f"status and stderr of {result!r}")
        by_hand = {"LD_PRELOAD": str(LIBRARY), "PFSWRAP_POLICY": str(path)}
        refused(run([*become, "env", *(f"{key}={value}" for key, value in by_hand.items()), "true"]), 125,
                f"{path}:2: identity {folder}/identity: Permission denied, expected a file that user {NOBODY} can read")

    with tap.case("the environment of an executed program has PFSWRAP_CHILD only if a rule seals"):
        path, _ = sealing_policy()
        for words, mark in ((["--policy", path], "1"), ([], None)):
            equal(environment(*map(str, words), "env").get("PFSWRAP_CHILD"), mark, f"PFSWRAP_CHILD with {words}")

    with tap.case("check --no-keys opens no key file, for users who may not read them"):
        path, folder = sealing_policy()
        with_keys = pfswrap("check", path)
        (folder / "identity").unlink()
        without = pfswrap("check", "--no-keys", path)
        equal((without.status, without.err, without.out), (0, b"", with_keys.out), "status, stderr and output")
        refused(pfswrap("check", "--keys", path), 2, "unknown option --keys of check, "
                                                     "expected pfswrap check [--no-keys] [--explain] [FILE]")

    with tap.case("a key file of another user that cannot be read is refused"):
        path, folder = sealing_policy()
        for entry in (path, folder, path.parent):
            os.chmod(entry, 0o755)
        refused(as_nobody("check", path), 1, f"{path}:2: identity {folder}/identity: Permission denied, "
                                             f"expected a file that user {NOBODY} can read")
        equal(as_nobody("check", "--no-keys", path).status, 0, "status with --no-keys")

    with tap.case("the ready-made policies are valid"):
        files = sorted((ROOT / "policy").glob("*.conf"))
        equal([file.stem for file in files], ["asvs-l1", "asvs-l2", "asvs-l3", "audit-only", "internal-ca",
                                                 "mozilla-modern", "nist-800-52r2", "pci-dss-4", "post-quantum",
                                                 "sealed-migration", "sealed-service", "strict", "tls12-compat"], "files")
        for file in files:
            copy = policy_file(file.read_text())  # a checkout may be writable by its group
            equal(pfswrap("check", "--no-keys", copy).status, 0, f"status of check {file.name}")

    with tap.case("version prints the version and the planes"):
        result = pfswrap("version")
        lines = result.out.decode().splitlines()
        check(lines[0].startswith("pfswrap 0.") and lines[1] == "planes: tls, seal, wire", f"found {lines}")
        ciphers = [line for line in lines if line.startswith("cipher: ")]
        avx2 = " avx2 " in Path("/proc/cpuinfo").read_text()
        check(len(ciphers) == 1 and ciphers[0].startswith("cipher: OpenSSL " if avx2 else "cipher: libsodium"),
              f"found {lines}")


def completes():
    def completions(*words):
        """The completions that bash offers for the last of the words."""
        program = (f'source "{ROOT}/scripts/completion.bash"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pfswrap; '
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        result = run(["bash", "--norc", "-c", program, "bash", "pfswrap", *words])
        equal(result.err, b"", "stderr of bash")
        return result.out.decode().split()

    with tap.case("bash completes commands, options, policies and the program's arguments"):
        if not find("bash"):
            raise Skip("bash is not installed")
        equal(completions("ex"), ["explain", "exporter"], "commands")
        equal(completions("status", "--un"), ["--unprotected"], "options of status")
        equal(completions("run", "--p"), ["--policy"], "options of run")
        equal(completions("explain", "--"), ["--json"], "options of explain")
        equal(completions("version", ""), ["--json"], "options of version")
        equal(completions("rotate", "psk", "a.conf", "m"), ["make"], "steps of rotate")
        policy = policy_file("")
        (policy.parent / "other.txt").write_text("")
        equal(completions("check", f"{policy.parent}/"), [str(policy)], "policies")
        equal(completions("run", "--policy", f"{policy.parent}/"), [str(policy)], "policies of run")
        contains(completions("run", "--policy", str(policy), "--", "printe"), "printenv", "programs")


checks_policies()
completes()
tap.finish()
