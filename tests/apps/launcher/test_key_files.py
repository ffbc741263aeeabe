"""Key files and policies as deployments lay them: Kubernetes, OpenShift, Docker, systemd. Which start, which are refused.

The files are in folders like kubelet's: a version in a folder of its own, ..data as a link to it, and links to the files.
"""

import os
import struct

from lib.process import ROOT, find, run, temporary_directory
from lib.tap import Skip, Tap, check, contains, equal, skip_all

USER, OTHER, GROUP, ARBITRARY = 1000, 1001, 2000, 1000680000
WHO = {"root": (0, 0, 0), "root with fsGroup": (0, 0, GROUP), "a user": (USER, USER, USER),
       "a user with fsGroup": (USER, USER, GROUP), "an arbitrary user in group 0": (ARBITRARY, 0, 0)}
tap = Tap()


class Deployment:
    """An installed pfswrap that every user reaches, a policy, and a key."""

    def __init__(self):
        self.folder = temporary_directory()
        run(["make", "-s", "-C", ROOT, "install-base", f"DESTDIR={self.folder}", "PREFIX=/usr"],
            env={"MAKEFLAGS": "", "MFLAGS": ""}, timeout=300)
        self.launcher = self.folder / "usr/bin/pfswrap"
        check(self.launcher.exists(), f"expected {self.launcher}")
        secret = run([self.launcher, "genkey"]).out
        self.key = self.volume("secret", "service.key", secret)
        self.peers = self.volume("config", "peers", b"redis-1 " + run([self.launcher, "pubkey"], data=secret).out)
        self.policy = self.volume("config", "redis.conf", b"")
        self.write_policy(self.key)

    def volume(self, name, file, content):
        """A file in a volume as kubelet lays it; the path is the one that the program sees."""
        folder = self.folder / name
        (folder / "..2026_11_29").mkdir(parents=True, exist_ok=True)
        for link, target in (("..data", "..2026_11_29"), (file, f"..data/{file}")):
            if not (folder / link).is_symlink():
                (folder / link).symlink_to(target)
        (folder / file).write_bytes(content)
        os.chmod(folder / file, 0o644)
        return folder / file

    def write_policy(self, identity):
        self.policy.write_text(f"[policy]\nlog = stderr\n[seal]\nidentity = {identity}\npeers = {self.peers}\n"
                               "[listen redis]\naddress = [::]:6399\nseal = require\nclients = redis-1\n")

    def lay(self, path, owner, group, mode):
        os.chown(path, owner, group)
        os.chmod(path, mode)

    def run(self, who, env=None, before=()):
        user, group, member = WHO[who]
        become = ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={member}", "--inh-caps=-all"]
        return run([*before, *become, self.launcher, "run", "--policy", self.policy, "--", "true"], env=env)


def starts(result):
    equal(result.status, 0, f"status of {result!r}")


def refused(result, *words):
    equal(result.status, 125, f"status of {result!r}")
    lines = [line for line in result.err.decode().splitlines() if line.startswith("pfswrap: ")]
    equal(len(lines), 1, f"lines of pfswrap in {result!r}")
    for word in words:
        contains(lines[0], word, "the refusal")


