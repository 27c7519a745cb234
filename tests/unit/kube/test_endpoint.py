"""Every way in which a kubeconfig, or a pod, says how to sign in; against a server that tells who has come."""

import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from hypersdk.errors import ConfigError, Unreachable
from hypersdk.kube import endpoint as places
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import Endpoint, connect, contexts, default_kubeconfig
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.controlplane.certificates import LOOPBACK, Authority


@dataclass
class Guarded:
    """A server with TLS that knows its callers by certificate or token."""

    port: int
    authority: Authority
    seen: list[str]

    @property
    def cluster(self) -> JsonObject:
        """How a kubeconfig names it."""
        return {"server": f"https://127.0.0.1:{self.port}", "certificate-authority": str(self.authority.certificate)}


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Guarded]:
    authority = Authority.create(tmp_path, "ca")
    pair = authority.issue("server", LOOPBACK)
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert")
        subject = dict(part[0] for part in shown["subject"]) if shown else {}
        seen.append(str(subject.get("commonName") or request.headers.get("Authorization", "nobody")))
        return web.json_response({"kind": "List", "metadata": {"resourceVersion": "1"}, "items": []})

    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
    trust.verify_mode = ssl.CERT_OPTIONAL
    trust.load_cert_chain(pair.certificate, pair.key)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=trust).start()
    yield Guarded(runner.addresses[0][1], authority, seen)
    await runner.cleanup()


def _kubeconfig(folder: Path, cluster: JsonObject, **users: JsonObject) -> str:
    """A context for each user, under the same name."""
    path = folder / "kubeconfig"
    config: JsonObject = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(users)),
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": name, "user": user} for name, user in users.items()],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in users],
    }
    path.write_text(yaml.safe_dump(config))
    return str(path)


@asynccontextmanager
async def _listing(endpoint: Endpoint) -> AsyncIterator[Client]:
    client = Client(await connect(endpoint))
    try:
        await client.list(VIRTUAL_MACHINES)
        yield client
    finally:
        await client.close()


async def test_each_context_signs_in_its_own_way(guarded: Guarded, tmp_path: Path) -> None:
    pair = guarded.authority.issue("alice")
    token = tmp_path / "token"
    token.write_text("from-a-file")
    as_data = {"client-certificate-data": pair.certificate, "client-key-data": pair.key}
    kubeconfig = _kubeconfig(
        tmp_path,
        guarded.cluster,
        token={"token": "plain"},
        file={"tokenFile": str(token)},
        certificate={"client-certificate": str(pair.certificate), "client-key": str(pair.key)},
        data={name: base64.b64encode(path.read_bytes()).decode() for name, path in as_data.items()},
        password={"username": "bob", "password": "secret"},
    )
    for context in ("token", "file", "certificate", "data", "password"):
        async with _listing(Endpoint(kubeconfig, context)):
            pass
    basic = base64.b64encode(b"bob:secret").decode()
    assert guarded.seen == ["Bearer plain", "Bearer from-a-file", "alice", "alice", f"Basic {basic}"]


async def test_a_pod_signs_in_with_its_service_account(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text("of-the-pod")
    (account / "namespace").write_text("vms\n")
    (account / "ca.crt").write_bytes(guarded.authority.certificate.read_bytes())
    monkeypatch.setattr(places, "IN_CLUSTER_TOKEN", account / "token")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(guarded.port))
    monkeypatch.setenv("HOME", str(tmp_path))
    kubeconfig = default_kubeconfig({}, tmp_path / "none")
    assert kubeconfig == ""
    async with _listing(Endpoint(kubeconfig)) as client:
        assert (client.namespace, guarded.seen) == ("vms", ["Bearer of-the-pod"])
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST")
    with pytest.raises(ConfigError, match=r"service account in .*: Service host/port is not set"):
        await connect(Endpoint())


async def test_a_server_that_somebody_else_signed_is_not_talked_to(guarded: Guarded, tmp_path: Path) -> None:
    other = Authority.create(tmp_path, "other")
    cluster = {**guarded.cluster, "certificate-authority": str(other.certificate)}
    client = Client(await connect(Endpoint(_kubeconfig(tmp_path, cluster, a={"token": "secret"}))))
    with pytest.raises(Unreachable, match=r"(?i)certificate"):
        await client.list(VIRTUAL_MACHINES)
    await client.close()
    assert guarded.seen == []


def test_where_the_kubeconfig_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    embedded = tmp_path / "embedded"
    assert default_kubeconfig({"KUBECONFIG": "/a:/b"}, embedded) == "/a:/b"
    assert default_kubeconfig({}, embedded) == str(tmp_path / ".kube/config")
    embedded.touch()
    assert default_kubeconfig({}, embedded) == str(embedded)


BAD = {
    "no file": (None, "", "no usable kubeconfig"),
    "no YAML": ("{", "", "no usable kubeconfig"),
    "no contexts": ("{}", "", "no usable kubeconfig"),
    "another context": (
        "{current-context: a, clusters: [{name: c, cluster: {server: 'https://127.0.0.1'}}], "
        "users: [{name: u, user: {}}], contexts: [{name: a, context: {cluster: c, user: u}}]}",
        "b",
        "no context 'b'",
    ),
    "a plugin that is not there": (
        "{current-context: a, clusters: [{name: c, cluster: {server: 'https://127.0.0.1'}}], users: [{name: u, user: "
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: /does/not/exist}}}], "
        "contexts: [{name: a, context: {cluster: c, user: u}}]}",
        "",
        "/does/not/exist",
    ),
}


@pytest.mark.parametrize(("content", "context", "says"), BAD.values(), ids=BAD.keys())
async def test_what_is_wrong_with_a_kubeconfig_is_told(
    tmp_path: Path, content: str | None, context: str, says: str
) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=says):
        await connect(Endpoint(str(path), context))


def test_the_current_context_comes_first(tmp_path: Path) -> None:
    path = _kubeconfig(tmp_path, {"server": "https://127.0.0.1"}, b={"token": "b"}, a={"token": "a"})
    assert [(one.name, one.namespace) for one in contexts(Endpoint(path))] == [("b", "default"), ("a", "default")]
