"""The OCI image of `make image`, for the tests: built once into a folder of the script, and unpacked by umoci(1)."""

import json

from lib.process import ROOT, find, run, temporary_directory
from lib.rootfs import Rootfs
from lib.tap import check, skip_all

VERSION_LINE = "VERSION  := "


def require_image_tools():
    for command in ("umoci", "skopeo", "make"):
        if not find(command):
            skip_all(f"no {command}: scripts/install-deps containers installs it")


def version():
    lines = (ROOT / "Makefile").read_text().splitlines()
    return next(line.removeprefix(VERSION_LINE) for line in lines if line.startswith(VERSION_LINE))


def make_image(tree=ROOT, **variables):
    """Builds the image of a tree into a new folder, which has `image` and `image.tar`. Returns the folder."""
    folder = temporary_directory()
    places = {"IMAGE": "image", "IMAGE_TAR": "image.tar", "IMAGE_ROOT": "root", "IMAGE_LAYER": "layer.tar"}
    settings = [f"{name}={folder / file}" for name, file in places.items()]
    settings += [f"{name}={value}" for name, value in variables.items()]
    done = run(["make", "-C", tree, "image", *settings], env={"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": ""}, timeout=900)
    check(done.status == 0, f"make image: {done!r}")
    return folder


def inspect(folder, *options):
    done = run(["skopeo", "inspect", *options, f"oci:{folder / 'image'}:{version()}"])
    check(done.status == 0, f"{done!r}")
    return json.loads(done.out)


def unpack(folder):
    """A Rootfs with what is in the image, and nothing else but the folders that an engine adds."""
    bundle = temporary_directory() / "bundle"
    done = run(["umoci", "unpack", "--image", f"{folder / 'image'}:{version()}", bundle])
    check(done.status == 0, f"{done!r}")
    return Rootfs(folder=bundle / "rootfs")
