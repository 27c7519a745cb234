"""Random requests on objects of our kinds, the same ones for the same seed; many are wrong on purpose."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS, Kind
from tests.api.builders import API_VERSION

NAMES = ("a", "b", "c", "d", "web-1")
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


@dataclass(frozen=True)
class Step:
    """One request. `{rv}` and `{uid}` in the body stand for the object's own on each server."""

    method: str
    path: str
    name: str = ""
    body: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {dict(self.query)} {dict(self.headers)} {self.body}"


class Steps:
    """An endless supply."""

    def __init__(self, seed: int, namespace: str) -> None:
        self._chance = random.Random(seed)
        self._namespace = namespace

    def __call__(self) -> Step:
        """The next one."""
        makers: list[tuple[int, Callable[[Kind[Resource]], Step]]] = [
            (20, self._create),
            (22, self._merge),
            (10, self._json_patch),
            (12, self._apply),
            (10, self._replace),
            (8, self._status),
            (8, self._delete),
            (1, self._delete_all),
            (4, self._get),
            (12, self._list),
        ]
        make = self._chance.choices([maker for _, maker in makers], [weight for weight, _ in makers])[0]
        return make(VIRTUAL_MACHINES if self._chance.random() < 0.75 else VM_OPERATIONS)

    def _one_of(self, *values: JsonValue) -> JsonValue:
        return self._chance.choice(values)

    def _name(self) -> str:
        return self._chance.choice(NAMES)

    def _path(self, kind: Kind[Resource], name: str = "", subresource: str = "") -> str:
        return kind.path(self._namespace, name, subresource)

    def _options(self) -> dict[str, str]:
        query: dict[str, str] = {}
        if self._chance.random() < 0.1:
            query["dryRun"] = self._chance.choice(("All", "All", "Some"))
        if self._chance.random() < 0.4:
            query["fieldValidation"] = self._chance.choice(("Strict", "Warn", "Ignore", "Ignore", "Sometimes"))
        return query

    def _metadata(self, name: str) -> JsonObject:
        meta: JsonObject = {"name": name}
        if self._chance.random() < 0.5:
            meta["labels"] = {"app": self._one_of("web", "db", "x" * 64, "", "bad value")}
        if self._chance.random() < 0.2:
            meta["annotations"] = {self._chance.choice(("note", "a/b", "bad key", "/")): "v"}
        if self._chance.random() < 0.1:
            meta["finalizers"] = self._one_of(["example.org/held"], ["plain"], ["a b"], [])
        if self._chance.random() < 0.05:
            meta[self._chance.choice(("generateName", "namespace", "uid", "nonsense"))] = self._one_of(
                "x", "default", 5
            )
        return meta

    def _spec(self, kind: Kind[Resource], *, whole: bool) -> JsonObject:
        fields = MACHINE if kind is VIRTUAL_MACHINES else OPERATION
        spec: JsonObject = {}
        if whole and self._chance.random() < 0.95:
            spec |= {"cpus": 1, "memory": "1Gi"} if kind is VIRTUAL_MACHINES else {"vmRef": {"name": "a"}}
            spec |= {} if kind is VIRTUAL_MACHINES else {"operation": "start"}
        for name in self._chance.sample(sorted(fields), self._chance.randint(0 if whole else 1, 3)):
            spec[name] = self._chance.choice(fields[name])
        return spec

    def _object(self, kind: Kind[Resource], name: str) -> JsonObject:
        obj: JsonObject = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": self._metadata(name)}
        if self._chance.random() < 0.98:
            obj["spec"] = self._spec(kind, whole=True)
        if self._chance.random() < 0.05:
            obj |= self._chance.choice(ODD)
        return obj

    def _create(self, kind: Kind[Resource]) -> Step:
        name = self._name()
        return Step("POST", self._path(kind), name, json.dumps(self._object(kind, name)), self._options())

    def _merge(self, kind: Kind[Resource]) -> Step:
        name, patch = self._name(), JsonObject()
        if self._chance.random() < 0.85:
            patch["spec"] = self._spec(kind, whole=False)
        if self._chance.random() < 0.4:
            meta = {key: value for key, value in self._metadata(name).items() if key != "name"}
            patch["metadata"] = meta
        if self._chance.random() < 0.1:
            patch["metadata"] = {"resourceVersion": self._one_of("{rv}", "1", "x", None)}
        query = self._options() | ({"fieldManager": "other"} if self._chance.random() < 0.2 else {})
        return Step("PATCH", self._path(kind, name), name, json.dumps(patch), query, {"Content-Type": MERGE})

    def _json_patch(self, kind: Kind[Resource]) -> Step:
        name = self._name()
        paths = (
            "/spec/cpus",
            "/spec/memory",
            "/spec/disks",
            "/spec/disks/0/size",
            "/metadata/labels/app",
            "/spec/none/x",
        )
        operations: list[JsonValue] = []
        for _ in range(self._chance.randint(1, 3)):
            one: JsonObject = {
                "op": self._one_of("add", "replace", "remove", "test", "copy", "move", "mend"),
                "path": self._one_of(*paths, "/spec/running", "/metadata/annotations", "nothing"),
            }
            if one["op"] in {"copy", "move"}:
                one["from"] = self._one_of(*paths)
            if one["op"] in {"add", "replace", "test"}:
                one["value"] = self._one_of(2, "2Gi", "web", True, None, {"a": "b"}, [])
            operations.append(one)
        return Step(
            "PATCH", self._path(kind, name), name, json.dumps(operations), self._options(), {"Content-Type": JSON_PATCH}
        )

    def _apply(self, kind: Kind[Resource]) -> Step:
        name = self._name()
        obj: JsonObject = {"apiVersion": API_VERSION, "kind": kind.kind, "metadata": {"name": name}}
        spec = self._spec(kind, whole=self._chance.random() < 0.7)
        obj["spec"] = {name: value for name, value in spec.items() if value not in ({}, None) and name != "affinity"}
        if self._chance.random() < 0.3:
            obj["metadata"] = {"name": name, "labels": {"app": self._one_of("web", "db")}}
        query = {"fieldManager": self._chance.choice(("one", "two"))}
        if self._chance.random() < 0.5:
            query["force"] = self._chance.choice(("true", "false"))
        if self._chance.random() < 0.05:
            del query["fieldManager"]
        return Step("PATCH", self._path(kind, name), name, json.dumps(obj), query, {"Content-Type": APPLY})

    def _replace(self, kind: Kind[Resource]) -> Step:
        name = self._name()
        obj = self._object(kind, name)
        meta = obj["metadata"]
        assert isinstance(meta, dict)
        if self._chance.random() < 0.9:
            meta["resourceVersion"] = self._one_of("{rv}", "{rv}", "{rv}", "1", "")
        if self._chance.random() < 0.1:
            meta["uid"] = self._one_of("{uid}", "other")
        return Step("PUT", self._path(kind, name), name, json.dumps(obj), self._options())

    def _status(self, kind: Kind[Resource]) -> Step:
        name = self._name()
        status: JsonObject = {"phase": self._one_of("Running", "Stopped", "Pending", "Happy", None, 5)}
        if kind is VIRTUAL_MACHINES and self._chance.random() < 0.6:
            status["nodeName"] = self._one_of("n1", "n2", None, 5)
        if self._chance.random() < 0.4:
            status["conditions"] = self._one_of(
                [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}],
                [{"type": "Ready", "status": "Maybe"}],
                [{"type": "Ready"}],
                [{"type": "Ready", "status": "True", "lastTransitionTime": "now"}],
                None,
            )
        patch: JsonObject = {"status": status, "spec": {"cpus": 3}}
        path = self._path(kind, name, "status")
        return Step("PATCH", path, name, json.dumps(patch), self._options(), {"Content-Type": MERGE})

    def _delete(self, kind: Kind[Resource]) -> Step:
        name, options = self._name(), JsonObject()
        if self._chance.random() < 0.3:
            options["preconditions"] = self._one_of({"uid": "{uid}"}, {"uid": "other"}, {"resourceVersion": "{rv}"})
        if self._chance.random() < 0.2:
            options["propagationPolicy"] = self._one_of("Background", "Never")
        body = json.dumps({"apiVersion": "v1", "kind": "DeleteOptions", **options}) if options else ""
        return Step("DELETE", self._path(kind, name), name, body, self._options() if not body else {})

    def _delete_all(self, kind: Kind[Resource]) -> Step:
        return Step(
            "DELETE", self._path(kind), query={"labelSelector": self._chance.choice(("app=db", "app=web", "x y"))}
        )

    def _get(self, kind: Kind[Resource]) -> Step:
        accept = self._chance.choice(("application/json", TABLE, PARTIAL.replace("List", ""), "text/html", "*/*"))
        name = self._chance.choice((*NAMES, "none", "Bad_Name"))
        return Step("GET", self._path(kind, name), name, headers={"Accept": accept})

    def _list(self, kind: Kind[Resource]) -> Step:
        query: dict[str, str] = {}
        for option, values in LIST_OPTIONS.items():
            if self._chance.random() < 0.3:
                query[option] = self._chance.choice(values)
        accept = self._chance.choice(("application/json", "application/json", TABLE, PARTIAL))
        return Step("GET", self._path(kind), query=query, headers={"Accept": accept})


