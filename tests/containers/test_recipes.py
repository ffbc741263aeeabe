"""The recipes of examples/containers/: they are valid, and what they describe runs.

Kustomize and Compose read them, a schema checks them, and the tests play the part of kubelet and of Compose (lib.pods): volumes, users,
read-only roots and command lines are those of the files. The programs are this machine's.
"""
# timeout: 1800

import base64
import fcntl
import json
import os
import shutil

import yaml

from lib import newer_debian
from lib.image import make_image, require_image_tools, unpack, version
from lib.pods import Pod
from lib.process import BUILD, ROOT, find, run, temporary_directory, wait_until
from lib.rootfs import Container, DebianRoot, Network, require_containers
from lib.tap import Skip, Tap, check, contains, equal, lacks
from lib.wrap import LAUNCHER

RECIPES, SCHEMA = ROOT / "examples/containers", ROOT / "tests/containers/schema"
PORT = 6379
# kubelet connects and closes (tcpSocket), or sends a request and expects an answer (httpGet).
CONNECT = "import socket; socket.create_connection(('127.0.0.1', 6379), 10).close(); print('ready')"
REQUEST = ("import socket; s = socket.create_connection(('127.0.0.1', 6379), 10); s.settimeout(15);"
           "s.sendall(b'PING\\r\\n'); print(s.recv(100))")
tap = Tap()


class Recipes:
    """A copy of the recipes with keys, made by the commands that docs/CONTAINERS.md shows, and what Kustomize makes of it."""

    def __init__(self):
        self.folder = temporary_directory() / "containers"
        shutil.copytree(RECIPES, self.folder)
        (self.folder / "keys").mkdir(exist_ok=True)
        self.secrets, peers = {}, ""
        for name in ("redis", "client"):
            secret = run([LAUNCHER, "genkey"]).out
            (self.folder / f"keys/{name}.key").write_bytes(secret)
            peers += f"{name} {run([LAUNCHER, 'pubkey'], data=secret).out.decode()}"
            self.secrets[name] = secret
        for path in ("peers", "kubernetes/sealed/peers"):
            (self.folder / path).write_text(peers)

    def objects(self):
        kustomize = newer_debian.command("kustomize", "usr/bin/kustomize")
        done = run([kustomize, "build", self.folder / "kubernetes/sealed"])
        equal(done.status, 0, f"{done!r}")
        secrets = [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"pfswrap-{name}"},
                    "data": {"service.key": base64.b64encode(secret).decode()}} for name, secret in self.secrets.items()]
        return [*yaml.safe_load_all(done.out), *secrets]

    def compose(self):
        done = run([compose_command(), "--profile", "client", "-f", self.folder / "compose.yaml", "config", "--format", "json"],
                   env={"HOME": str(self.folder), "PFSWRAP_UID": "1234", "PFSWRAP_GID": "1234"})
        equal(done.status, 0, f"{done!r}")
        return json.loads(done.out)


def compose_command():
    return newer_debian.command("docker-compose", "usr/libexec/docker/cli-plugins/docker-compose")


def schema_errors(given):
    """The lines that check.mjs prints. Its packages are fetched once, to build/."""
    folder = BUILD / "container-schemas"
    folder.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "container-schemas.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not find("node", "npm"):
            raise Skip("no node or npm")
        for name in ("package.json", "package-lock.json", "check.mjs"):
            shutil.copy(SCHEMA / name, folder)
        if not (folder / "node_modules/.complete").exists():
            done = run(["npm", "ci", "--no-audit", "--no-fund", "--prefix", folder], timeout=600)
            if done.status != 0:
                raise Skip(f"npm cannot fetch the schemas: {done.text.strip().splitlines()[-1]}")
            (folder / "node_modules/.complete").touch()
        done = run(["node", folder / "check.mjs"], data=json.dumps(given).encode(), timeout=300)
    check(done.status in (0, 1) and not done.err, f"{done!r}")
    return done.lines


