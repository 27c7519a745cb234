"""The NoCloud seed: what cloud-init in the guest reads at its first boot (cloud-init, datasource NoCloud)."""

import base64
import binascii
import hashlib
import io
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

import pycdlib

from controller.node.cloud_init import check_network_data, check_user_data
from controller.node.finding import NotYet
from controller.node.places import make_folder
from controller.node.taken import MADE_HERE, taken
from hypersdk.errors import Terminal
from hypersdk.model.core import Secret
from hypersdk.model.marks import CLONED_FROM
from hypersdk.model.virtualmachine import CloudInit, VirtualMachine

NOTHING = "#cloud-config\n{}\n"
USER_KEYS = ("userData", "userdata", "user-data")
NETWORK_KEYS = ("networkData", "networkdata", "network-data", "network-config")
OWN_IDENTITY = """#!/bin/sh
# This disk was another machine's: cloud-init gives it host keys and a host name of its own, and this a machine id.
rm -f /etc/machine-id /var/lib/dbus/machine-id
systemd-machine-id-setup >/dev/null 2>&1 || dbus-uuidgen --ensure=/etc/machine-id
[ -d /var/lib/dbus ] && ln -sf /etc/machine-id /var/lib/dbus/machine-id
exit 0
"""
"""Run once in each instance: vendor data that is a script stands beside whatever the user data says."""
Check = Callable[[bytes], None]
_HOSTNAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")


def seed_files(vm: VirtualMachine, secret: Secret | None) -> dict[str, bytes]:
    """The files of the seed by name; what the spec says itself goes before what a Secret says."""
    cloud = vm.spec.cloud_init or CloudInit()
    if secret is not None and not (secret.data or {}).keys() & {*USER_KEYS, *NETWORK_KEYS}:
        raise _invalid(secret, f"has neither {USER_KEYS[0]} nor {NETWORK_KEYS[0]}")
    user = _checked(check_user_data, cloud.user_data, secret, USER_KEYS)
    network = _checked(check_network_data, cloud.network_data, secret, NETWORK_KEYS)
    meta = f"instance-id: {vm.metadata.uid}\nlocal-hostname: {hostname(vm)}\n"
    files = {"meta-data": meta.encode(), "user-data": user or NOTHING.encode()}
    files |= {"vendor-data": OWN_IDENTITY.encode()} if has_others_disk(vm) else {}
    return files | ({"network-config": network} if network else {})


def has_others_disk(vm: VirtualMachine) -> bool:
    """Whether its first disk holds what another VM has written: a clone's, or that of a template made of a VM."""
    part = taken(vm)
    return CLONED_FROM in (vm.metadata.annotations or {}) or (part is not None and part.source.startswith(MADE_HERE))


def hostname(vm: VirtualMachine) -> str:
    """The VM's name as far as a host name may be one."""
    name = vm.metadata.name[:63].rstrip(".-")
    return name if _HOSTNAME.fullmatch(name) else f"vm-{vm.metadata.uid[:8]}"


def write_seed(path: Path, files: Mapping[str, bytes]) -> bool:
    """Write the ISO when its content is another one; tells whether it was."""
    digest = _digest(files)
    note = path.with_suffix(".sha256")
    if path.exists() and note.exists() and note.read_text() == digest:
        return False
    make_folder(path.parent)
    for left in path.parent.glob("*.tmp"):
        left.unlink()
    _replace(path, iso(files), 0o600)
    _replace(note, digest.encode(), 0o600)
    return True


def iso(files: Mapping[str, bytes]) -> bytes:
    """An ISO 9660 image with the volume id `cidata` and long names."""
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident="cidata")
    for number, (name, content) in enumerate(sorted(files.items())):
        short = f"/FILE{number}.;1"
        disc.add_fp(io.BytesIO(content), len(content), short, rr_name=name, joliet_path=f"/{name}")
    image = io.BytesIO()
    disc.write_fp(image)
    disc.close()
    return image.getvalue()


def _checked(check: Check, told: str | None, secret: Secret | None, keys: tuple[str, ...]) -> bytes:
    if told:
        check(told.encode())
        return told.encode()
    key = next((key for key in keys if secret is not None and key in (secret.data or {})), None)
    if secret is None or key is None:
        return b""
    try:
        data = base64.b64decode((secret.data or {})[key], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(secret, f"has a {key} that is not base64") from error
    try:
        if data:
            check(data)
    except Terminal as error:
        # A Secret can change without the VM.
        raise NotYet(error.reason, f"Secret {secret.metadata.name}: {error}") from error
    return data


def _invalid(secret: Secret, why: str) -> NotYet:
    return NotYet("SecretInvalid", f"Secret {secret.metadata.name}, which cloudInit names, {why}")


def _digest(files: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _replace(path: Path, content: bytes, mode: int) -> None:
    fresh = path.with_name(f"{secrets.token_hex(8)}.tmp")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    os.replace(fresh, path)
