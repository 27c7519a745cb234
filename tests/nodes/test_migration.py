"""A guest that counts moves between two real nodes: nothing of it is lost, and it never runs twice."""

import asyncio
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from hyperctl.stack.virsh import virsh
from hypersdk.errors import Forbidden, Unreachable
from hypersdk.kube.streams import open_console, open_vnc
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS
from hypersdk.model.marks import CANCEL
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.controlplane.build import Binaries
from tests.nodes.counting import content, has_gone_on, numbers, said_in, write_counting_disk
from tests.nodes.guest import SLOWEST, WITHIN, Guest, reason_of
from tests.nodes.inside import qemu_that_handles_no_page_faults
from tests.nodes.lab import IMAGES, SHARED, Lab, lab
from tests.nodes.looking import gateway_of, pane, vnc

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(420), pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short one."""
    made = Path(tempfile.mkdtemp(prefix="hn"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(folder: Path, binaries_of_kubernetes: Binaries, private_network: None) -> AsyncIterator[Lab]:
    """Two nodes."""
    async with lab(binaries_of_kubernetes, folder) as made:
        yield made
        for name in list(made.made):
            await made.delete(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest(here: Lab, folder: Path) -> Guest:
    """One whose disk only its node has; each test finds it where the one before has left it."""
    made = Guest(here, "counter", write_counting_disk(folder / IMAGES / "counting.raw"))
    await made.begin()
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def restless(here: Lab, folder: Path) -> Guest:
    """One that writes more to its memory than is copied."""
    image = write_counting_disk(folder / IMAGES / "restless.raw", restless=True)
    made = Guest(here, "restless", image, SHARED)
    await made.begin()
    return made


async def test_live_with_its_disk_while_somebody_watches(here: Lab, guest: Guest) -> None:
    """Memory, disk, console and object go along; the old node keeps nothing."""
    old, uid = guest.node, guest.uid
    watching = asyncio.ensure_future(_watched(here, guest.name, 40))
    op = await here.migrate(guest.name, targetNode=guest.other)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    assert op.status.result is not None
    assert (op.status.result["sourceNode"], op.status.result["targetNode"]) == (old, guest.node)
    assert guest.node != old
    await guest.is_whole()
    assert numbers(guest.log)[0] == 1, "what it said before is there too"
    assert has_gone_on(await watching)
    await guest.leaves_nothing(old)
    await here.until_phase(guest.name, Phase.RUNNING, "Running")
    assert condition(here.vm(guest.name).status.conditions, "Ready") is not None
    assert here.vm(guest.name).metadata.uid == uid


async def test_cancelled_stays_and_the_other_node_keeps_nothing(here: Lab, guest: Guest) -> None:
    stays, other = guest.node, guest.other
    made = await guest.begins_to_move(SLOWEST)
    assert "disks" in str((here.op(made).status.result or {})["verdict"])
    assert virsh(here.nodes[guest.at].uri, "migrate-getmaxdowntime", guest.uid).split() == ["100"]
    await here.client.patch(VM_OPERATIONS, *made.key, {"metadata": {"annotations": {CANCEL: "true"}}})
    op = await guest.ends(made)
    assert op.phase is OperationPhase.CANCELLED
    assert guest.node == stays
    await guest.is_whole()
    await guest.leaves_nothing(other)


async def test_post_copy_of_a_disk_that_is_copied_is_refused(here: Lab, guest: Guest) -> None:
    stays, other = guest.node, guest.other
    op = await here.migrate(guest.name, targetNode=other, postCopy=True)
    assert reason_of(op) == "PostCopyNeedsSharedStorage"
    assert "leave postCopy out, or put it on storage that both nodes have" in (op.status.message or "")
    assert guest.node == stays
    await guest.leaves_nothing(other)
    await guest.is_whole()


async def test_target_controller_killed_runs_once(here: Lab, guest: Guest) -> None:
    old = guest.node
    made = await guest.begins_to_move()
    target = here.controllers[1 - guest.at]
    await target.kill()
    await guest.counts()
    await target.start()
    op = await guest.ends(made)
    await guest.is_whole()
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await guest.leaves_nothing(old)


async def test_source_controller_killed_goes_on_where_it_was(here: Lab, guest: Guest) -> None:
    old = guest.node
    made = await guest.begins_to_move()
    source = here.controllers[guest.at]
    await source.kill()
    await guest.counts()
    assert await here.running_on(guest.name) == [old]
    await source.start()
    op = await guest.ends(made)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await guest.is_whole()
    await guest.leaves_nothing(old)


@pytest.mark.parametrize("which", ["source", "target"])
async def test_libvirtd_killed_runs_once(here: Lab, guest: Guest, which: str) -> None:
    old = guest.node
    made = await guest.begins_to_move()
    here.nodes[guest.at if which == "source" else 1 - guest.at].kill_libvirtd()
    op = await guest.ends(made)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await guest.is_whole()
    await guest.leaves_nothing(old)


async def test_not_live_is_off_moved_and_on_again(here: Lab, guest: Guest) -> None:
    old = guest.node
    image = content(guest.image.read_bytes())
    # This guest knows nothing of ACPI: only force gets it off.
    op = await here.migrate(guest.name, targetNode=guest.other, live=False, force=True)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    assert guest.node != old
    assert await here.running_on(guest.name) == [guest.node], "it has succeeded when it was seen to run"
    said = await guest.counts()
    assert said[0] == 1, "it has been off"
    await guest.leaves_nothing(old)
    await here.operate(guest.name, "stop", force=True)
    assert content(_disk(here, guest)) == image
    await here.delete(guest.name)


async def test_live_on_shared_storage_touches_no_disk(here: Lab, folder: Path) -> None:
    guest = Guest(here, "shared", folder / IMAGES / "counting.raw", SHARED)
    await guest.begin()
    old, disk = guest.node, folder / SHARED / f"{guest.uid}-root.qcow2"
    inode = disk.stat().st_ino
    op = await here.migrate(guest.name)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    assert guest.node != old, "a node was chosen"
    await guest.is_whole()
    await guest.leaves_nothing(old)
    assert (disk.stat().st_ino, list((folder / SHARED).glob(".*"))) == (inode, [])


async def test_post_copy_to_a_node_whose_qemu_may_not_is_refused(here: Lab, restless: Guest) -> None:
    stays, other = restless.node, restless.other
    with qemu_that_handles_no_page_faults(here.nodes[1 - restless.at].folder):
        op = await here.migrate(restless.name, targetNode=other, postCopy=True)
    assert reason_of(op) == "PostCopyUnsupported", op.status.message
    assert "set the sysctl vm.unprivileged_userfaultfd to 1 on that node" in (op.status.message or "")
    assert restless.node == stays
    await restless.leaves_nothing(other)
    await restless.is_whole()


async def test_post_copy_ends_what_would_not_converge(here: Lab, restless: Guest) -> None:
    """Once it has counted on over there nothing stops it, not even the end of the libvirt that let it run."""
    made, at = await restless.begins_to_be_followed()
    before, there = (restless.log_on(one) for one in (at, 1 - at))
    async with asyncio.timeout(WITHIN):
        while numbers(there)[-1:] <= numbers(before)[-1:] and not here.op(made).phase.is_over:
            await here.client.get(VIRTUAL_MACHINES, here.namespace, restless.name)
    here.nodes[1 - at].kill_libvirtd()
    op = await restless.ends(made)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    await restless.is_whole()
    await restless.leaves_nothing(here.nodes[at].name)
    assert "(post-copy)" in here.controllers[at].log.read_text()


async def test_source_libvirtd_killed_while_memory_follows_runs_once(here: Lab, restless: Guest) -> None:
    """It may break, for nobody says whether the libvirt there was told before to let it run; it never runs twice."""
    made, at = await restless.begins_to_be_followed()
    here.nodes[at].kill_libvirtd()
    op = await restless.ends(made)
    if op.phase is OperationPhase.SUCCEEDED:
        await restless.is_whole()
        await restless.leaves_nothing(here.nodes[at].name)
        return
    await restless.is_held(op)
    await restless.starts_again()
    await restless.leaves_nothing(here.nodes[1 - at].name)


async def test_post_copy_that_breaks_runs_nowhere_until_it_is_started(here: Lab, restless: Guest) -> None:
    made, at = await restless.begins_to_be_followed()
    await here.controllers[at].kill()
    await here.controllers[at].start()
    op = await restless.ends(made)
    await restless.is_held(op)
    await restless.starts_again()
    assert restless.at == at
    await here.delete(restless.name)


async def test_one_that_is_off_takes_its_firmware_and_its_tpm_along(here: Lab, guest: Guest, folder: Path) -> None:
    """Its snapshot cannot come along: what is said about that is done, and it moves."""
    name, firmware = "sealed", {"bootloader": "uefi", "secureBoot": False}
    disk: JsonObject = {"name": "root", "size": "10Mi", "storageClass": SHARED}
    machine: JsonObject = {"memory": "64Mi", "guestAgent": {"enabled": False}, "disks": [disk]}
    devices: JsonObject = {"tpm": {"enabled": True}}
    await here.create(name, f"file://{guest.image}", firmware=firmware, devices=devices, **machine)  # type: ignore[arg-type]
    await here.until_phase(name, Phase.RUNNING)
    await here.operate(name, "stop", force=True)
    await asyncio.to_thread(_typed, here, folder, f"hyperctl k8s vm snapshot create {name} -name before")
    op = await here.migrate(name)
    assert reason_of(op) == "HasSnapshots"
    (advice,) = re.findall(r"`(hyperctl .*)`", op.status.message or "")
    await asyncio.to_thread(_typed, here, folder, advice)
    old, before = _state_of(here, name)
    assert len(before) == 2
    assert all(before)
    op = await here.migrate(name)
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    _, after = _state_of(here, name)
    assert after == before
    assert (await here.operate(name, "start")).phase is OperationPhase.SUCCEEDED
    assert await here.running_on(name) != [old]
    await here.delete(name)


async def test_refused_with_what_to_do(here: Lab) -> None:
    op = await here.migrate("shared", targetNode="node-9")
    assert reason_of(op) == "NodeNotFound"
    assert "there is no node node-9" in (op.status.message or "")
    assert len(await here.running_on("shared")) == 1


async def test_lines_of_the_document_move_it_while_its_pane_is_open(here: Lab, guest: Guest, folder: Path) -> None:
    """Whoever has it open sees it go to either node and back, and presses no key for that."""
    mine = Guest(here, "my-vm", guest.image)
    await here.client.patch(VM_NODES, "", "node-2", {"spec": {"unschedulable": True}})
    await mine.begin()
    await here.client.patch(VM_NODES, "", "node-2", {"spec": {"unschedulable": False}})
    async with pane(here, "my-vm") as seen:
        await seen.follows("node-1")
        await asyncio.to_thread(_typed, here, folder, "hyperctl k8s vm migrate my-vm -node node-2 --live")
        await mine.is_whole()
        await seen.follows("node-2")
        assert (await here.migrate("my-vm", targetNode="node-1")).phase is OperationPhase.SUCCEEDED
        await seen.follows("node-1")
    await asyncio.to_thread(_typed, here, folder, "hyperctl k8s vm migrate my-vm -node node-2")
    assert mine.node == "node-2"
    await mine.is_whole()


async def test_screen_of_the_other_node_is_seen_with_the_right_to(here: Lab, guest: Guest, folder: Path) -> None:
    """The API server knows the gateway of node-1 alone, and the VM is on node-2."""
    assert here.vm("my-vm").status.node_name == "node-2"
    async with vnc(_environ(here, folder), "my-vm", folder / "screen.sock") as viewer:
        picture = await viewer.screenshot()
        assert picture[..., :3].any(), "the firmware has written something"
        assert not picture[..., :3].all()
    mallory = gateway_of(here, "node-1", "mallory")
    with pytest.raises(Forbidden, match='user "mallory" cannot update virtualmachines/vnc of "my-vm"'):
        await open_vnc(mallory, here.namespace, "my-vm")
    await mallory.close()


def _environ(here: Lab, folder: Path) -> dict[str, str]:
    """Of somebody whose context has the lab's namespace."""
    assert here.api is not None
    config = yaml.safe_load(here.api.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = here.namespace
    own = folder / "kubeconfig"
    own.write_text(yaml.safe_dump(config))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "KUBECONFIG": str(own), "PATH": path}


