"""What the API server does to one object: defaults, pruning, status, generation, finalizers, conditions of a write."""

import pytest
from pydantic import JsonValue

from hypersdk.errors import AlreadyExists, Conflict, Invalid, NotFound
from hypersdk.kube.client import JSON_PATCH, Client
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import FINALIZER, VIRTUAL_MACHINES, VM_NODES
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from tests.api.builders import at, virtual_machine
from tests.api.http import http
from tests.controlplane.api import Api


async def _make(client: Client, namespace: str, name: str = "web", **metadata: JsonValue) -> VirtualMachine:
    named: JsonObject = {"name": name, **metadata}
    return await client.create(VIRTUAL_MACHINES, namespace, virtual_machine(name) | {"metadata": named})


async def test_create_fills_in_metadata_and_defaults(client: Client, namespace: str) -> None:
    obj = virtual_machine("web", disks=[{"name": "root", "size": "1Gi"}], highAvailability={})
    vm = await client.create(VIRTUAL_MACHINES, namespace, obj)
    assert vm.metadata.uid
    assert vm.metadata.resource_version
    assert vm.metadata.creation_timestamp
    assert vm.metadata.generation == 1
    assert vm.metadata.namespace == namespace
    assert vm.wire()["spec"] == {
        "cpus": 1,
        "memory": "256Mi",
        "running": True,
        "machineType": "q35",
        "disks": [{"name": "root", "size": "1Gi", "storageClass": "standard", "type": "disk"}],
        "highAvailability": {
            "enabled": False,
            "restartPolicy": "Always",
            "restartDelay": "30s",
            "maxRestarts": 3,
            "evictionStrategy": "LiveMigrate",
        },
    }


async def test_defaults_are_stored_not_only_shown(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace)
    async with http(any_api) as request:
        stored = await request("GET", VIRTUAL_MACHINES.path(namespace, "web"))
    assert stored.at("spec", "running") is True
    assert stored.at("spec", "machineType") == "q35"


async def test_create_ignores_a_status(client: Client, namespace: str) -> None:
    vm = await client.create(VIRTUAL_MACHINES, namespace, virtual_machine("web") | {"status": {"phase": "Running"}})
    assert vm.status.phase is None


async def test_create_twice_is_already_there(client: Client, namespace: str) -> None:
    await _make(client, namespace)
    with pytest.raises(AlreadyExists, match=r'virtualmachines\.hypersdk\.io "web" already exists'):
        await _make(client, namespace)


async def test_generated_names_differ(client: Client, namespace: str) -> None:
    obj = virtual_machine("") | {"metadata": {"generateName": "web-"}}
    names = {(await client.create(VIRTUAL_MACHINES, namespace, obj)).metadata.name for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("web-") and len(name) == len("web-") + 5 for name in names)


async def test_unknown_fields_are_refused_when_strict(client: Client, namespace: str) -> None:
    with pytest.raises(Invalid, match=r'unknown field "spec\.cpu"'):
        await client.create(VIRTUAL_MACHINES, namespace, virtual_machine("web", cpu=1))


async def test_unknown_fields_are_pruned_with_a_warning_when_not_strict(any_api: Api, namespace: str) -> None:
    async with http(any_api) as request:
        answer = await request("POST", VIRTUAL_MACHINES.path(namespace), body=virtual_machine("web", cpu=1))
    assert answer.code == 201
    assert answer.at("spec", "cpu") is None
    assert answer.headers["Warning"] == r'299 - "unknown field \"spec.cpu\""'


async def test_freely_formed_parts_are_kept_whole(client: Client, namespace: str) -> None:
    affinity: JsonObject = {"nodeAffinity": {"anything": [{"goes": True}, 1, None]}}
    await client.create(VIRTUAL_MACHINES, namespace, virtual_machine("web", affinity=affinity))
    stored = await client.get(VIRTUAL_MACHINES, namespace, "web")
    assert stored.spec.affinity == affinity


