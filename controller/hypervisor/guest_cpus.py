"""How many CPUs does a guest use? Asked of its agent, which also brings those online that were plugged in."""

import json

import libvirt
import libvirt_qemu
from pydantic import JsonValue

from controller.hypervisor.guest_agent import read_answer
from controller.hypervisor.lifecycle import AGENT_TIMEOUT_S
from controller.hypervisor.observe import our_domain

MOST_CPUS = 1024


def cpus_in_use(connection: libvirt.virConnect, uuid: str) -> int | None:
    """The guest's CPUs that are online, after those that were not were asked to be; None without an agent. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return None
    try:
        domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
        cpus = _cpus(domain)
        if waiting := [number for number, online in cpus.items() if not online]:
            wanted: list[JsonValue] = [{"logical-id": number, "online": True} for number in waiting]
            _ask(domain, "guest-set-vcpus", {"vcpus": wanted})
            cpus = _cpus(domain)
    except libvirt.libvirtError:
        if not domain.isActive():
            raise
        return None  # no agent, a silent one, or one that may not tell
    return sum(cpus.values()) or None


def _cpus(domain: libvirt.virDomain) -> dict[int, bool]:
    return read_cpus(_ask(domain, "guest-get-vcpus", {}))


def _ask(domain: libvirt.virDomain, command: str, arguments: dict[str, JsonValue]) -> JsonValue:
    question = json.dumps({"execute": command, "arguments": arguments} if arguments else {"execute": command})
    return read_answer(libvirt_qemu.qemuAgentCommand(domain, question, AGENT_TIMEOUT_S, 0))


def read_cpus(told: JsonValue) -> dict[int, bool]:
    """By number, whether each CPU of the answer to guest-get-vcpus is online; nothing of what makes no sense."""
    records = told[:MOST_CPUS] if isinstance(told, list) else []
    found: dict[int, bool] = {}
    for record in records:
        number = record.get("logical-id") if isinstance(record, dict) else None
        if isinstance(record, dict) and isinstance(number, int):
            found[number] = record.get("online") is True
    return found
