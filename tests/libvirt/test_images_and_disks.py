"""Do images and disks come from wherever the spec says, into pools that libvirt lists, and is every bad one refused?"""

import asyncio
import base64
import hashlib
import json
import struct
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from hyperctl.stack.virsh import virsh
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import SECRETS, VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.controlplane.api import Api
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench, ControllerProcess, bench
from tests.libvirt.site import Site, open_site
from tests.s3.server import S3Server, served

pytestmark = [pytest.mark.libvirt, pytest.mark.s3, pytest.mark.timeout(180)]
MIB = 2**20


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A web server on loopback."""
    async with open_site() as made:
        yield made


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server."""
    with served(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def controller(embedded_api: Api, libvirtd: Libvirtd, guest_folder: Path) -> Iterator[ControllerProcess]:
    """A controller with a class in a folder, and one in a pool of the host; no pool of it is left."""
    for name in ("fast", "lab"):
        (guest_folder / name).mkdir()
    before = set(virsh(libvirtd.uri, "pool-list", "--all", "--name").split())
    namespace = f"t-{uuid.uuid4().hex[:10]}"
    embedded_api.make_namespace(namespace)
    virsh(libvirtd.uri, "pool-define-as", "lab-pool", "dir", "--target", str(guest_folder / "lab"))
    made = ControllerProcess(embedded_api, libvirtd.uri, guest_folder, namespace)
    made.options = (
        *("--storage-class", f"fast={guest_folder / 'fast'}", "--storage-class", "lab=pool:lab-pool"),
        *("--image-deny", "10.0.0.0/8", "--cpu-overcommit", "50"),
    )
    made.catalogue = f'[images]\necho = "file://{made.images}/echo.raw"\n"echo:2" = "https://images.invalid/x"\n'
    yield made
    for pool in set(virsh(libvirtd.uri, "pool-list", "--all", "--name").split()) - before:
        if pool in virsh(libvirtd.uri, "pool-list", "--name").split():
            virsh(libvirtd.uri, "pool-destroy", pool)
        virsh(libvirtd.uri, "pool-undefine", pool)


@asynccontextmanager
async def on(controller: ControllerProcess) -> AsyncIterator[Bench]:
    """The controller at work."""
    client = Client(await connect(controller.api.endpoint))
    async with bench(client, controller.namespace, controller) as made:
        yield made
    await client.close()


@pytest.fixture
async def here(controller: ControllerProcess, private_network: None) -> AsyncIterator[Bench]:
    """The controller at work, with one image in its folder."""
    controller.images.mkdir()
    write_echo_disk(controller.images / "echo.raw")
    async with on(controller) as made:
        yield made


async def secret(here: Bench, name: str, **data: str) -> None:
    """A Secret of the namespace."""
    encoded: JsonObject = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    await here.client.create(SECRETS, here.namespace, {"metadata": {"name": name}, "data": encoded})


async def account(here: Bench, s3: S3Server, name: str = "store", **change: str) -> None:
    """A Secret with the store's account."""
    keys = s3.keys
    whole = {
        "accessKeyId": keys.access_key_id,
        "secretAccessKey": keys.secret_access_key,
        "endpoint": keys.endpoint,
        "region": keys.region,
    }
    await secret(here, name, **(whole | change))


async def make(here: Bench, name: str, image: str | JsonObject | None, **spec: JsonObject | bool) -> None:
    """A VM of 32 MiB."""
    source: JsonObject = {"image": {"source": image} if isinstance(image, str) else image} if image else {}
    whole: JsonObject = {"cpus": 1, "memory": "32Mi", **source, **spec}
    here.made.add(name)
    await here.client.create(VIRTUAL_MACHINES, here.namespace, {"metadata": {"name": name}, "spec": whole})


def capacity(libvirtd: Libvirtd, domain: str, device: str) -> int:
    """How large the guest sees a disk."""
    words = virsh(libvirtd.uri, "domblkinfo", domain, device)
    return int(words.split("Capacity:")[1].split()[0])


def disc_size(libvirtd: Libvirtd, domain: str) -> int:
    """How large the disc in the drive is; 0 for none."""
    rows = [line.split() for line in virsh(libvirtd.uri, "domblklist", domain).splitlines()]
    (source,) = (row[1] for row in rows if row and row[0] == "sda")
    return Path(source).stat().st_size if source != "-" else 0


def qcow2(path: Path, *options: str, size: str = "8M") -> bytes:
    """A qcow2 image."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)
    return path.read_bytes()


async def test_disks_of_every_source_and_class_make_one_guest(
    here: Bench, site: Site, s3: S3Server, libvirtd: Libvirtd, guest_folder: Path
) -> None:
    body = (here.controller.images / "echo.raw").read_bytes()
    site.hold.set()
    site.bodies = {
        "tools.iso": bytes(4 * MIB),
        "other.iso": bytes(2 * MIB),
        "data.qcow2": qcow2(guest_folder / "data", size="24M"),
    }
    await account(here, s3)
    image: JsonObject = {
        "source": s3.put("echo.raw", body),
        "secretRef": {"name": "store"},
        "checksum": {"type": "sha512", "value": hashlib.sha512(body).hexdigest()},
    }
    disks: list[JsonObject] = [
        {"name": "os", "size": "64Mi"},
        {"name": "fast", "size": "16Mi", "storageClass": "fast"},
        {"name": "lab", "size": "8Mi", "storageClass": "lab", "source": {"http": f"{site.origin}/data.qcow2"}},
        {"name": "tools", "size": "4Mi", "type": "cdrom", "source": {"http": f"{site.origin}/tools.iso"}},
    ]
    await make(here, "many", image, disks=disks)  # type: ignore[arg-type]
    await here.until_phase("many", Phase.RUNNING, "Running")
    uid, domain = here.vm("many").metadata.uid, f"{here.namespace}.many"

    sizes = [capacity(libvirtd, domain, device) // MIB for device in ("vda", "vdb", "vdc", "sda")]
    assert sizes == [64, 16, 24, 4]
    pools = ("hypersdk-standard", "hypersdk-fast", "lab-pool")
    await _until(lambda: all(f"{uid}-" in virsh(libvirtd.uri, "vol-list", pool) for pool in pools))
    told = {event.reason for event in await here.events()}
    assert {"Importing", "Imported", "Started"} <= told

    discs: list[tuple[JsonObject, int]] = [({"http": f"{site.origin}/other.iso"}, 2), ({}, 0)]
    for source, size in discs:
        drive: JsonObject = {**disks[3], "source": source}
        await _edit_disks(here, [*disks[:3], drive])
        await _until(lambda size=size: disc_size(libvirtd, domain) == size * MIB)  # type: ignore[misc]

    stop = await here.operate("many", "stop", force=True)
    assert stop.phase is OperationPhase.SUCCEEDED, stop.status.message
    disks[1]["size"] = "32Mi"
    await _edit_disks(here, disks)
    start = await here.operate("many", "start")
    assert start.phase is OperationPhase.SUCCEEDED, start.status.message
    assert capacity(libvirtd, domain, "vdb") == 32 * MIB

    await _only_what_is_stood_on_stays(here, guest_folder)


async def _only_what_is_stood_on_stays(here: Bench, guest_folder: Path) -> None:
    """With a controller that keeps no unused image."""
    await here.controller.kill()
    here.controller.options += ("--image-grace", "0")
    stored = here.controller.state / "images"
    unused = stored / f"{'0' * 64}.img"
    unused.touch()
    await here.controller.start()
    await _until(lambda: not unused.exists() and len(list(stored.glob("*.img"))) == 3)
    assert here.vm("many").phase is Phase.RUNNING

    await here.delete("many")
    assert here.controller.files() == set()
    assert [path for name in ("fast", "lab") for path in (guest_folder / name).iterdir()] == []
    await here.controller.kill()
    await here.controller.start()
    await _until(lambda: not list(stored.glob("*.img")))


async def _edit_disks(here: Bench, disks: list[JsonObject]) -> None:
    await here.client.patch(VIRTUAL_MACHINES, here.namespace, "many", {"spec": {"disks": disks}})  # type: ignore[dict-item]


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for something to be true of files."""
    async with asyncio.timeout(60):
        while not await asyncio.to_thread(holds):
            pass


def _safe_bytes(folder: Path) -> int:
    return max((json.loads(note.read_text())["safe"] for note in folder.glob("*.json")), default=0)


def hostile(folder: Path) -> dict[str, tuple[bytes, str]]:
    """Images that must not come, by name, and the reason."""
    corrupt = bytearray(qcow2(folder / "corrupt"))
    struct.pack_into(">I", corrupt, 20, 63)
    extent = '# Disk DescriptorFile\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/shadow" 0\n'
    return {
        "backing": (qcow2(folder / "b", "-b", "/etc/shadow", "-F", "raw", "-u"), "ImageNotAllowed"),
        "data-file": (qcow2(folder / "d", "-o", f"data_file={folder}/raw,data_file_raw=on"), "ImageNotAllowed"),
        "absurd": (qcow2(folder / "a", size="17T"), "ImageTooLarge"),
        "corrupt": (bytes(corrupt), "ImageInvalid"),
        "vmdk": (extent.encode().ljust(1024), "ImageFormatUnsupported"),
        "page": (b"<html>sign in</html>".ljust(1024), "ImageInvalid"),
        "packed": (b"\x1f\x8b\x08".ljust(1024, b"\0"), "ImageFormatUnsupported"),
    }


async def test_every_bad_image_or_disk_has_its_reason_and_leaves_nothing(
    here: Bench, site: Site, s3: S3Server, guest_folder: Path
) -> None:
    site.hold.set()
    here.controller.images.joinpath("shadow.img").symlink_to("/etc/shadow")
    await account(here, s3)
    await account(here, s3, "wrong", secretAccessKey="nonsense")
    await secret(here, "half", accessKeyId="a")
    s3.put("there.img", bytes(MIB))
    site.bodies |= {"good.img": bytes(MIB), "data": qcow2(guest_folder / "data")}
    site.moved = {"away": "http://169.254.169.254/latest", "denied": "http://10.9.9.9/x", "file": "file:///etc/shadow"}
    wanted: dict[str, tuple[JsonObject, str]] = {
        "unknown-name": ({"source": "ecko"}, "ImageNotFound"),
        "no-such-file": ({"source": f"file://{here.controller.images}/gone.img"}, "ImageNotFound"),
        "shadow": ({"source": "file:///etc/shadow"}, "ImageNotAllowed"),
        "dots": ({"source": f"file://{here.controller.images}/../echo.raw"}, "ImageNotAllowed"),
        "link": ({"source": f"file://{here.controller.images}/shadow.img"}, "ImageNotAllowed"),
        "link-local": ({"source": "http://169.254.169.254/latest/meta-data"}, "ImageNotAllowed"),
        "forbidden": ({"source": "http://10.9.9.9/x.img"}, "ImageNotAllowed"),
        "moved": ({"source": f"{site.origin}/away"}, "ImageNotAllowed"),
        "moved-denied": ({"source": f"{site.origin}/denied"}, "ImageNotAllowed"),
        "moved-file": ({"source": f"{site.origin}/file"}, "ImageNotAllowed"),
        "ftp": ({"source": "ftp://host/x"}, "ImageSourceUnsupported"),
        "json": ({"source": 'json:{"file.filename":"/etc/shadow"}'}, "ImageNotFound"),
        "bucket": ({"source": "s3://Not_A_Bucket/x"}, "ImageSourceUnsupported"),
        "checksum": (_summed(f"{site.origin}/good.img", "sha256", "0" * 64), "ChecksumMismatch"),
        "checksum-word": (_summed(f"{site.origin}/good.img", "md5", "abc"), "InvalidChecksum"),
        "key": ({"source": "s3://images/none", "secretRef": {"name": "store"}}, "ImageNotFound"),
        "s3-secret": ({"source": "s3://images/there.img", "secretRef": {"name": "wrong"}}, "ImageAccessDenied"),
        "s3-half": ({"source": "s3://images/there.img", "secretRef": {"name": "half"}}, "InvalidSecret"),
        "s3-none": ({"source": "s3://images/there.img", "secretRef": {"name": "gone"}}, "SecretNotFound"),
        "s3-across": ({"source": "s3://images/there.img", "secretRef": {"name": "../x/store"}}, "InvalidSecretName"),
    }
    for name, (body, reason) in hostile(guest_folder).items():
        site.bodies[name] = body
        wanted[f"hostile-{name}"] = ({"source": f"{site.origin}/{name}"}, reason)
    disks: dict[str, tuple[JsonObject, str]] = {
        "class": ({"name": "a", "size": "1Mi", "storageClass": "gold"}, "StorageClassNotFound"),
        "pvc": ({"name": "a", "size": "1Mi", "source": {"pvc": "p"}}, "DiskSourceUnsupported"),
        "two-sources": (_disk_of({"s3": "http://host/x"}), "InvalidDiskSource"),
        "disc": (_disk_of({"http": f"{site.origin}/data"}) | {"type": "cdrom"}, "ImageFormatUnsupported"),
        "huge": ({"name": "a", "size": "900Ti"}, "InsufficientStorage"),
    }
    for name, (image, _) in wanted.items():
        await make(here, name, image)
    for name, (disk, _) in disks.items():
        await make(here, name, "echo", disks=[{"name": "os", "size": "1Mi"}, disk])  # type: ignore[arg-type]
    reasons = {name: reason for name, (_, reason) in [*wanted.items(), *disks.items()]}
    await here.until(lambda: all(_failed(here, name, reason) for name, reason in reasons.items()))
    told = {(event.involved_object.name, event.reason) for event in await here.events()}
    assert set(reasons.items()) <= told
    secrets = json.dumps([event.wire() for event in await here.events()]) + here.controller.tail()
    assert s3.keys.secret_access_key not in secrets
    for name in reasons:
        await here.delete(name)
    assert here.controller.files() == set()
    assert list((here.controller.state / "images" / ".partial").iterdir()) == []


def _disk_of(source: JsonObject) -> JsonObject:
    return {"name": "a", "size": "1Mi", "source": source}


def _summed(url: str, kind: str, value: str) -> JsonObject:
    return {"source": url, "checksum": {"type": kind, "value": value}}


def _failed(here: Bench, name: str, reason: str) -> bool:
    vm = here.vms.get(here.namespace, name)
    found = condition(vm.status.conditions, "DiskReady") if vm is not None else None
    return vm is not None and found is not None and (vm.phase, found.reason) == (Phase.FAILED, reason)


def _transferred(here: Bench, name: str) -> int:
    vm = here.vms.get(here.namespace, name)
    progress = vm.status.image_progress if vm is not None else None
    return progress.bytes_transferred if progress is not None else 0


async def test_controller_that_is_killed_while_importing_continues(here: Bench, site: Site) -> None:
    body = (here.controller.images / "echo.raw").read_bytes() + bytes(7 * MIB)
    site.bodies["held.raw"] = body
    for name in ("one", "two"):
        await make(here, name, f"{site.origin}/held.raw")
    await here.until(lambda: _transferred(here, "one") > 0)
    await _until(lambda: _safe_bytes(here.controller.state / "images" / ".partial") > 0)
    await here.controller.kill()
    site.hold.set()
    await here.controller.start()
    for name in ("one", "two"):
        await here.until_phase(name, Phase.RUNNING, "Running")
    (image,) = (here.controller.state / "images").glob("*.img")
    assert image.name == f"{hashlib.sha256(body).hexdigest()}.img"
    # Whichever VM comes when the image is whole asks whether it still is the same.
    first, second = (wanted for name, wanted in site.sent if name == "held.raw")
    assert (first, second.startswith("bytes=")) == ("", True)


@contextmanager
def small_file_system(folder: Path) -> Iterator[None]:
    """The folder has 48 MiB of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tests", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


async def test_disk_that_is_full_while_importing_is_said_and_waited_for(
    controller: ControllerProcess, site: Site, private_network: None
) -> None:
    site.hold.set()
    site.bodies = {"big.raw": bytes(16 * MIB), "unknown-length.raw": bytes(15 * MIB) + b"\1" * MIB}
    with small_file_system(controller.state):
        filler = controller.state / "filler"
        filler.write_bytes(bytes(40 * MIB))
        async with on(controller) as here:
            await make(here, "told", f"{site.origin}/big.raw", running=False)
            await make(here, "untold", f"{site.origin}/unknown-length.raw", running=False)
            await here.until(lambda: all(_failed(here, name, "InsufficientStorage") for name in ("told", "untold")))
            events = [event for event in await here.events() if event.reason == "InsufficientStorage"]
            assert {event.involved_object.name for event in events} == {"told", "untold"}
            assert list((controller.state / "images" / ".partial").iterdir()) == []
            # An image that nothing needs makes room by itself, long before its time.
            filler.rename(controller.state / "images" / f"{'0' * 64}.img")
            for name in ("told", "untold"):
                await here.until_phase(name, Phase.STOPPED)
            for name in ("told", "untold"):
                await here.delete(name)
            assert controller.files() == set()
