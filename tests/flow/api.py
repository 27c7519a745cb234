"""A small API server in memory behind our own client's connection: enough for a controller, with faults on demand."""

import asyncio
import copy
import json
import uuid
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypersdk.errors import Unreachable
from hypersdk.kube.endpoint import Connection, Context

Doc = dict[str, Any]


@dataclass
class Answer:
    """What the client needs of an aiohttp response."""

    status: int
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    connection: None = None
    """There is no transport to hang up on."""
    headers: Mapping[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def read(self) -> bytes:
        return self.body

    @property
    def content(self) -> "Answer":
        return self

    def iter_any(self) -> AsyncIterator[bytes]:
        assert self.stream is not None
        return self.stream


@dataclass
class Change:
    """One event of a watch."""

    version: int
    type: str
    path: str
    doc: Doc


@dataclass
class MemoryApi(Connection):
    """Objects by the path of their collection and name."""

    now: Callable[[], str]
    objects: dict[tuple[str, str], Doc] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    writes: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of every write that was taken."""
    down: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    before_write: Callable[[str, str, Doc], None] = lambda method, path, body: None
    """Called before each write is taken; may raise to make the client die right there."""
    _version: int = 1

    def __post_init__(self) -> None:
        self.context = Context("memory", "default", "memory")

    @property
    def host(self) -> str:
        return "memory"

    async def close(self) -> None:
        return None

    async def request(  # type: ignore[override]
        self,
        method: str,
        path: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        body: object = None,
        content_type: str = "application/json",
        timeout: object = None,
    ) -> Answer:
        await asyncio.sleep(0)
        if self.down:
            raise Unreachable("no answer from memory: down")
        asked = dict(query)
        if method == "GET":
            return self._get(path, asked)
        assert isinstance(body, dict)
        self.before_write(method, path, body)
        answer = {"POST": self._post, "PATCH": self._patch, "DELETE": self._delete}[method](path, body)
        if answer.status < 300:
            self.writes.append((method, path))
        return answer

    def come_back(self) -> None:
        """Answer again."""
        self.down = False

    def go_down(self) -> None:
        """Break every watch and answer no more."""
        self.down = True
        self._wake()

    def _get(self, path: str, asked: Doc) -> Answer:
        if "watch" in asked:
            return Answer(200, stream=self._watch(path, int(asked["resourceVersion"])))
        if (found := self._find(path)) is not None:
            return Answer(200, json.dumps(found).encode())
        if _is_object(path):
            return _error(404, "NotFound", f"{path} not found")
        items = [doc for (collection, _), doc in self.objects.items() if _covers(path, collection)]
        return Answer(200, json.dumps({"metadata": {"resourceVersion": str(self._version)}, "items": items}).encode())

    async def _watch(self, path: str, version: int) -> AsyncIterator[bytes]:
        seen = version
        while True:
            if self.down:
                raise TimeoutError("down")
            # They are in the order of their versions: all that were seen come first.
            fresh = bisect_right(self.changes, seen, key=lambda change: change.version)
            for change in self.changes[fresh:]:
                if _covers(path, change.path):
                    yield json.dumps({"type": change.type, "object": change.doc}).encode() + b"\n"
            seen = self._version
            changed = self.changed
            if seen == self._version:
                await changed.wait()

    def _post(self, path: str, body: Doc) -> Answer:
        meta = body.setdefault("metadata", {})
        namespace = _namespace(path)
        name = meta["name"]
        if (path, name) in self.objects:
            return _error(409, "AlreadyExists", f"{name} already exists")
        if namespace:
            meta["namespace"] = namespace
        meta |= {"uid": str(uuid.uuid4()), "generation": 1, "creationTimestamp": self.now()}
        return self._store("ADDED", path, name, body)

    def _patch(self, path: str, body: Doc) -> Answer:
        target, status = (path.removesuffix("/status"), True) if path.endswith("/status") else (path, False)
        old = self._find(target)
        if old is None:
            return _error(404, "NotFound", f"{target} not found")
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted not in {None, old["metadata"]["resourceVersion"]}:
            return _error(409, "Conflict", "the object has been modified")
        new = copy.deepcopy(old)
        part = {"status": body["status"]} if status else {k: v for k, v in body.items() if k != "status"}
        _merge(new, part)
        if new == old:
            return Answer(200, json.dumps(old).encode())
        if new.get("spec") != old.get("spec"):
            new["metadata"]["generation"] += 1
        collection, _, name = target.rpartition("/")
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            return self._drop(collection, name)
        return self._store("MODIFIED", collection, name, new)

    def _delete(self, path: str, body: Doc) -> Answer:
        doc = self._find(path)
        if doc is None:
            return _error(404, "NotFound", f"{path} not found")
        collection, _, name = path.rpartition("/")
        if doc["metadata"].get("finalizers"):
            doc = copy.deepcopy(doc)
            doc["metadata"].setdefault("deletionTimestamp", self.now())
            return self._store("MODIFIED", collection, name, doc)
        return self._drop(collection, name)

    def _find(self, path: str) -> Doc | None:
        collection, _, name = path.rpartition("/")
        return self.objects.get((collection, name))

    def _store(self, kind: str, collection: str, name: str, doc: Doc) -> Answer:
        self._version += 1
        doc["metadata"]["resourceVersion"] = str(self._version)
        self.objects[(collection, name)] = doc
        return self._tell(kind, collection, doc)

    def _drop(self, collection: str, name: str) -> Answer:
        self._version += 1
        doc = self.objects.pop((collection, name))
        doc["metadata"]["resourceVersion"] = str(self._version)
        return self._tell("DELETED", collection, doc)

    def _tell(self, kind: str, collection: str, doc: Doc) -> Answer:
        self.changes.append(Change(self._version, kind, collection, copy.deepcopy(doc)))
        self._wake()
        return Answer(200, json.dumps(doc).encode())

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


def _covers(path: str, collection: str) -> bool:
    """Whether a list of `path` has the objects of a collection: all namespaces, or the same one."""
    return path == collection or path == _cluster_wide(collection)


def _cluster_wide(collection: str) -> str:
    head, marker, rest = collection.partition("/namespaces/")
    return f"{head}/{rest.partition('/')[2]}" if marker else collection


def _namespace(path: str) -> str:
    return path.partition("/namespaces/")[2].partition("/")[0]


def _is_object(path: str) -> bool:
    parts = path.removeprefix("/apis/").removeprefix("/api/").split("/")
    inner = parts[1:] if path.startswith("/api/") else parts[2:]
    if inner[0] == "namespaces" and len(inner) > 2:
        inner = inner[2:]
    return len(inner) > 1


def _merge(target: Doc, patch: Doc) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif isinstance(value, dict):
            target[name] = {}
            _merge(target[name], value)
        else:
            target[name] = value


def _error(code: int, reason: str, message: str) -> Answer:
    return Answer(code, json.dumps({"message": message, "reason": reason, "code": code}).encode())
