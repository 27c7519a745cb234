"""How a request body becomes a JSON document, and how a document is read and written."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import yaml
from pydantic import JsonValue

from hypersdk.model.base import JsonObject

MAX_DEPTH = 128
_INT64 = range(-(2**63), 2**63)


class Unreadable(Exception):
    """The bytes are no JSON (or YAML) document; the message says where."""


@dataclass
class Decoded:
    """A document, and the paths that it names twice (the last one counts)."""

    value: JsonValue
    duplicates: list[str] = field(default_factory=list)


class _Pairs:
    """Keeps the objects that named a key twice, whole; their paths are looked for afterwards, for that is rare."""

    def __init__(self) -> None:
        self.repeated: dict[int, tuple[JsonObject, list[tuple[str, JsonValue]]]] = {}

    def __call__(self, pairs: list[tuple[str, JsonValue]]) -> JsonObject:
        built = dict(pairs)
        if len(built) != len(pairs):
            self.repeated[id(built)] = (built, pairs)
        return built


def decode(body: bytes) -> Decoded:
    """Read JSON as Go does: whole floats are integers, integers beyond 64 bits are floats."""
    pairs = _Pairs()
    try:
        value: JsonValue = json.loads(
            body, object_pairs_hook=pairs, parse_float=_float, parse_int=_int, parse_constant=_constant
        )
    except RecursionError as error:
        raise Unreadable("the document is nested too deeply") from error
    except json.JSONDecodeError as error:
        raise Unreadable(f"json parse error: {_go_words(error)}") from error
    except ValueError as error:
        raise Unreadable(f"json parse error: {error}") from error
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(value, MAX_DEPTH)
    duplicates = _repeated_paths(value, "", pairs) if pairs.repeated else []
    return Decoded(_whole(value) if _HALF_CHARACTER.search(body) else value, duplicates)


_HALF_CHARACTER = re.compile(rb"\\ud[89a-f]", re.IGNORECASE)


def _whole(value: JsonValue) -> JsonValue:
    """The document with U+FFFD for every half of a character that stands alone: it could not be written as UTF-8."""
    written = json.dumps(value, ensure_ascii=False)
    replaced: JsonValue = json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return replaced


_PLACES = {
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Expecting ':' delimiter": "after object key",
    "Expecting ',' delimiter": "after object key:value pair",
    "Extra data": "after top-level value",
    "Invalid control character at": "in string literal",
}


def _go_words(error: json.JSONDecodeError) -> str:
    """The same complaint in the words of Go's decoder."""
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    return f"invalid character '{error.doc[error.pos]}' {_PLACES.get(error.msg, 'looking for beginning of value')}"


def decode_yaml(body: bytes) -> Decoded:
    """Read YAML (or JSON, which it contains) without aliases and without YAML's own dates."""
    if body.lstrip()[:1] == b"{":
        return decode(body)
    try:
        value: JsonValue = yaml.load(body, Loader=_Loader)
        return decode(json.dumps(value).encode())
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise Unreadable(f"error converting YAML to JSON: {error}") from error


class _Loader(yaml.SafeLoader):
    """Kubernetes' YAML: no timestamps, no anchors (a small document could unfold to gigabytes)."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not supported")
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def encode(value: JsonValue | JsonObject) -> bytes:
    """Compact JSON with sorted keys."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)
    return text.encode(errors="replace")


def encode_yaml(value: JsonValue | JsonObject) -> bytes:
    """Block-style YAML with sorted keys."""
    return yaml.safe_dump(value, default_flow_style=False, allow_unicode=True).encode(errors="replace")


def child(parent: JsonObject, *names: str) -> JsonObject:
    """The object at that path; an empty one (not attached) when it is missing or something else."""
    node: JsonValue = parent
    for name in names:
        node = node.get(name) if isinstance(node, dict) else None
    return node if isinstance(node, dict) else {}


def made_child(parent: JsonObject, name: str) -> JsonObject:
    """The object under that name, made when it is missing."""
    node = parent.get(name)
    if not isinstance(node, dict):
        node = {}
        parent[name] = node
    return node


def text(parent: JsonObject, name: str) -> str:
    """The string under that name; empty when it is missing or something else."""
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def items(parent: JsonObject, name: str) -> list[JsonValue]:
    """The list under that name; an empty one (not attached) when it is missing or something else."""
    value = parent.get(name)
    return value if isinstance(value, list) else []


def objects(values: Sequence[JsonValue]) -> list[JsonObject]:
    """The members that are objects."""
    return [value for value in values if isinstance(value, dict)]


def texts(parent: JsonObject, name: str) -> dict[str, str]:
    """The string-to-string map under that name."""
    return {key: value for key, value in child(parent, name).items() if isinstance(value, str)}


def _float(literal: str) -> int | float:
    number = float(literal)
    if number in {float("inf"), float("-inf")}:
        raise ValueError(f"number {literal} is out of range")
    return int(number) if number.is_integer() and int(number) in _INT64 else number


def _int(literal: str) -> int | float:
    if len(literal) > 310:
        raise ValueError("number is out of range")
    number = int(literal)
    return number if number in _INT64 else float(number)


def _constant(literal: str) -> float:
    raise ValueError(f"invalid character '{literal[0]}' looking for beginning of value")


def _check_depth(value: JsonValue, left: int) -> None:
    if left < 0:
        raise Unreadable(f"the document is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        for member in value.values():
            _check_depth(member, left - 1)
    elif isinstance(value, list):
        for member in value:
            _check_depth(member, left - 1)


def _repeated_paths(value: JsonValue, path: str, pairs: _Pairs) -> list[str]:
    found: list[str] = []
    if isinstance(value, dict):
        _, members = pairs.repeated.get(id(value), (value, list(value.items())))
        seen: set[str] = set()
        for name, member in members:
            found.extend(_repeated_paths(member, f"{path}.{name}", pairs))
            if name in seen:
                found.append(f"{path}.{name}".lstrip("."))
            seen.add(name)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            found.extend(_repeated_paths(member, f"{path}[{index}]", pairs))
    return found