async def test_status_write_leaves_the_spec_alone(client: Client, namespace: str) -> None:
    made = await _make(client, namespace, labels={"app": "web"})
    patch: JsonObject = {
        "metadata": {"labels": {"app": "other"}},
        "spec": {"cpus": 7},
        "status": {"phase": "Running"},
    }
    vm = await client.patch(VIRTUAL_MACHINES, namespace, "web", patch, subresource="status")
    assert vm.phase is Phase.RUNNING
    assert vm.spec.cpus == 1
    assert vm.metadata.labels == {"app": "web"}
    assert vm.metadata.generation == 1
    assert vm.metadata.resource_version != made.metadata.resource_version


async def test_spec_write_leaves_the_status_alone(client: Client, namespace: str) -> None:
    await _make(client, namespace)
    await client.patch(VIRTUAL_MACHINES, namespace, "web", {"status": {"phase": "Running"}}, subresource="status")
    patch: JsonObject = {"spec": {"cpus": 2}, "status": {"phase": "Failed"}}
    vm = await client.patch(VIRTUAL_MACHINES, namespace, "web", patch)
    assert vm.phase is Phase.RUNNING
    assert vm.spec.cpus == 2
    assert vm.metadata.generation == 2


async def test_generation_moves_with_the_spec_only(client: Client, namespace: str) -> None:
    await _make(client, namespace)
    labelled = await client.patch(VIRTUAL_MACHINES, namespace, "web", {"metadata": {"labels": {"app": "web"}}})
    assert labelled.metadata.generation == 1
    same = await client.patch(VIRTUAL_MACHINES, namespace, "web", {"spec": {"cpus": 1}})
    assert same.metadata.generation == 1
    assert same.metadata.resource_version == labelled.metadata.resource_version
    changed = await client.patch(VIRTUAL_MACHINES, namespace, "web", {"spec": {"cpus": 2}})
    assert changed.metadata.generation == 2


