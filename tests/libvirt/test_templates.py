"""Are templates ready only when VMs can be made of them, and are those VMs what template and spec say together?"""

import asyncio
import base64
import hashlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
import yaml
from pydantic import JsonValue

from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import SECRETS, VM_SNAPSHOTS, VM_TEMPLATES
from hypersdk.model.marks import TEMPLATE_NODE
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmtemplate import VMTemplate
from tests.controlplane.api import Api
from tests.controlplane.caches import running
from tests.folders import open_folder
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import NODE, Bench
from tests.s3.server import ACCESS, BUCKET, REGION, SECRET, S3Server, served

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(180), pytest.mark.asyncio(loop_scope="module")]


@dataclass
class Templates:
    """A controller with an image, and templates of it."""

    bench: Bench
    cache: Cache[VMTemplate]

    @property
    def image(self) -> Path:
        return self.bench.controller.images / "echo.raw"

    async def make(self, name: str, source: str = "", **spec: JsonValue) -> None:
        """A template of the image, or of something else."""
        image: JsonObject = {"source": source or f"file://{self.image}"}
        if "checksum" in spec:
            image["checksum"] = spec.pop("checksum")
        whole: JsonObject = {"displayName": name.title(), "image": image, **spec}
        await self.bench.client.create(VM_TEMPLATES, self.bench.namespace, {"metadata": {"name": name}, "spec": whole})

    def the(self, name: str) -> VMTemplate:
        found = self.cache.get(self.bench.namespace, name)
        assert found is not None
        return found

    def why(self, name: str, kind: str = "Ready") -> tuple[str, str]:
        """Reason and words of a condition."""
        template = self.cache.get(self.bench.namespace, name)
        found = condition(template.status.conditions, kind) if template is not None else None
        return ((found.reason or ""), (found.message or "")) if found is not None else ("", "")

    async def until(self, name: str, reason: str) -> str:
        """Wait for the reason of its Ready condition; its words."""
        await self.bench.until_of(self.cache, lambda: self.why(name)[0] == reason, 60)
        return self.why(name)[1]

    async def hyperctl(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A line of the command line tool."""
        where = ("--kubeconfig", str(self.bench.controller.api.kubeconfig), "-n", self.bench.namespace)
        line = [sys.executable, "-m", "hyperctl", "k8s", *words, *where]
        return await asyncio.to_thread(subprocess.run, line, capture_output=True, text=True)

    async def delete(self, name: str) -> None:
        await self.bench.client.delete(VM_TEMPLATES, self.bench.namespace, name)

    async def gone(self, name: str) -> None:
        await self.bench.until_of(self.cache, lambda: self.cache.get(self.bench.namespace, name) is None, 60)

    def disk_reason(self, name: str) -> str:
        """What its DiskReady condition says; empty while nobody has looked at it."""
        vm = self.bench.vms.get(self.bench.namespace, name)
        found = condition(vm.status.conditions, "DiskReady") if vm is not None else None
        return (found.reason or "") if found is not None else ""

    def disk(self, name: str, file: str = "root.qcow2") -> Path:
        return self.bench.controller.state / "disks" / f"{self.bench.vm(name).metadata.uid}-{file}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def templates(embedded_api: Api, libvirtd: Libvirtd, private_network: None) -> AsyncIterator[Templates]:
    """A controller of the module's own."""
    cache: Cache[VMTemplate] = Cache()
    with open_folder() as folder:
        async with lone_bench(embedded_api, libvirtd, folder, "--network", "bridge:br-none") as made:
            write_echo_disk(made.controller.images / "echo.raw")
            async with running(Watch(made.client, VM_TEMPLATES, cache, namespace=made.namespace)):
                yield Templates(made, cache)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An object store of the module's own."""
    with served(tmp_path_factory.mktemp("s3")) as server:
        yield server


DISKS: list[JsonValue] = [{"name": "root", "size": "64Mi", "bootOrder": 1}, {"name": "data", "size": "32Mi"}]


async def test_machine_gets_what_its_spec_does_not_say_and_the_template_stays_for_it(templates: Templates) -> None:
    digest = hashlib.sha256(templates.image.read_bytes()).hexdigest()
    await templates.make(
        "base",
        checksum={"type": "sha256", "value": digest},
        defaultSpec={"disks": DISKS, "guestAgent": {"enabled": False}},
        cloudInit={"defaultUserData": "#cloud-config\n{}\n"},
    )
    await templates.until("base", "TemplateReady")
    assert (templates.the("base").status.size, templates.the("base").status.usage_count) == ("1.0Mi", 0)
    own: list[JsonValue] = [{"name": "data", "size": "48Mi"}]
    await templates.bench.create("web", {"templateRef": {"name": "base"}}, memory="32Mi", disks=own)
    await templates.bench.until_phase("web", Phase.RUNNING, "Running")
    vm = templates.bench.vm("web")
    assert [(disk.name, disk.size) for disk in vm.spec.disks or []] == [("root", "64Mi"), ("data", "48Mi")]
    assert vm.spec.guest_agent is not None
    assert not vm.spec.guest_agent.enabled
    assert vm.spec.cloud_init is not None
    assert vm.spec.cloud_init.user_data == "#cloud-config\n{}\n"
    await templates.bench.until_of(templates.cache, lambda: templates.the("base").status.usage_count == 1, 30)

    await templates.delete("base")
    assert "now web does" in await templates.until("base", "InUse")
    await templates.bench.delete("web")
    await templates.gone("base")


@pytest.mark.parametrize(
    ("name", "image", "reason", "words"),
    [
        ("odd", {"checksum": {"type": "sha256", "value": "abc123..."}}, "ValidationFailed", "'abc123...' is not 64"),
        ("wrong", {"checksum": {"value": "0" * 64}}, "ImageCheckFailed", "ChecksumMismatch"),
        ("unknown", {"source": "no-such-name"}, "ImageNotAccessible", "no image is named 'no-such-name'"),
        ("outside", {"source": "file:///etc/passwd"}, "ImageNotAccessible", "outside of the node's image folders"),
        ("absent", {"source": "file://{images}/none.raw"}, "ImageNotAccessible", "no such file on this node"),
        ("text", {"source": "file://{images}/text.raw"}, "ImageCheckFailed", "is not a disk image"),
    ],
)
async def test_template_that_is_not_ready_says_why(
    templates: Templates, name: str, image: JsonObject, reason: str, words: str
) -> None:
    images = templates.bench.controller.images
    await asyncio.to_thread((images / "text.raw").write_text, "no disk at all\n" * 100)
    source = str(image.pop("source", "")).replace("{images}", str(images))
    await templates.make(name, source, **image)
    assert words in await templates.until(name, reason)
    assert templates.the(name).status.ready is False
    await templates.bench.create(f"of-{name}", {"templateRef": {"name": name}})
    await templates.bench.until_phase(f"of-{name}", Phase.PENDING, "TemplateNotReady")
    await templates.bench.delete(f"of-{name}")


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "reason", "words"),
    [
        ("deploy/examples/vmtemplate-ubuntu.yaml", "ImageNotAccessible", "cloud-images.ubuntu.com"),
        ("tests/api/seed/vmtemplate-ubuntu-22-04.yaml", "ValidationFailed", "'abc123...' is not 64"),
    ],
    ids=["example", "document"],
)
async def test_examples_become_ready_once_their_image_can_be_had(
    templates: Templates, file: str, reason: str, words: str
) -> None:
    body = yaml.safe_load(await asyncio.to_thread((ROOT / file).read_text))
    name = body["metadata"]["name"]
    meta: JsonObject = {"name": name}
    await templates.bench.client.create(VM_TEMPLATES, templates.bench.namespace, body | {"metadata": meta})
    assert words in await templates.until(name, reason)
    image: JsonObject = {"source": f"file://{templates.image}", "format": "raw", "checksum": None}
    patch: JsonObject = {"spec": {"image": image}}
    await templates.bench.client.patch(VM_TEMPLATES, templates.bench.namespace, name, patch)
    assert await templates.until(name, "TemplateReady") == "VMs can be made of it"
    await templates.delete(name)
    await templates.gone(name)


