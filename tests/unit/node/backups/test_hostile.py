"""What comes from specs and out of stores is hostile: manifests, paths, folders, names."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard

from controller.node.backups.chain import read_chain
from controller.node.backups.destination import Destinations, of_destination
from controller.node.backups.fetching import Fetching
from controller.node.backups.folder import FolderStore, allowed_folder, is_on_nfs
from controller.node.backups.making import folder_of
from controller.node.backups.manifest import PART_BYTES, Machine, Part, digest, read
from controller.node.backups.manner import Manner, manner_of
from controller.node.backups.origin import Origins
from controller.node.backups.pieces import unpacked
from controller.node.backups.store import checked_path
from controller.node.backups.target import checked, machine_object, name_of, paired
from controller.settings import Settings
from hypersdk.errors import Terminal
from hypersdk.kube.client import Client
from hypersdk.model.backupjob import BackupDestination
from hypersdk.model.restorejob import RestoreJob
from tests.unit.node.backups.bench import Bench, backup, quiet


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def restore(**spec: Any) -> RestoreJob:
    whole = {"source": {"type": "s3", "bucket": "b", "path": "default/web/x"}, "destination": {"provider": "libvirt"}}
    meta = {"name": "back", "namespace": "default", "uid": "5f8a0f4e-6f7c-4b51-9b9e-0c3f3f6b1a77"}
    return RestoreJob.model_validate({"metadata": meta, "spec": whole | spec})


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, Change] = {
    "key leads out": lambda m: m["disks"][0]["parts"][0].update(key="../../other/secret"),
    "key is absolute": lambda m: m["disks"][0]["parts"][0].update(key="/etc/passwd"),
    "key is the manifest": lambda m: m["disks"][0]["parts"][0].update(key="manifest.json"),
    "key twice": lambda m: m["disks"][0]["parts"].append(m["disks"][0]["parts"][0]),
    "disk leads out": lambda m: m["disks"][0].update(name="../x"),
    "disk twice": lambda m: m["disks"].append(m["disks"][0]),
    "piece is huge": lambda m: m["disks"][0]["parts"][0].update(bytes=2**50),
    "piece is negative": lambda m: m["disks"][0]["parts"][0].update(bytes=-1),
    "unknown compression": lambda m: m["disks"][0].update(compression="xz"),
    "unknown format": lambda m: m["disks"][0].update(format="vmdk"),
    "newer version": lambda m: m.update(version=2),
    "unknown field": lambda m: m.update(run="rm -rf /"),
    "base leads out": lambda m: m.update(kind="Incremental", base={"folder": "../theirs", "sha256": "0" * 64}),
    "incremental on nothing": lambda m: m.update(kind="Incremental"),
    "full on something": lambda m: m.update(base={"folder": "x", "sha256": "0" * 64}),
    "no disks": lambda m: m.pop("disks"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_manifest_that_makes_no_sense_is_refused(
    bench: Bench, change: Callable[[dict[str, Any]], object]
) -> None:
    await bench.maker().make(backup(), bench.vm(), quiet)
    path = bench.root / "vault/default/web" / folder_of(backup()) / "manifest.json"
    told = json.loads(path.read_text())
    change(told)
    with pytest.raises(Terminal, match="manifest") as refused:
        read(json.dumps(told).encode(), "here")
    assert refused.value.reason == "BackupInvalid"


@pytest.mark.parametrize("data", [b"", b"[", b"null", b"\xff\xfe", b"[" * 100_000], ids=range(5))
def test_manifest_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Terminal, match="manifest cannot be read"):
        read(data, "here")


async def test_chain_in_a_circle_ends(bench: Bench) -> None:
    await bench.maker().make(backup(), bench.vm(), quiet)
    folder = folder_of(backup())
    path = bench.root / "vault/default/web" / folder / "manifest.json"
    told = json.loads(path.read_text()) | {"kind": "Incremental", "base": {"folder": folder, "sha256": "0" * 64}}
    path.write_text(json.dumps(told))
    with pytest.raises(Terminal, match="circle"):
        await read_chain(bench.place, folder)


def qcow2_naming(path: str) -> bytes:
    """A header that names a backing file."""
    head = b"QFI\xfb" + struct.pack(">IQI", 3, 512, len(path)) + bytes(84)
    return (head.ljust(512, b"\0") + path.encode()).ljust(1024, b"\0")


@pytest.mark.parametrize("content", [qcow2_naming("/etc/shadow"), b"text\n" * 200], ids=["backing", "no qcow2"])
async def test_disk_that_names_files_of_the_node_is_refused(bench: Bench, tmp_path: Path, content: bytes) -> None:
    job = backup(format={"type": "qcow2"})
    await bench.maker().make(job, bench.vm(), quiet)
    folder = bench.root / "vault/default/web" / folder_of(job)
    part = {"key": "data.qcow2.00000", "bytes": len(content), "stored": len(content), "sha256": digest(content)}
    (folder / "data.qcow2.00000").write_bytes(content)
    told = json.loads((folder / "manifest.json").read_text())
    told["disks"][0]["parts"] = [part]
    (folder / "manifest.json").write_text(json.dumps(told))
    chain = await read_chain(bench.place, folder_of(job))
    (tmp_path / "back").mkdir()
    with pytest.raises(Terminal) as refused:
        await Fetching(bench.place, tmp_path / "back", 2**40, lambda _: None).disk("data", chain)
    assert refused.value.reason == "BackupInvalid"


def test_piece_that_unpacks_without_end_is_cut() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(PART_BYTES * 4))
    part = Part(key="x", bytes=1000, stored=len(bomb), sha256=digest(bomb))
    with pytest.raises(Terminal, match="holds 1001 bytes"):
        unpacked(part, bomb, "zstd", "x")
    garbage = b"not zstd at all"
    with pytest.raises(Terminal, match="cannot be unpacked"):
        unpacked(Part(key="x", bytes=9, stored=len(garbage), sha256=digest(garbage)), garbage, "zstd", "x")


@pytest.mark.parametrize(
    "path", ["..", "a/../b", "a//b", "a/./b", ".hidden", "a\0b", "a b", "-x", "é", "a/" + "b" * 300]
)
def test_path_with_odd_parts_is_refused(path: str) -> None:
    with pytest.raises(Terminal):
        checked_path(path, "prefix")


def test_path_of_plain_names_stays() -> None:
    assert checked_path("/nightly/web-1.x_y@z/", "prefix") == "nightly/web-1.x_y@z"
    assert checked_path("", "prefix") == ""


async def test_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "vault" / "out").symlink_to(tmp_path)
    (tmp_path / "vault" / "file").symlink_to(tmp_path / "secret")
    store = FolderStore(tmp_path / "vault")
    for key in ("out/secret", "file"):
        with pytest.raises(Terminal) as refused:
            await store.get(key, 10)
        assert refused.value.reason == "AccessDenied"
    with pytest.raises(Terminal):
        await store.put("out/new", b"x")
    assert not (tmp_path / "new").exists()
    gone = FolderStore(tmp_path / "unmounted")
    with pytest.raises(Terminal, match=r"no folder|is not there"):
        await gone.put("a/b", b"x")


@pytest.mark.parametrize("asked", ["/etc", "/vaults", "vault", "/vault/../etc", "-x"])
def test_folder_outside_of_the_settings_is_refused(asked: str) -> None:
    with pytest.raises(Terminal, match="outside"):
        allowed_folder(asked, (Path("/vault"),), nfs=False)


def test_folder_that_settings_allow_is_taken() -> None:
    assert allowed_folder("", (Path("/vault"), Path("/x")), nfs=False) == Path("/vault")
    assert allowed_folder("/x/deeper", (Path("/vault"), Path("/x")), nfs=False) == Path("/x/deeper")
    with pytest.raises(Terminal, match="--backup-folder"):
        allowed_folder("/x", (), nfs=False)


MOUNTS = """22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /mnt/nas rw,relatime shared:9 - nfs4 nas:/export rw
31 22 0:41 / /mnt/nas/local rw - ext4 /dev/sdb1 rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/mnt/nas", True), ("/mnt/nas/deep/er", True), ("/mnt/nas/local/x", False), ("/mnt/nasty", False), ("/", False)],
)
def test_nfs_is_told_by_the_mount_that_a_path_is_on(path: str, expected: bool) -> None:
    assert is_on_nfs(Path(path), MOUNTS) is expected


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"source": {"provider": "libvirt", "vmName": "web", "namespace": "other"}}, "CrossNamespaceReference"),
        ({"source": {"provider": "libvirt"}}, "ValidationFailed"),
        ({"format": {"type": "ova"}}, "Unsupported"),
        ({"format": {"type": "raw"}, "incremental": {"enabled": True}}, "Unsupported"),
    ],
)
def test_backup_that_cannot_be_is_refused(spec: dict[str, Any], reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        manner_of(backup(**spec))
    assert refused.value.reason == reason


def test_manner_of_a_backup() -> None:
    assert manner_of(backup()) == Manner(level=3)
    assert manner_of(backup(format={"type": "qcow2"})) == Manner(level=0)
    assert manner_of(backup(format={"type": "qcow2", "compression": True})) == Manner(level=9)
    on = {"enabled": True, "baseBackupRef": "b"}
    assert manner_of(backup(incremental=on)) == Manner(level=3, incremental=True, base="b")


def destinations(tmp_path: Path, keys: str = "") -> Destinations:
    account = tmp_path / "s3.toml"
    account.write_text(keys)
    settings = Settings(node="n", state=tmp_path, object_store=account if keys else None, backup_folders=(tmp_path,))
    return Destinations(cast("Client", None), settings)


OWN = '[s3]\nendpoint = "https://own"\naccessKeyId = "a"\nsecretAccessKey = "b"\n'


@pytest.mark.parametrize(
    ("spec", "keys", "reason"),
    [
        ({"type": "gcs"}, "", "Unsupported"),
        ({"type": "s3", "bucket": "-x"}, OWN, "InvalidDestination"),
        ({"type": "s3", "bucket": "bucket"}, "", "CredentialsMissing"),
        ({"type": "s3", "bucket": "bucket", "endpoint": "https://evil"}, OWN, "InvalidDestination"),
        ({"type": "s3", "bucket": "bucket", "endpoint": "file:///etc"}, OWN, "InvalidDestination"),
        (
            {"type": "s3", "bucket": "bucket", "credentials": {"secretRef": {"name": "x", "namespace": "other"}}},
            OWN,
            "InvalidDestination",
        ),
        (
            {"type": "s3", "bucket": "bucket", "credentials": {"secretRef": {"name": "../x"}}},
            OWN,
            "InvalidDestination",
        ),
    ],
)
async def test_store_that_may_not_be_is_refused(tmp_path: Path, spec: dict[str, Any], keys: str, reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        await destinations(tmp_path, keys).open(of_destination(BackupDestination.model_validate(spec)), "default")
    assert refused.value.reason == reason


async def test_node_keeps_namespaces_apart_in_its_own_account(tmp_path: Path) -> None:
    stores = destinations(tmp_path, OWN)
    spec = BackupDestination(type="s3", bucket="bucket", prefix="nightly")
    assert (await stores.place(spec, "default", "web")).key("x") == "default/nightly/web/x"
    origins = Origins(cast("Client", None), stores)
    mine = await origins.of(restore(source={"type": "s3", "bucket": "bucket", "path": "default/web/x-1/manifest.json"}))
    assert (mine.place.folder, mine.folder) == ("default/web", "x-1")
    folder = await origins.of(restore(source={"type": "local", "path": f"{tmp_path}/default/web/x-1"}))
    assert (folder.place.words(folder.folder)) == f"{tmp_path}/default/web/x-1"
    for path in ("other/web/x-1", "web", "default", "../default/web/x", ""):
        with pytest.raises(Terminal):
            await origins.of(restore(source={"type": "s3", "bucket": "bucket", "path": path}))


MACHINE = Machine(
    name="web",
    uid="u",
    labels={"app": "shop", "hypersdk.io/x": "y"},
    spec={"cpus": 1, "memory": "1Gi", "running": True, "networks": [{"name": "n", "macAddress": "52:54:00:00:00:01"}]},
)


def test_machine_of_another_name_is_another_machine() -> None:
    custom = {"memory": "2Gi", "cpu": 4}
    job = restore(options={"renameVM": "web-2", "customization": custom})
    body: Any = machine_object(job, MACHINE, "nightly", name_of(job, MACHINE))
    assert body["metadata"]["labels"] == {"app": "shop"}
    assert body["metadata"]["annotations"]["hypersdk.io/filling"] == job.metadata.uid
    assert body["metadata"]["annotations"]["hypersdk.io/cloned-from"] == "web"
    assert body["spec"] == {"cpus": 4, "memory": "2Gi", "running": False, "networks": [{"name": "n"}]}
    same: Any = machine_object(restore(), MACHINE, "nightly", name_of(restore(), MACHINE))
    assert same["spec"]["networks"][0]["macAddress"] == "52:54:00:00:00:01"
    assert "hypersdk.io/cloned-from" not in same["metadata"]["annotations"]


@pytest.mark.parametrize("name", ["../x", "-x", "Web", "a" * 300, "a b"])
def test_name_that_cannot_be_a_machines_is_refused(name: str) -> None:
    with pytest.raises(Terminal):
        name_of(restore(options={"renameVM": name}))


def test_restore_stays_in_its_namespace_and_its_disks() -> None:
    with pytest.raises(Terminal):
        checked(restore(destination={"provider": "libvirt", "namespace": "other"}))
    with pytest.raises(Terminal):
        checked(restore(options={"convertFormat": "vmdk"}))
    with pytest.raises(Terminal, match="a disk data"):
        paired(["root", "data"], ["root"])
