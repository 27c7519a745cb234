"""Does the guest understand the seeds people write: what does seed.awk make of user-data?"""

import subprocess
from pathlib import Path

import pytest

from hyperctl.guest.initramfs import SCRIPTS

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ann@example"
OTHER = "ssh-rsa AAAAB3NzaC1yc2EAAAA= bob"

USERS = f"""\
users:
  - default
  - name: ann
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys:
      - {KEY}
  - groups: [x]
    ssh-authorized-keys: ['{OTHER}']
    name: bob
"""


def _orders(tmp_path: Path, user_data: str, meta_data: str = "") -> tuple[list[str], str]:
    """Run the guest's own script; its orders, and the commands it wants run once."""
    (tmp_path / "meta-data").write_text(meta_data)
    (tmp_path / "user-data").write_text(user_data)
    script = tmp_path / "script"
    program = ["awk", "-v", f"script={script}", "-f", str(SCRIPTS / "usr/lib/guest/seed.awk")]
    files = [str(tmp_path / "meta-data"), str(tmp_path / "user-data")]
    done = subprocess.run([*program, *files], capture_output=True, text=True, check=True)
    return done.stdout.splitlines(), script.read_text() if script.exists() else ""


SEEDS = {
    "host name": ("#cloud-config\nhostname: web-1\n", ["hostname web-1"]),
    "quoted, with a domain": ("hostname: 'web-1.example.org' # comment\r\n", ["hostname web-1"]),
    "no host name at all": ("hostname: $(reboot)\n", []),
    "keys": (f"ssh_authorized_keys:\n  - {KEY}\n  - {OTHER}\n", [f"key root {KEY}", f"key root {OTHER}"]),
    "not indented": (f"ssh_authorized_keys:\n- {KEY}\nhostname: a\n", [f"key root {KEY}", "hostname a"]),
    "inline": (f'ssh_authorized_keys: ["{KEY}", {OTHER}]\n', [f"key root {KEY}", f"key root {OTHER}"]),
    "users": (USERS, ["user ann", f"key ann {KEY}", "user bob", f"key bob {OTHER}"]),
    "root is there": (f"users:\n- name: root\n  ssh_authorized_keys:\n  - {KEY}\n", [f"key root {KEY}"]),
    "names no user can have": ("users:\n  - name: ../etc\n  - name: a b\n  - name: Root\n", []),
    "not a key": ("ssh_authorized_keys:\n  - not a key; reboot\n", []),
}


@pytest.mark.parametrize(("user_data", "orders"), SEEDS.values(), ids=SEEDS)
def test_user_data_becomes_orders(tmp_path: Path, user_data: str, orders: list[str]) -> None:
    assert _orders(tmp_path, user_data) == (orders, "")


def test_meta_data_names_the_instance_and_the_host(tmp_path: Path) -> None:
    meta_data = f"instance-id: i/../1\nlocal-hostname: vm-1\npublic-keys:\n  - {KEY}\n"
    orders, _ = _orders(tmp_path, "", meta_data)
    assert orders == ["instance i____1", "hostname vm-1", f"key root {KEY}"]


def test_host_name_of_the_user_comes_after_that_of_meta_data(tmp_path: Path) -> None:
    orders, _ = _orders(tmp_path, "hostname: mine\n", "local-hostname: given\n")
    assert orders == ["hostname given", "hostname mine"]


RUNCMD = """\
#cloud-config
runcmd:
  - echo one # not said
  - 'echo ''two'''
  - [echo, "three, it's"]
  - |
    if true; then

      echo four
    fi
hostname: after
"""


def test_commands_become_a_script_that_runs(tmp_path: Path) -> None:
    orders, script = _orders(tmp_path, RUNCMD)
    assert orders == ["hostname after"]
    done = subprocess.run(["sh", "-eu"], input=script, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["one", "two", "three, it's", "four"]
