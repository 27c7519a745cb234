"""Domains of other people on the same libvirtd, made to be mistaken for ours; they must never be touched."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.virsh import virsh
from tests.campaign.truth import Truth

_XML = """
<domain type='qemu'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <metadata>{metadata}</metadata>
  <memory unit='MiB'>16</memory>
  <os><type machine='q35'>hvm</type></os>
</domain>
"""
_MARK = (
    "<hypersdk:vm xmlns:hypersdk='https://hypersdk.io/v1alpha1' uid='{uid}' namespace='{namespace}' "
    "name='steady-1' power='{power}' specHash='0'/>"
)


@dataclass(frozen=True)
class Foreigner:
    """A domain as it was made."""

    name: str
    xml: str
    pid: int


@dataclass
class Foreigners:
    """All of them; two run and two are only defined, and of each pair one carries a copy of our mark."""

    truth: Truth
    there: list[Foreigner]

    @classmethod
    def make(cls, truth: Truth, namespace: str, copied_uid: str, folder: Path) -> "Foreigners":
        """Define and start them."""
        made = []
        for name, marked, running in (
            (f"{namespace}.theirs", False, True),
            (f"{namespace}.a-copy-of-steady", True, True),
            (f"{namespace}.gone", False, False),
            (f"{namespace}.off-copy", True, False),
        ):
            mark = _MARK.format(uid=copied_uid, namespace=namespace, power="off" if running else "on")
            text = _XML.format(name=name, uuid=uuid.uuid4(), metadata=mark if marked else "")
            file = folder / f"{name}.xml"
            file.write_text(text)
            virsh(truth.libvirtd.uri, "define", str(file))
            if running:
                virsh(truth.libvirtd.uri, "start", name)
            made.append(Foreigner(name, truth.xml(name), truth.pid(name)))
        return cls(truth, made)

    @property
    def names(self) -> list[str]:
        """Their names."""
        return sorted(one.name for one in self.there)

    def assert_processes_untouched(self) -> None:
        """Each runs, or does not, as it was made."""
        for one in self.there:
            assert self.truth.pid(one.name) == one.pid, f"the foreign domain {one.name} was touched"

    def assert_untouched(self) -> None:
        """Processes and definitions are what they were."""
        self.assert_processes_untouched()
        for one in self.there:
            assert self.truth.xml(one.name) == one.xml, f"the foreign domain {one.name} was redefined"

    def remove(self) -> None:
        """Leave none of them."""
        for one in self.there:
            if one.pid:
                virsh(self.truth.libvirtd.uri, "destroy", one.name)
            virsh(self.truth.libvirtd.uri, "undefine", one.name)
