"""What libvirtd is told, and what becomes of it."""

import os
from pathlib import Path

import pytest

from hyperctl.stack.libvirt_config import Owner, libvirtd_conf, prepare, qemu_conf
from hyperctl.stack.namespace import mount_points
from hyperctl.stack.supervisor import back_off, lock_holder

_ME = Owner(os.getuid())


def test_root_lends_its_files_to_the_user_of_qemu() -> None:
    text = qemu_conf(Owner(0))

    assert 'user = "libvirt-qemu"' in text
    assert "dynamic_ownership = 1" in text
    assert "cgroup_controllers = []" in text


def test_ordinary_owner_runs_qemu_and_keeps_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    text = qemu_conf(Owner(1))  # daemon, on every Debian

    assert 'user = "daemon"' in text
    assert 'group = "daemon"' in text
    assert "dynamic_ownership = 0" in text


def test_libvirtd_listens_on_no_network() -> None:
    text = libvirtd_conf(_ME, "0" * 36)

    assert "listen_tls = 0" in text
    assert "listen_tcp = 0" in text


def test_host_keeps_its_uuid_and_the_folder_is_closed(tmp_path: Path) -> None:
    prepare(tmp_path, _ME, "this boot")
    before = (tmp_path / "etc/libvirtd.conf").read_text()

    prepare(tmp_path, _ME, "this boot")

    assert (tmp_path / "etc/libvirtd.conf").read_text() == before
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_what_ran_before_a_reboot_is_forgotten(tmp_path: Path) -> None:
    prepare(tmp_path, _ME, "this boot")
    (tmp_path / "run/guest.pid").write_text("1234")
    (tmp_path / "etc/guest.xml").write_text("<domain/>")

    prepare(tmp_path, _ME, "this boot")
    assert (tmp_path / "run/guest.pid").exists()

    prepare(tmp_path, _ME, "the next boot")
    assert list((tmp_path / "run").iterdir()) == []
    assert (tmp_path / "etc/guest.xml").exists()


def test_mounts_are_found_last_first_with_their_real_names() -> None:
    mounts = "d /dev d rw\np /dev/pts p rw\ns /dev/my\\040disk s rw\np /dev/pts p rw\nx /devices x rw\n"

    assert mount_points(mounts, "/dev") == ["/dev/pts", "/dev/my disk", "/dev/pts"]


def test_back_off_grows_to_a_limit() -> None:
    assert [back_off(deaths) for deaths in (1, 2, 3, 20, 2000)] == [0.2, 0.4, 0.8, 10.0, 10.0]


def test_unlocked_pid_file_has_no_holder(tmp_path: Path) -> None:
    (tmp_path / "a.pid").write_text("1\n")

    assert lock_holder(tmp_path / "a.pid") == 0
    assert lock_holder(tmp_path / "b.pid") == 0
