"""What does the guest say of itself? Asked of its agent, with a deadline, and believed no more than it must be."""

import json
import re
from collections.abc import Mapping

import libvirt
import libvirt_qemu

from controller.hypervisor.addresses import guest_address
from controller.hypervisor.errors import is_code
from controller.hypervisor.lifecycle import AGENT_TIMEOUT_S
from controller.hypervisor.observe import our_domain
from controller.hypervisor.port import GuestAddress, GuestFacts

_MOST_INTERFACES = 32
_MOST_ADDRESSES = 64
_UNSAFE = re.compile(r"[^A-Za-z0-9._:+~ -]")
_QUIET = (
    libvirt.VIR_ERR_AGENT_UNRESPONSIVE,
    libvirt.VIR_ERR_AGENT_UNSYNCED,
    libvirt.VIR_ERR_ARGUMENT_UNSUPPORTED,
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_TIMEOUT,
)
"""What libvirt says when no agent answers, none is configured, or the domain is off."""

Answers = Mapping[str, str | int]


def ask_guest(connection: libvirt.virConnect, uuid: str) -> GuestFacts:
    """The agent's version, the guest's name and addresses; `connected` False when no agent answers. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return GuestFacts()
    try:
        return _asked(domain)
    except libvirt.libvirtError as error:
        if is_code(error, *_QUIET):
            return GuestFacts()
        raise


def _asked(domain: libvirt.virDomain) -> GuestFacts:
    # Without it a hung agent blocks the call, and with it the domain's agent lock, for ever.
    domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
    info = libvirt_qemu.qemuAgentCommand(domain, '{"execute":"guest-info"}', AGENT_TIMEOUT_S, 0)
    answers = domain.guestInfo(libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME | libvirt.VIR_DOMAIN_GUEST_INFO_INTERFACES)
    return GuestFacts(
        connected=True,
        version=read_version(info),
        hostname=safe_text(str(answers.get("hostname", "")), 253),
        addresses=tuple(read_addresses(answers)),
    )


def read_version(answer: str) -> str:
    """The version in the agent's answer to guest-info; empty when it makes no sense."""
    try:
        parsed = json.loads(answer)
    except (ValueError, RecursionError):
        return ""
    told = parsed.get("return") if isinstance(parsed, dict) else None
    version = told.get("version") if isinstance(told, dict) else None
    return safe_text(version, 64) if isinstance(version, str) else ""


def read_addresses(answers: Answers) -> list[GuestAddress]:
    """The addresses in virDomainGetGuestInfo's answer, without loopback and without what is no address."""
    found = [
        guest_address(
            str(answers.get(f"if.{at}.addr.{number}.addr", "")),
            str(answers.get(f"if.{at}.hwaddr", "")),
            "agent",
            safe_text(str(answers.get(f"if.{at}.name", "")), 32),
        )
        for at in range(_count(answers, "if.count", _MOST_INTERFACES))
        for number in range(_count(answers, f"if.{at}.addr.count", _MOST_ADDRESSES))
    ]
    return [address for address in found if address is not None][:_MOST_ADDRESSES]


def safe_text(text: str, longest: int) -> str:
    """What a guest wrote, without what could steer a terminal or fill a status."""
    return _UNSAFE.sub("", text[: 4 * longest])[:longest]


def _count(answers: Answers, key: str, most: int) -> int:
    count = answers.get(key, 0)
    return min(count, most) if isinstance(count, int) else 0
