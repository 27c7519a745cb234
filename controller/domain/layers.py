"""Which file of a disk is written to now, when snapshots lie below it? Pure.

A disk is known by its base file, `<uid>-root.qcow2`, for all its life. Each snapshot puts a layer over it, beside it:
`<uid>-root@<tag>.qcow2`. Which of them is the uppermost only the domain's own definition says, for libvirt changes it
in the same moment as QEMU the file.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from controller.domain.desired import DesiredDomain, DiskFile
from controller.hypervisor.port import Hardware

MARK = "@"
"""Cannot be in a disk's name."""
_TAG = "[a-z0-9][a-z0-9-]{0,62}"
_LAYER = re.compile(rf"(?P<base>(?:.*/)?[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}-[^/@]+)@{_TAG}\.qcow2")


def layer_path(base: str, tag: str) -> str:
    """The file of one layer over a base; ValueError for a tag that is none."""
    if not re.fullmatch(_TAG, tag):
        raise ValueError(f"{tag!r} cannot be the tag of a layer")
    return f"{base.removesuffix('.qcow2')}{MARK}{tag}.qcow2"


def base_of(path: str) -> str:
    """The base that a file is a layer over; the file itself when it is none of ours."""
    found = _LAYER.fullmatch(path)
    return f"{found['base']}.qcow2" if found else path


def with_layers(desired: DesiredDomain, there: Hardware) -> DesiredDomain:
    """The same domain, writing to the files that it writes to now."""
    return replace(desired, disks=layered(desired.disks, there))


def layered(disks: Iterable[DiskFile], there: Hardware) -> tuple[DiskFile, ...]:
    """The disks with their uppermost layers."""
    layers = {disk.path: disk.layer for disk in there.disks}
    return tuple(replace(disk, layer=layers.get(disk.path, "")) for disk in disks)
