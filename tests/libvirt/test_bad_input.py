"""Does everything that a spec can get wrong end in words for a person, harm nobody else, and leave nothing behind?

One controller on one libvirtd for the whole table; all its VMs are there at the same time, beside a healthy one.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from pydantic import JsonValue

from hyperctl.stack.virsh import virsh
from hypersdk.errors import Invalid
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.core import Event
from hypersdk.model.kinds import EVENTS, SECRETS, VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.controlplane.api import Api
from tests.controlplane.caches import running, until
from tests.folders import open_folder
from tests.libvirt.benches import lone_bench
from tests.libvirt.bootsector import write_echo_disk
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import Bench
from tests.loopback import serving

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

MAC = "02:0b:ad:00:00:01"
EVIL = "\x1b]0;owned\x07\x9b2J\u202eend"
"""Sets a terminal's title, clears it, and turns the direction of writing."""
LONGEST_NAME = ".".join(["a" * 49] * 5) + ".b-c"
assert len(LONGEST_NAME) == 253


def network(**more: JsonValue) -> JsonObject:
    return {"networks": [{"name": "lan", **more}]}


def user_data(text: str) -> JsonObject:
    return {"cloudInit": {"userData": text}}


@dataclass(frozen=True)
class Row:
    """A spec, and what is said of it: the reason of Ready and the Event, and a part of the message."""

    spec: JsonObject
    reason: str
    words: str
    phase: Phase = Phase.FAILED
    event: str = ""
    """Its reason, where it is not the condition's."""


def nowhere(words: str, **spec: JsonValue) -> Row:
    return Row(spec, "Unschedulable", words, Phase.PENDING, "FailedScheduling")


