"""A real libvirtd of the tests' own, in folders of its own; its networks stay inside the run's network namespace."""

import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.domain.desired import DesiredDomain
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from hyperctl.stack.libvirtd import libvirt_uri, wait_ready
from hyperctl.stack.namespace import reaches_out
from hyperctl.stack.virsh import destroy_everything
from tests.folders import open_folder
from tests.libvirt.guests import Watch, removed, small_guest


@dataclass(frozen=True)
class Libvirtd:
    """A running libvirtd: where its folders are, and how to connect."""

    root: Path
    uri: str


@pytest.fixture(scope="session")
def libvirtd() -> Iterator[Libvirtd]:
    """One libvirtd for the whole run."""
    with served() as one:
        yield one


@pytest.fixture
def fresh_libvirtd() -> Iterator[Libvirtd]:
    """A libvirtd that no other test has touched."""
    with served() as one:
        yield one


@contextmanager
def served() -> Iterator[Libvirtd]:
    """A libvirtd; every guest and network in it is gone afterwards."""
    # A short path: a socket's may have 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hv") as folder:
        root = Path(folder) / "l"
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "hyperctl.stack.libvirtd", "--root", str(root)]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _await(root, process, log)
            yield Libvirtd(root, libvirt_uri(root))
            destroy_everything(libvirt_uri(root))
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def guest_folder() -> Iterator[Path]:
    """A short folder whose files QEMU's user can reach."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
async def host(libvirtd: Libvirtd) -> AsyncIterator[LibvirtHost]:
    """The host behind the private libvirtd."""
    host = await open_host(libvirtd.uri, virt_type="qemu", log_folder=str(libvirtd.root / "log/qemu"))
    yield host
    await host.close()


@pytest.fixture
async def guest(host: LibvirtHost, guest_folder: Path) -> AsyncIterator[DesiredDomain]:
    """A small guest, defined by nobody yet and gone afterwards."""
    guest = small_guest(guest_folder)
    yield guest
    await removed(host, guest.uid)


@pytest.fixture
def watch(host: LibvirtHost) -> Watch:
    """The host's events from the start of the test on."""
    return Watch(host, host.events())


@pytest.fixture(scope="session")
def private_network() -> None:
    """Asserts that a libvirt network made here cannot be one of the host's."""
    assert not reaches_out(), (
        "this network namespace is the host's: run the tests by 'make test', or below 'unshare -n'"
    )


def _await(root: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    try:
        wait_ready(root, 30)
    except TimeoutError as error:
        raise AssertionError(f"{error} (exit code {process.poll()}):\n{log.read_text()}") from error
