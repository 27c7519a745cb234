"""Who may open a stream: the front proxy's word for the name, the API's for the right."""

import asyncio
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from controller.gateway.access import Caller, ReviewedAccess, Wish, common_names
from controller.gateway.consoles import Consoles
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, TlsListener
from controller.gateway.streams import Streams
from hypersdk.errors import Forbidden, NotFound, Unauthorized, Unreachable
from hypersdk.kube.client import Client, error_of
from hypersdk.kube.streams import open_console, stream_path
from hypersdk.model.base import JsonObject
from hypersdk.model.core import SubjectAccessReview
from hypersdk.model.kinds import Kind
from tests.controlplane.certificates import LOOPBACK, Authority, KeyPair
from tests.unit.gateway.loopback import NODE, Clock, Lab, Rights, background
from tests.unit.gateway.scripted import ScriptedHost

PATH = stream_path("default", "vm", "metrics")
READ = Wish("get", "default", "vm", "console")
ALICE = Caller("alice", ("admins",), (("scopes", ("a", "b")),))


@dataclass
class Reviewer(Client):
    """An API that answers access reviews."""

    allowed: bool = True
    reviews: list[JsonObject] = field(default_factory=list)

    async def create(  # type: ignore[override]
        self, kind: Kind[SubjectAccessReview], namespace: str, obj: JsonObject, *, strict: bool = True
    ) -> SubjectAccessReview:
        self.reviews.append(obj)
        return SubjectAccessReview.model_validate(obj | {"status": {"allowed": self.allowed}})


async def test_the_api_is_asked_with_everything_it_knows_of_the_caller() -> None:
    api = Reviewer()
    assert await ReviewedAccess(api).allows(ALICE, READ)
    assert api.reviews == [
        {
            "spec": {
                "user": "alice",
                "groups": ["admins"],
                "extra": {"scopes": ["a", "b"]},
                "resourceAttributes": {
                    "group": "subresources.hypersdk.io",
                    "version": "v1alpha1",
                    "resource": "virtualmachines",
                    "subresource": "console",
                    "namespace": "default",
                    "name": "vm",
                    "verb": "get",
                },
            }
        }
    ]


async def test_a_yes_is_remembered_for_some_seconds_and_a_no_is_not() -> None:
    clock, api = Clock(), Reviewer()
    access = ReviewedAccess(api, clock=clock)
    for clock.now in (0, 9, 11):
        assert await access.allows(ALICE, READ)
    assert len(api.reviews) == 2
    api.allowed = False
    for _ in range(2):
        assert not await access.allows(Caller("bob"), READ)
    assert len(api.reviews) == 4


async def test_refusal_names_user_verb_and_object(lab: Lab) -> None:
    lab.rights.denied |= {("bob", "get"), ("bob", "update")}
    with pytest.raises(Forbidden, match='user "bob" cannot update virtualmachines/console of "vm"'):
        await open_console(lab.client("bob"), "default", "vm")
    with pytest.raises(Forbidden, match="cannot get virtualmachines/metrics"):
        await lab.client("bob").raw("GET", PATH)


async def test_somebody_without_rights_does_not_learn_which_vms_exist(lab: Lab) -> None:
    lab.rights.denied.add(("bob", "get"))
    with pytest.raises(Forbidden):
        await lab.client("bob").raw("GET", stream_path("default", "none", "metrics"))
    with pytest.raises(NotFound):
        await lab.client("alice").raw("GET", stream_path("default", "none", "metrics"))


async def test_rights_that_cannot_be_checked_are_no_rights(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_answer(caller: Caller, wish: Wish) -> bool:
        raise Unreachable("no answer from https://api")

    monkeypatch.setattr(lab.rights, "allows", no_answer)
    with pytest.raises(Exception, match="access cannot be checked now: no answer") as caught:
        await lab.client().raw("GET", PATH)
    assert getattr(caught.value, "code", 0) == 503


async def test_call_without_a_name_is_refused(lab: Lab) -> None:
    with pytest.raises(Unauthorized):
        await lab.client("").raw("GET", PATH)


async def test_groups_and_extra_reach_the_check(lab: Lab) -> None:
    await lab.client("alice").raw("GET", PATH)
    assert lab.rights.asked[-1] == (
        Caller("alice", ("system:authenticated",)),
        Wish("get", "default", "vm", "metrics"),
    )


async def test_socket_is_for_its_owner_only(lab: Lab) -> None:
    assert stat.S_IMODE(lab.socket.stat().st_mode) == 0o600


def test_common_names() -> None:
    assert common_names(None) == frozenset()
    subject = ((("organizationName", "x"),), (("commonName", "front-proxy-client"),))
    assert common_names({"subject": subject}) == {"front-proxy-client"}


@dataclass(frozen=True)
class TlsGateway:
    """A gateway on a TLS port."""

    port: int
    serving_ca: Authority
    client_ca: Authority

    async def get(self, pair: KeyPair | None, path: str = PATH) -> tuple[int, bytes]:
        import ssl

        context = ssl.create_default_context(cafile=str(self.serving_ca.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                f"https://localhost:{self.port}{path}", ssl=context, headers={"X-Remote-User": "alice"}
            ) as response,
        ):
            return response.status, await response.read()


@pytest.fixture
async def tls(tmp_path: Path) -> AsyncIterator[TlsGateway]:
    """A gateway that trusts a front proxy named `front-proxy-client`."""
    serving, clients = Authority.create(tmp_path, "ca"), Authority.create(tmp_path, "client-ca")
    pair = serving.issue("gateway", LOOPBACK)
    host = ScriptedHost()
    names = frozenset({"front-proxy-client"})
    streams = Streams(NODE, lambda *_: None, host, Consoles(host), Sampler(host), Rights(), names)
    gateway = Gateway(streams, [TlsListener("127.0.0.1", 0, pair.certificate, pair.key, clients.certificate)])
    async with background(gateway.run):
        await gateway.ready.wait()
        yield TlsGateway(gateway.ports[0], serving, clients)


async def test_front_proxy_is_believed(tls: TlsGateway) -> None:
    code, body = await tls.get(tls.client_ca.issue("front-proxy-client"))
    assert isinstance(error_of(code, body), NotFound)  # past the check; there are no VMs here


async def test_certificate_of_another_name_is_refused(tls: TlsGateway) -> None:
    code, _ = await tls.get(tls.client_ca.issue("somebody"))
    assert code == 401


async def test_caller_without_a_certificate_gets_no_answer_at_all(tls: TlsGateway) -> None:
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await tls.get(None, "/healthz")


async def test_certificate_of_another_authority_gets_no_answer_at_all(tls: TlsGateway, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    await asyncio.to_thread(folder.mkdir)
    stranger = Authority.create(folder, "client-ca").issue("front-proxy-client")
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await tls.get(stranger, "/healthz")
