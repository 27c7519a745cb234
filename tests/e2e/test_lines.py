"""Every `hyperctl` line of the document, word for word, on a real VM of the stack that `hyperctl up` sets up.

The lines follow each other as they would in a day's work; those that move a VM are in tests/nodes, where there are two
nodes. What each has done is looked at in the guest or in the API, not only in what it prints.
"""

import asyncio
import json
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncvnc
import pytest
import yaml

from hyperctl.stack import library
from hypersdk.settings import places
from tests.controlplane.build import Binaries
from tests.e2e.conftest import Stack
from tests.terminal import Terminal

pytestmark = [pytest.mark.timeout(300, func_only=True), pytest.mark.filterwarnings("ignore:.*TripleDES")]

SEED = Path(__file__).parents[1] / "api/seed"
MAKE_ADMIN = (
    "home=$(readlink -f /home)/admin; mkdir -p $home/.ssh",
    "echo admin:x:1001:1001:admin:$home:/bin/sh >>/etc/passwd; echo admin:x:1001: >>/etc/group",
    "echo 'admin:*:19000:0:99999:7:::' >>/etc/shadow",
)
"""In the guest, which the document's line has made without any user of that name."""
PASSWORD = re.compile(r"at 127\.0\.0\.1:(\d+), password (\w{8}),")


@dataclass(frozen=True)
class Shell:
    """A user's shell with the stack at hand."""

    environ: dict[str, str]

    def words(self, line: str) -> list[str]:
        """The line as a shell takes it."""
        return ["bash", "-c", line]

    def run(self, line: str, code: int = 0) -> str:
        """What the line prints, once it has ended as it should."""
        done = subprocess.run(self.words(line), env=self.environ, capture_output=True, text=True, timeout=240)
        assert done.returncode == code, f"$ {line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def in_guest(self, command: str) -> str:
        """What a command in my-vm prints."""
        line = f"hyperctl k8s vm ssh my-vm -user admin -key ~/.ssh/id_rsa -- {shlex.quote(command)}"
        return self.run(line).strip()

    def up(self) -> None:
        """Wait until the guest of my-vm is up and can be reached."""
        self.run("hyperctl k8s vm wait my-vm -for condition=AgentConnected -timeout 200s")
        self.run("hyperctl k8s vm wait my-vm -for 'jsonpath={.status.ipAddresses[0]}' -timeout 60s")

    def phase(self, name: str) -> str:
        """The VM's phase."""
        return self.run(f"hyperctl k8s vm get {name} -o jsonpath={{.status.phase}}").strip()


@pytest.fixture(scope="module")
def shell(
    embedded_stack: Stack, binaries_of_kubernetes: Binaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shell]:
    """A user with a key in the usual place, images by the names of the document, and no VM left at the end."""
    home = tmp_path_factory.mktemp("home")
    (home / ".ssh").mkdir(mode=0o700)
    key = home / ".ssh/id_rsa"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    installed = Path(embedded_stack.command("hyperctl")[0]).parent
    path = f"{installed}:{binaries_of_kubernetes.kubectl.parent}:{embedded_stack.environ['PATH']}"
    made = Shell({**embedded_stack.environ, "HOME": str(home), "PATH": path})
    _name_the_images(made, home)
    yield made
    left = made.run("hyperctl k8s vm list -o name").split()
    for name in (each.partition("/")[2] for each in left):
        if not name.startswith("demo-"):
            made.run(f"hyperctl k8s vm delete {name}")


def _name_the_images(shell: Shell, home: Path) -> None:
    """The demo image goes by the names that the document uses."""
    file = library.catalogue(places(shell.environ))
    demo = re.search(r'(?m)^demo = "(.*)"$', file.read_text())
    assert demo is not None
    file.write_text(library.with_entry(file.read_text(), '"ubuntu:22.04"', demo[1]))
    template = {
        "apiVersion": "hypersdk.io/v1alpha1",
        "kind": "VMTemplate",
        "metadata": {"name": "ubuntu-22-04"},
        "spec": {
            "displayName": "Ubuntu 22.04 LTS",
            "osInfo": {"type": "linux", "distribution": "ubuntu", "version": "22.04"},
            "defaultSpec": {"cpus": 1, "memory": "256Mi"},
            "image": {"source": demo[1], "format": "qcow2"},
        },
    }
    (home / "template.yaml").write_text(yaml.safe_dump(template))
    shell.run(f"hyperctl k8s apply -f {home / 'template.yaml'}")


