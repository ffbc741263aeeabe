"""The OCI image of `make image`: what it has, how it gets into other containers, and what runs there.

`pfswrap install` copies it, as an init container does, into a volume that a distroless root mounts.
"""
# timeout: 1800

import os
import subprocess
import tarfile

from lib import certs, hello
from lib.image import inspect, make_image, require_image_tools, unpack, version
from lib.process import ROOT, free_port, run, temporary_directory
from lib.rootfs import Container, Rootfs, require_containers
from lib.tap import Tap, check, contains, equal

PREFIX = "usr/local"
FILES = [f"{PREFIX}/bin/pfswrap", f"{PREFIX}/libexec/pfswrap/pfswrap-tool", f"{PREFIX}/lib/pfswrap/libpfswrap.so"]
ARBITRARY = 1000680000  # a user as OpenShift chooses it, in group 0
tap = Tap()


def copy_of_the_tree():
    """The sources and the objects in another folder, with the times of the files, without the history."""
    folder = temporary_directory()
    packed = subprocess.Popen(["tar", "-C", str(ROOT), "--exclude=./.git", "--exclude=./build-*", "--exclude=./build/tests",
                               "--exclude=./build/image*", "--exclude=./build/other-libssl", "--exclude=*/node_modules",
                               "-cf", "-", "."], stdout=subprocess.PIPE)
    subprocess.run(["tar", "-C", str(folder), "-xpf", "-"], stdin=packed.stdout, check=True)
    equal(packed.wait(), 0, "status of tar")
    return folder


def contents(folder):
    with tap.case("skopeo reads the image: one layer, labels, the command as the entry point, no user"):
        found, config = inspect(folder), inspect(folder, "--config")
        equal(len(found["Layers"]), 1, "layers")
        labels = {name.rsplit(".", 1)[1]: value for name, value in found["Labels"].items()}
        equal(sorted(labels), ["created", "description", "licenses", "revision", "title", "version"], "labels")
        equal((labels["title"], labels["version"], labels["licenses"]), ("pfswrap", version(), "Apache-2.0"), "labels")
        equal(config["config"]["Entrypoint"], [f"/{PREFIX}/bin/pfswrap"], "entry point")
        equal(config["config"].get("User", ""), "", "user: files of root are what every other user may only read")
        equal((config["os"], config["architecture"]), ("linux", {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]),
              "platform")
    with tap.case("the layer has the command, the object and the policies; all is root's, and nobody else can write it"):
        digest = inspect(folder)["Layers"][0].split(":")[1]
        blob = folder / "image/blobs/sha256" / digest
        check(blob.stat().st_size < 3000000, f"expected less than 3 MB, found {blob.stat().st_size} bytes")
        with tarfile.open(blob) as layer:
            members = {member.name.lstrip("./"): member for member in layer.getmembers()}
        for name in FILES + [f"{PREFIX}/share/pfswrap/policy/{path.name}" for path in (ROOT / "policy").glob("*.conf")]:
            contains(members, name, "the layer")
        for name, member in members.items():
            equal((member.uid, member.gid), (0, 0), f"owner of {name}")
            check(member.issym() or member.mode & 0o022 == 0, f"{name} has mode {member.mode:o}, expected no write for others")
    with tap.case("the object in it has no debug information"):
        root = unpack(folder)
        sections = run(["readelf", "-SW", root.path(FILES[2])]).text
        check(".debug_info" not in sections and ".dynsym" in sections, f"sections: {sections[-1500:]}")
    with tap.case("skopeo converts it to the format of docker load"):
        done = run(["skopeo", "copy", "-q", f"oci:{folder / 'image'}:{version()}",
                    f"docker-archive:{folder / 'docker.tar'}:pfswrap:{version()}"])
        equal(done.status, 0, f"{done!r}")
        with tarfile.open(folder / "docker.tar") as archive:
            contains(archive.getnames(), "manifest.json", "the archive")
    with tap.case("the archive is the layout: skopeo reads it as oci-archive"):
        done = run(["skopeo", "inspect", f"oci-archive:{folder / 'image.tar'}:{version()}"])
        equal(done.status, 0, f"{done!r}")


def reproducible():
    with tap.case("the image is the same, byte for byte, from another folder, another umask and another time"):
        fixed = {"SOURCE_DATE_EPOCH": 1700000000, "IMAGE_REVISION": "test"}
        first = make_image(**fixed)
        tree = copy_of_the_tree()
        before = os.umask(0o077)
        try:
            second = make_image(tree, **fixed)
        finally:
            os.umask(before)
        equal(inspect(second)["Digest"], inspect(first)["Digest"], "digest")
        check((first / "image.tar").read_bytes() == (second / "image.tar").read_bytes(), "the archives differ")
        other = make_image(**dict(fixed, IMAGE_REVISION="other"))
        check(inspect(other)["Digest"] != inspect(first)["Digest"], "expected another digest for another revision")


