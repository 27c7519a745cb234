"""What have our running domains used? Their counters, of all of them in one call."""

from collections.abc import Callable, Collection, Mapping

import libvirt

from controller.domain.parse import parse_domain
from controller.hypervisor.errors import is_code
from controller.hypervisor.pulse import Run
from controller.hypervisor.qemu_process import QemuProcess
from controller.hypervisor.readings import DomainStats

_GROUPS = (
    libvirt.VIR_DOMAIN_STATS_CPU_TOTAL
    | libvirt.VIR_DOMAIN_STATS_BALLOON
    | libvirt.VIR_DOMAIN_STATS_VCPU
    | libvirt.VIR_DOMAIN_STATS_INTERFACE
    | libvirt.VIR_DOMAIN_STATS_BLOCK
)
_KIB = 1024

Record = Mapping[str, int | str]


class Counters:
    """Reads the counters, and remembers which running domains are ours: that costs more than the counters do."""

    def __init__(self, process: Callable[[str, str], QemuProcess]) -> None:
        self._process = process
        self._known: dict[tuple[str, int], bool] = {}
        self.runs: Mapping[str, Run] = {}
        """The domains that ran when all of them were read last."""

    def read(self, connection: libvirt.virConnect, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        """By UUID; a domain that is off has no counters (libvirt would give it those of its last run). Blocks."""
        ours = self._ours(connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE))
        if uuids is not None:
            ours = [domain for domain in ours if domain.UUIDString() in uuids]
        # NOWAIT: a domain that is busy with a long job gives what is known instead of holding up all others.
        flags = libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT
        records = connection.domainListGetStats(ours, _GROUPS, flags) if ours else []
        if uuids is None:
            self.runs = {domain.UUIDString(): self._run(domain, record) for domain, record in records}
        return {domain.UUIDString(): read_stats(record) for domain, record in records}

    def _run(self, domain: libvirt.virDomain, record: Record) -> Run:
        return Run(self._process(domain.UUIDString(), domain.name()).pid, interfaces(record))

    def _ours(self, active: list[libvirt.virDomain]) -> list[libvirt.virDomain]:
        # libvirt numbers each run of a domain anew, so what is known of a number stays true.
        runs = {(domain.UUIDString(), domain.ID()): domain for domain in active}
        known = self._known
        self._known = {run: known[run] if run in known else _is_ours(domain) for run, domain in runs.items()}
        return [domain for run, domain in runs.items() if self._known[run]]


def read_stats(record: Record) -> DomainStats:
    """libvirt's record of one domain as ours."""
    total, used, is_guests = _memory(record)
    return DomainStats(
        cpu_time_ns=_number(record, "cpu.time"),
        vcpus=_number(record, "vcpu.current") or 1,
        memory_total_bytes=total,
        memory_used_bytes=used,
        disk_read_bytes=_sum(record, "block", "rd.bytes"),
        disk_write_bytes=_sum(record, "block", "wr.bytes"),
        network_receive_bytes=_sum(record, "net", "rx.bytes"),
        network_transmit_bytes=_sum(record, "net", "tx.bytes"),
        memory_is_guests=is_guests,
        guest_memory_bytes=_number(record, "balloon.available") * _KIB,
    )


def interfaces(record: Record) -> tuple[str, ...]:
    """The host's ends of the domain's network interfaces."""
    names = (record.get(f"net.{index}.name") for index in range(_number(record, "net.count")))
    return tuple(name for name in names if isinstance(name, str))


def _memory(record: Record) -> tuple[int, int, bool]:
    total = _number(record, "balloon.current") * _KIB
    available = _number(record, "balloon.available")
    free = _number(record, "balloon.usable") or _number(record, "balloon.unused")
    if available and free:
        return total, max(available - free, 0) * _KIB, True
    return total, _number(record, "balloon.rss") * _KIB, False


def _sum(record: Record, group: str, counter: str) -> int:
    return sum(_number(record, f"{group}.{index}.{counter}") for index in range(_number(record, f"{group}.count")))


def _number(record: Record, key: str) -> int:
    value = record.get(key, 0)
    return value if isinstance(value, int) else 0


def _is_ours(domain: libvirt.virDomain) -> bool:
    try:
        return parse_domain(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)).owner is not None
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return False
        raise
