"""kubectl create, patch, label, replace, edit, delete: each change arrives, and only that change."""

import json

import pytest

from tests.api.builders import at, virtual_machine
from tests.controlplane.kubectl import Kubectl, Refused


def test_create_twice_says_that_it_exists(kubectl: Kubectl) -> None:
    manifest = json.dumps(virtual_machine("web"))
    kubectl("create", "-f", "-", stdin=manifest)
    with pytest.raises(Refused, match="AlreadyExists"):
        kubectl("create", "-f", "-", stdin=manifest)


def test_create_in_a_namespace_that_is_not_there_is_refused(kubectl: Kubectl) -> None:
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        kubectl.within("nowhere").apply(virtual_machine("web"))


def test_merge_patch_changes_sets_and_removes(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", nodeSelector={"zone": "a", "disk": "ssd"}))
    patch = {"spec": {"cpus": 4, "nodeSelector": {"zone": None, "gpu": "yes"}}}
    kubectl("patch", "vm", "web", "--type=merge", "-p", json.dumps(patch))
    stored = kubectl.json("get", "vm", "web")
    assert at(stored, "spec", "cpus") == 4
    assert at(stored, "spec", "nodeSelector") == {"disk": "ssd", "gpu": "yes"}
    assert at(stored, "spec", "memory") == "256Mi"


def test_json_patch_works_step_by_step(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", disks=[{"name": "root", "size": "1Gi"}]))
    steps = [
        {"op": "test", "path": "/spec/cpus", "value": 1},
        {"op": "replace", "path": "/spec/cpus", "value": 2},
        {"op": "add", "path": "/spec/disks/-", "value": {"name": "data", "size": "2Gi"}},
        {"op": "remove", "path": "/spec/disks/0"},
    ]
    kubectl("patch", "vm", "web", "--type=json", "-p", json.dumps(steps))
    stored = kubectl.json("get", "vm", "web")
    assert at(stored, "spec", "cpus") == 2
    assert at(stored, "spec", "disks") == [{"name": "data", "size": "2Gi", "storageClass": "standard", "type": "disk"}]


def test_json_patch_whose_test_fails_changes_nothing(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    steps = [
        {"op": "replace", "path": "/spec/cpus", "value": 2},
        {"op": "test", "path": "/spec/memory", "value": "1Gi"},
    ]
    with pytest.raises(Refused):
        kubectl("patch", "vm", "web", "--type=json", "-p", json.dumps(steps))
    assert at(kubectl.json("get", "vm", "web"), "spec", "cpus") == 1


def test_patch_without_a_change_says_so(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    before = kubectl.json("get", "vm", "web")
    assert "(no change)" in kubectl("patch", "vm", "web", "--type=merge", "-p", '{"spec":{"cpus":1}}')
    assert kubectl.json("get", "vm", "web") == before, "not even the resourceVersion moves"


def test_labels_and_annotations_are_set_and_removed(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    kubectl("label", "vm", "web", "app=shop", "tier=front")
    kubectl("annotate", "vm", "web", "note=two words")
    kubectl("label", "vm", "web", "tier-")
    stored = kubectl.json("get", "vm", "web")
    assert at(stored, "metadata", "labels") == {"app": "shop"}
    assert at(stored, "metadata", "annotations", "note") == "two words"
    assert at(stored, "metadata", "generation") == 1, "the spec did not change"


def test_a_label_that_is_no_label_is_refused(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    with pytest.raises(Refused, match="label"):
        kubectl("patch", "vm", "web", "--type=merge", "-p", '{"metadata":{"labels":{"app":"two words"}}}')


def test_replace_takes_the_whole_object(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web", machineType="pc"))
    kubectl("replace", "-f", "-", stdin=json.dumps(virtual_machine("web", cpus=3)))
    stored = kubectl.json("get", "vm", "web")
    assert (at(stored, "spec", "cpus"), at(stored, "spec", "machineType")) == (3, "q35")


def test_replace_of_an_older_version_is_a_conflict(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    old = kubectl("get", "vm", "web", "-o", "json")
    kubectl("label", "vm", "web", "seen=yes")
    with pytest.raises(Refused, match="the object has been modified"):
        kubectl("replace", "-f", "-", stdin=old)


def test_delete_takes_the_object_away(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    assert kubectl("delete", "vm", "web").startswith('virtualmachine.hypersdk.io "web" deleted')
    assert kubectl("get", "vm", "-o", "name") == ""
    with pytest.raises(Refused, match="NotFound"):
        kubectl("delete", "vm", "web")


def test_delete_of_all_takes_what_matches(kubectl: Kubectl) -> None:
    for name, tier in (("a", "front"), ("b", "back"), ("c", "back")):
        kubectl.apply(virtual_machine(name, labels={"tier": tier}))
    kubectl("delete", "vm", "-l", "tier=back")
    assert kubectl("get", "vm", "-o", "name") == "virtualmachine.hypersdk.io/a\n"
    kubectl("delete", "vm", "--all")
    assert kubectl("get", "vm", "-o", "name") == ""


def test_delete_waits_for_the_finalizer(kubectl: Kubectl) -> None:
    manifest = virtual_machine("web")
    manifest["metadata"] = {"name": "web", "finalizers": ["hypersdk.io/vm-finalizer"]}
    kubectl.apply(manifest)
    with kubectl.following("get", "vm", "-w", "--output-watch-events") as rows:
        rows.until("ADDED")
        kubectl("delete", "vm", "web", "--wait=false")
        rows.until("MODIFIED")
        assert at(kubectl.json("get", "vm", "web"), "metadata", "deletionTimestamp")
        kubectl("patch", "vm", "web", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
        rows.until("DELETED")
    assert kubectl("get", "vm", "-o", "name") == ""


def test_edit_sends_what_the_editor_left(kubectl: Kubectl) -> None:
    kubectl.apply(virtual_machine("web"))
    said = kubectl.edit("vm", "web", editor="sed -i s/256Mi/512Mi/")
    assert said == "virtualmachine.hypersdk.io/web edited\n"
    assert at(kubectl.json("get", "vm", "web"), "spec", "memory") == "512Mi"