def distroless(certificate):
    """A server's image without a shell: openssl, its libraries, a certificate."""
    root = Rootfs("openssl")
    root.write("/etc/server.pem", certificate.combined().read_bytes())
    root.write("/etc/openssl.cnf", "")
    root.write("/etc/pfswrap/server.conf", "[policy]\nlog = stderr\n")
    return root


def refuses_old(root, command, env=None, **options):
    """Whether the server in the container accepts TLS 1.3, and whether it accepts TLS 1.2."""
    port = free_port()
    server = [*command, "openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", "/etc/server.pem", "-quiet"]
    env = dict(env or {}, OPENSSL_CONF="/etc/openssl.cnf")
    with Container(root, server, env=env, **options) as container:
        container.wait_for_port(port)
        new = hello.offer(port, [hello.TLS13], hello.TLS13_SUITES, hello.ECDHE_GROUPS).accepted
        return new, hello.offer_tls12(port).accepted


def used(folder):
    image, server = unpack(folder), distroless(certs.signed("image", "p256"))
    volume = temporary_directory()  # emptyDir
    volume.chmod(0o777)
    launcher, policy = "/pfswrap/bin/pfswrap", "/etc/pfswrap/server.conf"
    mounted, unprivileged = [(f"{volume}:ro", "/pfswrap")], {"user": ARBITRARY, "group": 0, "read_only": True}
    with tap.case("without arguments the image prints its usage; version names the version"):
        contains(image.run([f"/{PREFIX}/bin/pfswrap", "help"]).text, "usage: pfswrap", "help")
        contains(image.run([f"/{PREFIX}/bin/pfswrap", "version"], **unprivileged).text, f"pfswrap {version()}\n", "version")
    with tap.case("an init container with any user and a read-only root installs it to an emptyDir"):
        for attempt in ("first", "second, after a restart"):
            done = image.run([f"/{PREFIX}/bin/pfswrap", "install", "/pfswrap"], mounts=[(volume, "/pfswrap")], **unprivileged)
            equal(done.status, 0, f"{attempt}: {done!r}")
            contains(done.text, "/pfswrap/bin/pfswrap run -- PROGRAM", "what it prints")
    with tap.case("bare, the distroless server accepts TLS 1.2"):
        equal(refuses_old(server, []), (True, True), "TLS 1.3 and TLS 1.2")
    run_as = [launcher, "run", "--policy", policy, "--"]
    with tap.case("pfswrap run is the entry point: any user, read-only root, no new privileges, no shell, no /tmp"):
        equal(refuses_old(server, run_as, mounts=mounted, **unprivileged), (True, False), "TLS 1.3 and TLS 1.2")
    with tap.case("LD_PRELOAD alone protects as well"):
        preload = {"LD_PRELOAD": "/pfswrap/lib/pfswrap/libpfswrap.so", "PFSWRAP_POLICY": policy}
        equal(refuses_old(server, [], env=preload, mounts=mounted, **unprivileged), (True, False), "TLS 1.3 and TLS 1.2")
    with tap.case("LD_PRELOAD without the volume starts the server unprotected; pfswrap run does not start it"):
        equal(refuses_old(server, [], env=preload, **unprivileged), (True, True), "TLS 1.3 and TLS 1.2")
        equal(server.run(run_as + ["openssl", "version"], **unprivileged).status, 127, "status of chroot without the command")
    with tap.case("a volume that is mounted noexec is refused, with the reason"):
        done = server.run(run_as + ["openssl", "version"], mounts=[(f"{volume}:noexec", "/pfswrap")], **unprivileged)
        equal(done.status, 126, f"{done!r}")
        server.add_tree(image.path(f"/{PREFIX}"), "/copied")
        (server.path("/copied") / "lib/pfswrap").rename(server.path("/library"))
        done = server.run(["/copied/bin/pfswrap", "run", "--", "openssl", "version"],
                          mounts=[(f"{server.path('/library')}:noexec", "/copied/lib/pfswrap")], **unprivileged)
        equal(done.status, 125, f"{done!r}")
        contains(done.text, "expected a file system without noexec", "the refusal")
    with tap.case("COPY --from: the same tree in the server's own image"):
        server.add_tree(image.path(f"/{PREFIX}"), f"/{PREFIX}")
        equal(refuses_old(server, ["pfswrap", "run", "--policy", policy, "--"], **unprivileged), (True, False),
              "TLS 1.3 and TLS 1.2")


def main():
    require_image_tools()
    require_containers()
    folder = make_image()
    contents(folder)
    reproducible()
    used(folder)
    tap.finish()


main()
