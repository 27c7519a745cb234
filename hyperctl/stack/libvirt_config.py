"""How our private libvirtd is set up: its folders and its configuration files."""

import grp
import os
import pwd
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.namespace import FOLDERS

_NEEDED = (
    "lib/images",
    "lib/qemu",
    "lib/boot",
    "lib/dnsmasq",
    "log/qemu",  # virtlogd does not make it, and a guest with a log file on its serial port would not start
)


@dataclass(frozen=True)
class Owner:
    """Who uses this libvirtd: may open its socket, and runs QEMU unless it is root."""

    uid: int

    @property
    def group(self) -> str:
        """The name of the owner's group."""
        return grp.getgrgid(pwd.getpwuid(self.uid).pw_gid).gr_name

    @property
    def qemu_user(self) -> str:
        """Who QEMU runs as: the owner, so that the files stay plainly theirs; for root the user Debian made for it."""
        return "libvirt-qemu" if self.uid == 0 else pwd.getpwuid(self.uid).pw_name

    @property
    def qemu_group(self) -> str:
        """The group QEMU runs with."""
        return "libvirt-qemu" if self.uid == 0 else self.group


def libvirtd_conf(owner: Owner, host_uuid: str) -> str:
    """The text of libvirtd.conf."""
    return _render(
        host_uuid=host_uuid,
        unix_sock_group=owner.group,
        unix_sock_ro_perms="0770",
        unix_sock_rw_perms="0770",
        auth_unix_ro="none",
        auth_unix_rw="none",
        listen_tls=0,
        listen_tcp=0,
        max_client_requests=32,
        max_workers=32,
        log_outputs="3:stderr",
    )


def qemu_conf(owner: Owner) -> str:
    """The text of qemu.conf."""
    return _render(
        user=owner.qemu_user,
        group=owner.qemu_group,
        # Root's files are lent to QEMU while it runs. An ordinary owner's files are never given to anybody.
        dynamic_ownership=int(owner.uid == 0),
        remember_owner=0,
        security_driver="none",
        # libvirt names a cgroup by the domain's id and name: a second libvirtd of the host would share it.
        cgroup_controllers=[],
    )


def prepare(root: Path, owner: Owner, boot: str) -> None:
    """Make the folders and write the configuration; safe to repeat."""
    root.mkdir(parents=True, exist_ok=True)
    _forget_other_boots(root, boot)
    # The folder guards the socket: group members of the owner do not get in, whatever the socket's own mode.
    os.chown(root, owner.uid, -1)
    root.chmod(0o700)
    for name in (*FOLDERS, *_NEEDED):
        (root / name).mkdir(parents=True, exist_ok=True)
    os.chown(root / "log/qemu", owner.uid, -1)
    (root / "etc/libvirtd.conf").write_text(libvirtd_conf(owner, _host_uuid(root)))
    (root / "etc/qemu.conf").write_text(qemu_conf(owner))
    (root / "etc/virtlogd.conf").write_text(_render(log_outputs="3:stderr"))


def _forget_other_boots(root: Path, boot: str) -> None:
    # libvirtd kills what now has the pid of a guest that it lost: after a reboot that may be anybody.
    noted = root / "boot-id"
    if not noted.exists() or noted.read_text() != boot:
        shutil.rmtree(root / "run", ignore_errors=True)
        noted.write_text(boot)


def _host_uuid(root: Path) -> str:
    kept = root / "host-uuid"
    if not kept.exists():
        kept.write_text(f"{uuid.uuid4()}\n")
    return kept.read_text().strip()


def _render(**settings: str | int | list[str]) -> str:
    return "".join(f"{name} = {_value(value)}\n" for name, value in settings.items())


def _value(value: str | int | list[str]) -> str:
    match value:
        case int():
            return str(value)
        case str():
            return f'"{value}"'
        case list():
            return "[" + ", ".join(_value(item) for item in value) + "]"
