"""What kubelet and Compose make of a manifest, without them: volumes, users, mounts and command lines of containers.

A Pod takes a pod's spec as the API has it, and runs its containers in roots (lib.rootfs): images are given by the test. It
lays volumes as kubelet does: a ConfigMap or Secret is a folder with a version, ..data as a link to it, and links to the files.
"""

import base64
import os

from lib.process import temporary_directory
from lib.rootfs import Container, Network


class Pod:
    """`objects` are the manifest's other objects, `images` roots by the name of the image, without registry and tag."""

    def __init__(self, spec, objects, images, network=None):
        self.spec, self.images, self.network = spec, images, network or Network()
        self.objects = {(item["kind"], item["metadata"]["name"]): item for item in objects}
        self.security = spec.get("securityContext", {})
        self.volumes = {volume["name"]: self.lay(volume) for volume in spec.get("volumes", ())}

    def lay(self, volume):
        """(folder, whether it is always read-only)."""
        folder, group = temporary_directory(), self.security.get("fsGroup")
        if "emptyDir" in volume:
            os.chown(folder, 0, group or 0)
            folder.chmod(0o2777 if group else 0o777)
            return folder, False
        if "configMap" in volume:
            data = self.objects["ConfigMap", volume["configMap"]["name"]]["data"]
            files, mode = {name: text.encode() for name, text in data.items()}, volume["configMap"].get("defaultMode", 0o644)
        else:
            data = self.objects["Secret", volume["secret"]["secretName"]]["data"]
            files = {name: base64.b64decode(text) for name, text in data.items()}
            mode = volume["secret"].get("defaultMode", 0o644)
        (folder / "..version").mkdir()
        (folder / "..data").symlink_to("..version")
        for name, content in files.items():
            path = folder / "..version" / name
            path.write_bytes(content)
            path.chmod(mode | (0o440 if group else 0))
            os.chown(path, 0, group or 0)
            (folder / name).symlink_to(f"..data/{name}")
        return folder, True

    def options(self, container):
        security = dict(self.security, **container.get("securityContext", {}))
        mounts = []
        for mount in container.get("volumeMounts", ()):
            folder, is_read_only = self.volumes[mount["name"]]
            mounts.append((f"{folder}:ro" if is_read_only or mount.get("readOnly") else folder, mount["mountPath"]))
        return {"user": security.get("runAsUser", 0), "group": security.get("runAsGroup", 0),
                "groups": [security["fsGroup"]] if "fsGroup" in security else [],
                "read_only": security.get("readOnlyRootFilesystem", False), "mounts": mounts,
                "no_new_privileges": not security.get("allowPrivilegeEscalation", True), "network": self.network}

    def root(self, container):
        return self.images[container["image"].rsplit("/", 1)[-1].split(":")[0]]

    def command(self, container, words=None):
        """The command line; an image's entry point takes the place of a missing command."""
        root = self.root(container)
        line = words or [*container.get("command", getattr(root, "entrypoint", [])), *container.get("args", ())]
        return ["env", "-C", container["workingDir"], *line] if "workingDir" in container else line

    def environment(self, container):
        return {entry["name"]: entry["value"] for entry in container.get("env", ())}

    def run(self, container, words=None):
        """Runs a container, or `words` as an exec probe in one of its kind, to its end."""
        return self.root(container).run(self.command(container, words), env=self.environment(container),
                                        **self.options(container))

    def start(self, container):
        return Container(self.root(container), self.command(container), env=self.environment(container),
                         **self.options(container))