def test_create_list_and_get(shell: Shell) -> None:
    made = shell.run("hyperctl k8s vm create -name my-vm -cpus 4 -memory 8Gi -image ubuntu:22.04")
    assert made == "virtualmachine.hypersdk.io/my-vm created\n"
    for line in ("hyperctl k8s vm list", "hyperctl k8s vm list -n default"):
        assert re.search(r"(?m)^my-vm +\w+ +4 +8Gi", shell.run(line)), line
    for line in ("hyperctl k8s vm get my-vm", "hyperctl k8s vm get my-vm -n default"):
        assert "default/my-vm" in shell.run(line), line
    for told in (
        json.loads(shell.run("hyperctl k8s vm list -o json")),
        yaml.safe_load(shell.run("hyperctl k8s vm list -o yaml")),
    ):
        specs = {item["metadata"]["name"]: item["spec"] for item in told["items"]}
        assert (specs["my-vm"]["cpus"], specs["my-vm"]["memory"]) == (4, "8Gi")
        assert specs["my-vm"]["image"] == {"source": "ubuntu:22.04"}


def test_serial_console(shell: Shell) -> None:
    public = Path(shell.environ["HOME"], ".ssh/id_rsa.pub").read_text().strip()
    with Terminal(shell.words("hyperctl k8s vm console my-vm --serial"), shell.environ) as terminal:
        terminal.wait_for("root@my-vm:~#", 200)
        for line in (*MAKE_ADMIN, f"echo '{public}' >$home/.ssh/authorized_keys", "chown -R 1001:1001 $home"):
            terminal.press(line, "enter")
        terminal.press("chmod 700 $home/.ssh; echo $((40+2)) done", "enter")
        terminal.wait_for("42 done")
        terminal.press("ctrl+]")
        assert terminal.wait_end() == 0


def test_ssh(shell: Shell) -> None:
    shell.up()
    with Terminal(shell.words("hyperctl k8s vm ssh my-vm -user admin -key ~/.ssh/id_rsa"), shell.environ) as terminal:
        terminal.wait_for(r"admin@my-vm:~\$", 60)
        terminal.press("echo $((40+2)) for $(whoami) on $(hostname); exit 7", "enter")
        terminal.wait_for("42 for admin on my-vm")
        assert terminal.wait_end() == 7