LIST_OPTIONS: dict[str, Sequence[str]] = {
    "labelSelector": (
        "app=web",
        "app!=web",
        "app in (web,db)",
        "app notin (db)",
        "!app",
        "app",
        "app=",
        "app in web",
        "a=b=c",
    ),
    "fieldSelector": (
        *("status.nodeName=n1", "status.phase!=Running", "metadata.name=a", "status.phase=Running,status.nodeName=n1"),
        *("spec.cpus=1", "metadata.name", "status.nodeName=", "metadata.namespace!=x", "spec.vmRef.name=a"),
    ),
    "limit": ("1", "2", "500", "x", "-1"),
    "resourceVersion": ("x", "-1"),  # 0 lets kube-apiserver answer with what it knew a moment ago
    "resourceVersionMatch": ("Exact", "NotOlderThan", "Sometimes"),
}
ODD: list[JsonObject] = [
    {"status": {"phase": "Running"}},
    {"extra": 7},
    {"spec": "none"},
]
DISK: JsonObject = {"name": "root", "size": "2Gi"}
MACHINE: dict[str, list[JsonValue]] = {
    "cpus": [1, 2, 4, 0, 129, "two", None, 1.5, True],
    "memory": ["2Gi", "512Mi", "0Gi", "8G", 5, None, "1" * 30],
    "running": [True, False, "yes", None],
    "disks": [
        [],
        [DISK],
        [DISK, DISK],
        [{"name": "root", "size": "1Gi"}],
        [{"name": "root"}],
        [DISK | {"x": 1}],
        "x",
        None,
    ],
    "networks": [[{"name": "n"}], [{"name": "n", "type": "multus"}], [{"name": "n", "type": "nat"}], None, {}],
    "image": [{"source": "demo"}, {"source": "demo", "templateRef": {"name": "t"}}, {}, None],
    "firmware": [{"secureBoot": True}, {"bootloader": "uefi", "secureBoot": True}, {"bootloader": "efi"}, {}, None],
    "machineType": ["q35", "pc", "isa", None],
    "highAvailability": [{}, {"restartDelay": "1h30m"}, {"maxRestarts": -1}, {"enabled": True}, None],
    "nodeSelector": [{"zone": "a"}, {"zone": 1}, {}, None],
    "affinity": [{"any": [1, {"b": None}]}, {}, None, "x"],
    "tolerations": [[{"key": "a", "more": [1]}], [], ["x"], None],
    "labels": [{"a": "b"}, {"a": None}, None],
    "unheard": [1, {"of": "it"}],
    "cloudInit": [{"userData": "#cloud-config\n"}, {"userData": "ü" * 5, "odd": 1}, None],
}
OPERATION: dict[str, list[JsonValue]] = {
    "operation": ["start", "stop", "clone", "migrate", "resize", "explode", None],
    "vmRef": [{"name": "a"}, {"name": "b"}, {"name": ""}, {}, "a", None],
    "cloneSpec": [{"targetName": "c"}, {"linkedClone": True}, {"targetName": "C_"}, None],
    "migrateSpec": [{}, {"targetNode": "n2", "bandwidth": "fast"}, {"bandwidth": "100Mbps"}, None],
    "resizeSpec": [{}, {"cpus": 2}, {"memory": "0Gi"}, None],
    "force": [True, "no", None],
    "timeout": ["5m", "soon", None],
    "extra": ["field"],
}
