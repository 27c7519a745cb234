"""What is in the Debian guest of the tests: its packages, what is taken out for speed, and our few files?

Where boot time under emulation goes is cloud-init's Python, so that only the modules that the tests use are listed.
"""

from pathlib import Path

SUITE = "bookworm"
PACKAGES = (
    "cloud-guest-utils",
    "cloud-init",
    # Without these two the guest agent's shutdown fails.
    "dbus",
    "libpam-systemd",
    "e2fsprogs",
    "fdisk",
    "iproute2",
    "kmod",
    "openssh-server",
    "qemu-guest-agent",
    "sudo",
    "systemd-sysv",
    "udev",
)
"""No ifupdown: with it cloud-init would write its own older format, which knows no `match`."""
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/i18n/*", "/usr/lib/modules/*")
SYSTEM = " ".join((SUITE, *PACKAGES, *LEFT_OUT)).encode()
"""All that decides what the installed system is, before our files."""
REMOVED = ("usr/lib/python3/dist-packages/jsonschema",)
"""cloud-init checks cloud-configs against its schema only where it can, and that takes it seconds here."""
FILES = Path(__file__).parent / "rootfs"
"""Files of ours, laid out as they will lie in the guest."""

ENABLED = ("systemd-networkd.service",)
MASKED = (
    "apt-daily-upgrade.timer",
    "apt-daily.timer",
    "dpkg-db-backup.timer",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "modprobe@.service",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-binfmt.service",
    "systemd-modules-load.service",
    "systemd-pstore.service",
    "systemd-sysctl.service",
    "systemd-sysusers.service",
    "systemd-update-utmp-runlevel.service",
    "systemd-update-utmp.service",
)
GENERATORS = "etc/systemd/system-generators"
NOT_GENERATED = tuple(
    f"systemd-{what}-generator"
    for what in (
        "bless-boot",
        "cryptsetup",
        "debug",
        "gpt-auto",
        "hibernate-resume",
        "integritysetup",
        "rc-local",
        "run",
        "system-update",
        "sysv",
        "veritysetup",
    )
)
"""Programs that systemd would start first to find out about units that this guest has not."""
LABEL = "debian-root"
INIT = f"""#!/bin/sh
# The first process: the few modules that the root file system needs, then systemd.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in $(cat /modules/order); do insmod "/modules/$module.ko"; done
mount -t ext4 -o noatime "$(findfs LABEL={LABEL})" /root
umount /proc /sys
mount --move /dev /root/dev
exec switch_root /root /sbin/init
"""
MODULES_OF_INIT = ("virtio_pci", "virtio_blk")
