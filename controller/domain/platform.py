"""What machine is it? Memory, CPUs, firmware, clock, and what a power-off, a reboot or a crash leads to."""

from xml.etree.ElementTree import Element

from controller.domain.desired import DesiredDomain
from controller.domain.elements import element
from controller.domain.headroom import MEMORY_SLOTS


def platform_elements(desired: DesiredDomain) -> list[Element]:
    """Everything of the domain that is no device."""
    return [
        *_most_memory(desired),
        element("memory", unit="KiB", text=str(desired.memory_bytes // 1024)),
        _vcpu(desired),
        _os(desired),
        _features(desired),
        _cpu(desired),
        _clock(desired),
        element("on_poweroff", text="destroy"),
        element("on_reboot", text="restart"),
        # The domain goes off with the reason `crashed`, by which a crash is told from a power-off.
        element("on_crash", text="destroy"),
        # A guest asleep would look like one that hangs.
        element("pm", element("suspend-to-mem", enabled="no"), element("suspend-to-disk", enabled="no")),
    ]


def _most_memory(desired: DesiredDomain) -> list[Element]:
    if not _can_get_memory(desired):
        return []
    return [element("maxMemory", unit="KiB", slots=MEMORY_SLOTS, text=str(desired.max_memory_bytes // 1024))]


def _vcpu(desired: DesiredDomain) -> Element:
    most = _most_cpus(desired)
    current = desired.cpus if most > desired.cpus else ""
    return element("vcpu", placement="static", current=current, text=str(most))


def _os(desired: DesiredDomain) -> Element:
    kind = element("type", arch="x86_64", machine=desired.machine, text="hvm")
    if not desired.uefi:
        return element("os", kind)
    return element("os", kind, _firmware(desired.secure_boot), _loader(desired.secure_boot), firmware="efi")


def _firmware(secure: bool) -> Element:
    # Both said in full: left alone, libvirt takes the first firmware of the host, which has Secure Boot on.
    if secure:
        return element("firmware", _feature("secure-boot", "yes"), _feature("enrolled-keys", "yes"))
    return element("firmware", _feature("secure-boot", "no"))


def _feature(name: str, enabled: str) -> Element:
    return element("feature", enabled=enabled, name=name)


def _loader(secure: bool) -> Element | None:
    return element("loader", secure="yes") if secure else None


def _features(desired: DesiredDomain) -> Element:
    smm = element("smm", state="on") if desired.uefi and desired.secure_boot else None
    return element("features", element("acpi"), element("apic"), smm)


def _cpu(desired: DesiredDomain) -> Element:
    is_kvm = desired.virt_type == "kvm"
    return element(
        "cpu",
        # One socket: desktop systems use no more than two, and licences count them.
        element("topology", sockets=1, dies=1, cores=_most_cpus(desired), threads=1),
        _numa(desired),
        mode="host-passthrough" if is_kvm else "maximum",
        check="none",
        migratable="on" if is_kvm else "",
    )


def _numa(desired: DesiredDomain) -> Element | None:
    """Memory can only be plugged into a cell, so there is one, of all CPUs."""
    if not _can_get_memory(desired):
        return None
    cpus = f"0-{_most_cpus(desired) - 1}"
    return element("numa", element("cell", id=0, cpus=cpus, memory=desired.memory_bytes // 1024, unit="KiB"))


def _most_cpus(desired: DesiredDomain) -> int:
    return max(desired.cpus, desired.max_cpus)


def _can_get_memory(desired: DesiredDomain) -> bool:
    return desired.max_memory_bytes > desired.memory_bytes


def _clock(desired: DesiredDomain) -> Element:
    if desired.virt_type == "qemu":
        return element("clock", offset="utc")
    return element(
        "clock",
        element("timer", name="rtc", tickpolicy="catchup"),
        element("timer", name="pit", tickpolicy="delay"),
        element("timer", name="hpet", present="no"),
        offset="utc",
    )
