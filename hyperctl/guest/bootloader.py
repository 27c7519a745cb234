"""How does the disk boot: what do SYSLINUX (BIOS) and the signed shim with GRUB (UEFI) find on its first partition?

SYSLINUX because it reads in large pieces: under emulation it hands over to the kernel in a third of a second, where
GRUB's BIOS build takes several.
"""

from dataclasses import dataclass
from pathlib import Path

from hyperctl.guest.host import run
from hyperctl.guest.partition import CODE_LIMIT, SECTOR

COMMAND_LINE = " ".join(
    (
        "console=tty0",
        "console=ttyS0,115200",
        # A busy host makes the emulated timer look broken.
        "no_timer_check",
        # Nobody attacks a processor made of software through its branch predictor.
        "mitigations=off",
        "memhp_default_state=online",
        # The seed's CD-ROM is there when the driver is, so nothing has to wait for it.
        "scsi_mod.scan=sync",
    )
)
"""What the kernel is told: to talk on screen and serial line, and to bring hot-plugged memory up."""

_SYSLINUX = f"""SERIAL 0 115200
PROMPT 0
DEFAULT guest
LABEL guest
KERNEL /vmlinuz
INITRD /initrd.gz
APPEND {COMMAND_LINE}
"""

_GRUB = f"""set timeout=0
serial --unit=0 --speed=115200
terminal_output console serial
search --no-floppy --file /vmlinuz --set=root
linux /vmlinuz {COMMAND_LINE}
initrd /initrd.gz
boot
"""

_FOLDERS = ("EFI", "EFI/BOOT", "EFI/debian")


@dataclass(frozen=True)
class BootPartition:
    """What goes on the first partition, and how large that is."""

    root: Path
    kernel: Path
    initrd: Path
    sectors: int
    start: int


def boot_code(root: Path) -> bytes:
    """Return the code for the disk's first sector: it starts the active partition."""
    return (root / "usr/lib/SYSLINUX/mbr.bin").read_bytes()[:CODE_LIMIT]


def write(partition: BootPartition, image: Path) -> None:
    """Make the FAT file system with everything either firmware needs, without mounting it."""
    with image.open("wb") as raw:
        raw.truncate(partition.sectors * SECTOR)
    # 8 KiB clusters: fewer pieces for the loader to follow.
    geometry = ("-T", str(partition.sectors), "-h", "255", "-s", "63", "-H", str(partition.start), "-c", "16")
    run(["mformat", "-i", str(image), *geometry, "-v", "GUEST-BOOT", "::"])
    run(["mmd", "-i", str(image), *(f"::{folder}" for folder in _FOLDERS)])
    for target, source in _files(partition, image.parent).items():
        run(["mcopy", "-i", str(image), str(source), f"::{target}"])
    run([str(partition.root / "usr/bin/syslinux"), "--install", str(image)])


def _files(partition: BootPartition, scratch: Path) -> dict[str, Path]:
    syslinux, grub = scratch / "syslinux.cfg", scratch / "grub.cfg"
    syslinux.write_text(_SYSLINUX)
    grub.write_text(_GRUB)
    signed = partition.root / "usr/lib"
    return {
        "vmlinuz": partition.kernel,
        "initrd.gz": partition.initrd,
        "syslinux.cfg": syslinux,
        "EFI/BOOT/BOOTX64.EFI": signed / "shim/shimx64.efi.signed",
        "EFI/BOOT/grubx64.efi": signed / "grub/x86_64-efi-signed/grubx64.efi.signed",
        "EFI/debian/grub.cfg": grub,
    }
