"""How are a guest's file systems held for a moment, and let go for certain? By its agent, with a deadline."""

from contextlib import suppress

import libvirt

from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import our_domain

AGENT_TIMEOUT_S = 5
_THAWS = 5
_SLOW_AGENT = (libvirt.VIR_ERR_AGENT_UNSYNCED, libvirt.VIR_ERR_AGENT_UNRESPONSIVE)


def freeze(domain: libvirt.virDomain) -> str:
    """Hold the guest's file systems; why that could not be, or nothing. Blocks, as `let_go` does."""
    if domain.state()[0] != libvirt.VIR_DOMAIN_RUNNING:
        return "the guest does not run, so that nobody in it can be asked"
    try:
        domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
        domain.fsFreeze()
    except libvirt.libvirtError as error:
        return error.get_error_message() or str(error)
    return ""


def thaw(connection: libvirt.virConnect, uuid: str) -> None:
    """Let go of those of a domain of ours that runs."""
    domain = our_domain(connection, uuid)
    if domain is not None and domain.isActive():
        with suppress(libvirt.libvirtError):
            domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
        let_go(domain)


def let_go(domain: libvirt.virDomain) -> None:
    """Thaw them, also after a freeze that failed: an agent that was too slow may have frozen since.

    How long the agent has for that was said by the freeze.
    """
    for _ in range(_THAWS):
        try:
            domain.fsThaw()
        except libvirt.libvirtError as error:
            if is_code(error, *_SLOW_AGENT):
                continue
        return
