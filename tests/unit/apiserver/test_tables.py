"""Cells of tables: ages, JSONPaths, typed columns."""

from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from apiserver.registry.builtin import builtin_resources
from apiserver.registry.resource import TableColumn
from apiserver.tables.columns import PrinterColumn, custom_layout
from apiserver.tables.duration import age, short_duration
from apiserver.tables.jsonpath import BadPath, compiled, find
from hypersdk.model.base import JsonObject

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
VM: JsonObject = {
    "metadata": {"name": "web", "labels": {"a.b/c": "label"}},
    "spec": {"cpus": 4},
    "status": {
        "conditions": [{"type": "Live", "status": "False"}, {"type": "Ready", "status": "True", "n": 3}],
        "ipAddresses": ["10.0.0.1", "10.0.0.2"],
    },
}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0s"), (119, "119s"), (120, "2m"), (150, "2m30s"), (601, "10m"), (10799, "179m"), (10800, "3h")),
        *((11000, "3h3m"), (30000, "8h"), (172800, "2d"), (180000, "2d2h"), (864000, "10d"), (-5, "<invalid>")),
        (800 * 86400, "2y70d"),
    ],
)
def test_durations_are_kubectls(seconds: int, text: str) -> None:
    assert short_duration(seconds) == text


def test_ages() -> None:
    assert age("2026-11-23T11:59:30Z", NOW) == "30s"
    assert age(None, NOW) == age("yesterday", NOW) == "<unknown>"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.cpus", [4]),
        ("{.spec.cpus}", [4]),
        (".status.ipAddresses[0]", ["10.0.0.1"]),
        (".status.ipAddresses[-1]", ["10.0.0.2"]),
        (".status.ipAddresses[9]", []),
        (".status.ipAddresses[*]", ["10.0.0.1", "10.0.0.2"]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?(@.type!="Ready")].status', ["False"]),
        (".status.conditions[?(@.n>2)].type", ["Ready"]),
        (".status.conditions[?(@.n)].type", ["Ready"]),
        (r".metadata.labels.a\.b/c", ["label"]),
        (".metadata.labels['a.b/c']", ["label"]),
        (".nothing.here", []),
    ],
)
def test_paths(path: str, found: list[JsonValue]) -> None:
    assert find(VM, compiled(path)) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(@.b==x)]", ".a..b"])
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(BadPath):
        compiled(path)


@pytest.mark.parametrize(
    ("kind", "path", "cell"),
    [
        ("integer", ".spec.cpus", 4),
        ("string", ".spec.cpus", "4"),
        ("boolean", ".spec.cpus", None),
        ("string", ".status.ipAddresses", '["10.0.0.1","10.0.0.2"]'),
        ("string", ".status.ipAddresses[*]", "10.0.0.1"),
        ("string", ".status.phase", None),
        ("date", ".status.phase", None),
    ],
)
def test_a_cell_has_the_type_of_its_column(kind: str, path: str, cell: JsonValue) -> None:
    layout = custom_layout((PrinterColumn(TableColumn("C", kind), path),))
    assert layout.cells(VM, NOW) == ["web", cell]


@pytest.mark.parametrize(
    ("plural", "obj", "cells"),
    [
        ("namespaces", {"metadata": {"name": "n"}, "status": {"phase": "Active"}}, ["n", "Active", "<unknown>"]),
        ("configmaps", {"metadata": {"name": "c"}, "data": {"a": "b"}}, ["c", 1, "<unknown>"]),
        ("secrets", {"metadata": {"name": "s"}, "type": "Opaque"}, ["s", "Opaque", 0, "<unknown>"]),
        ("leases", {"metadata": {"name": "l"}, "spec": {"holderIdentity": "me"}}, ["l", "me", "<unknown>"]),
        (
            "events",
            {
                "metadata": {"name": "e"},
                "involvedObject": {"kind": "VirtualMachine", "name": "web"},
                "source": {"component": "c", "host": "h"},
                "lastTimestamp": "2026-11-23T11:50:00Z",
                "firstTimestamp": "2026-11-23T11:00:00Z",
                "count": 3,
            },
            ["10m", "", "", "virtualmachine/web", "", "c, h", "", "60m", 3, "e"],
        ),
    ],
)
def test_built_in_kinds(plural: str, obj: JsonObject, cells: list[JsonValue]) -> None:
    resource = next(one for one in builtin_resources() if one.plural == plural)
    assert resource.layout.cells(obj, NOW) == cells
    assert len(resource.layout.columns) == len(cells)