def _typed(here: Lab, folder: Path, line: str) -> None:
    """A line as they type it."""
    environ = _environ(here, folder)
    done = subprocess.run(["bash", "-c", line], env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"$ {line}\n{done.stdout}{done.stderr}"


async def _watched(here: Lab, name: str, count: int) -> list[int]:
    """So many numbers as somebody at the console reads them, who comes back whenever the stream ends."""
    read: set[int] = set()
    async with asyncio.timeout(WITHIN):
        while len(read) < count:
            with contextlib.suppress(Unreachable):
                async with await open_console(here.client, here.namespace, name, "watch") as stream:
                    output = bytearray()
                    async for message in stream.messages():
                        output += message if isinstance(message, bytes) else b""
                        read |= set(said_in(bytes(output)))
                        if len(read) >= count:
                            break
    return sorted(read)


def _state_of(here: Lab, name: str) -> tuple[str, list[bytes]]:
    """The node that owns it, and the firmware's variables and the TPM's memory that it has there for the next start."""
    owner, uid = here.vm(name).status.node_name or "", here.vm(name).metadata.uid
    controller = here.controllers[int(owner[-1]) - 1]
    kept = sorted((controller.state / "machines" / uid).glob("*"))
    lib = controller.folder / "l" / "lib"
    found = kept or [*lib.glob(f"qemu/nvram/*{name}*"), *lib.glob(f"swtpm/{uid}/tpm2/*.permall")]
    return owner, [path.read_bytes() for path in found]


def _disk(here: Lab, guest: Guest) -> bytes:
    """What is on its disk, from the layer and all that it stands on."""
    path = here.controllers[guest.at].state / "disks" / f"{guest.uid}-root.qcow2"
    raw = path.with_suffix(".copy")
    subprocess.run(["qemu-img", "convert", "-O", "raw", str(path), str(raw)], check=True)
    found = raw.read_bytes()[: guest.image.stat().st_size]
    raw.unlink()
    return found
