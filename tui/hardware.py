"""What the detail says of a VM's disks and networks: what is wanted, and what was seen of it."""

from datetime import datetime

from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Address, ConditionType, Disk, Image, Network, VirtualMachine
from hypersdk.plaintext import plain
from tui.columns import age
from tui.glyphs import Glyphs
from tui.tone import Line, Span, Tone, line


def hardware(vm: VirtualMachine, now: datetime, glyphs: Glyphs) -> list[Line]:
    """The whole page."""
    return [
        _heading("Disks", vm, ConditionType.DISK_READY, glyphs),
        *(_image(vm)),
        *(piece for disk in vm.spec.disks or [] for piece in _disk(disk)),
        line(),
        _heading("Networks", vm, ConditionType.NETWORK_READY, glyphs),
        *(_network(network) for network in vm.spec.networks or []),
        *([] if vm.spec.networks else [line("  pod-network", Span("  (the spec names none)", Tone.DIM))]),
        line(),
        line(Span("Addresses", Tone.ACCENT)),
        *(addresses(vm, now) or [line(Span("  none known", Tone.DIM))]),
    ]


def _heading(title: str, vm: VirtualMachine, kind: str, glyphs: Glyphs) -> Line:
    found = condition(vm.status.conditions, kind)
    if found is None:
        return line(Span(title, Tone.ACCENT))
    sign, tone = (glyphs.well, Tone.OK) if found.status == "True" else (glyphs.failed, Tone.BAD)
    words = plain(found.message or found.reason or "")
    return line(Span(title, Tone.ACCENT), Span(f"  {sign} {words}", tone))


def _image(vm: VirtualMachine) -> list[Line]:
    image = vm.spec.image
    if image is None:
        return []
    checksum = f"  {image.checksum.type} {image.checksum.value}" if image.checksum and image.checksum.value else ""
    return [line(f"  image {image_words(image)}", Span(plain(checksum), Tone.DIM))]


def _disk(disk: Disk) -> list[Line]:
    order = f", boots {disk.boot_order}." if disk.boot_order else ""
    lines = [line(f"  {disk_words(disk)}", Span(f"  {plain(disk.storage_class)}{order}", Tone.DIM))]
    if disk.source is not None:
        sources = ", ".join(f"{kind}: {value}" for kind, value in disk.source.wire().items())
        lines.append(line(Span(f"    from {plain(sources)}", Tone.DIM)))
    return lines


def _network(network: Network) -> Line:
    mac = f"  {network.mac_address}" if network.mac_address else ""
    return line(f"  {network_words(network)}", Span(plain(mac), Tone.DIM))


def image_words(image: Image) -> str:
    """Where the root disk's content comes from."""
    template = image.template_ref.name if image.template_ref else None
    return plain(image.source or (f"template {template}" if template else "-"))


def disk_words(disk: Disk) -> str:
    """One disk."""
    return plain(f"{disk.name} {disk.size} {disk.type}")


def network_words(network: Network) -> str:
    """One network interface."""
    where = f" on {network.multus_network_name}" if network.multus_network_name else ""
    return plain(f"{network.name} {network.type}{where}")


def addresses(vm: VirtualMachine, now: datetime) -> list[Line]:
    """Every address, with its source and age."""
    if vm.status.addresses:
        return [_address(one, now) for one in vm.status.addresses]
    return [line(f"  {plain(ip)}") for ip in vm.status.ip_addresses or []]


def _address(one: Address, now: datetime) -> Line:
    seen = f", seen {age(one.last_seen, now)} ago" if one.last_seen else ""
    device = f" {plain(one.interface)}" if one.interface else ""
    mac = f" {plain(one.mac_address)}" if one.mac_address else ""
    return line(f"  {plain(one.ip)}", Span(f"{device}{mac} (from {one.source}{seen})", Tone.DIM))
