"""Moving a running guest and its disk to another node, beside libvirt's own call; what a third guest's pings lose."""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from xml.etree.ElementTree import fromstring, tostring

from benchmarks.figures import Figure, median
from hyperctl.guest.image import build
from hyperctl.stack.virsh import virsh
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from hypersdk.settings import places
from tests.controlplane.build import binaries
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.in_guest import InGuest
from tests.nodes.lab import IMAGES, Lab, lab

TURNS = 6
"""An even number: the guest is back on its first node then."""
CONTENT_MIB = 512
"""On the guest's disk: so much that a second of our own does not hide behind it."""
MIB_PER_S = 119
"""1 Gbit/s: between these nodes there is no wire, and libvirt's own call would go as fast as memory does."""
PINGS = 200
EVERY_S = 0.2
TWIN = "00000000-1111-4222-8333-444444444444"
ADDRESSES = {"web": "10.9.0.1", "watcher": "10.9.0.2"}


def run() -> list[Figure]:
    """The figures; ours and libvirt's turns alternate, so that both see the same machine."""
    with tempfile.TemporaryDirectory(prefix="hn") as short:
        Path(short).chmod(0o755)
        return asyncio.run(_measured(Path(short)))


async def _measured(folder: Path) -> list[Figure]:
    async with lab(binaries(os.environ), folder) as here:
        await _filled(here, folder)
        await asyncio.to_thread(_define_twin, here, folder)
        ours, bare = await _turns(here, folder, MIB_PER_S)
        fast, fastest = await _turns(here, folder, 0)
        await asyncio.to_thread(virsh, here.nodes[0].uri, "destroy", TWIN)
        await here.delete("filled")
        lost = await _lost(here, folder)
        for name in list(here.made):
            await here.delete(name)
    return [
        Figure(f"migrate: {CONTENT_MIB} MiB of disk at 1 Gbit/s, until it has succeeded, p50", median(ours), "s"),
        Figure("migrate: the same by libvirt's own call, p50", median(bare), "s"),
        Figure("migrate: ours to libvirt's, p50", median(ours) / median(bare), "ratio", promise=1.3),
        Figure("migrate: as fast as it goes, p50", median(fast), "s"),
        Figure("migrate: the same by libvirt's own call, without TLS and a wire, p50", median(fastest), "s"),
        Figure(f"migrate: of {PINGS} pings over the VXLAN, 5 a second, lost", lost, "pings", promise=PINGS / 100),
    ]


