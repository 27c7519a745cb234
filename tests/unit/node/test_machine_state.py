"""Do a machine's firmware variables and TPM go from one to another whole, and only where it has such a thing?"""

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.hypervisor.layer_port import DomainFiles
from controller.node.machine_state import MachineState, MachineStates
from controller.node.places import NodePlaces

SOURCE, TWIN = "11111111-2222-4333-8444-555555555555", "22222222-2222-4333-8444-555555555555"
BOTH = MachineState(b"boot entries", b"sealed")


@dataclass
class Libvirt:
    """Where libvirt has the files of each domain."""

    folder: Path
    has_tpm: bool = True

    async def files(self, uuid: str) -> DomainFiles:
        return self.of(uuid)

    def of(self, uuid: str) -> DomainFiles:
        tpm = self.folder / "swtpm" / uuid / "tpm2" / "tpm2-00.permall"
        return DomainFiles(str(self.folder / f"{uuid}_VARS.fd"), tpm=str(tpm) if self.has_tpm else "")

    def write(self, uuid: str, state: MachineState) -> None:
        there = self.of(uuid)
        for path, content in ((there.nvram, state.nvram), (there.tpm, state.tpm)):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_bytes(content)

    def read(self, uuid: str) -> MachineState:
        there = self.of(uuid)
        return MachineState(Path(there.nvram).read_bytes(), Path(there.tpm).read_bytes())


@pytest.fixture
def libvirt(tmp_path: Path) -> Libvirt:
    (tmp_path / "libvirt").mkdir()
    return Libvirt(tmp_path / "libvirt")


@pytest.fixture
def states(tmp_path: Path, libvirt: Libvirt) -> MachineStates:
    places = NodePlaces(tmp_path / "state")
    places.make()
    return MachineStates(places, libvirt)


async def test_state_is_kept_until_it_is_placed_and_then_libvirts(states: MachineStates, libvirt: Libvirt) -> None:
    libvirt.write(SOURCE, BOTH)
    await states.keep(TWIN, await states.capture(SOURCE))
    folder = states.places.machine(TWIN)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert await states.capture(TWIN) == BOTH
    await states.place(TWIN)
    assert not folder.exists()
    assert await states.capture(TWIN) == libvirt.read(TWIN) == BOTH


async def test_what_is_empty_stays_as_it_is(states: MachineStates, libvirt: Libvirt) -> None:
    libvirt.write(TWIN, BOTH)
    await states.keep(TWIN, MachineState(nvram=b"other"))
    await states.place(TWIN)
    assert await states.capture(TWIN) == MachineState(b"other", BOTH.tpm)
    await states.keep(TWIN, MachineState())
    assert not states.places.machine(TWIN).exists()


async def test_machine_without_a_tpm_gets_none(states: MachineStates, libvirt: Libvirt) -> None:
    libvirt.has_tpm = False
    await states.keep(TWIN, BOTH)
    await states.place(TWIN)
    assert not states.places.machine(TWIN).exists()
    assert await states.capture(TWIN) == MachineState(BOTH.nvram)


async def test_machine_that_nothing_was_written_of_has_an_empty_state(states: MachineStates) -> None:
    assert await states.capture(SOURCE) == MachineState()
    await states.place(SOURCE)


async def test_what_is_kept_goes_with_the_machine(states: MachineStates) -> None:
    await states.keep(TWIN, BOTH)
    states.places.remove(TWIN)
    assert list((states.places.state / "machines").iterdir()) == []