async def test_status_can_be_replaced(client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    wanted = made.but(status=made.status.but(phase=Phase.STOPPED), spec=made.spec.but(cpus=9))
    replaced = await client.replace(VIRTUAL_MACHINES, wanted, subresource="status")
    assert (replaced.phase, replaced.spec.cpus) == (Phase.STOPPED, 1)


async def test_wrong_status_is_refused(client: Client, namespace: str) -> None:
    await _make(client, namespace)
    with pytest.raises(Invalid, match=r"status\.phase"):
        await client.patch(VIRTUAL_MACHINES, namespace, "web", {"status": {"phase": "Happy"}}, subresource="status")


async def test_wrong_spec_names_the_field_in_the_status(any_api: Api, namespace: str) -> None:
    async with http(any_api) as request:
        answer = await request("POST", VIRTUAL_MACHINES.path(namespace), body=virtual_machine("web", cpus=0))
    assert answer.code == 422
    assert answer.at("kind") == "Status"
    assert answer.at("status") == "Failure"
    assert answer.at("reason") == "Invalid"
    assert answer.at("details", "name") == "web"
    assert answer.at("details", "causes", 0, "field") == "spec.cpus"


async def test_an_older_version_is_a_conflict(client: Client, namespace: str) -> None:
    old = await _make(client, namespace)
    await client.patch(VIRTUAL_MACHINES, namespace, "web", {"spec": {"cpus": 2}})
    with pytest.raises(Conflict):
        await client.replace(VIRTUAL_MACHINES, old)
    stale: JsonObject = {"metadata": {"resourceVersion": old.metadata.resource_version}, "spec": {"cpus": 3}}
    with pytest.raises(Conflict):
        await client.patch(VIRTUAL_MACHINES, namespace, "web", stale)
    assert (await client.get(VIRTUAL_MACHINES, namespace, "web")).spec.cpus == 2


async def test_status_of_an_older_version_is_a_conflict(client: Client, namespace: str) -> None:
    old = await _make(client, namespace)
    await client.patch(VIRTUAL_MACHINES, namespace, "web", {"spec": {"cpus": 2}})
    with pytest.raises(Conflict):
        await client.replace(VIRTUAL_MACHINES, old, subresource="status")


async def test_replace_needs_a_version(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace)
    async with http(any_api) as request:
        answer = await request("PUT", VIRTUAL_MACHINES.path(namespace, "web"), body=virtual_machine("web"))
    assert (answer.code, answer.at("reason")) == (422, "Invalid")
    assert "metadata.resourceVersion" in str(answer.at("message"))


async def test_replace_of_what_is_not_there_is_not_found(client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    with pytest.raises(NotFound):
        await client.replace(VIRTUAL_MACHINES, made)


async def test_delete_of_another_uid_is_a_conflict(client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    with pytest.raises(Conflict):
        await client.delete(VIRTUAL_MACHINES, namespace, "web", uid="00000000-0000-0000-0000-000000000000")
    await client.delete(VIRTUAL_MACHINES, namespace, "web", uid=made.metadata.uid)
    with pytest.raises(NotFound):
        await client.get(VIRTUAL_MACHINES, namespace, "web")


async def test_finalizer_holds_the_object_until_it_is_removed(client: Client, namespace: str) -> None:
    await _make(client, namespace, finalizers=[FINALIZER])
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    held = await client.get(VIRTUAL_MACHINES, namespace, "web")
    assert held.metadata.deletion_timestamp
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    again = await client.get(VIRTUAL_MACHINES, namespace, "web")
    assert again.metadata.deletion_timestamp == held.metadata.deletion_timestamp, "asking twice changes nothing"
    await client.patch(VIRTUAL_MACHINES, namespace, "web", {"metadata": {"finalizers": []}})
    with pytest.raises(NotFound):
        await client.get(VIRTUAL_MACHINES, namespace, "web")


async def test_of_two_finalizers_the_last_one_lets_go(client: Client, namespace: str) -> None:
    await _make(client, namespace, finalizers=[FINALIZER, "example.org/other"])
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    first: list[JsonObject] = [{"op": "remove", "path": "/metadata/finalizers/0"}]
    held = await client.patch(VIRTUAL_MACHINES, namespace, "web", first, patch_type=JSON_PATCH)
    assert held.metadata.finalizers == ["example.org/other"]
    await client.patch(VIRTUAL_MACHINES, namespace, "web", first, patch_type=JSON_PATCH)
    with pytest.raises(NotFound):
        await client.get(VIRTUAL_MACHINES, namespace, "web")


async def test_an_object_on_its_way_out_takes_no_new_finalizer(client: Client, namespace: str) -> None:
    await _make(client, namespace, finalizers=[FINALIZER])
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    more: JsonObject = {"metadata": {"finalizers": [FINALIZER, "example.org/late"]}}
    with pytest.raises(Invalid, match="finalizers"):
        await client.patch(VIRTUAL_MACHINES, namespace, "web", more)
    still = await client.patch(
        VIRTUAL_MACHINES, namespace, "web", {"status": {"phase": "Stopped"}}, subresource="status"
    )
    assert still.phase is Phase.STOPPED, "its status can still be told"


async def test_what_the_server_owns_cannot_be_changed(client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    mine: JsonObject = {
        "metadata": {"creationTimestamp": "2001-01-01T00:00:00Z", "generation": 40, "deletionTimestamp": None}
    }
    vm = await client.patch(VIRTUAL_MACHINES, namespace, "web", mine)
    assert vm.metadata.creation_timestamp == made.metadata.creation_timestamp
    assert vm.metadata.generation == 1
    with pytest.raises(Invalid, match=r"metadata\.uid"):
        await client.patch(VIRTUAL_MACHINES, namespace, "web", {"metadata": {"uid": "another"}})


async def test_same_name_after_delete_is_another_object(client: Client, namespace: str) -> None:
    first = await _make(client, namespace)
    await client.delete(VIRTUAL_MACHINES, namespace, "web")
    second = await _make(client, namespace)
    assert second.metadata.uid != first.metadata.uid


async def test_a_name_in_the_body_must_be_the_one_in_the_path(any_api: Api, client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    async with http(any_api) as request:
        other = made.wire() | {"metadata": {"name": "other", "resourceVersion": made.metadata.resource_version}}
        answer = await request("PUT", VIRTUAL_MACHINES.path(namespace, "web"), body=other)
        elsewhere = virtual_machine("new") | {"metadata": {"name": "new", "namespace": "default"}}
        misplaced = await request("POST", VIRTUAL_MACHINES.path(namespace), body=elsewhere)
    assert (answer.code, answer.at("reason")) == (400, "BadRequest")
    assert (misplaced.code, misplaced.at("reason")) == (400, "BadRequest")


async def test_a_kind_in_the_wrong_place_is_refused(any_api: Api, namespace: str) -> None:
    async with http(any_api) as request:
        answer = await request("POST", VIRTUAL_MACHINES.path(namespace), body=virtual_machine("w") | {"kind": "VMNode"})
        garbage = await request("POST", VIRTUAL_MACHINES.path(namespace), body=b"{not json")
        newer = await request(
            "POST", VIRTUAL_MACHINES.path(namespace), body=virtual_machine("w") | {"apiVersion": "hypersdk.io/v9"}
        )
    assert (answer.code, answer.at("reason")) == (422, "Invalid")
    assert (newer.code, newer.at("reason")) == (400, "BadRequest")
    assert (garbage.code, garbage.at("reason")) == (400, "BadRequest")


async def test_delete_answers_with_a_status(any_api: Api, client: Client, namespace: str) -> None:
    made = await _make(client, namespace)
    async with http(any_api) as request:
        answer = await request("DELETE", VIRTUAL_MACHINES.path(namespace, "web"))
    assert answer.code == 200
    assert (answer.at("kind"), answer.at("status")) == ("Status", "Success")
    assert at(answer.body, "details") == {
        "name": "web",
        "group": "hypersdk.io",
        "kind": "virtualmachines",
        "uid": made.metadata.uid,
    }


async def test_delete_collection_takes_what_matches(any_api: Api, client: Client, namespace: str) -> None:
    await _make(client, namespace, "a", labels={"tier": "front"})
    await _make(client, namespace, "b", labels={"tier": "back"})
    async with http(any_api) as request:
        answer = await request("DELETE", VIRTUAL_MACHINES.path(namespace), query={"labelSelector": "tier=back"})
    assert answer.code == 200
    assert [vm.metadata.name for vm in await client.list(VIRTUAL_MACHINES, namespace)] == ["a"]


WRONG_OPTIONS: dict[str, tuple[JsonObject, int]] = {
    "preconditions of no use": ({"preconditions": 5}, 400),
    "a number in words": ({"gracePeriodSeconds": "soon"}, 400),
    "another kind": ({"apiVersion": "v1", "kind": "Pod"}, 400),
    "dry runs of part": ({"dryRun": ["Some"]}, 422),
    "a policy that is none": ({"propagationPolicy": "Never"}, 422),
    "another object's uid": ({"preconditions": {"uid": "other"}}, 409),
    "an older version": ({"preconditions": {"resourceVersion": "1"}}, 409),
}


@pytest.mark.parametrize(("options", "code"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS.keys())
async def test_options_that_make_no_sense_delete_nothing(
    any_api: Api, client: Client, namespace: str, options: JsonObject, code: int
) -> None:
    await _make(client, namespace, "a")
    async with http(any_api) as request:
        for name in ("a", ""):
            assert (await request("DELETE", VIRTUAL_MACHINES.path(namespace, name), body=options)).code == code
        trial: JsonObject = {"dryRun": ["All"]}
        assert (await request("DELETE", VIRTUAL_MACHINES.path(namespace), body=trial)).code == 200
    assert [vm.metadata.name for vm in await client.list(VIRTUAL_MACHINES, namespace)] == ["a"]


async def test_a_kind_of_the_whole_cluster_has_no_namespace(client: Client, namespace: str) -> None:
    node = await client.create(VM_NODES, "", {"metadata": {"name": f"node-{namespace}"}, "spec": {}})
    assert node.metadata.namespace is None
    assert not node.spec.unschedulable
    status: JsonObject = {"status": {"virtType": "qemu", "runningVMs": 2}}
    seen = await client.patch(VM_NODES, "", node.metadata.name, status, subresource="status")
    assert (seen.status.virt_type, seen.status.running_vms) == ("qemu", 2)
    await client.delete(VM_NODES, "", node.metadata.name)


async def test_what_nobody_serves_is_not_found(any_api: Api) -> None:
    async with http(any_api) as request:
        for path in ("/apis/hypersdk.io/v1alpha1/unicorns", "/apis/hypersdk.io/v9/virtualmachines", "/nothing"):
            assert (await request("GET", path)).code == 404
