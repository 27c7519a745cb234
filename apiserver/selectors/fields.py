"""Which objects does a field selector mean? `metadata.name=a,status.phase!=Running`."""

import re
from dataclasses import dataclass

from pydantic import JsonValue

from apiserver.document import encode
from apiserver.refusal import bad_request
from apiserver.registry.resource import ResourceType
from apiserver.storage.stored import Stored
from hypersdk.model.base import JsonObject

_TERM = re.compile(r"(?P<path>[^=!]*)(?P<operator>==|!=|=)(?P<value>.*)", re.DOTALL)
_ALWAYS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True)
class Term:
    """One comparison."""

    path: str
    value: str
    equal: bool


@dataclass(frozen=True)
class FieldSelector:
    """Comparisons that all have to hold."""

    resource: ResourceType
    terms: tuple[Term, ...] = ()

    @property
    def name(self) -> str:
        """The only name that can match; empty when the selector does not say one."""
        return next((term.value for term in self.terms if term.path == "metadata.name" and term.equal), "")

    def matches(self, stored: Stored) -> bool:
        """Whether the object satisfies all of them."""
        return all((self._value(stored, term.path) == term.value) is term.equal for term in self.terms)

    def _value(self, stored: Stored, path: str) -> str:
        if path == "metadata.name":
            return stored.key.name
        if path == "metadata.namespace":
            return stored.key.namespace
        if path not in stored.fields:
            document = stored.document()
            values = {one: _text_at(document, one) for one in self.resource.selectable}
            stored.fields.update(values | self.resource.field_values(document))
        return stored.fields[path]


def _text_at(document: JsonObject, path: str) -> str:
    value: JsonValue = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return ""
    return value if isinstance(value, str) else encode(value).decode()


def parse_fields(text: str, resource: ResourceType) -> FieldSelector:
    """Read a selector; 400 when it is none."""
    terms: list[Term] = []
    for part in re.split(r"(?<!\\),", text):
        if not part:
            continue
        match = _TERM.fullmatch(part)
        if match is None:
            raise bad_request(f"invalid selector: '{part}'; can't understand '{part}'")
        path = match["path"]
        terms.append(Term(path, _unescaped(match["value"]), match["operator"] != "!="))
    return FieldSelector(resource, tuple(terms))


def _unescaped(value: str) -> str:
    """The value without the backslashes before commas, equal signs and backslashes."""
    for wrong in re.finditer(r"\\(?:[\\,=]|(?P<odd>.?))|(?P<bare>[,=])", value, re.DOTALL):
        if wrong["bare"] is not None:
            raise bad_request(f"invalid field selector: unescaped character in value: {ord(wrong['bare'])}")
        if wrong["odd"] is not None:
            raise bad_request(f"invalid field selector: invalid escape sequence: {wrong[0]}")
    return re.sub(r"\\(.)", r"\1", value, flags=re.DOTALL)


def check_supported(selector: FieldSelector) -> None:
    """400 when it names a field that cannot be selected by."""
    for term in selector.terms:
        if term.path not in _ALWAYS and term.path not in selector.resource.selectable:
            raise bad_request(_unknown(term.path, selector.resource))


def _unknown(path: str, resource: ResourceType) -> str:
    if resource.rules.is_typed and not resource.selectable:
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {path}"
