"""What the detail says of one VM: wanted, observed, conditions, addresses with their source and age."""

from datetime import datetime

from hypersdk.model.base import Condition
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from hypersdk.plaintext import plain
from tui.columns import age, memory, status_cell
from tui.glyphs import Glyphs
from tui.hardware import addresses, disk_words, image_words, network_words
from tui.tone import Line, Span, Tone, line

LABEL = 12


def overview(vm: VirtualMachine, pending: VMOperation | None, now: datetime, glyphs: Glyphs) -> list[Line]:
    """The whole page."""
    return [
        *_state(vm, pending, now, glyphs),
        line(),
        *_wanted(vm),
        *_section("Addresses", addresses(vm, now)),
        *_section("Conditions", [_condition(one, now, glyphs) for one in vm.status.conditions or []]),
        *_section("Labels", [line(f"  {plain(k)}={plain(v)}") for k, v in (vm.metadata.labels or {}).items()]),
    ]


def _state(vm: VirtualMachine, pending: VMOperation | None, now: datetime, glyphs: Glyphs) -> list[Line]:
    status = vm.status
    used = status.resources.cpu.usage if status.resources and status.resources.cpu else None
    agent = status.guest_agent
    about_agent = "not connected" if agent is None or not agent.connected else f"connected {agent.version or ''}"
    lines = [
        _pair("Status", status_cell(vm, pending, glyphs)),
        _pair("Node", plain(status.node_name or "none yet")),
        _pair("Running for", age(vm.started, now) if vm.started else "-"),
        _pair("Created", f"{age(vm.metadata.creation_timestamp, now)} ago"),
        _pair("CPU", f"{plain(used or '-')} of {vm.spec.cpus} vCPU{'s' if vm.spec.cpus > 1 else ''}"),
        _pair("Memory", memory(vm)),
        _pair("Guest agent", plain(about_agent.strip())),
    ]
    if agent is not None and agent.hostname:
        lines.append(_pair("Hostname", plain(agent.hostname)))
    return lines


def _wanted(vm: VirtualMachine) -> list[Line]:
    spec = vm.spec
    firmware = spec.firmware.bootloader if spec.firmware else "bios"
    lines = [
        _pair("Power", "on" if spec.running else "off"),
        _pair("Machine", f"{spec.machine_type}, {firmware}"),
    ]
    if spec.image is not None:
        lines.append(_pair("Image", image_words(spec.image)))
    lines += [_pair("Disk", disk_words(disk)) for disk in spec.disks or []]
    return [*lines, *(_pair("Network", network_words(network)) for network in spec.networks or [])]


def _condition(one: Condition, now: datetime, glyphs: Glyphs) -> Line:
    sign, tone = {"True": (glyphs.well, Tone.OK), "False": (glyphs.failed, Tone.BAD)}.get(one.status, ("?", Tone.WARN))
    since = f" for {age(one.last_transition_time, now)}" if one.last_transition_time else ""
    words = ": ".join(plain(part) for part in (one.reason, one.message) if part)
    return line(Span(f"  {sign} {plain(one.type)} {plain(one.status)}", tone), Span(f"{since}  ", Tone.DIM), words)


def _section(title: str, lines: list[Line]) -> list[Line]:
    return [line(), line(Span(title, Tone.ACCENT)), *lines] if lines else []


def _pair(label: str, value: str | Span) -> Line:
    return line(Span(f"{label:<{LABEL}} ", Tone.DIM), value)