async def test_graphics(shell: Shell) -> None:
    # Ctrl-C ends it, also where whoever runs the tests has it ignored, as shells do for what runs in the background.
    words = ("env", "--default-signal=INT", *shell.words("hyperctl k8s vm console my-vm --vnc"))
    process = await asyncio.create_subprocess_exec(*words, env=shell.environ, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(120):
            told = PASSWORD.search((await process.stderr.readline()).decode())
        assert told is not None
        async with asyncvnc.connect("127.0.0.1", int(told[1]), password=told[2]) as viewer:
            assert (await viewer.screenshot())[..., :3].any()
            viewer.keyboard.write("touch /run/typed-by-vnc")
            viewer.keyboard.press("Return")
            await viewer.screenshot()
        there = "until [ -e /run/typed-by-vnc ]; do sleep 0.2; done; echo seen"
        assert await asyncio.to_thread(shell.in_guest, there) == "seen"
    finally:
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await process.wait()
    assert process.returncode == 130


def test_clone(shell: Shell) -> None:
    for line, name in (
        ("hyperctl k8s vm clone my-vm -target my-vm-clone --linked", "my-vm-clone"),
        ("hyperctl k8s vm clone my-vm -target my-vm-2", "my-vm-2"),
    ):
        shell.run(line)
        assert shell.run(f"hyperctl k8s vm get {name} -o jsonpath={{.spec.cpus}}").strip() == "4"
        assert shell.phase(name) in {"Pending", "Stopped"}
        shell.run(f"hyperctl k8s vm delete {name}")
    shell.run("hyperctl k8s vm clone my-vm -target my-vm-2 --linked")
    shell.run("hyperctl k8s vm delete my-vm-2")


def test_resize(shell: Shell) -> None:
    pid = shell.run("hyperctl k8s vm get my-vm -o jsonpath={.status.qemuPid}")
    told = shell.run("hyperctl k8s vm resize my-vm -cpus 8 -memory 16Gi --hotplug")
    assert "the guest has 8 CPUs and 16Gi of memory, and uses them" in told
    assert shell.in_guest("nproc") == "8"
    assert int(shell.in_guest("awk '/MemTotal/ {print $2}' /proc/meminfo")) > 15 << 20
    shell.run("hyperctl k8s vm resize my-vm -cpus 8 -memory 16Gi")
    # What a running guest cannot be given waits, and QEMU is the one that it was.
    assert "RestartRequired" in shell.run("hyperctl k8s vm resize my-vm -cpus 2 -memory 8Gi --hotplug")
    assert shell.run("hyperctl k8s vm get my-vm -o jsonpath={.status.qemuPid}") == pid
    assert shell.in_guest("nproc") == "8"


def test_power(shell: Shell) -> None:
    shell.run("hyperctl k8s vm restart my-vm")
    assert shell.phase("my-vm") == "Running"
    shell.run("hyperctl k8s vm stop my-vm --force")
    assert shell.phase("my-vm") == "Stopped"
    shell.run("hyperctl k8s vm start my-vm")
    assert shell.phase("my-vm") == "Running"
    shell.up()


def test_snapshots(shell: Shell) -> None:
    with Terminal(shell.words("hyperctl k8s vm console my-vm --serial"), shell.environ) as terminal:
        terminal.wait_for("root@my-vm:~#", 60)
        terminal.press("x=before", "enter", "echo $((40+2)) noted", "enter")
        terminal.wait_for("42 noted")
        shell.run("hyperctl k8s vm snapshot create my-vm -name snap1 --memory")
        terminal.press("x=after", "enter", "echo $((41+2)) noted", "enter")
        terminal.wait_for("43 noted")
        shell.run("hyperctl k8s vm snapshot restore my-vm -snapshot snap1")
        terminal.press("echo $((42+2)) it is $x", "enter")
        terminal.wait_for("44 it is before", 60)
        terminal.press("ctrl+]")
        assert terminal.wait_end() == 0
    shell.run("hyperctl k8s vm snapshot create my-vm -name pre-upgrade --memory")
    shell.run(f"hyperctl k8s apply -f {SEED / 'vmsnapshot-my-vm-snapshot-1.yaml'}")
    shell.run("kubectl wait vmsnapshot/my-vm-snapshot-1 --for=jsonpath='{.status.readyToRestore}'=true --timeout=120s")
    shell.run("hyperctl k8s vm snapshot restore my-vm -snapshot my-vm-snapshot-1")
    drawn = shell.run("hyperctl k8s vm disk chain my-vm")
    assert re.search(r"the VM writes to it; .*qemu-system-x86_64 default\.my-vm \(\d+\) has it open to write", drawn)
    assert all(f"snapshot {name}" in drawn for name in ("snap1", "pre-upgrade", "my-vm-snapshot-1"))
    listed = shell.run("hyperctl k8s vm snapshot list my-vm")
    for name in ("snap1", "pre-upgrade", "my-vm-snapshot-1"):
        assert re.search(rf"(?m)^{name} ", listed)
        shell.run(f"hyperctl k8s vm snapshot delete my-vm -snapshot {name}")
        assert name not in shell.run("hyperctl k8s vm snapshot list my-vm")


def test_templates(shell: Shell) -> None:
    shell.run("hyperctl k8s vm stop my-vm")
    assert shell.phase("my-vm") == "Stopped"
    shell.run("hyperctl k8s template create -name my-template -from my-vm")
    listed = shell.run("hyperctl k8s template list")
    assert re.search(r"(?m)^my-template ", listed)
    assert re.search(r"(?m)^ubuntu-22-04 +Ubuntu 22.04 LTS", listed)
    assert "ubuntu-22-04" in shell.run("hyperctl k8s template get ubuntu-22-04")
    shell.run("hyperctl k8s vm create -from-template ubuntu-22-04 -name web-vm")
    shell.run("hyperctl k8s vm create -from-template ubuntu-22-04 -name new-vm")
    for name in ("web-vm", "new-vm"):
        shell.run(f"hyperctl k8s vm wait {name} -for phase=Running -timeout 120s")


def test_layers(shell: Shell) -> None:
    """Of a VM that is off: drawn, and refused by name as long as one is missing."""
    shell.run("hyperctl k8s vm snapshot create my-vm -name snap1")
    (disk,) = json.loads(shell.run("hyperctl k8s vm disk chain my-vm -o json"))["disks"]
    layer = next(Path(one["file"]) for one in disk["layers"] if one.get("written"))
    aside = layer.rename(layer.with_suffix(".aside"))
    for line in ("hyperctl k8s vm disk chain my-vm 2>&1", "hyperctl k8s vm start my-vm 2>&1"):
        assert f"{layer} is missing" in shell.run(line, code=1)
    aside.rename(layer)
    assert "the VM writes to it" in shell.run("hyperctl k8s vm disk chain my-vm")
    shell.run("hyperctl k8s vm snapshot delete my-vm -snapshot snap1")
    assert not layer.exists()


def test_delete(shell: Shell) -> None:
    shell.run("hyperctl k8s vm delete my-vm")
    shell.run("hyperctl k8s vm get my-vm", code=3)
