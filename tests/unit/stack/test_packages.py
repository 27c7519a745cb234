"""Whether missing packages are found, with dpkg and without."""

from hyperctl.stack.packages import Package, missing, needed, parse

_QEMU = Package("run", "qemu-system-x86", "qemu-system-x86_64")
_CONFIG = Package("run", "libvirt-daemon-system", "")


def test_list_is_read() -> None:
    text = "# comment\nrun  qemu-system-x86  qemu-system-x86_64\n\nrun libvirt-daemon-system -\n"

    assert parse(text) == [_QEMU, _CONFIG]


def test_shipped_list_names_what_the_stack_calls() -> None:
    programs = {package.program for package in needed()}

    assert {"qemu-system-x86_64", "qemu-img", "virsh", "libvirtd", "dnsmasq", "ip"} <= programs


def test_dpkg_decides_where_it_is() -> None:
    status = "qemu-system-x86\tinstall ok installed\nlibvirt-daemon-system\tdeinstall ok config-files\n"

    assert missing([_QEMU, _CONFIG], status, lambda _: True) == ["libvirt-daemon-system"]


def test_programs_decide_where_there_is_no_dpkg() -> None:
    assert missing([_QEMU, _CONFIG], None, lambda _: False) == ["qemu-system-x86"]
    assert missing([_QEMU, _CONFIG], None, lambda _: True) == []
