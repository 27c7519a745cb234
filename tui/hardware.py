"""What the detail says of a VM's disks and networks: what is wanted, and what was seen of it."""

from datetime import datetime

from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import Address, ConditionType, Disk, Network, VirtualMachine
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
        *(_address(one, now) for one in vm.status.addresses or []),
        *([] if vm.status.addresses else [line(Span("  none known", Tone.DIM))]),
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
    template = image.template_ref.name if image.template_ref else None
    source = image.source or (f"template {template}" if template else "")
    checksum = f"  {image.checksum.type} {image.checksum.value}" if image.checksum and image.checksum.value else ""
    return [line(f"  image {plain(source)}", Span(plain(checksum), Tone.DIM))]


def _disk(disk: Disk) -> list[Line]:
    order = f", boots {disk.boot_order}." if disk.boot_order else ""
    lines = [line(f"  {plain(disk.name)}  {plain(disk.size)}  {disk.type}  {plain(disk.storage_class)}", order)]
    if disk.source is not None:
        sources = ", ".join(f"{kind}: {value}" for kind, value in disk.source.wire().items())
        lines.append(line(Span(f"    from {plain(sources)}", Tone.DIM)))
    return lines


def _network(network: Network) -> Line:
    where = f" on {network.multus_network_name}" if network.multus_network_name else ""
    mac = f"  {network.mac_address}" if network.mac_address else ""
    return line(f"  {plain(network.name)}  {network.type}{plain(where)}", Span(plain(mac), Tone.DIM))


def _address(one: Address, now: datetime) -> Line:
    seen = f", seen {age(one.last_seen, now)} ago" if one.last_seen else ""
    where = " ".join(part for part in (one.interface, one.mac_address) if part)
    return line(f"  {plain(one.ip)}  {plain(where)}", Span(f"  from {one.source}{seen}", Tone.DIM))
