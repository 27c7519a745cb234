"""The NoCloud seed: its files, its ISO, and when it is written again."""

import base64
import io
from pathlib import Path
from typing import Any

import pycdlib
import pytest

from controller.node.finding import NotYet
from controller.node.seed import NOTHING, seed_files, write_seed
from hypersdk.errors import Terminal
from hypersdk.model.core import Secret
from hypersdk.model.marks import CLONED_FROM, TEMPLATE
from tests.unit.node.builders import UID, machine


def secret(**data: str) -> Secret:
    named = {name.replace("_", "-"): base64.b64encode(value.encode()).decode() for name, value in data.items()}
    return Secret.model_validate({"metadata": {"name": "s"}, "data": named})


def read_back(path: Path) -> dict[str, bytes]:
    """The files of an ISO by their Rock Ridge names."""
    disc = pycdlib.PyCdlib()
    disc.open(str(path))
    found = {}
    for child in disc.list_children(rr_path="/"):
        if child.is_file():
            content = io.BytesIO()
            name = child.rock_ridge.name().decode()
            disc.get_file_from_iso_fp(content, rr_path=f"/{name}")
            found[name] = content.getvalue()
    assert disc.pvd.volume_identifier.decode().strip() == "cidata"
    disc.close()
    return found


def test_every_machine_has_a_name_and_an_identity() -> None:
    files = seed_files(machine(), None)
    assert files == {
        "meta-data": f"instance-id: {UID}\nlocal-hostname: web\n".encode(),
        "user-data": NOTHING.encode(),
    }


@pytest.mark.parametrize(
    ("name", "local"), [("web", "web"), ("a.b", "a.b"), ("x" * 200, "x" * 63), ("a\nb: c", f"vm-{UID[:8]}")]
)
def test_host_name_is_one(name: str, local: str) -> None:
    files = seed_files(machine(metadata={"name": name}), None)
    assert files["meta-data"].decode().splitlines()[1:] == [f"local-hostname: {local}"]


@pytest.mark.parametrize(
    ("cloud", "given", "user", "network"),
    [
        ({"userData": "u", "networkData": "version: 2"}, None, b"u", b"version: 2"),
        ({}, secret(userData="u", networkData="version: 2"), b"u", b"version: 2"),
        ({}, secret(user_data="u", network_config="version: 1"), b"u", b"version: 1"),
        ({"userData": "own"}, secret(userData="u", networkData="version: 2"), b"own", b"version: 2"),
        ({}, secret(userData="", networkData=""), NOTHING.encode(), None),
    ],
)
def test_data_of_the_spec_goes_before_the_secrets(
    cloud: dict[str, Any], given: Secret | None, user: bytes, network: bytes | None
) -> None:
    files = seed_files(machine(cloudInit=cloud), given)
    assert (files["user-data"], files.get("network-config")) == (user, network)


def test_secret_that_is_not_base64_is_said() -> None:
    broken = Secret.model_validate({"metadata": {"name": "s"}, "data": {"userData": "!"}})
    with pytest.raises(NotYet, match="Secret s"):
        seed_files(machine(), broken)


def test_secret_without_cloud_init_data_is_said_before_the_boot() -> None:
    with pytest.raises(NotYet, match="Secret s, which cloudInit names, has neither userData nor networkData") as said:
        seed_files(machine(), secret(other="x"))
    assert said.value.reason == "SecretInvalid"


def test_broken_data_of_the_spec_waits_for_the_spec_and_that_of_a_secret_for_the_secret() -> None:
    with pytest.raises(Terminal) as refused:
        seed_files(machine(cloudInit={"userData": "#cloud-config\na: ["}), None)
    with pytest.raises(NotYet, match="Secret s: cloud-init cannot read this userData: line") as waits:
        seed_files(machine(), secret(userData="#cloud-config\na: ["))
    assert refused.value.reason == waits.value.reason == "InvalidCloudInit"


def test_iso_holds_the_files_under_the_names_that_cloud_init_looks_for(tmp_path: Path) -> None:
    files = {"meta-data": b"m", "user-data": b"u" * 5000, "network-config": b"n"}
    path = tmp_path / "uid" / "seed.iso"
    assert write_seed(path, files)
    assert read_back(path) == files
    assert path.stat().st_mode & 0o777 == 0o600


def test_seed_is_written_again_only_when_its_content_changes(tmp_path: Path) -> None:
    path = tmp_path / "seed.iso"
    write_seed(path, {"user-data": b"1"})
    inode = path.stat().st_ino
    assert not write_seed(path, {"user-data": b"1"})
    assert path.stat().st_ino == inode
    assert write_seed(path, {"user-data": b"2"})
    path.unlink()
    (tmp_path / "left.tmp").write_bytes(b"x")
    assert write_seed(path, {"user-data": b"2"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seed.iso", "seed.sha256"]


@pytest.mark.parametrize(
    ("notes", "image", "has"),
    [
        ({}, {"source": "demo"}, False),
        ({CLONED_FROM: "other"}, {"source": "demo"}, True),
        ({TEMPLATE: '{"uid": "u", "source": "template://u"}'}, {"templateRef": {"name": "t"}}, True),
        ({TEMPLATE: '{"uid": "u", "source": "demo"}'}, {"templateRef": {"name": "t"}}, False),
    ],
    ids=["fresh", "clone", "template-of-a-vm", "template-of-an-image"],
)
def test_guest_on_anothers_disk_makes_a_machine_id_of_its_own(
    notes: dict[str, str], image: dict[str, Any], has: bool
) -> None:
    files = seed_files(machine(metadata={"annotations": notes}, image=image), None)
    assert ("vendor-data" in files) is has
    assert files.get("vendor-data", b"#!").startswith(b"#!")
