"""What machine is it? Memory, CPUs, firmware, clock, and what a power-off, a reboot or a crash leads to."""

from xml.etree.ElementTree import Element

from controller.domain.desired import DesiredDomain
from controller.domain.elements import element


def platform_elements(desired: DesiredDomain) -> list[Element]:
    """Everything of the domain that is no device."""
    return [
        element("memory", unit="KiB", text=str(desired.memory_bytes // 1024)),
        element("vcpu", placement="static", text=str(desired.cpus)),
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
    if desired.virt_type == "kvm":
        return element("cpu", mode="host-passthrough", check="none", migratable="on")
    return element("cpu", mode="maximum", check="none")


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
