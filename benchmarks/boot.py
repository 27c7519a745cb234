"""The way to a running VM: ours from the command to the phase Running, beside virsh with the same domain and disk."""

import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.figures import Figure, median
from benchmarks.stack import Stack

TURNS = 5


def run(stack: Stack) -> list[Figure]:
    """Seconds each, and their ratio; turns alternate, so that both see the same machine."""
    ours, peer = [], []
    for turn in range(TURNS):
        ours.append(_seconds(partial(_create, stack, f"bench-{turn}")))
        stack.run("hyperctl", "k8s", "vm", "delete", f"bench-{turn}")
        peer.append(_seconds(partial(_virsh, stack)))
    own, virsh = median(ours), median(peer)
    return [
        Figure("boot: vm create --wait, until Running was seen", own, "s"),
        Figure("boot: qemu-img create, virsh define, virsh start", virsh, "s"),
        Figure("boot: ours to virsh's", own / virsh, "ratio"),
    ]


def _create(stack: Stack, name: str) -> None:
    stack.run("hyperctl", "k8s", "vm", "create", "-name", name, "-image", "demo", "-memory", "256Mi", "--wait")


def _virsh(stack: Stack) -> None:
    """What a person does by hand: an overlay, a definition, a start."""
    virsh = ["virsh", "--quiet", "--connect", stack.libvirt_uri]
    xml = ElementTree.fromstring(stack.run(*virsh, "dumpxml", "--inactive", "default.demo-1"))
    name, disk = f"peer-{uuid.uuid4().hex[:8]}", xml.find("devices/disk/source")
    assert disk is not None
    overlay = Path(disk.attrib["file"]).with_name(f"{name}.qcow2")
    image = json.loads(stack.run("qemu-img", "info", "-U", "--output=json", disk.attrib["file"]))["backing-filename"]
    stack.run("qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, str(overlay))
    _rename(xml, name, overlay)
    definition = overlay.with_suffix(".xml")
    definition.write_text(ElementTree.tostring(xml, encoding="unicode"))
    stack.run(*virsh, "define", str(definition))
    stack.run(*virsh, "start", name)
    stack.run(*virsh, "destroy", name)
    stack.run(*virsh, "undefine", name)
    overlay.unlink()


def _rename(xml: ElementTree.Element, name: str, overlay: Path) -> None:
    for path, text in (("name", name), ("uuid", str(uuid.uuid4()))):
        element = xml.find(path)
        assert element is not None
        element.text = text
    disk, log = xml.find("devices/disk/source"), xml.find("devices/serial/log")
    assert disk is not None
    disk.attrib["file"] = str(overlay)
    if log is not None:
        log.attrib["file"] = str(overlay.with_suffix(".log"))
    for interface in xml.iter("interface"):
        for mac in interface.findall("mac"):
            interface.remove(mac)
    metadata = xml.find("metadata")
    if metadata is not None:
        xml.remove(metadata)


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
