"""What does the guest say of itself? Asked of its agent, with a deadline, and believed no more than it must be.

The agent's own commands are asked, not libvirt's summary of them: libvirt gives up on the whole summary where a guest
tells of more than it has room for.
"""

import json
import re

import libvirt
import libvirt_qemu
from pydantic import JsonValue

from controller.hypervisor.addresses import guest_address
from controller.hypervisor.errors import is_code
from controller.hypervisor.lifecycle import AGENT_TIMEOUT_S
from controller.hypervisor.observe import our_domain
from controller.hypervisor.readings import GuestAddress, GuestFacts

_MOST_INTERFACES = 256
_MOST_ADDRESSES = 64
_LONGEST_ANSWER = 256 << 10
"""A longer answer is not read: libvirt hands over up to 4 MiB, which become a hundred as Python's objects."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._:+~ -]")
_SILENT = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
)
"""What libvirt says when no agent answers, none is configured, or the domain is off."""


def ask_guest(connection: libvirt.virConnect, uuid: str) -> GuestFacts:
    """The agent's version, the guest's name and addresses; `connected` False when no agent answers. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return GuestFacts()
    try:
        return _asked(domain)
    except libvirt.libvirtError as error:
        if is_code(error, *_SILENT):
            return GuestFacts()
        raise


def _asked(domain: libvirt.virDomain) -> GuestFacts:
    # Without it a hung agent blocks the call, and with it the domain's agent lock, for ever.
    domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
    info, name = _answer(domain, "guest-info"), _answer(domain, "guest-get-host-name")
    return GuestFacts(
        connected=True,
        version=read_text(info, "version", 64),
        hostname=read_text(name, "host-name", 253),
        addresses=tuple(read_addresses(_answer(domain, "guest-network-get-interfaces"))),
    )


def _answer(domain: libvirt.virDomain, command: str) -> JsonValue:
    """What the agent returned; None for what it refuses or what makes no sense. Silence is raised."""
    try:
        said = libvirt_qemu.qemuAgentCommand(domain, json.dumps({"execute": command}), AGENT_TIMEOUT_S, 0)
    except libvirt.libvirtError as error:
        if is_code(error, *_SILENT) or not domain.isActive():
            raise
        return None
    return read_answer(said)


def read_answer(said: str) -> JsonValue:
    """The value that an agent's answer carries; None when there is none."""
    if len(said) > _LONGEST_ANSWER:
        return None
    try:
        parsed = json.loads(said)
    except (ValueError, RecursionError):
        return None
    return parsed.get("return") if isinstance(parsed, dict) else None


def read_text(told: JsonValue, key: str, longest: int) -> str:
    """One text of an answer, made safe; empty when there is none."""
    text = told.get(key) if isinstance(told, dict) else None
    return safe_text(text, longest) if isinstance(text, str) else ""


def read_addresses(told: JsonValue) -> list[GuestAddress]:
    """The addresses in the answer to guest-network-get-interfaces, without loopback and without what is no address."""
    found: list[GuestAddress] = []
    for interface in _records(told, _MOST_INTERFACES):
        mac, name = _text(interface, "hardware-address"), safe_text(_text(interface, "name"), 32)
        for place in _records(interface.get("ip-addresses"), _MOST_ADDRESSES):
            address = guest_address(_text(place, "ip-address"), mac, "agent", name)
            if address is not None:
                found.append(address)
    return found[:_MOST_ADDRESSES]


def safe_text(text: str, longest: int) -> str:
    """What a guest wrote, without what could steer a terminal or fill a status."""
    return _UNSAFE.sub("", text[: 4 * longest])[:longest]


def _records(told: JsonValue, most: int) -> list[dict[str, JsonValue]]:
    return [record for record in told[:most] if isinstance(record, dict)] if isinstance(told, list) else []


def _text(record: dict[str, JsonValue], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""
