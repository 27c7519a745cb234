"""The generated CustomResourceDefinitions keep every field, default and choice that manifests rely on."""

import re
from pathlib import Path
from typing import cast

import pytest
import yaml
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from hypersdk.model.crd import crd, object_schema
from hypersdk.model.kinds import OURS, VIRTUAL_MACHINES, VM_NODES
from hypersdk.model.quantity import BANDWIDTH_PATTERN, DURATION_PATTERN, MAC_PATTERN, MEMORY_PATTERN
from scripts.generate import generated

FACTS: dict[str, dict[str, str]] = yaml.safe_load((Path(__file__).parent / "facts.yaml").read_text())
FIELDS = [(kind, path, fact) for kind, fields in FACTS.items() for path, fact in fields.items()]
PATTERNS = {
    "MEMORY": MEMORY_PATTERN,
    "DURATION": DURATION_PATTERN,
    "MAC": MAC_PATTERN,
    "BANDWIDTH": BANDWIDTH_PATTERN,
}
SCHEMAS = {kind.kind: object_schema(kind.model) for kind in OURS}


def _read(fact: str) -> JsonObject:
    """One line of the facts as the keywords of a schema."""
    type_ = re.match(r"\w+", fact)
    assert type_
    schema: JsonObject = {"type": type_[0]}
    if default := re.search(r"\[(.*?)\]", fact):
        schema["default"] = default[1] if type_[0] == "string" else yaml.safe_load(default[1])
    if choices := re.search(r"\{(.*?)\}", fact):
        schema["enum"] = list(choices[1].split(","))
    if pattern := re.search(r"/(\w+)/", fact):
        schema["pattern"] = PATTERNS[pattern[1]]
    if bounds := re.search(r" (\d+)\.\.(\d*)", fact):
        schema["minimum"] = int(bounds[1])
        schema |= {"maximum": int(bounds[2])} if bounds[2] else {}
    return schema


def _find(kind: str, path: str) -> tuple[JsonObject, bool]:
    """The schema at that path, and whether the field is required where it stands."""
    node = SCHEMAS[kind]
    required = False
    for step in path.split("."):
        name = step.removesuffix("[]")
        assert name in cast("JsonObject", node["properties"]), f"{kind} has no {path} (at {name})"
        required = name in cast("list[JsonValue]", node.get("required", []))
        node = cast("JsonObject", cast("JsonObject", node["properties"])[name])
        node = cast("JsonObject", node["items"]) if step.endswith("[]") else node
    return node, required


@pytest.mark.parametrize(("kind", "path", "fact"), FIELDS, ids=[f"{kind}-{path}" for kind, path, _ in FIELDS])
def test_field_is_as_the_document_has_it(kind: str, path: str, fact: str) -> None:
    schema, required = _find(kind, path)
    wanted = _read(fact)
    match wanted["type"]:
        case "map":
            assert schema["additionalProperties"] == {"type": "string"}
        case "free":
            assert schema == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        case _:
            assert {name: schema.get(name) for name in wanted} == wanted
    assert required is ("!" in fact)
    if "enum" not in wanted:
        assert "enum" not in schema or path.startswith("spec.defaultSpec"), "fewer values than before are taken"


def _nodes(schema: JsonObject, path: str = "") -> list[tuple[str, JsonObject]]:
    """Every node of a schema with its path."""
    found = [(path, schema)]
    for name, child in cast("JsonObject", schema.get("properties", {})).items():
        found += _nodes(cast("JsonObject", child), f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            found += _nodes(cast("JsonObject", schema[key]), f"{path}[]")
    return found


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.kind)
def test_schema_is_structural(kind: type) -> None:
    for path, node in _nodes(object_schema(kind.model)):  # type: ignore[attr-defined]
        assert "type" in node, f"{path} has no type"
        assert not {"$ref", "anyOf", "allOf", "oneOf", "title", "$defs", "const"} & node.keys(), path
        assert not ("properties" in node and "additionalProperties" in node), path


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.kind)
def test_every_kind_has_a_status_of_its_own(kind: object) -> None:
    version = _version(crd(kind))  # type: ignore[arg-type]
    assert version["subresources"] == {"status": {}}
    assert (version["served"], version["storage"]) == (True, True)


def _version(definition: JsonObject) -> JsonObject:
    versions = cast("list[JsonObject]", cast("JsonObject", definition["spec"])["versions"])
    assert len(versions) == 1
    return versions[0]


def test_status_and_spec_have_no_default_of_their_own() -> None:
    for kind, schema in SCHEMAS.items():
        for part in ("spec", "status"):
            node, _ = _find(kind, part)
            assert "default" not in node, f"{kind}.{part}"
        assert schema["type"] == "object"


NAMES = {
    "VirtualMachine": ("virtualmachines", ["vm", "vms"], "Namespaced"),
    "VMOperation": ("vmoperations", ["vmop", "vmops"], "Namespaced"),
    "VMTemplate": ("vmtemplates", ["vmt", "vmtpl"], "Namespaced"),
    "VMSnapshot": ("vmsnapshots", ["vmsnap", "vmsnaps"], "Namespaced"),
    "BackupSchedule": ("backupschedules", ["bs"], "Namespaced"),
    "BackupJob": ("backupjobs", ["bj"], "Namespaced"),
    "RestoreJob": ("restorejobs", ["rj"], "Namespaced"),
    "VMNode": ("vmnodes", ["vmnode"], "Cluster"),
}


def test_names_are_the_documents() -> None:
    told = {}
    for kind in OURS:
        spec = cast("JsonObject", crd(kind)["spec"])
        names = cast("JsonObject", spec["names"])
        told[str(names["kind"])] = (names["plural"], names["shortNames"], spec["scope"])
        assert names["singular"] == str(names["kind"]).lower()
        assert names["listKind"] == f"{names['kind']}List"
        assert (spec["group"], _version(crd(kind))["name"]) == ("hypersdk.io", "v1alpha1")
    assert told == NAMES


def test_columns_of_machines_are_the_documents() -> None:
    columns = cast("list[JsonObject]", _version(crd(VIRTUAL_MACHINES))["additionalPrinterColumns"])
    assert [(column["name"], column["type"], column["jsonPath"]) for column in columns] == [
        ("Status", "string", ".status.phase"),
        ("CPUs", "integer", ".spec.cpus"),
        ("Memory", "string", ".spec.memory"),
        ("Node", "string", ".status.nodeName"),
        ("IPs", "string", ".status.ipAddresses[0]"),
        ("Age", "date", ".metadata.creationTimestamp"),
    ]


def test_a_node_can_select_its_machines() -> None:
    selectable = cast("list[JsonObject]", _version(crd(VIRTUAL_MACHINES))["selectableFields"])
    assert {"jsonPath": ".status.nodeName"} in selectable
    assert "selectableFields" not in _version(crd(VM_NODES))


def test_generated_files_are_fresh() -> None:
    stale = [path.name for path, text in generated().items() if path.read_text() != text]
    assert stale == []
