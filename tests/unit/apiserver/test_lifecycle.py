"""What the server does by itself: empty namespaces, collect orphans, forget events."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from apiserver.document import child, text
from apiserver.storage.stored import Key
from hypersdk.model.base import JsonObject
from tests.unit.apiserver.serving import THINGS, Answer, Running, serving, thing

IN_ZZ = THINGS.replace("default", "zz")


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path) as running:
        yield running


def owned_by(owner: Answer, **more: object) -> JsonObject:
    meta = child(owner.body, "metadata")
    return {
        "apiVersion": "test.io/v1",
        "kind": "Thing",
        "name": text(meta, "name"),
        "uid": text(meta, "uid"),
    } | {key: bool(value) for key, value in more.items()}


def has(api: Running, name: str, namespace: str = "default") -> bool:
    return api.store.get(Key("things.test.io", namespace, name)) is not None


async def test_the_namespaces_are_there_from_the_start(api: Running) -> None:
    listed = await api.call("GET", "/api/v1/namespaces")
    assert listed.body["kind"] == "NamespaceList"
    assert {one.key.name for one in api.store.collection("namespaces").current()} == {
        "default",
        "kube-system",
        "hypersdk-system",
    }


async def test_a_namespace_takes_its_contents_with_it_and_waits_for_finalizers(api: Running) -> None:
    await api.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "zz"}})
    await api.call("POST", IN_ZZ, thing("free"))
    await api.call("POST", IN_ZZ, thing("held", finalizers=["test.io/wait"]))
    await api.call("POST", THINGS, thing("free"))
    deleted = await api.call("DELETE", "/api/v1/namespaces/zz")
    assert child(deleted.body, "status")["phase"] == "Terminating"
    await api.until(lambda: not has(api, "free", "zz"))
    refused = await api.call("POST", IN_ZZ, thing("late"))
    assert refused.code == 403
    assert text(refused.body, "message").endswith("in namespace zz because it is being terminated")
    assert (await api.call("GET", "/api/v1/namespaces/zz")).code == 200
    await api.merge(f"{IN_ZZ}/held", {"metadata": {"finalizers": None}})
    await api.until(lambda: api.store.get(Key("namespaces", "", "zz")) is None)
    assert has(api, "free")


async def test_an_emptied_namespace_is_finished_after_a_restart(tmp_path: Path) -> None:
    async with serving(tmp_path) as api:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "zz"}}
        await api.call("POST", "/api/v1/namespaces", namespace)
        await api.call("POST", IN_ZZ, thing("held", finalizers=["test.io/wait"]))
        await api.call("DELETE", "/api/v1/namespaces/zz")
        await api.until(lambda: "deletionTimestamp" in child(document(api, "held", "zz"), "metadata"))
    async with serving(tmp_path) as api:
        await api.merge(f"{IN_ZZ}/held", {"metadata": {"finalizers": None}})
        await api.until(lambda: api.store.get(Key("namespaces", "", "zz")) is None)


def document(api: Running, name: str, namespace: str = "default") -> JsonObject:
    found = api.store.get(Key("things.test.io", namespace, name))
    return found.document() if found is not None else {}


async def test_dependents_go_with_their_last_owner(api: Running) -> None:
    one, two = await api.call("POST", THINGS, thing("one")), await api.call("POST", THINGS, thing("two"))
    await api.call("POST", THINGS, thing("of-one", ownerReferences=[owned_by(one)]))
    await api.call("POST", THINGS, thing("of-both", ownerReferences=[owned_by(one), owned_by(two)]))
    await api.call("DELETE", f"{THINGS}/one")
    await api.until(lambda: not has(api, "of-one"))
    await api.until(lambda: child(document(api, "of-both"), "metadata").get("ownerReferences") == [owned_by(two)])
    await api.call("DELETE", f"{THINGS}/two")
    await api.until(lambda: not has(api, "of-both"))


async def test_a_dependent_that_comes_too_late_goes_too(api: Running) -> None:
    owner = await api.call("POST", THINGS, thing("owner"))
    await api.call("DELETE", f"{THINGS}/owner")
    await api.call("POST", THINGS, thing("late", ownerReferences=[owned_by(owner)]))
    await api.until(lambda: not has(api, "late"))


async def test_orphans_stay_when_that_is_asked(api: Running) -> None:
    owner = await api.call("POST", THINGS, thing("owner"))
    await api.call("POST", THINGS, thing("child", ownerReferences=[owned_by(owner)]))
    await api.call("DELETE", f"{THINGS}/owner", {"propagationPolicy": "Orphan"})
    await api.until(lambda: not has(api, "owner"))
    assert "ownerReferences" not in child(document(api, "child"), "metadata")


async def test_in_the_foreground_dependents_go_first(api: Running) -> None:
    owner = await api.call("POST", THINGS, thing("owner"))
    child_ = thing("child", ownerReferences=[owned_by(owner)], finalizers=["test.io/wait"])
    await api.call("POST", THINGS, child_)
    await api.call("DELETE", f"{THINGS}/owner", {"propagationPolicy": "Foreground"})
    await api.until(lambda: "deletionTimestamp" in child(document(api, "child"), "metadata"))
    assert has(api, "owner")
    await api.merge(f"{THINGS}/child", {"metadata": {"finalizers": None}})
    await api.until(lambda: not has(api, "owner"))


async def test_an_owner_of_an_unknown_kind_is_left_alone(api: Running) -> None:
    pod: JsonObject = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    await api.call("POST", THINGS, thing("kept", ownerReferences=[pod]))
    await api.call("POST", THINGS, thing("other"))
    await api.call("DELETE", f"{THINGS}/other")
    await api.until(lambda: not has(api, "other"))
    assert has(api, "kept")


async def test_events_are_forgotten_after_an_hour(api: Running) -> None:
    path = "/api/v1/namespaces/default/events"
    for name, moment in (("old", "2026-11-23T12:00:00Z"), ("new", "2026-11-23T12:30:00Z")):
        event = {"involvedObject": {"namespace": "default"}, "lastTimestamp": moment}
        await api.call("POST", path, {"apiVersion": "v1", "kind": "Event", "metadata": {"name": name}} | event)
    api.clock.moment += timedelta(hours=1, seconds=1)
    await api.keeper.forget_events()
    assert [one.key.name for one in api.store.collection("events").current()] == ["new"]