TABLE = {
    "memory-above-the-host": nowhere("1000Gi memory are left", memory="1000Gi"),
    "cpus-above-the-host": nowhere("of the 128 CPUs are left", cpus=128),
    "node-that-is-none": nowhere("lacks the label", nodeSelector={"kubernetes.io/hostname": "elsewhere"}),
    "escapes-in-a-selector": nowhere("lacks the label zone=", nodeSelector={"zone": EVIL}),
    "memory-too-small": Row({"memory": "1Mi"}, "InvalidMemory", "less than 16Mi"),
    "broken-cloud-init": Row(user_data("#cloud-config\nusers: [\n"), "InvalidCloudInit", "line 3"),
    "wrong-header": Row(user_data("# cloud-config\n"), "InvalidCloudInit", "the first line must be #cloud-config"),
    "escapes-in-cloud-init": Row(user_data(f"#cloud_config {EVIL}"), "InvalidCloudInit", "cannot read"),
    "deep-cloud-init": Row(user_data("#cloud-config\na: " + "[" * 50_000), "InvalidCloudInit", "nested too deep"),
    "broken-network-data": Row({"cloudInit": {"networkData": "- eth0"}}, "InvalidCloudInit", "no mapping"),
    "secret-that-is-none": Row({"cloudInit": {"secretRef": {"name": "gone"}}}, "SecretNotFound", "gone"),
    "secret-of-another-namespace": Row(
        {"cloudInit": {"secretRef": {"name": "../../kube-system/secrets/x"}}}, "InvalidSecretName", "kube-system"
    ),
    "secret-without-data": Row({"cloudInit": {"secretRef": {"name": "other"}}}, "SecretInvalid", "neither userData"),
    "mac-twice": Row(
        {"networks": [{"name": n, "macAddress": "02:00:00:00:00:02"} for n in "ab"]}, "DuplicateMAC", "same macAddress"
    ),
    "mac-of-a-neighbour": Row(network(macAddress=MAC.upper()), "DuplicateMAC", "healthy has the macAddress"),
    "mac-of-many": Row(network(macAddress="01:00:5e:00:00:01"), "InvalidMAC", "multicast"),
    "bridge-of-the-host": Row(network(type="bridge", multusNetworkName="lo"), "NetworkNotFound", "may not be put"),
    "bridge-that-is-missing": Row(network(type="bridge", multusNetworkName="br-gone"), "BridgeNotFound", "br-gone"),
    "bridge-that-is-a-shell": Row(network(type="bridge", multusNetworkName="$(reboot)"), "InvalidBridgeName", "reboot"),
    "escapes-in-a-bridge": Row(network(type="multus", multusNetworkName=EVIL), "InvalidBridgeName", "owned"),
    "nad-that-is-none": Row(network(type="multus", multusNetworkName="infra/lan"), "NetworkNotFound", "may not be put"),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(embedded_api: Api, libvirtd: Libvirtd, private_network: None) -> AsyncIterator[Bench]:
    """A controller with a healthy VM, and every VM of the table beside it."""
    with open_folder() as folder:
        async with lone_bench(embedded_api, libvirtd, folder, "--bridge", "br-gone") as made:
            source = write_echo_disk(made.controller.images / "echo.raw")
            data: JsonObject = {"other": base64.b64encode(b"x").decode()}
            await made.client.create(SECRETS, made.namespace, {"metadata": {"name": "other"}, "data": data})
            await made.create("healthy", f"file://{source}", memory="32Mi", **network(macAddress=MAC))
            await made.until_phase("healthy", Phase.RUNNING, "Running")
            for name, row in TABLE.items():
                await made.create(name, f"file://{source}", **{"memory": "32Mi", **row.spec})
            yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(here: Bench) -> AsyncIterator[Cache[Event]]:
    """The namespace's Events, watched."""
    async with running(Watch(here.client, EVENTS, Cache[Event](), namespace=here.namespace)) as cache:
        yield cache


@pytest.fixture
def image(here: Bench) -> str:
    """A disk that boots at once."""
    return f"file://{here.controller.images / 'echo.raw'}"


@pytest.mark.parametrize("name", TABLE)
async def test_bad_spec_is_said_once_and_harmlessly(here: Bench, told: Cache[Event], name: str) -> None:
    row = TABLE[name]
    await here.until_phase(name, row.phase, row.reason)
    found = condition(here.vm(name).status.conditions, "Ready")
    assert found is not None
    assert row.words in (found.message or "")
    assert harmless(found.message or "")

    def warnings() -> list[Event]:
        return [event for event in told if event.involved_object.name == name and event.type == "Warning"]

    await until(told, lambda: bool(warnings()), 90)
    assert {event.reason for event in warnings()} == {row.event or row.reason}
    assert all(harmless(event.message or "") for event in warnings())


OPERATIONS: dict[str, tuple[JsonObject, str]] = {
    "machine-that-is-none": ({"name": "nobody"}, "VMNotFound"),
    "machine-of-another-namespace": ({"name": "healthy", "namespace": "kube-system"}, "CrossNamespaceReference"),
    "namespace-that-is-none": ({"name": "healthy", "namespace": EVIL}, "CrossNamespaceReference"),
    "machine-that-is-a-path": ({"name": "../../kube-system/virtualmachines/x"}, "VMNotFound"),
}


@pytest.mark.parametrize("name", OPERATIONS)
async def test_operation_on_what_is_not_ours_fails_at_once(here: Bench, name: str) -> None:
    reference, reason = OPERATIONS[name]
    before = here.vm("healthy").status.qemu_pid
    spec: JsonObject = {"vmRef": reference, "operation": "stop", "force": True}
    made = await here.client.create(VM_OPERATIONS, here.namespace, {"metadata": {"name": name}, "spec": spec})
    await here.until_of(here.operations, lambda: here.operations.get(*made.key) is not None, 90)
    await here.until_of(here.operations, lambda: here.operations.objects[made.key].phase.is_over, 90)
    status = here.operations.objects[made.key].status
    assert status.phase is OperationPhase.FAILED
    assert [one.reason for one in status.conditions or []] == [reason]
    assert harmless(status.message or "")
    assert here.vm("healthy").status.qemu_pid == before


@pytest.mark.parametrize("name", ["../../etc/passwd", "-rf", "Upper", "a" * 254, "a..b", EVIL, "a\n"])
async def test_name_that_is_none_never_gets_in(here: Bench, image: str, name: str) -> None:
    with pytest.raises(Invalid):
        await here.create(name, image)
    here.made.discard(name)


@pytest.mark.parametrize(
    "spec",
    [
        {"cpus": 129},
        {"cpus": 0},
        {"memory": "-1Gi"},
        {"memory": EVIL},
        network(macAddress="52:54:00:12:34"),
        network(type=EVIL),
        {"cloudInit": {"userData": ["a"]}},
    ],
    ids=["many-cpus", "no-cpus", "negative-memory", "no-memory", "short-mac", "no-type", "list-of-user-data"],
)
async def test_spec_that_is_none_never_gets_in(here: Bench, image: str, spec: JsonObject) -> None:
    with pytest.raises(Invalid):
        await here.create("refused", image, **spec)
    here.made.discard("refused")


async def test_longest_name_lives_and_leaves_nothing(here: Bench, image: str, libvirtd: Libvirtd) -> None:
    await here.create(LONGEST_NAME, image, memory="32Mi")
    await here.until_phase(LONGEST_NAME, Phase.RUNNING, "Running")
    uid = here.vm(LONGEST_NAME).metadata.uid
    assert len(virsh(libvirtd.uri, "domname", uid).strip()) <= 80
    assert {event.reason for event in await here.events() if event.involved_object.name == LONGEST_NAME} >= {"Started"}
    await here.delete(LONGEST_NAME)
    assert not [path for path in here.controller.files() if uid in path]


async def test_spec_that_changes_and_machine_that_goes_while_the_image_comes(here: Bench, libvirtd: Libvirtd) -> None:
    async with slow_image(here.controller.images / "echo.raw") as (url, let_go):
        for name in ("changing", "going"):
            await here.create(name, f"{url}/{name}.raw", memory="32Mi")
        for name in ("changing", "going"):
            await here.until_phase(name, Phase.CREATING, "Importing")
        uid = here.vm("going").metadata.uid
        await here.client.patch(VIRTUAL_MACHINES, here.namespace, "changing", {"spec": {"memory": "48Mi"}})
        await here.delete("going")
        let_go.set()
        await here.until_phase("changing", Phase.RUNNING, "Running")
    told = virsh(libvirtd.uri, "dominfo", here.vm("changing").metadata.uid)
    assert f"{48 << 10} KiB" in told
    assert not [path for path in here.controller.files() if uid in path]
    assert uid not in virsh(libvirtd.uri, "list", "--all", "--uuid")


async def test_nothing_is_left_of_any_of_them_and_the_healthy_one_never_noticed(
    here: Bench, libvirtd: Libvirtd
) -> None:
    healthy = here.vm("healthy").metadata.uid
    assert here.vm("healthy").phase is Phase.RUNNING
    bad = [name for name in here.made if name != "healthy"]
    for name in bad:
        await here.delete(name)
    assert {path for path in here.controller.files() if healthy not in path} == set()
    assert not {path.name for path in (here.controller.state / "images").iterdir() if path.suffix == ".part"}
    ours = {line for line in virsh(libvirtd.uri, "list", "--all", "--name").split() if here.namespace in line}
    assert ours == {f"{here.namespace}.healthy"}
    assert all(harmless(line) for line in here.controller.log.read_text().splitlines())


@asynccontextmanager
async def slow_image(file: Path) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A web server that sends the second half of the file only when it is let go."""
    let_go = asyncio.Event()
    content = await asyncio.to_thread(file.read_bytes)

    async def serve(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        if request.method == "GET":
            await response.write(content[: len(content) // 2])
            await let_go.wait()
            await response.write(content[len(content) // 2 :])
        return response

    async with serving(serve) as origin:
        yield origin, let_go


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)
