"""The kinds of Kubernetes that the product uses: Namespaces, Secrets, Events, Leases, and access reviews."""

import base64
import json

import pytest

from hypersdk.errors import Conflict, Invalid, NotFound
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject
from hypersdk.model.core import Lease
from hypersdk.model.kinds import ACCESS_REVIEWS, EVENTS, LEASES, NAMESPACES, SECRETS
from tests.api.builders import at, virtual_machine
from tests.api.http import http
from tests.controlplane.api import Api
from tests.controlplane.kubectl import Kubectl


async def test_default_is_always_there(client: Client) -> None:
    assert (await client.get(NAMESPACES, "", "default")).metadata.name == "default"


async def test_namespaces_come_and_go(client: Client, namespace: str) -> None:
    made = await client.create(NAMESPACES, "", {"metadata": {"name": f"{namespace}-more"}})
    assert made.metadata.labels == {"kubernetes.io/metadata.name": f"{namespace}-more"}
    labelled: JsonObject = {"metadata": {"labels": {"team": "blue"}}}
    await client.patch(NAMESPACES, "", made.metadata.name, labelled)
    assert made.key in {one.key for one in await client.list(NAMESPACES, labels="team=blue")}
    await client.delete(NAMESPACES, "", made.metadata.name)
    left = [one for one in await client.list(NAMESPACES) if one.key == made.key]
    assert all(one.metadata.deletion_timestamp for one in left), "gone, or going"


async def test_a_body_need_not_say_its_kind_where_the_path_does(any_api: Api, namespace: str) -> None:
    async with http(any_api) as request:
        answer = await request("POST", SECRETS.path(namespace), body={"metadata": {"name": "login"}})
    assert (answer.code, answer.at("kind")) == (201, "Secret")


def test_a_namespace_on_its_way_out_takes_nothing_new(kubectl: Kubectl) -> None:
    kubectl("delete", "namespace", kubectl.namespace, "--wait=false")
    with pytest.raises(AssertionError, match=r"being terminated|not found"):
        kubectl.apply(virtual_machine("late"))


async def test_namespaces_show_their_phase(kubectl: Kubectl) -> None:
    header, row = kubectl("get", "ns", kubectl.namespace).splitlines()
    assert header.split() == ["NAME", "STATUS", "AGE"]
    assert row.split()[:2] == [kubectl.namespace, "Active"]


async def test_secrets_take_plain_text_and_keep_base64(client: Client, namespace: str) -> None:
    body: JsonObject = {"metadata": {"name": "login"}, "stringData": {"password": "hunter2"}, "data": {"user": "YQ=="}}
    await client.create(SECRETS, namespace, body)
    stored = await client.get(SECRETS, namespace, "login")
    assert stored.data == {"password": base64.b64encode(b"hunter2").decode(), "user": "YQ=="}
    assert stored.string_data is None
    assert stored.type == "Opaque"


async def test_a_secret_that_is_not_base64_is_refused(client: Client, namespace: str) -> None:
    with pytest.raises(Invalid):
        await client.create(SECRETS, namespace, {"metadata": {"name": "login"}, "data": {"user": "no base64!"}})


async def test_secrets_are_changed_and_removed(client: Client, namespace: str) -> None:
    await client.create(SECRETS, namespace, {"metadata": {"name": "login"}, "data": {"a": "YQ=="}})
    patched = await client.patch(SECRETS, namespace, "login", {"data": {"a": None, "b": "Yg=="}})
    assert patched.data == {"b": "Yg=="}
    await client.delete(SECRETS, namespace, "login")
    with pytest.raises(NotFound):
        await client.get(SECRETS, namespace, "login")


def test_kubectl_makes_secrets(kubectl: Kubectl) -> None:
    kubectl("create", "secret", "generic", "login", "--from-literal=password=hunter2")
    header, row = kubectl("get", "secret").splitlines()
    assert header.split() == ["NAME", "TYPE", "DATA", "AGE"]
    assert row.split()[:3] == ["login", "Opaque", "1"]


def _event(name: str, about: str, reason: str) -> JsonObject:
    return {
        "metadata": {"name": name},
        "involvedObject": {
            "apiVersion": "hypersdk.io/v1alpha1",
            "kind": "VirtualMachine",
            "name": about,
            "uid": f"uid-of-{about}",
        },
        "reason": reason,
        "message": f"{reason} of {about}",
        "type": "Normal",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "tests", "host": "here"},
    }


def _in(namespace: str, event: JsonObject) -> JsonObject:
    about = event["involvedObject"]
    assert isinstance(about, dict)
    return event | {"involvedObject": about | {"namespace": namespace}}


async def test_events_are_selected_by_what_they_are_about(client: Client, namespace: str) -> None:
    await client.create(EVENTS, namespace, _in(namespace, _event("web.1", "web", "Started")))
    await client.create(EVENTS, namespace, _in(namespace, _event("web.2", "web", "Stopped")))
    await client.create(EVENTS, namespace, _in(namespace, _event("db.1", "db", "Started")))

    async def names(selector: str) -> list[str]:
        return [event.metadata.name for event in await client.list(EVENTS, namespace, fields=selector)]

    assert await names("involvedObject.name=web") == ["web.1", "web.2"]
    assert await names("involvedObject.uid=uid-of-db") == ["db.1"]
    assert await names("involvedObject.kind=VirtualMachine,reason=Started") == ["db.1", "web.1"]
    assert await names("type=Warning") == []