def pick(objects, kind, name):
    return next(item for item in objects if item["kind"] == kind and item["metadata"]["name"].startswith(name))


def pod_spec(item):
    return item["spec"]["template"]["spec"]


def valid(recipes):
    with tap.case("the objects that Kustomize renders are valid for the API of Kubernetes"):
        objects = recipes.objects()
        equal(sorted(f"{item['kind']} {item['metadata']['name'].split('-')[0]}" for item in objects if item["kind"] != "Secret"),
              ["ConfigMap pfswrap", "Deployment redis", "Job client", "Service redis"], "objects")
        equal(schema_errors(objects), [], "errors")
    with tap.case("the check finds a field that the API does not have, and a mode that is a string"):
        for key, value, words in (("defaultmode", 256, "does not exist in type"), ("defaultMode", "0400", "must be integer")):
            wrong = recipes.objects()
            pod_spec(pick(wrong, "Deployment", "redis"))["volumes"][0]["secret"] = {"secretName": "x", key: value}
            contains("\n".join(schema_errors(wrong)), words, "errors")
    with tap.case("docker-compose accepts compose.yaml, by its schema; an unknown key is an error"):
        equal(sorted(recipes.compose()["services"]), ["client", "pfswrap", "redis"], "services")
        wrong = recipes.folder / "wrong.yaml"
        wrong.write_text((recipes.folder / "compose.yaml").read_text().replace("    healthcheck:", "    healthchek:"))
        done = run([compose_command(), "-f", wrong, "config"], env={"HOME": str(recipes.folder)})
        check(done.status != 0 and "healthchek" in done.text, f"{done!r}")
    with tap.case("the recipes have one policy, pfswrap check accepts it, and all of them use the image of this version"):
        policies = [path.read_text() for path in RECIPES.rglob("policy.conf")]
        check(len(policies) == 2 and policies[0] == policies[1], "expected two equal policies")
        done = run([LAUNCHER, "check", "--no-keys", RECIPES / "policy.conf"])
        equal((done.status, done.err), (0, b""), f"{done!r}")
        for path in ("Dockerfile", "compose.yaml"):
            contains((RECIPES / path).read_text(), f"pfswrap:{version()}", path)
        contains((RECIPES / "kubernetes/component/kustomization.yaml").read_text(), f"newTag: {version()}", "the component")
    with tap.case("a workload's pod meets the restricted Pod Security Standard"):
        for item in (pick(recipes.objects(), "Deployment", "redis"), pick(recipes.objects(), "Job", "client")):
            spec = pod_spec(item)
            check(spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault",
                  f"{spec['securityContext']}")
            for container in spec["initContainers"] + spec["containers"]:
                security = container["securityContext"]
                equal((security["allowPrivilegeEscalation"], security["capabilities"]["drop"],
                       security["readOnlyRootFilesystem"]), (False, ["ALL"], True), f"securityContext of {container['name']}")


def images(image):
    programs = DebianRoot()
    programs.write("/etc/hosts", "127.0.0.1 localhost redis\n")
    image.entrypoint = ["/usr/local/bin/pfswrap"]
    return {"redis": programs, "pfswrap": image}


def initialise(pod):
    for container in pod.spec["initContainers"]:
        done = pod.run(container)
        equal(done.status, 0, f"init container {container['name']}: {done!r}")


