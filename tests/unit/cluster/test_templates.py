"""What a template says, and what a VM gets of it."""

import json
from typing import Any

import pytest

from controller.cluster.templates.merging import merged, refusal, wants_template
from controller.cluster.templates.status import Sight, held, is_known, status_of, unfit
from controller.cluster.templates.validity import faults
from controller.node.finding import Finding
from controller.node.taken import Taken, taken
from hypersdk.errors import Terminal
from hypersdk.model.base import condition
from hypersdk.model.marks import TEMPLATE, TEMPLATE_NODE
from hypersdk.model.vmtemplate import VMTemplate
from tests.unit.node.builders import NOW, machine

FINE = Sight(image=Finding("True", "ImageAccessible"), size_bytes=2**30)
REF: dict[str, Any] = {"templateRef": {"name": "base"}}


def template(meta: dict[str, Any] | None = None, status: dict[str, Any] | None = None, **spec: Any) -> VMTemplate:
    metadata = {"name": "base", "namespace": "default", "uid": "t-uid", "generation": 2}
    whole = {"displayName": "Base", "image": {"source": "demo"}} | spec
    return VMTemplate.model_validate({"metadata": metadata | (meta or {}), "spec": whole, "status": status or {}})


def defaults(**spec: Any) -> VMTemplate:
    return template(defaultSpec=spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"image": {"source": "x", "checksum": {"value": "abc123..."}}}, "checksum 'abc123...' is not 64 hexadecimal"),
        ({"image": {"source": "x", "checksum": {"type": "md5", "value": "0" * 64}}}, "is not 32 hexadecimal digits"),
        ({"image": {"source": "x", "format": "vmdk"}}, "image.format vmdk: qcow2 and raw are taken"),
        ({"image": {"source": "vm://../other"}}, "after vm:// comes a name"),
        ({"image": {"source": "x", "uploadTo": "s3://images/a"}}, "uploadTo is for an image that is made of a VM"),
        ({"image": {"source": "vm://a", "uploadTo": "s3://images/a"}}, "uploadTo needs image.secretRef"),
        ({"image": {"source": "vm://a", "uploadTo": "s3://images/../a", "secretRef": {"name": "s"}}}, "an empty part"),
        ({"defaultSpec": {"disks": [{"name": "a/b"}]}}, "disks[0] needs a name of letters"),
        ({"defaultSpec": {"disks": [{}, {"size": "1Gi"}]}}, "disks[1] needs a name"),
        ({"defaultSpec": {"disks": [{}, {"name": "data"}]}}, "disks[1] needs a size"),
        ({"defaultSpec": {"disks": [{"size": "30GB"}]}}, "size '30GB': write a whole number"),
        ({"defaultSpec": {"disks": [{"name": "a"}, {"name": "a", "size": "1Gi"}]}}, "disks: two are named a"),
        ({"defaultSpec": {"networks": [{"name": "n", "type": "vlan"}]}}, "type 'vlan': there are pod-network"),
        ({"defaultSpec": {"networks": [{}]}}, "networks[0] needs a name"),
    ],
)
def test_what_is_wrong_is_said(spec: dict[str, Any], words: str) -> None:
    assert words in "; ".join(faults(template(**spec)))


def test_nothing_is_wrong_with_the_example_of_the_document() -> None:
    disks = [{"name": "root", "size": "30Gi", "bootOrder": 1}]
    checksum = {"type": "sha256", "value": "sha256:" + "Ab" * 32}
    image = {"source": "s3://templates/ubuntu.qcow2", "format": "qcow2", "checksum": checksum}
    assert faults(template(image=image, defaultSpec={"cpus": 2, "memory": "4Gi", "disks": disks})) == []


def test_disks_are_told_apart_by_their_names() -> None:
    of_template = [{"size": "30Gi", "bootOrder": 1}, {"name": "data", "size": "5Gi", "storageClass": "fast"}]
    own = [{"name": "data", "size": "9Gi"}, {"name": "logs", "size": "1Gi"}]
    patch = merged(machine(image=REF, disks=own), defaults(disks=of_template))
    assert patch["spec"] == {
        "disks": [
            {"name": "root", "size": "30Gi", "bootOrder": 1},
            {"name": "data", "size": "9Gi", "storageClass": "standard", "type": "disk"},
            {"name": "logs", "size": "1Gi", "storageClass": "standard", "type": "disk"},
        ]
    }


def test_root_disk_without_a_size_is_as_large_as_its_image() -> None:
    patch = merged(machine(image=REF), defaults(disks=[{"name": "root"}]))
    assert patch["spec"] == {"disks": []}