async def test_template_is_made_of_a_machine_and_machines_of_it(templates: Templates) -> None:
    await templates.bench.create("golden", f"file://{templates.image}", memory="32Mi", running=False)
    await templates.bench.until_phase("golden", Phase.STOPPED)
    await asyncio.to_thread(qemu_io, templates.disk("golden"), "write -P 0x77 512k 64k")
    await templates.bench.operate("golden", "start")
    refused = await templates.hyperctl("template", "create", "-name", "early", "-from", "golden")
    assert refused.returncode == 1
    assert "golden runs: stop it" in refused.stderr
    await templates.delete("early")
    await _template_is_made_of_a_snapshot(templates)
    await templates.bench.operate("golden", "stop", force=True)
    done = await templates.hyperctl("template", "create", "-name", "own", "-from", "golden")
    assert (done.returncode, done.stdout) == (0, "vmtemplate.hypersdk.io/own created\n"), done.stderr
    defaults = templates.the("own").spec.default_spec
    assert defaults is not None
    assert (defaults.cpus, defaults.memory) == (1, "32Mi")
    await templates.bench.delete("golden")
    await templates.until("own", "TemplateReady")
    assert (templates.the("own").metadata.annotations or {})[TEMPLATE_NODE] == NODE

    templates.bench.made.add("first")
    made_of_it = ("vm", "create", "-from-template", "own", "-name", "first", "-cpus", "2", "--stopped")
    assert (await templates.hyperctl(*made_of_it)).returncode == 0
    await templates.bench.until_phase("first", Phase.STOPPED)
    first = templates.bench.vm("first").spec
    assert (first.cpus, first.memory) == (2, "32Mi"), "the command's own word wins, the rest is the template's"
    await asyncio.to_thread(qemu_io, templates.disk("first"), "read -P 0x77 512k 64k")
    await templates.bench.create("thief", f"template://{templates.the('own').metadata.uid}", memory="32Mi")
    await templates.bench.until(lambda: templates.disk_reason("thief") == "ImageNotAllowed")
    await templates.bench.delete("thief")
    made = list((templates.bench.controller.state / "templates").iterdir())
    assert [path.name for path in made] == [f"{templates.the('own').metadata.uid}-template.qcow2"]

    await templates.delete("own")
    await templates.until("own", "InUse")
    await templates.bench.delete("first")
    await templates.gone("own")
    assert list((templates.bench.controller.state / "templates").iterdir()) == []