def kubernetes(recipes, image):
    objects, roots, network = recipes.objects(), images(image), Network()
    server = Pod(pod_spec(pick(objects, "Deployment", "redis")), objects, roots, network)
    client = Pod(pod_spec(pick(objects, "Job", "client")), objects, roots, network)
    app = server.spec["containers"][0]
    with tap.case("Kubernetes: the init container of each pod installs pfswrap, as its user, on a read-only root"):
        initialise(server)
        initialise(client)
    with server.start(app) as container:
        with tap.case("Kubernetes: the server starts with the key that kubelet lays for fsGroup"):
            wait_until(lambda: network.listens(PORT) or not container.running(), lambda: f"the server: {container.text()}")
            check(container.running(), f"the server ended: {container.text()}")
            check(container.preloaded(container.init), "expected the library in process 1")
        with tap.case("Kubernetes: the Job stores its value"):
            done = client.run(client.spec["containers"][0])
            equal((done.status, done.out), (0, b"OK\n"), f"{done!r}")
        with tap.case("Kubernetes: the exec probes succeed, and are sealed"):
            before = container.text().count('"event":"opened"')
            for probe in ("readinessProbe", "livenessProbe"):
                done = server.run(app, app[probe]["exec"]["command"])
                equal((done.status, done.out), (0, b"PONG\n"), f"{probe}: {done!r}")
            wait_until(lambda: container.text().count('"event":"opened"') >= before + 2, "two sealed connections in the log")
        with tap.case("Kubernetes: a tcpSocket probe succeeds and leaves a refusal in the log; a request gets no answer"):
            before = container.text().count('"event":"refused"')
            equal(network.run(["python3", "-c", CONNECT]).out, b"ready\n", "tcpSocket")
            wait_until(lambda: container.text().count('"event":"refused"') > before, lambda: f"a refusal: {container.text()}")
            done = network.run(["python3", "-c", REQUEST])
            lacks(done.text, "PONG", "the answer to a request without a seal")
        with tap.case("Kubernetes: redis-cli without pfswrap in the same pod gets no answer"):
            done = server.run(app, ["redis-cli", "ping"])
            lacks(done.text, "PONG", "the answer")
    with tap.case("Kubernetes: after the server has ended, the exec probe fails"):
        check(server.run(app, app["readinessProbe"]["exec"]["command"]).status != 0, "expected a failure")
    with tap.case("Kubernetes: without fsGroup the key cannot be read; without defaultMode others can read it: both refused"):
        for change, words in ((lambda spec: spec["securityContext"].pop("fsGroup"), "Permission denied"),
                              (lambda spec: [volume["secret"].pop("defaultMode") for volume in spec["volumes"]
                                             if "secret" in volume], "defaultMode: 0400")):
            spec = json.loads(json.dumps(server.spec))
            change(spec)
            pod = Pod(spec, objects, roots, network)
            initialise(pod)
            done = pod.run(spec["containers"][0])
            equal(done.status, 125, f"{done!r}")
            contains(done.text, words, "the refusal")
    with tap.case("OpenShift: an arbitrary user in group 0, without runAsUser and fsGroup of the file"):
        spec = json.loads(json.dumps(server.spec))
        spec["securityContext"].update(runAsUser=1000680000, runAsGroup=0, fsGroup=1000680000)
        pod = Pod(spec, objects, roots, network)
        initialise(pod)
        with pod.start(spec["containers"][0]) as container:
            wait_until(lambda: network.listens(PORT) or not container.running(), lambda: f"the server: {container.text()}")
            equal(pod.run(spec["containers"][0], app["readinessProbe"]["exec"]["command"]).out, b"PONG\n", "the probe")