@pytest.mark.parametrize(
    ("own", "gets"),
    [
        ({}, {"networks", "firmware", "guestAgent", "cloudInit"}),
        ({"networks": [{"name": "mine"}]}, {"firmware", "guestAgent", "cloudInit"}),
        ({"firmware": {"bootloader": "bios"}}, {"networks", "guestAgent", "cloudInit"}),
        ({"guestAgent": {"enabled": True}}, {"networks", "firmware", "cloudInit"}),
        ({"cloudInit": {"userData": "#!/bin/sh"}}, {"networks", "firmware", "guestAgent"}),
        ({"cloudInit": {"secretRef": {"name": "s"}}}, {"networks", "firmware", "guestAgent"}),
    ],
    ids=["nothing", "networks", "firmware", "agent", "user-data", "secret"],
)
def test_machine_s_own_word_goes_first(own: dict[str, Any], gets: set[str]) -> None:
    offered = template(
        defaultSpec={
            "networks": [{"name": "default", "type": "pod-network"}],
            "firmware": {"bootloader": "uefi"},
            "guestAgent": {"enabled": False},
        },
        cloudInit={"defaultUserData": "#cloud-config\n{}"},
    )
    spec = merged(machine(image=REF, **own), offered)["spec"]
    assert isinstance(spec, dict)
    assert spec.keys() == gets


def test_what_was_taken_is_noted_and_read_again() -> None:
    checksum = {"type": "sha256", "value": "a" * 64}
    patch = merged(machine(image=REF), template(image={"source": "demo", "checksum": checksum}))
    notes = patch["metadata"]["annotations"]  # type: ignore[index, call-overload]
    assert json.loads(notes[TEMPLATE])["version"] == "1.0.0"  # type: ignore[index, call-overload, arg-type]
    vm = machine(image=REF, metadata={"annotations": notes})
    found = taken(vm)
    assert found is not None
    assert (found.uid, found.source, found.node) == ("t-uid", "demo", "")
    assert found.checksum is not None
    assert not wants_template(vm)


def test_image_made_of_a_machine_is_named_by_the_template_and_its_node() -> None:
    made = template({"annotations": {TEMPLATE_NODE: "node-7"}}, image={"source": "vm://golden"})
    notes = merged(machine(image=REF), made)["metadata"]["annotations"]  # type: ignore[index, call-overload]
    assert taken(machine(image=REF, metadata={"annotations": notes})) == Taken(
        "t-uid", "template://t-uid", None, "node-7"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"uid": "u"}', '{"uid": 1, "source": 2, "checksum": {"type": "x"}}'])
def test_note_that_cannot_be_read_is_no_note(text: str) -> None:
    with pytest.raises(Terminal) as refused:
        taken(machine(image=REF, metadata={"annotations": {TEMPLATE: text}}))
    assert refused.value.reason == "TemplateUnreadable"


@pytest.mark.parametrize(
    ("ref", "reason"),
    [({"name": "base", "namespace": "other"}, "CrossNamespaceReference"), ({}, "InvalidTemplateRef")],
)
def test_reference_that_is_refused(ref: dict[str, str], reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        wants_template(machine(image={"templateRef": ref}))
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, "TemplateNotFound"),
        (template(), "TemplateNotReady"),
        (template(status={"ready": True, "observedGeneration": 1}), "TemplateNotReady"),
        (
            template({"deletionTimestamp": "2026-03-01T00:00:00Z"}, {"ready": True, "observedGeneration": 2}),
            "TemplateNotReady",
        ),
        (template(status={"ready": True, "observedGeneration": 2}), None),
    ],
    ids=["none", "not-looked-at", "changed-since", "deleted", "ready"],
)
def test_machine_waits_for_its_template(found: VMTemplate | None, reason: str | None) -> None:
    why = refusal(machine(image=REF), found)
    assert (why[0] if why else None) == reason


def test_status_says_what_was_found_and_stays_when_nothing_changed() -> None:
    first = status_of(template(), FINE, 3, NOW)
    assert (first.ready, first.size, first.usage_count, first.observed_generation) == (True, "1.0Gi", 3, 2)
    again = template(status=first.wire())
    assert is_known(again)
    assert status_of(again, FINE, 3, NOW).wire() == first.wire()
    broken = status_of(again, Sight(image=unfit("ChecksumMismatch", "it has another one")), 3, NOW)
    assert broken.ready is False
    ready = condition(broken.conditions, "Ready")
    assert ready is not None
    assert (ready.reason, ready.message) == ("ImageCheckFailed", "ChecksumMismatch: it has another one")


@pytest.mark.parametrize(
    ("users", "words"),
    [(["web"], "now web does"), (["a", "b"], "now a, b do"), ([*"abcdefg"], "now a, b, c, d, e and 2 more do")],
)
def test_deletion_says_who_is_in_its_way(users: list[str], words: str) -> None:
    ready = condition(held(template(), users, NOW).conditions, "Ready")
    assert ready is not None
    assert ready.reason == "InUse"
    assert words in (ready.message or "")
