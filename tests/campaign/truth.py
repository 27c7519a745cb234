"""What is really on the host: read from libvirt's own files, QEMU's logs and /proc, not from the controller."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.supervisor import lock_holder
from hyperctl.stack.virsh import virsh
from tests.libvirt.conftest import Libvirtd

_SHORT = 20
_STANDING = frozenset({"driver.pid", "autostarted"})
"""libvirtd's own files."""
_BOOT = b": starting up libvirt version"


@dataclass(frozen=True)
class Truth:
    """One libvirtd and the state folder of the controller on it."""

    libvirtd: Libvirtd
    state: Path

    def boots(self, domain: str) -> int:
        """How many times a QEMU was started for the domain, by QEMU's log."""
        log = self.libvirtd.root / "log/qemu" / f"{domain}.log"
        return log.read_bytes().count(_BOOT) if log.exists() else 0

    def pid(self, domain: str) -> int:
        """Its QEMU; 0 when there is none."""
        try:
            pid = int((self.libvirtd.root / "run/qemu" / f"{domain}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return pid if Path(f"/proc/{pid}").exists() else 0

    def domains(self) -> set[str]:
        """Every domain's name."""
        return set(virsh(self.libvirtd.uri, "list", "--all", "--name").split())

    def xml(self, domain: str) -> str:
        """Its definition, as it is for the next start."""
        return virsh(self.libvirtd.uri, "dumpxml", "--inactive", "--security-info", domain)

    def disks(self, domain: str) -> int:
        """How many disks the running guest has; drives of CDs are none."""
        told = virsh(self.libvirtd.uri, "domblklist", "--details", domain)
        return sum(line.split()[1:2] == ["disk"] for line in told.splitlines())

    def serial(self, uid: str) -> bytes:
        """What virtlogd wrote of its serial port."""
        log = self.state / "consoles" / uid / "serial.log"
        return log.read_bytes() if log.exists() else b""

    def leftovers(self, foreign: Iterable[str]) -> set[str]:
        """What no VM needs any more, when there is no VM but the foreign ones."""
        known = set(foreign)
        return {
            *(f"domain {name}" for name in self.domains() - known),
            *(f"file {path}" for path in self._state_files()),
            *(f"libvirt's {path}" for path in self._libvirt_files(known)),
            *(f"process {words}" for words in self.processes()),
            *(f"log held open by virtlogd: {path}" for path in self._held_logs()),
        }

    def _state_files(self) -> set[str]:
        kept = {"controller.lock"}
        private = ("disks", "seeds", "consoles", "definitions", "images/.partial")
        found = {path for root in private for path in (self.state / root).rglob("*")}
        found |= {path for path in self.state.rglob("*") if path.suffix in {".tmp", ".new"} or path.is_socket()}
        return {str(path.relative_to(self.state)) for path in found} - kept

    def _libvirt_files(self, foreign: set[str]) -> set[str]:
        """Monitor sockets, pid and state files, agent channels, nvram, saved memory, locks of consoles."""
        root = self.libvirtd.root
        found: set[Path] = set()
        for folder in ("run/qemu", "lib/qemu", "lock"):
            found |= {path for path in (root / folder).rglob("*") if not path.is_dir()}
        # libvirt names folders by the first 20 characters of a domain's name.
        ours = {path for path in found if not any(name[:_SHORT] in str(path) for name in foreign)}
        return {str(path.relative_to(root)) for path in ours if path.name not in _STANDING and not _is_stale(path)}

    def processes(self, program: str = "") -> set[str]:
        """Processes beside the controller that work on its state: QEMU, qemu-img and what else it started."""
        found: set[str] = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except (FileNotFoundError, ProcessLookupError):
                continue
            is_meant = program in words if program else "controller.main" not in words
            if is_meant and any(str(self.state) in word for word in words):
                found.add(f"{folder.name}: {' '.join(words)[:200]}")
        return found

    def _held_logs(self) -> set[str]:
        pid = lock_holder(self.libvirtd.root / "run/virtlogd.pid")
        targets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").glob("*")} if pid else set[str]()
        return {target for target in targets if target.startswith(str(self.state))}


def _is_stale(path: Path) -> bool:
    """Whether it is a console's lock of a libvirtd that was killed: libvirt takes it away when it wants the console."""
    if not path.name.startswith("LCK.."):
        return False
    return not Path(f"/proc/{path.read_text().strip() or 0}").exists()