async def test_an_event_must_be_where_its_object_is(client: Client, namespace: str) -> None:
    with pytest.raises(Invalid, match=r"involvedObject\.namespace"):
        await client.create(EVENTS, namespace, _in("default", _event("web.1", "web", "Started")))


async def test_an_event_is_counted_up(client: Client, namespace: str) -> None:
    await client.create(EVENTS, namespace, _in(namespace, _event("web.1", "web", "Started")))
    patched = await client.patch(EVENTS, namespace, "web.1", {"count": 2})
    assert (patched.count, patched.reason) == (2, "Started")


def test_kubectl_lists_events_of_one_machine(kubectl: Kubectl) -> None:
    for name, about in (("web.1", "web"), ("db.1", "db")):
        event = _in(kubectl.namespace, _event(name, about, "Started"))
        kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Event"} | event))
    header, row = kubectl("get", "events", "--field-selector", "involvedObject.name=web").splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert row.split()[1:] == ["Normal", "Started", "virtualmachine/web", "Started", "of", "web"]
    assert "Started of web" in kubectl("events", "--for", "virtualmachine/web")


def _lease(holder: str) -> JsonObject:
    spec: JsonObject = {
        "holderIdentity": holder,
        "leaseDurationSeconds": 15,
        "renewTime": "2026-01-01T00:00:00.123456Z",
        "leaseTransitions": 0,
    }
    return {"metadata": {"name": "leader"}, "spec": spec}


async def test_leases_keep_microseconds(client: Client, namespace: str) -> None:
    made = await client.create(LEASES, namespace, _lease("a"))
    assert made.wire()["spec"] == _lease("a")["spec"]


async def test_of_two_that_take_a_lease_one_loses(client: Client, namespace: str) -> None:
    seen = await client.create(LEASES, namespace, _lease("nobody"))

    def taken_by(holder: str) -> Lease:
        return seen.but(spec=seen.spec.but(holder_identity=holder))

    await client.replace(LEASES, taken_by("a"))
    with pytest.raises(Conflict):
        await client.replace(LEASES, taken_by("b"))
    assert (await client.get(LEASES, namespace, "leader")).spec.holder_identity == "a"


def test_kubectl_shows_who_holds_a_lease(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **_lease("a")})
    header, row = kubectl("get", "lease").splitlines()
    assert header.split() == ["NAME", "HOLDER", "AGE"]
    assert row.split()[:2] == ["leader", "a"]


async def test_an_administrator_may_everything(client: Client, namespace: str) -> None:
    attributes: JsonObject = {
        "group": "subresources.hypersdk.io",
        "resource": "virtualmachines",
        "subresource": "console",
        "namespace": namespace,
        "name": "web",
        "verb": "update",
    }
    spec: JsonObject = {"user": "admin", "groups": ["system:masters"], "resourceAttributes": attributes}
    review = await client.create(ACCESS_REVIEWS, "", {"spec": spec})
    assert review.status.allowed


def test_kubectl_may_ask_what_it_may(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "delete", "vm") == "yes\n"


async def test_a_wrong_token_is_refused(any_api: Api) -> None:
    async with http(any_api, token="wrong") as request:
        for path in ("/apis/hypersdk.io/v1alpha1/virtualmachines", "/api/v1/namespaces/default/secrets", "/version"):
            answer = await request("GET", path)
            assert (answer.code, answer.at("kind"), answer.at("reason")) == (401, "Status", "Unauthorized")


async def test_no_token_reads_nothing(any_api: Api) -> None:
    async with http(any_api, token="") as request:
        answer = await request("GET", "/apis/hypersdk.io/v1alpha1/virtualmachines", Authorization="")
    assert answer.code in {401, 403}
    assert at(answer.body, "kind") == "Status"


def test_the_kubeconfig_is_for_its_owner_alone(any_api: Api) -> None:
    assert any_api.kubeconfig.stat().st_mode & 0o777 == 0o600


async def test_health_and_version_answer(any_api: Api) -> None:
    async with http(any_api) as request:
        for path in ("/readyz", "/livez", "/healthz"):
            assert (await request("GET", path)).body == "ok"
        version = await request("GET", "/version")
    assert str(version.at("gitVersion")).startswith("v1.")
    assert at(version.body, "major") == "1"


def test_kubectl_understands_the_version(kubectl: Kubectl) -> None:
    assert "Server Version: v1." in kubectl("version")


def test_kubectl_lists_what_is_served(kubectl: Kubectl) -> None:
    rows = [line.split() for line in kubectl("api-resources", "--no-headers").splitlines()]
    assert ["virtualmachines", "vm,vms", "hypersdk.io/v1alpha1", "true", "VirtualMachine"] in rows
    assert ["vmnodes", "vmnode", "hypersdk.io/v1alpha1", "false", "VMNode"] in rows
    assert ["leases", "coordination.k8s.io/v1", "true", "Lease"] in rows
    assert ["events", "ev", "v1", "true", "Event"] in rows
    assert ["secrets", "v1", "true", "Secret"] in rows
    assert "hypersdk.io/v1alpha1" in kubectl("api-versions").split()
