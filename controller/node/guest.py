"""What a guest says of itself, made fit for a status: it may lie, flood, or send escape sequences. Pure."""

import ipaddress
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from controller.hypervisor.readings import GuestAddress, GuestFacts
from hypersdk.model.virtualmachine import Address, GuestAgentStatus

MOST_ADDRESSES = 32
LONGEST_NAME = 253
SEEN_AGAIN = timedelta(minutes=5)
"""`lastSeen` alone is worth a write only this often."""
STALE_AFTER = timedelta(minutes=10)
"""Nobody has told of the address for so long that it may be another guest's by now."""


def agent_status(facts: GuestFacts, before: GuestAgentStatus | None) -> GuestAgentStatus:
    """What the agent said; of a silent one what it said before."""
    if not facts.connected:
        known = before or GuestAgentStatus()
        return known.but(connected=False)
    return GuestAgentStatus(
        connected=True, version=printable(facts.version, 64) or None, hostname=printable(facts.hostname) or None
    )


def addresses(
    seen: Sequence[GuestAddress], before: Sequence[Address], macs: Iterable[str], now: datetime
) -> list[Address]:
    """The guest's addresses, IPv4 first; when none are told now those told lately."""
    own = {mac.lower() for mac in macs}
    told = [fit for one in seen if (fit := _fit(one, own)) is not None]
    unique = list({one.ip: one for one in reversed(told)}.values())[::-1]
    if not unique:
        return [one for one in before if one.last_seen is not None and now - one.last_seen < STALE_AFTER]
    ordered = sorted(unique, key=lambda one: ipaddress.ip_address(one.ip).version)[:MOST_ADDRESSES]
    return _with_times(ordered, before, now)


def printable(text: str, longest: int = LONGEST_NAME) -> str:
    """Only what a terminal prints as it stands."""
    return "".join(c for c in text if c.isprintable())[:longest]


def _fit(one: GuestAddress, own: set[str]) -> Address | None:
    try:
        ip = ipaddress.ip_address(one.ip)
    except ValueError:
        return None
    if ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified:
        return None
    mac = one.mac.lower()
    if own and mac not in own:
        # Inner interfaces of the guest (bridges, containers) are nobody's way to reach it.
        return None
    return Address(
        ip=str(ip), source=one.source, mac_address=mac or None, interface=printable(one.interface, 32) or None
    )


def _with_times(found: list[Address], before: Sequence[Address], now: datetime) -> list[Address]:
    """With `lastSeen`; the old times stay while they are fresh and nothing else differs."""
    stamped = [one.but(last_seen=now) for one in found]
    times = [one.last_seen for one in before]
    same = [one.but(last_seen=None) for one in before] == [one.but(last_seen=None) for one in found]
    fresh = all(time is not None and now - time < SEEN_AGAIN for time in times)
    return list(before) if same and fresh else stamped