async def _template_is_made_of_a_snapshot(templates: Templates) -> None:
    """Of the VM golden, which runs."""
    taken = await templates.hyperctl("vm", "snapshot", "create", "golden", "-name", "as-was")
    assert taken.returncode == 0, taken.stderr
    made = await templates.hyperctl("template", "create", "-name", "then", "-from-snapshot", "as-was")
    assert made.returncode == 0, made.stderr
    then = templates.the("then")
    assert then.spec.image.source == "snapshot://as-was"
    assert then.spec.default_spec is not None
    assert then.spec.default_spec.memory == "32Mi"
    image = templates.bench.controller.state / "templates" / f"{then.metadata.uid}-template.qcow2"
    await asyncio.to_thread(qemu_io, image, "read -P 0x77 512k 64k")
    await templates.bench.client.delete(VM_SNAPSHOTS, templates.bench.namespace, "as-was")
    await asyncio.to_thread(qemu_io, image, "read -P 0x77 512k 64k")
    assert b"golden" not in (await asyncio.to_thread(image.read_bytes))[:1024]
    await templates.delete("then")
    await templates.gone("then")


async def test_template_goes_into_an_object_store_whole_or_not_at_all(templates: Templates, s3: S3Server) -> None:
    bench = templates.bench
    await bench.create("stored", f"file://{templates.image}", memory="32Mi", running=False)
    await bench.until_phase("stored", Phase.STOPPED)
    await asyncio.to_thread(qemu_io, templates.disk("stored"), "write -P 0x66 512k 64k")
    for name, word in (("right", SECRET), ("wrong", "another-word")):
        told = {"accessKeyId": ACCESS, "secretAccessKey": word, "endpoint": s3.endpoint, "region": REGION}
        data: JsonObject = {key: base64.b64encode(value.encode()).decode() for key, value in told.items()}
        await bench.client.create(SECRETS, bench.namespace, {"metadata": {"name": name}, "data": data})
    where = ("-from", "stored", "-to", f"s3://{BUCKET}/golden/stored.qcow2", "-secret")

    refused = await templates.hyperctl("template", "create", "-name", "denied", *where, "wrong")
    assert refused.returncode == 1
    assert "the secret key is not that of the access key" in refused.stderr
    assert list(s3.objects.rglob("*.qcow2")) == []
    await templates.delete("denied")
    await templates.gone("denied")

    done = await templates.hyperctl("template", "create", "-name", "shared", *where, "right")
    assert done.returncode == 0, done.stderr
    stored = await asyncio.to_thread((s3.objects / "golden" / "stored.qcow2").read_bytes)
    image = templates.the("shared").spec.image
    assert (image.source, image.upload_to) == (where[3], None)
    assert image.checksum is not None
    assert image.checksum.value == hashlib.sha256(stored).hexdigest()
    assert list((bench.controller.state / "templates").iterdir()) == []
    await bench.delete("stored")
    await bench.create("of-store", {"templateRef": {"name": "shared"}}, memory="32Mi", running=False)
    await bench.until_phase("of-store", Phase.STOPPED)
    await asyncio.to_thread(qemu_io, templates.disk("of-store"), "read -P 0x66 512k 64k")
    await bench.delete("of-store")


def qemu_io(disk: Path, command: str) -> None:
    """What qemu-io does to a disk that nobody uses."""
    done = subprocess.run(["qemu-io", "-f", "qcow2", "-c", command, str(disk)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Pattern verification failed" not in done.stdout, done.stdout