def health_port(image):
    """An HTTP server with a sealed port and one for kubelet, which has a rule of its own."""
    network, root = Network(), DebianRoot()
    root.add_tree(image.path("/usr/local"), "/pfswrap")
    root.write("/etc/nginx.conf", "daemon off; error_log stderr; pid /run/nginx.pid; events {} http { access_log off;\n"
               "server { listen 8080; location / { return 200 'secret'; } }\n"
               "server { listen 8081; location = /healthz { return 200 'ok'; } location / { return 404; } } }\n")
    secret = run([LAUNCHER, "genkey"]).out
    root.write("/etc/service.key", secret, 0o400)
    root.write("/etc/peers", b"nginx " + run([LAUNCHER, "pubkey"], data=secret).out)
    text = (ROOT / "docs/CONTAINERS.md").read_text()
    rules = text.split("```ini\n", 1)[1].split("```", 1)[0]
    root.write("/etc/policy.conf", f"[policy]\nlog = stderr\n[seal]\nidentity = /etc/service.key\npeers = /etc/peers\n{rules}")
    command = ["/pfswrap/bin/pfswrap", "run", "--policy", "/etc/policy.conf", "--", "nginx", "-c", "/etc/nginx.conf"]
    for folder in ("/var/lib/nginx", "/var/log/nginx"):
        root.folder_for(folder)
    with Container(root, command, network=network) as container:
        wait_until(lambda: network.listens(8081) or not container.running(), lambda: container.text())
        answer = network.run(["curl", "-sS", "-m", "20", "http://127.0.0.1:8081/healthz"])
        equal(answer.out, b"ok", f"httpGet on the port for probes: {answer!r}")
        answer = network.run(["curl", "-sS", "-m", "20", "http://127.0.0.1:8080/"])
        check(answer.status != 0 and b"secret" not in answer.out, f"httpGet on the sealed port: {answer!r}")


def compose(recipes, image):
    """Compose as it runs without Swarm: files of secrets and configs are mounted as they are, read-only."""
    model, roots, network = recipes.compose(), images(image), Network()
    user = 1234
    for path in (recipes.folder / "keys").glob("*.key"):
        path.chmod(0o600)
        os.chown(path, user, user)
    os.chown(recipes.folder / "policy.conf", user, user)
    volume = temporary_directory()  # a new named volume: root's, 0755

    def arguments(service):
        settings = model["services"][service]
        root = roots[settings["image"].split(":")[0]]
        mounts = [(f"{volume}:ro" if mount.get("read_only") else volume, mount["target"]) for mount in settings["volumes"]]
        for entry in settings.get("tmpfs", ()):
            folder = temporary_directory()
            folder.chmod(0o1777)
            mounts.append((folder, entry.split(":")[0]))
        for kind in ("configs", "secrets"):
            for entry in settings.get(kind, ()):
                root.write(entry["target"], b"")
                mounts.append((f"{model[kind][entry['source']]['file']}:ro", entry["target"]))
        number = int(settings.get("user", "0:0").split(":")[0])
        options = {"user": number, "read_only": settings["read_only"], "mounts": mounts, "network": network,
                   "no_new_privileges": "no-new-privileges:true" in settings.get("security_opt", ())}
        command = [*(settings.get("entrypoint") or getattr(root, "entrypoint", [])), *(settings.get("command") or [])]
        if "working_dir" in settings:
            command = ["env", "-C", settings["working_dir"], *command]
        return root, command, settings.get("environment"), options

    with tap.case("Compose: the service pfswrap installs itself to the volume and ends"):
        root, command, environment, options = arguments("pfswrap")
        equal(root.run(command, env=environment, **options).status, 0, "status")
    root, command, environment, options = arguments("redis")
    with Container(root, command, env=environment, **options) as container:
        with tap.case("Compose: the server starts with the keys of the user who owns them, and its health check succeeds"):
            wait_until(lambda: network.listens(PORT) or not container.running(), lambda: f"the server: {container.text()}")
            check(container.running(), f"the server ended: {container.text()}")
            test = model["services"]["redis"]["healthcheck"]["test"]
            equal(test[0], "CMD", "kind of health check")
            equal(root.run(test[1:], env=environment, **options).out, b"PONG\n", "the health check")
        with tap.case("Compose: docker compose run client set greeting hello"):
            client, line, variables, settings = arguments("client")
            done = client.run([*line, "set", "greeting", "hello"], env=variables, **settings)
            equal((done.status, done.out), (0, b"OK\n"), f"{done!r}")


def main():
    require_image_tools()
    require_containers()
    recipes, image = Recipes(), unpack(make_image())
    valid(recipes)
    kubernetes(recipes, image)
    with tap.case("a port for probes with a rule of its own answers httpGet; the sealed port does not"):
        health_port(image)
    compose(recipes, image)
    tap.finish()


main()