async def _turns(here: Lab, folder: Path, mib_per_s: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    for turn in range(TURNS):
        began = time.monotonic()
        await _moved(here, "filled", **({"bandwidth": f"{mib_per_s * 2**23}bps"} if mib_per_s else {}))
        ours.append(time.monotonic() - began)
        began = time.monotonic()
        await asyncio.to_thread(_move_twin, here, folder, turn % 2, mib_per_s)
        bare.append(time.monotonic() - began)
    return ours, bare


async def _moved(here: Lab, name: str, **how: str) -> None:
    op = await here.migrate(name, **how)  # type: ignore[arg-type]
    if op.phase is not OperationPhase.SUCCEEDED:
        raise SystemExit(f"the move failed: {op.status.message}")


async def _filled(here: Lab, folder: Path) -> None:
    image = write_echo_disk(folder / IMAGES / "echo.raw")
    disk: JsonObject = {"name": "root", "size": f"{2 * CONTENT_MIB}Mi"}
    await here.create("filled", f"file://{image}", memory="64Mi", running=False, disks=[disk], nodeSelector=None)
    await here.until_phase("filled", Phase.STOPPED)
    at = here.vm("filled").status.node_name
    uid = here.vm("filled").metadata.uid
    path = next(one.state for one in here.controllers if one.node == at) / "disks" / f"{uid}-root.qcow2"
    writes = [
        word
        for at_mib in range(0, CONTENT_MIB, 128)
        for word in ("-c", f"write -P {7 + at_mib // 128} {1 + at_mib}M 128M")
    ]
    await asyncio.to_thread(
        subprocess.run, ["qemu-io", "-f", "qcow2", *writes, str(path)], check=True, capture_output=True
    )
    flat = ["qemu-img", "convert", "-O", "qcow2", str(path), str(folder / "twin-0.qcow2")]
    await asyncio.to_thread(subprocess.run, flat, check=True)
    await here.operate("filled", "start")


def _define_twin(here: Lab, folder: Path) -> None:
    """The same guest on the node where ours begins, which nobody but libvirt knows of."""
    node = next(one for one in here.nodes if one.name == here.vm("filled").status.node_name)
    here.nodes.sort(key=lambda one: one is not node)
    domain = fromstring(virsh(node.uri, "dumpxml", "--inactive", here.vm("filled").metadata.uid))
    for tag in ("metadata", "title"):
        if (found := domain.find(tag)) is not None:
            domain.remove(found)
    _text(domain, "name", "twin")
    _text(domain, "uuid", TWIN)
    devices = domain.find("devices")
    assert devices is not None
    for device in list(devices):
        if device.get("device") == "cdrom" or device.tag == "interface":
            devices.remove(device)
        for log in device.findall("log"):
            device.remove(log)
    source = domain.find("devices/disk/source")
    assert source is not None
    source.set("file", str(folder / "twin-0.qcow2"))
    (folder / "twin.xml").write_text(tostring(domain, encoding="unicode"))
    virsh(node.uri, "create", str(folder / "twin.xml"))


def _text(domain: "object", tag: str, text: str) -> None:
    found = domain.find(tag)  # type: ignore[attr-defined]
    assert found is not None
    found.text = text


def _move_twin(here: Lab, folder: Path, at: int, mib_per_s: int) -> None:
    """Straight from libvirt to libvirt and from QEMU to QEMU, over sockets that both nodes see."""
    sockets = folder / "bare"
    shutil.rmtree(sockets, ignore_errors=True)
    sockets.mkdir()
    sockets.chmod(0o777)
    old, new = folder / f"twin-{at}.qcow2", folder / f"twin-{1 - at}.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(new), f"{2 * CONTENT_MIB}M"], check=True)
    xml = folder / "there.xml"
    xml.write_text(virsh(here.nodes[at].uri, "dumpxml", "--migratable", TWIN).replace(str(old), str(new)))
    way = ("--p2p", "--live", "--copy-storage-all", "--migrate-disks", "vda", "--unsafe", "--xml", str(xml))
    ends = ("--migrateuri", f"unix://{sockets}/memory", "--disks-uri", f"unix://{sockets}/disks")
    limit = ("--bandwidth", str(mib_per_s)) if mib_per_s else ()
    virsh(here.nodes[at].uri, "migrate", TWIN, here.nodes[1 - at].uri, *way, *ends, *limit)
    old.unlink()


async def _lost(here: Lab, folder: Path) -> int:
    """How many pings of one Linux guest another does not answer while it moves there and back."""
    image = build(places(os.environ).cache, tell=print)
    await asyncio.to_thread(shutil.copy, image, folder / IMAGES / "demo.img")
    guests = {name: await _linux(here, name, folder) for name in ADDRESSES}
    count = f"ping -i {EVERY_S} -c {PINGS} {ADDRESSES['web']} > /tmp/pings; true"
    await guests["watcher"].run(f"({count}) >/dev/null 2>&1 &")
    for _ in range(2):
        await _moved(here, "web")
    said = ""
    while "received" not in said:
        said = await guests["watcher"].run("cat /tmp/pings")
    found = re.search(r"(\d+) packets received", said)
    assert found is not None, said
    return PINGS - int(found[1])


async def _linux(here: Lab, name: str, folder: Path) -> InGuest:
    await here.create(name, f"file://{folder / IMAGES / 'demo.img'}")
    await here.until_phase(name, Phase.RUNNING)
    await here.until(lambda: here.reason(name, "AgentConnected") == "AgentConnected", 180)
    at = next(one for one in here.nodes if one.name == here.vm(name).status.node_name)
    guest = InGuest(at.uri, here.vm(name).metadata.uid)
    await guest.run(f"ip link set eth0 up; ip addr add {ADDRESSES[name]}/24 dev eth0")
    return guest
