"""Which CEL rules (x-kubernetes-validations) does a document break? Worded as in Kubernetes.

Kubernetes: "Validation rules" and "CRD validation ratcheting" of CustomResourceDefinitions.
"""

import re
from collections.abc import Iterator, Sequence

from pydantic import JsonValue

from apiserver.document import child, items, objects, text
from apiserver.refusal import FieldError
from apiserver.schema import fields
from apiserver.schema.expressions import BadExpression, Failed, expression
from apiserver.schema.lists import before, is_same
from hypersdk.model.base import JsonObject

KEYWORD = "x-kubernetes-validations"
_BLOCKING = {
    *("FieldValueNotSupported", "FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany"),
    "FieldValueTypeInvalid",
}
_NOT_CHECKED = FieldError(
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
_METADATA: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}
_OLD = re.compile(r"\boldSelf\b")
_RESERVED = {
    *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if"),
    *("import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
}


def has_rules(schema: JsonValue) -> bool:
    """Whether any node of the schema has a rule."""
    if isinstance(schema, dict):
        return KEYWORD in schema or any(has_rules(part) for part in schema.values())
    return isinstance(schema, list) and any(has_rules(part) for part in schema)


def broken_rules(
    obj: JsonObject, schema: JsonObject, old: JsonObject | None, found: Sequence[FieldError]
) -> list[FieldError]:
    """Every rule that is broken; what was `found` so far may keep the rules from being asked at all."""
    if any(error.reason in _BLOCKING for error in found):
        return [_NOT_CHECKED]
    root = schema | {"properties": child(schema, "properties") | {"metadata": _METADATA}}
    return list(_broken(obj, root, "", [] if old is None else [old]))


def _broken(value: JsonValue, schema: JsonObject, path: str, old: Sequence[JsonValue]) -> Iterator[FieldError]:
    """The rules of a node, then those below it; `old` has what stood there before, if that can be told."""
    if value is None:
        return
    unchanged = bool(old) and is_same(old[0], value)
    for rule in objects(items(schema, KEYWORD)):
        is_transition = _OLD.search(text(rule, "rule")) is not None
        optional = rule.get("optionalOldSelf") is True
        if (is_transition and not old and not optional) or (unchanged and not is_transition):
            continue
        yield from _check(rule, value, schema, path, old)
    match value:
        case dict():
            yield from _broken_members(value, schema, path, old)
        case list():
            yield from _broken_items(value, schema, path, old)


def _broken_members(value: JsonObject, schema: JsonObject, path: str, old: Sequence[JsonValue]) -> Iterator[FieldError]:
    properties, others = child(schema, "properties"), schema.get("additionalProperties")
    past = old[0] if old and isinstance(old[0], dict) else {}
    for name, member in value.items():
        below = properties.get(name, others)
        if isinstance(below, dict):
            where = fields.joined(path, name) if name in properties else f"{path}[{name}]"
            yield from _broken(member, below, where, [past[name]] if name in past else [])


def _broken_items(
    value: list[JsonValue], schema: JsonObject, path: str, old: Sequence[JsonValue]
) -> Iterator[FieldError]:
    below = schema.get("items")
    if isinstance(below, dict):
        for index, member in enumerate(value):
            yield from _broken(member, below, f"{path}[{index}]", before(member, schema, old))


def _check(
    rule: JsonObject, value: JsonValue, schema: JsonObject, path: str, old: Sequence[JsonValue]
) -> Iterator[FieldError]:
    """The error of one rule, if it does not hold."""
    said = text(rule, "message") or f"failed rule: {text(rule, 'rule').strip()}"
    variables = seen(value, schema), [seen(one, schema) for one in old]
    optional = rule.get("optionalOldSelf") is True
    try:
        holds = expression(text(rule, "rule"), optional_old=optional)(*variables) is True
    except (Failed, BadExpression) as error:
        kind = fields.shown(text(schema, "type"))
        yield FieldError(
            "FieldValueInvalid", path or "<nil>", f"Invalid value: {kind}: {error} evaluating rule: {said}"
        )
        return
    if not holds:
        yield _error(rule, value, path, _said(rule, said, *variables))


def _said(rule: JsonObject, said: str, value: JsonValue, old: Sequence[JsonValue]) -> str:
    """The message: made by the rule's messageExpression, if that gives one."""
    if not text(rule, "messageExpression"):
        return said
    try:
        made = expression(text(rule, "messageExpression"), optional_old=rule.get("optionalOldSelf") is True)(value, old)
    except (Failed, BadExpression):
        return said
    return made if isinstance(made, str) and made.strip() and "\n" not in made else said


def _error(rule: JsonObject, value: JsonValue, path: str, said: str) -> FieldError:
    blamed = re.sub(r"\['(.*?)'\]", r".\1", path + text(rule, "fieldPath")).removeprefix(".")
    shown = "" if isinstance(value, dict | list) else f": {fields.shown(value)}"
    match text(rule, "reason"):
        case "FieldValueRequired":
            return fields.required(blamed, said)
        case "FieldValueForbidden":
            return fields.forbidden_field(blamed, said)
        case "FieldValueDuplicate":
            return FieldError("FieldValueDuplicate", blamed, f"Duplicate value{shown}")
        case _:
            return FieldError("FieldValueInvalid", blamed or "<nil>", f"Invalid value{shown}: {said}")


def seen(value: JsonValue, schema: JsonObject) -> JsonValue:
    """What a rule sees of a value: fields that the schema names, numbers of its types."""
    if schema.get("x-kubernetes-int-or-string") is True:
        return value
    match value:
        case dict():
            return _seen_members(value, schema)
        case list():
            below = schema.get("items")
            return [seen(member, below) for member in value] if isinstance(below, dict) else []
        case int() if not isinstance(value, bool) and schema.get("type") == "number":
            return float(value)
        case _:
            return value


def _seen_members(value: JsonObject, schema: JsonObject) -> JsonObject:
    properties, others = child(schema, "properties"), schema.get("additionalProperties")
    out: JsonObject = {}
    for name, member in value.items():
        below = properties.get(name, others)
        if isinstance(below, dict) and member is not None:
            out[escaped(name) if name in properties else name] = seen(member, below)
    return out


def escaped(name: str) -> str:
    """How an expression writes the name of a property."""
    if name in _RESERVED:
        return f"__{name}__"
    marks = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
    return re.sub(r"__|[.\-/]", lambda found: marks[found[0]], name)


def uncompiled(schema: JsonObject, path: str) -> Iterator[FieldError]:
    """The rules of a definition that are no CEL."""
    for index, rule in enumerate(objects(items(schema, KEYWORD))):
        where, said = f"{path}.{KEYWORD}[{index}].rule", text(rule, "rule")
        if not said.strip():
            yield fields.required(where, "rule is not specified")
            continue
        try:
            expression(said, optional_old=rule.get("optionalOldSelf") is True)
        except BadExpression as error:
            yield fields.invalid_value(where, said, f"compilation failed: {error}")