def access_list(path, user):
    """Lets one more user read, as setfacl -m u:USER:r does. The mode then shows it as the group's."""
    entries = ((1, 4, 0xFFFFFFFF), (2, 4, user), (4, 0, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
    try:
        os.setxattr(path, "system.posix_acl_access",
                    struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
    except OSError as error:
        raise Skip(f"this file system has no access control lists: {error}") from error


def keys(deployment):
    for sentence, owner, group, mode, who, words in (
            ("a Secret with its default mode, for root, is refused", 0, 0, 0o644, "root", "all users can read it"),
            ("a Secret with defaultMode 0400, for root", 0, 0, 0o400, "root", None),
            ("a Secret with defaultMode 0400, for a user without fsGroup, cannot be read", 0, 0, 0o400, "a user",
             "Permission denied"),
            ("a Secret with its default mode, for a user, is refused", 0, 0, 0o644, "a user", "defaultMode: 0400"),
            ("a Secret with defaultMode 0400 and fsGroup, for a user", 0, GROUP, 0o440, "a user with fsGroup", None),
            ("a Secret with its default mode and fsGroup is refused", 0, GROUP, 0o644, "a user with fsGroup",
             "all users can read it"),
            ("a Secret with fsGroup, for root", 0, GROUP, 0o440, "root with fsGroup", None),
            ("a Secret with fsGroup that the process is not in is refused", 0, GROUP, 0o440, "root",
             f"group {GROUP} can read it"),
            ("a Secret on OpenShift, for an arbitrary user in group 0", 0, 0, 0o440, "an arbitrary user in group 0", None),
            ("a file of the user, from a CSI driver or an init container", USER, USER, 0o400, "a user", None),
            ("a secret of Docker or Compose with its default mode is refused", 0, 0, 0o444, "a user", "mode: 0400"),
            ("a file of another user is refused", OTHER, USER, 0o440, "a user", f"owned by user {OTHER}"),
            ("a file that its group can write is refused", 0, GROUP, 0o660, "a user with fsGroup",
             f"group {GROUP} can write it")):
        with tap.case(sentence):
            deployment.lay(deployment.key, owner, group, mode)
            result = deployment.run(who)
            if words is None:
                starts(result)
            else:
                refused(result, words)


def credentials(deployment):
    with tap.case("a credential of systemd, which an access control list lets the service's user read"):
        deployment.lay(deployment.key, 0, 0, 0o400)
        access_list(deployment.key, USER)
        deployment.write_policy("$CREDENTIALS_DIRECTORY/service.key")
        starts(deployment.run("a user", env={"CREDENTIALS_DIRECTORY": str(deployment.key.parent)}))
    with tap.case("a credential that the list lets another user read is refused"):
        access_list(deployment.key, OTHER)
        refused(deployment.run("root", env={"CREDENTIALS_DIRECTORY": str(deployment.key.parent)}),
                f"user {OTHER} can read it")
    with tap.case("without the service's credentials the program does not start, and the message says why"):
        refused(deployment.run("root"), "redis.conf:4: identity = $CREDENTIALS_DIRECTORY/service.key", "is not set")
    deployment.write_policy(deployment.key)


def policies(deployment):
    deployment.lay(deployment.key, USER, USER, 0o400)
    with tap.case("a ConfigMap's policy with its default mode"):
        deployment.lay(deployment.policy, 0, 0, 0o644)
        starts(deployment.run("a user"))
    with tap.case("a policy that a group can write is refused, also if the process is in the group"):
        deployment.lay(deployment.policy, 0, GROUP, 0o660)
        refused(deployment.run("a user with fsGroup"), f"group {GROUP} can write it", "chmod go-w, or a read-only mount")
    with tap.case("a policy whose owner is unknown is refused"):
        deployment.lay(deployment.policy, 65534, 65534, 0o644)
        refused(deployment.run("a user"), "owned by user 65534", "or a read-only mount")
    with tap.case("the same policies start from a read-only mount"):
        folder = deployment.folder / "config"
        mount = f"mount --bind '{folder}' '{folder}' && mount -o remount,bind,ro '{folder}' && exec \"$@\""
        if not find("unshare") or run(["unshare", "--mount", "sh", "-c", mount, "sh", "true"]).status != 0:
            raise Skip("this process cannot make mounts")
        for owner, group, mode in ((65534, 65534, 0o644), (0, GROUP, 0o660)):
            deployment.lay(deployment.policy, owner, group, mode)
            starts(deployment.run("a user with fsGroup", before=("unshare", "--mount", "sh", "-c", mount, "sh")))


def main():
    if os.geteuid() != 0 or not find("setpriv"):
        skip_all("only root with setpriv can lay files of other users and become them")
    deployment = Deployment()
    keys(deployment)
    credentials(deployment)
    policies(deployment)
    tap.finish()


main()
