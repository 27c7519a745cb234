"""One request to two servers: do they say the same? docs/api-differences.md lists what they need not."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from multidict import CIMultiDictProxy
from pydantic import JsonValue

from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.api.http import Answer, Http
from tests.api.steps import Step

OF_ITS_OWN = {"creationTimestamp", "deletionTimestamp", "time"}
UNSAID = {"description", "continue"}
_UUID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}")
_VERSIONS = re.compile(r"((?:precondition|ResourceVersion in record)) \(\d+\)")
_STORAGE = re.compile(r"StorageError: .*AdditionalErrorMsg: ")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")


def _says(answer: Answer, code: int, words: str) -> bool:
    return answer.code == code and words in str(answer.at("message"))


MEANT: dict[str, Callable[[Answer, Answer], bool]] = {
    "a configuration that does not fit its schema": lambda ours, kubes: (
        ours.code == 422 and _says(kubes, 500, "failed to create typed patch object")
    ),
    "a version in a patch that is no number": lambda ours, kubes: (
        ours.code == 409 and _says(kubes, 500, "strconv.ParseUint")
    ),
}
"""Ours and kube-apiserver's answers that differ on purpose; docs/api-differences.md says why."""


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
    if any(meant(ours, kubes) for meant in MEANT.values()):
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
            return _TIME.sub("TIME", _UUID.sub("UID", value))
        case _:
            return value


def _plain_member(name: str, member: JsonValue) -> JsonValue:
    if name in OF_ITS_OWN:
        return bool(member)
    if name == "resourceVersion":
        return "VERSION" if member else member
    if name == "managedFields" and isinstance(member, list):
        owned = (_plain(one) for one in member)
        return sorted((one for one in owned if at(one, "fieldsV1")), key=lambda one: json.dumps(one, sort_keys=True))
    if name == "fieldsV1" and isinstance(member, dict):
        metadata = member.get("f:metadata")
        kept = {part: owns for part, owns in metadata.items() if owns != {}} if isinstance(metadata, dict) else {}
        rest = {part: owns for part, owns in member.items() if part != "f:metadata"}
        return _plain(rest | ({"f:metadata": kept} if kept else {}))
    return _plain(member)


def event(line: JsonObject) -> JsonValue:
    """What two good servers cannot differ in of a watch event."""
    return [line["type"], _plain(line["object"])]


def _plain_status(status: JsonObject) -> JsonObject:
    """A Status: causes in any order, and then the message says no more than they do."""
    causes = at(status, "details", "causes")
    plain = {name: _plain(member) for name, member in sorted(status.items())}
    if isinstance(causes, list) and causes:
        details = plain["details"]
        assert isinstance(details, dict)
        details["causes"] = [*_blamed(causes)]
        plain["message"] = "of many causes"
    message = plain.get("message")
    if isinstance(message, str):
        plain["message"] = _VERSIONS.sub(r"\1 (VERSION)", _STORAGE.sub("", message))
    return plain


def _blamed(causes: list[JsonValue]) -> list[str]:
    """Which fields are wrong in which way; a value of a wrong type need not be called unsupported as well."""
    found = {(str(at(one, "field")), str(at(one, "reason"))) for one in causes}
    found.discard((".metadata.labels", "FieldManagerConflict"))
    untyped = {field for field, reason in found if reason == "FieldValueTypeInvalid"}
    return sorted(
        f"{field}: {why}" for field, why in found if not (field in untyped and why == "FieldValueNotSupported")
    )


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
