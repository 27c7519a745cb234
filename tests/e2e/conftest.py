"""The whole product, running: once as `hyperctl up` sets it up, once beside a real kube-apiserver."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyperctl.guest.image import build
from hyperctl.stack.namespace import reaches_out
from hypersdk.settings import places
from tests.controlplane.api import RealApi
from tests.controlplane.certificates import Authority
from tests.controlplane.gateway import SERVER_NAME, register_gateway, unregister_gateway
from tests.controlplane.process import Process
from tests.controlplane.server import free_port
from tests.folders import open_folder
from tests.libvirt.conftest import served


@dataclass(frozen=True)
class Stack:
    """A running installation, as its user finds it."""

    name: str
    kubeconfig: Path
    environ: Mapping[str, str]

    def command(self, program: str) -> list[str]:
        """An installed program of ours."""
        return [str(Path(sys.executable).with_name(program))]

    def wait(self, kubectl: Path, condition: str, name: str) -> None:
        """Return once `kubectl wait` has seen the condition on the VM."""
        words = ["--kubeconfig", str(self.kubeconfig), "wait", f"--for={condition}", "--timeout=120s", f"vm/{name}"]
        subprocess.run([str(kubectl), *words], check=True, env=dict(self.environ))

    def hyperctl(self, *words: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `hyperctl` to its end."""
        command = [*self.command("hyperctl"), *words]
        return subprocess.run(command, env=dict(self.environ), capture_output=True, text=True, timeout=timeout)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here drives the whole product, and has time for it."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300, func_only=True))


@pytest.fixture(scope="package")
def short_folder() -> Iterator[Path]:
    """A short folder that QEMU's user can reach."""
    with open_folder() as folder:
        yield folder


def environment(folder: Path, kubeconfig: Path) -> dict[str, str]:
    """What a user's shell has, with this installation's folders."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "HYPERSDK_CACHE") if name in os.environ}
    return kept | {"TERM": "xterm-256color", "HYPERSDK_STATE": str(folder), "KUBECONFIG": str(kubeconfig)}


@pytest.fixture(scope="package")
def embedded_stack(short_folder: Path) -> Iterator[Stack]:
    """`hyperctl up` without its console, as the README says it; both demo guests answer when it ends."""
    assert not reaches_out(), "run the tests by 'make test', or below 'unshare -n': this network is the host's"
    state = short_folder / "s"
    stack = Stack("embedded", state / "kubeconfig", environment(state, state / "kubeconfig") | {"HEADLESS": "1"})
    up = stack.hyperctl("up", timeout=280)
    assert up.returncode == 0, up.stdout + up.stderr
    yield stack
    down = stack.hyperctl("down", "--purge", timeout=120)
    assert down.returncode == 0, down.stdout + down.stderr
    assert not state.exists()


@pytest.fixture(scope="package")
def kube_stack(short_folder: Path, real_api: RealApi) -> Iterator[Stack]:
    """A libvirtd and a controller beside a real kube-apiserver, its gateway behind the API's aggregation."""
    assert not reaches_out(), "run the tests by 'make test', or below 'unshare -n': this network is the host's"
    folder = short_folder / "k"
    folder.mkdir()
    with served() as libvirtd:
        yield from _controller(folder, real_api, libvirtd.uri)


def _controller(folder: Path, api: RealApi, libvirt: str) -> Iterator[Stack]:
    authority = Authority.create(folder, "gateway-ca")
    pair, port = authority.issue("gateway", (SERVER_NAME, "localhost")), free_port()
    image = build(places(os.environ).cache, print)
    (folder / "catalogue.toml").write_text(f'[images]\ndemo = "file://{image}"\n')
    command: list[str | Path] = [sys.executable, "-m", "controller.main", "--kubeconfig", api.kubeconfig]
    command += ["--libvirt-uri", libvirt, "--node-name", "node-1", "--state", folder / "state"]
    command += ["--namespace", "default"]  # the other tests' VMs on the same API are not ours to run
    command += ["--catalogue", folder / "catalogue.toml", "--image-folder", image.parent]
    command += ["--gateway", folder / "gateway.sock", "--gateway-tls", f"127.0.0.1:{port}"]
    command += ["--tls-cert", pair.certificate, "--tls-key", pair.key]
    command += ["--client-ca", api.front_proxy_ca, "--client-name", api.front_proxy_name]
    process = Process.start(command, folder / "controller.log")
    try:
        process.wait_until(lambda: "ready" in process.tail().splitlines(), 60)
        register_gateway(api, port, authority.certificate)
        yield Stack("kube", api.kubeconfig, environment(folder / "state", api.kubeconfig))
        unregister_gateway(api)
    finally:
        process.stop()


@pytest.fixture(scope="package", params=["embedded", pytest.param("kube", marks=pytest.mark.kube)])
def stack(request: pytest.FixtureRequest) -> Stack:
    """Each of the two installations in turn."""
    found: Stack = request.getfixturevalue(f"{request.param}_stack")
    return found
