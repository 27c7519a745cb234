"""What is wrong with a template that the API has admitted? Pure."""

import re
from collections import Counter
from typing import get_args

from controller.node.images.s3 import checked_object
from controller.node.images.source import DIGITS
from controller.node.taken import FROM_SNAPSHOT, FROM_VM, is_made
from hypersdk.errors import Terminal
from hypersdk.model.quantity import POSITIVE_MEMORY_PATTERN
from hypersdk.model.virtualmachine import Checksum, Network
from hypersdk.model.vmtemplate import DefaultSpec, VMTemplate

_DISK = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_VM = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TAKEN_FORMATS = ("qcow2", "raw")
ROOT = "root"


def faults(template: VMTemplate) -> list[str]:
    """What has to be written otherwise, each in words."""
    image, defaults = template.spec.image, template.spec.default_spec
    found = [*_checksum(image.checksum), *(_defaults(defaults) if defaults else ())]
    if image.format not in _TAKEN_FORMATS:
        found.append(f"image.format {image.format}: qcow2 and raw are taken; turn it into qcow2 by qemu-img convert")
    kind, mark, name = image.source.partition("://")
    if f"{kind}{mark}" in {FROM_VM, FROM_SNAPSHOT} and not _VM.fullmatch(name):
        found.append(f"image.source {image.source}: after {kind}:// comes a name of this namespace")
    return [*found, *_upload(template)]


def _upload(template: VMTemplate) -> list[str]:
    image = template.spec.image
    if not image.upload_to:
        return []
    if not is_made(template):
        return ["image.uploadTo is for an image that is made of a VM or a snapshot: leave it out"]
    if image.secret_ref is None or not image.secret_ref.name:
        return ["image.uploadTo needs image.secretRef, a Secret with an account of the store"]
    try:
        checked_object(image.upload_to)
    except Terminal as error:
        return [str(error)]
    return []


def _checksum(checksum: Checksum | None) -> list[str]:
    if checksum is None or not checksum.value:
        return []
    algorithm = checksum.type or "sha256"
    value = checksum.value.strip().lower().removeprefix(f"{algorithm}:")
    if re.fullmatch(f"[0-9a-f]{{{DIGITS[algorithm]}}}", value):
        return []
    return [f"checksum {checksum.value!r} is not {DIGITS[algorithm]} hexadecimal digits, as {algorithm} has"]


def _defaults(defaults: DefaultSpec) -> list[str]:
    found: list[str] = []
    disks, networks = defaults.disks or [], defaults.networks or []
    for number, disk in enumerate(disks):
        name = disk.name or (ROOT if number == 0 else "")
        if not _DISK.fullmatch(name):
            found.append(f"defaultSpec.disks[{number}] needs a name of letters, digits, '-', '.' and '_'")
        if disk.size is None and number:
            found.append(f"defaultSpec.disks[{number}] needs a size, such as 10Gi")
        if disk.size is not None and not re.fullmatch(POSITIVE_MEMORY_PATTERN, disk.size):
            found.append(f"defaultSpec.disks[{number}].size {disk.size!r}: write a whole number of Ki, Mi, Gi or Ti")
    kinds = get_args(Network.model_fields["type"].annotation)
    for number, network in enumerate(networks):
        if not network.name or not _DISK.fullmatch(network.name):
            found.append(f"defaultSpec.networks[{number}] needs a name")
        if network.type is not None and network.type not in kinds:
            found.append(f"defaultSpec.networks[{number}].type {network.type!r}: there are {', '.join(kinds)}")
    for what, names in (("disks", [disk.name for disk in disks]), ("networks", [one.name for one in networks])):
        twice = [name for name, count in Counter(names).items() if name and count > 1]
        found += [f"defaultSpec.{what}: two are named {name}" for name in twice]
    return found
