"""What can be done to a domain of ours? Define, power, undefine: each safe to repeat, none for a foreign domain."""

from dataclasses import replace
from typing import Literal

import libvirt

from controller.domain.addresses import settled
from controller.domain.metadata import NAMESPACE, PREFIX, owner_fragment
from controller.domain.parse import DomainDescription, parse_domain
from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import mark_of, our_domain
from controller.hypervisor.port import Power
from hypersdk.errors import Terminal, Transient

AGENT_TIMEOUT_S = 2

_UNDEFINE = (
    libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
    | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
    | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
)


def define(connection: libvirt.virConnect, xml: str) -> None:
    """Make or replace the definition; Terminal when the UUID belongs to a foreign domain. Blocks, like all here."""
    description = _readable(xml)
    if description.owner is None:
        raise Terminal("InvalidDomain", f"the definition of {description.name or 'a domain'} does not say whose it is")
    domain = our_domain(connection, description.uuid)
    in_place = xml if domain is None else settled(xml, domain.XMLDesc())
    try:
        connection.defineXML(in_place)
    except libvirt.libvirtError:
        if in_place == xml:
            raise
        # Places that do not fit any more cost the guest its names of devices, and not its start.
        connection.defineXML(xml)


def set_power(connection: libvirt.virConnect, uuid: str, power: Power) -> None:
    """Write the power wanted into the definition, and into the running domain where there is one."""
    domain = _there(connection, uuid)
    if domain.isPersistent():
        _write_power(domain, power, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    if domain.isActive():
        _write_power(domain, power, libvirt.VIR_DOMAIN_AFFECT_LIVE)


def start(connection: libvirt.virConnect, uuid: str) -> None:
    """Power on, paused; nothing when it is on."""
    domain = _there(connection, uuid)
    if not domain.isActive():
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)


def resume(connection: libvirt.virConnect, uuid: str) -> None:
    """Let the CPUs run; nothing when they do."""
    domain = _there(connection, uuid)
    state, _ = domain.state()
    if state == libvirt.VIR_DOMAIN_PMSUSPENDED:
        # The guest sent itself to sleep; only its power management gets it out of that.
        domain.pMWakeup()
    elif state not in {libvirt.VIR_DOMAIN_RUNNING, libvirt.VIR_DOMAIN_BLOCKED}:
        domain.resume()


def suspend(connection: libvirt.virConnect, uuid: str) -> None:
    """Hold the CPUs; nothing when they are held."""
    domain = _there(connection, uuid)
    state, _ = domain.state()
    if state not in {libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PMSUSPENDED}:
        domain.suspend()


def shutdown(connection: libvirt.virConnect, uuid: str, mode: Literal["agent", "acpi"]) -> None:
    """Ask the guest to power off; nothing when it is off."""
    domain = _there(connection, uuid)
    if not domain.isActive():
        return
    if mode == "acpi":
        domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)
        return
    domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
    domain.shutdownFlags(libvirt.VIR_DOMAIN_SHUTDOWN_GUEST_AGENT)


def destroy(connection: libvirt.virConnect, uuid: str) -> None:
    """Cut the power; nothing when it is off or gone."""
    domain = our_domain(connection, uuid)
    if domain is None:
        return
    try:
        domain.destroy()
    except libvirt.libvirtError as error:
        if not is_code(error, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def undefine(connection: libvirt.virConnect, uuid: str) -> None:
    """Remove the definition; nothing when it is gone."""
    domain = our_domain(connection, uuid)
    if domain is None:
        return
    try:
        domain.undefineFlags(_UNDEFINE)
    except libvirt.libvirtError as error:
        if not is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def _readable(xml: str) -> DomainDescription:
    try:
        return parse_domain(xml)
    except ValueError as error:
        raise Terminal("InvalidDomain", f"the definition cannot be read: {error}") from error


def _there(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
    domain = our_domain(connection, uuid)
    if domain is None:
        raise Transient(f"libvirt has no domain {uuid}; it is defined again at the next look")
    return domain


def _write_power(domain: libvirt.virDomain, power: Power, where: int) -> None:
    owner = mark_of(domain, where)
    if owner is None or owner.power == power:
        return
    fragment = owner_fragment(replace(owner, power=power))
    domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, fragment, PREFIX, NAMESPACE, where)
