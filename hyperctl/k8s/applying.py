"""`apply -f FILE`: objects of files as the API shall have them (Kubernetes: Server-Side Apply)."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml
from pydantic import TypeAdapter, ValidationError

from hyperctl.exits import Exit, exit_of
from hyperctl.k8s.session import Session
from hypersdk.errors import ApiError, NotFound, UsageError
from hypersdk.kube.client import APPLY_PATCH, Client
from hypersdk.model.base import JsonObject
from hypersdk.plaintext import plain

MANAGER: Final = "hyperctl"
_ENDINGS: Final = {".yaml", ".yml", ".json"}
_OBJECT: TypeAdapter[JsonObject] = TypeAdapter(JsonObject)


@dataclass(frozen=True)
class Document:
    """One object of a file."""

    place: str
    """`vm.yaml: document 2`."""
    body: JsonObject
    api_version: str
    kind: str
    name: str
    namespace: str

    def __str__(self) -> str:
        return f"{self.place} ({self.kind} {self.name})"


@dataclass(frozen=True)
class Served:
    """How the API has a kind."""

    plural: str
    namespaced: bool


async def apply(session: Session, arguments: argparse.Namespace) -> int:
    """Apply every document, after all of them could be read; the exit code is the first refusal's."""
    documents = [one for name in arguments.filename for file in files(name) for one in read(file)]
    if not documents:
        raise UsageError(f"-f {', '.join(arguments.filename)}: there are no objects in it")
    known: dict[str, dict[str, Served]] = {}
    code = int(Exit.OK)
    for document in documents:
        try:
            print(await _apply(session, document, arguments, known), flush=True)
        except ApiError as error:
            print(f"hyperctl: {document}: {plain(str(error))}", file=sys.stderr)
            code = code or exit_of(error)
    return code


async def _apply(
    session: Session, document: Document, arguments: argparse.Namespace, known: dict[str, dict[str, Served]]
) -> str:
    """Apply one; the line that tells of it."""
    version = document.api_version
    if version not in known:
        known[version] = await served(session.client, version)
    kind = known[version].get(document.kind)
    if kind is None:
        raise NotFound(f"the API has no kind {document.kind} in {version}", 404, "NotFound")
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    scope = f"/namespaces/{document.namespace or session.namespace}" if kind.namespaced else ""
    query = [("fieldManager", MANAGER), ("fieldValidation", "Strict")]
    query += [("force", "true")] if arguments.force_conflicts else []
    query += [("dryRun", "All")] if arguments.dry_run else []
    path = f"{root}{scope}/{kind.plural}/{document.name}"
    await session.client.raw("PATCH", path, query=query, body=document.body, content_type=APPLY_PATCH)
    group = version.rpartition("/")[0]
    full = ".".join(filter(None, (document.kind.lower(), group)))
    return f"{full}/{document.name} serverside-applied" + (" (server dry run)" if arguments.dry_run else "")


async def served(client: Client, api_version: str) -> dict[str, Served]:
    """The kinds of a group and version, as the API's discovery tells them."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    listed = _OBJECT.validate_json(await client.raw("GET", root)).get("resources")
    found: dict[str, Served] = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and "/" not in str(one.get("name", "")):
            found[str(one.get("kind"))] = Served(str(one.get("name")), bool(one.get("namespaced")))
    return found


def files(name: str) -> Sequence[Path | None]:
    """The files that `-f` means, those of a folder in order; None is standard input."""
    if name == "-":
        return [None]
    path = Path(name)
    return sorted(one for one in path.iterdir() if one.suffix in _ENDINGS) if path.is_dir() else [path]


def read(file: Path | None) -> list[Document]:
    """The objects of a file, those inside of Lists as well; UsageError names file, line and document."""
    name = str(file or "standard input")
    try:
        text = file.read_text() if file else sys.stdin.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"-f {name}: {error}") from error
    found: list[Document] = []
    number = 0
    try:
        for number, value in enumerate(yaml.safe_load_all(text), 1):
            found += _documents(value, f"{name}: document {number}")
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{name}: document {number + 1} is not YAML: {error}") from error
    return found


def _documents(value: object, place: str) -> Iterator[Document]:
    if value is None:
        return
    try:
        body = _OBJECT.validate_json(_OBJECT.dump_json(_OBJECT.validate_python(value)))
    except (ValidationError, ValueError) as error:
        raise UsageError(f"{place} is not an object of the API") from error
    items = body.get("items")
    if str(body.get("kind", "")).endswith("List") and isinstance(items, list):
        for at, item in enumerate(items, 1):
            yield from _documents(item, f"{place}, item {at}")
    else:
        yield _document(body, place)


def _document(body: JsonObject, place: str) -> Document:
    metadata = body.get("metadata")
    meta = metadata if isinstance(metadata, dict) else {}
    texts = [body.get("apiVersion"), body.get("kind"), meta.get("name"), meta.get("namespace", "")]
    for field, text in zip(("apiVersion", "kind", "metadata.name"), texts, strict=False):
        if not isinstance(text, str) or not text:
            raise UsageError(f"{place} has no {field}")
    version, kind, name, namespace = map(str, texts)
    for part in (*version.split("/"), name, namespace):
        if "/" in part or part in {".", ".."} or any(sign in part for sign in "?#%"):
            raise UsageError(f"{place}: {part!r} cannot be a part of an object's address")
    return Document(place, body, version, kind, name, namespace)
