"""One request to two servers: do they say the same? docs/api-differences.md lists what they need not."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from multidict import CIMultiDictProxy
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.api.http import Answer, Http
from tests.api.meant import is_meant
from tests.api.steps import Step

OF_ITS_OWN = {"creationTimestamp", "deletionTimestamp", "time"}
UNSAID = {"description", "continue"}
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_VERSIONS = re.compile(r"((?:precondition|ResourceVersion in record|current:)) \(?\d+\)?")
_STORAGE = re.compile(r"StorageError: .*AdditionalErrorMsg: ")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
_QUOTED = re.compile(r'"\{(?:[^"\\]|\\.)*\}"')


@dataclass
class Side:
    """One of the two servers, with the versions that it gave to each object."""

    request: Http
    known: dict[str, tuple[str, str]] = field(default_factory=dict)

    async def take(self, step: Step) -> Answer:
        """Send the step."""
        version, uid = self.known.get(_place(step), ("1", "none"))
        body = step.body.replace("{rv}", version).replace("{uid}", uid).encode() if step.body else None
        headers = {name.replace("-", "_"): value for name, value in step.headers.items()}
        answer = await self.request(step.method, step.path, body=body, query=step.query, **headers)
        self._remember(step, answer)
        return answer

    def _remember(self, step: Step, answer: Answer) -> None:
        version, uid = answer.at("metadata", "resourceVersion"), answer.at("metadata", "uid")
        if isinstance(version, str) and isinstance(uid, str) and "dryRun" not in step.query:
            self.known[_place(step)] = (version, uid)


def _place(step: Step) -> str:
    """The object that the step is about."""
    return f"{step.path.split('/')[6]}/{step.name}"


def seen(answer: Answer) -> JsonObject:
    """The part of an answer in which two good servers cannot differ."""
    out: JsonObject = {"code": answer.code, "body": _plain(answer.body)}
    warnings = answer.headers.getall("Warning", []) if isinstance(answer.headers, CIMultiDictProxy) else []
    out["warnings"] = [*sorted(warnings)] if answer.code < 400 else []
    return out


def differences(ours: Answer, kubes: Answer) -> list[str]:
    """Where the two say something else, and what."""
    if is_meant(ours, kubes):
        return []
    return list(_apart(seen(ours), seen(kubes), ""))


def _apart(one: JsonValue, other: JsonValue, path: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _apart(one.get(name, "(nothing)"), other.get(name, "(nothing)"), f"{path}.{name}")
    elif one != other:
        yield f"{path}:\n    {one}\n    {other}"


def _plain(value: JsonValue) -> JsonValue:
    match value:
        case dict() if value.get("kind") == "Status":
            return _plain_status(value)
        case dict() if value.get("kind") == "Table":
            return _plain_table(value)
        case dict():
            return {name: _plain_member(name, member) for name, member in sorted(value.items()) if name not in UNSAID}
        case list():
            return [_plain(member) for member in value]
        case str():
            return _TIME.sub("TIME", _UUID.sub("UID", _QUOTED.sub(_plain_quoted, value)))
        case _:
            return value


def _plain_member(name: str, member: JsonValue) -> JsonValue:
    if name in OF_ITS_OWN:
        return bool(member)
    if name == "resourceVersion":
        return "VERSION" if member else member
    if name == "managedFields" and isinstance(member, list):
        return sorted((_plain(one) for one in member), key=lambda one: json.dumps(one, sort_keys=True))
    return _plain(member)


def _plain_quoted(found: re.Match[str]) -> str:
    """An object that is quoted in a message."""
    try:
        return json.dumps(_plain(json.loads(json.loads(found[0]))))
    except ValueError:
        return found[0]


def event(line: JsonObject) -> JsonValue:
    """What two good servers cannot differ in of a watch event."""
    return [line["type"], _plain(line["object"])]


def is_echo(line: JsonObject, last: JsonObject) -> bool:
    """Whether an event tells of a new version of an object in which nothing is new."""

    def content(one: JsonObject) -> JsonValue:
        obj, meta = one["object"], at(one, "object", "metadata")
        assert isinstance(obj, dict)
        assert isinstance(meta, dict)
        return obj | {"metadata": meta | {"resourceVersion": ""}}

    return line["type"] == "MODIFIED" and last["type"] != "DELETED" and content(line) == content(last)


def _plain_status(status: JsonObject) -> JsonObject:
    """A Status: causes in any order, and the message in the same."""
    plain = {name: _plain(member) for name, member in sorted(status.items())}
    causes = at(status, "details", "causes")
    message = str(status.get("message", ""))
    if isinstance(causes, list) and causes:
        details = plain["details"]
        assert isinstance(details, dict)
        details["causes"] = _told(causes)
        message = _around(message, causes)
    if message:
        plain["message"] = _plain(_VERSIONS.sub(r"\1 (VERSION)", _STORAGE.sub("", message)))
    return plain


def _told(causes: list[JsonValue]) -> list[JsonValue]:
    """Each field with what is wrong with it, once."""
    found = {(str(at(one, "field")), str(at(one, "reason")), str(_plain(at(one, "message")))) for one in causes}
    return [[*one] for one in sorted(found)]


def _around(message: str, causes: list[JsonValue]) -> str:
    """The message without the causes in it."""
    told = {f"{at(one, 'field')}: {at(one, 'message')}" for one in causes}
    for words in sorted(told, key=len, reverse=True):
        message = message.replace(words, "#")
    return re.sub(r"\[#(, #)*\]", "#", message)


def _plain_table(table: JsonObject) -> JsonObject:
    """A Table without the ages."""
    columns = table.get("columnDefinitions")
    ages = [index for index, one in enumerate(columns if isinstance(columns, list) else []) if at(one, "name") == "Age"]
    rows = table.get("rows")
    for row in rows if isinstance(rows, list) else []:
        cells = at(row, "cells")
        for index in ages:
            if isinstance(cells, list):
                cells[index] = "AGE"
    return {name: _plain(member) for name, member in sorted(table.items())}
