"""Does a document follow its structural schema? The answers are worded as the Kubernetes API words them."""

from collections.abc import Callable, Iterator, Sequence

from pydantic import JsonValue

from apiserver.document import child, items, objects, text
from apiserver.refusal import FieldError
from apiserver.schema import fields
from apiserver.schema.formats import go_pattern, matches_format
from apiserver.schema.lists import before, is_same, repeated_members
from hypersdk.model.base import JsonObject

_RANGES = {"int32": range(-(2**31), 2**31), "int64": range(-(2**63), 2**63)}


_Old = Sequence[JsonValue]
"""The value that stood there before, or nothing."""


def validate(value: JsonValue, schema: JsonObject, path: str = "", old: _Old = ()) -> list[FieldError]:
    """Every way in which the value breaks its schema; what is as it was (`old`) is not held against an update."""
    return list(_check(value, schema, path, old))


def _check(value: JsonValue, schema: JsonObject, path: str, old: _Old) -> Iterator[FieldError]:
    if (value is None and schema.get("nullable") is True) or (old and is_same(old[0], value)):
        return
    mismatch = _type_error(value, schema, path)
    if mismatch:
        yield from mismatch
        yield from _enum(value, schema, path)
        return
    match value:
        case bool() | None:
            pass
        case str():
            yield from _string(value, schema, path)
        case int() | float():
            yield from _number(value, schema, path)
        case list():
            yield from _array(value, schema, path, old)
        case dict():
            yield from _object(value, schema, path, old)
    yield from _enum(value, schema, path)
    for keyword, combine in _COMBINATIONS.items():
        if keyword in schema:
            yield from combine(value, schema, path)


def json_type(value: JsonValue) -> str:
    """The JSON Schema name of a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"


def go_kind(value: JsonValue) -> str:
    """What Go's decoder calls a value's type."""
    found = json_type(value)
    return {"integer": "number", "boolean": "bool"}.get(found, found)


def _type_error(value: JsonValue, schema: JsonObject, path: str) -> list[FieldError]:
    found = json_type(value)
    if schema.get("x-kubernetes-int-or-string") is True:
        return [] if found in {"integer", "string"} else [fields.wrong_type(path, found, "integer,string")]
    wanted = text(schema, "type")
    if not wanted or found == wanted or (wanted == "number" and found == "integer"):
        return []
    form = text(schema, "format")
    if wanted != "integer" or form not in _RANGES:
        return [fields.wrong_type(path, found, wanted)]
    out_of_range = [_not_in_range(path, form)] if found == "number" else []
    return [fields.wrong_type(path, found, wanted, form), *out_of_range]


def _not_in_range(path: str, form: str) -> FieldError:
    detail = f'Invalid value: "": Checked value must be of type integer with format {form} in {path}'
    return FieldError("FieldValueInvalid", "<nil>", detail)


def _limit(schema: JsonObject, name: str) -> float | None:
    value = schema.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: float, schema: JsonObject, path: str) -> Iterator[FieldError]:
    form = text(schema, "format")
    if form in _RANGES and schema.get("type") == "integer" and value not in _RANGES[form]:
        yield _not_in_range(path, form)
    lowest, highest = _limit(schema, "minimum"), _limit(schema, "maximum")
    if lowest is not None and (value < lowest or (value == lowest and schema.get("exclusiveMinimum") is True)):
        than = "greater than" if schema.get("exclusiveMinimum") is True else "greater than or equal to"
        yield fields.invalid_value(path, value, f"{path} in body should be {than} {fields.go_number(lowest)}")
    if highest is not None and (value > highest or (value == highest and schema.get("exclusiveMaximum") is True)):
        than = "less than" if schema.get("exclusiveMaximum") is True else "less than or equal to"
        yield fields.invalid_value(path, value, f"{path} in body should be {than} {fields.go_number(highest)}")
    factor = _limit(schema, "multipleOf")
    if factor and value % factor:
        yield fields.invalid_value(path, value, f"{path} in body should be a multiple of {fields.go_number(factor)}")


def _string(value: str, schema: JsonObject, path: str) -> Iterator[FieldError]:
    """The first of what is wrong with length and pattern, and then the format."""
    longest, shortest = _limit(schema, "maxLength"), _limit(schema, "minLength")
    pattern = text(schema, "pattern")
    compiled = go_pattern(pattern) if pattern else None
    if longest is not None and len(value) > longest:
        yield fields.too_long(path, int(longest))
    elif shortest is not None and len(value) < shortest:
        yield fields.invalid_value(path, value, f"{path} in body should be at least {int(shortest)} chars long")
    elif compiled is not None and not compiled.search(value):
        yield fields.invalid_value(path, value, f"{path} in body should match '{pattern}'")
    form = text(schema, "format")
    if form and not matches_format(form, value):
        detail = f"Invalid value: {fields.shown(value)}: {path} in body must be of type {form}: {fields.shown(value)}"
        yield FieldError("FieldValueTypeInvalid", path, detail)


def _array(value: list[JsonValue], schema: JsonObject, path: str, old: _Old) -> Iterator[FieldError]:
    fewest, most = _limit(schema, "minItems"), _limit(schema, "maxItems")
    if fewest is not None and len(value) < fewest:
        yield fields.invalid_value(path, len(value), f"{path} in body should have at least {int(fewest)} items")
    if most is not None and len(value) > most:
        yield fields.too_many(path, len(value), int(most))
    member_schema = schema.get("items")
    if isinstance(member_schema, dict):
        for index, member in enumerate(value):
            yield from _check(member, member_schema, f"{path}[{index}]", before(member, schema, old))
    yield from repeated_members(value, schema, path)


def _object(value: JsonObject, schema: JsonObject, path: str, old: _Old) -> Iterator[FieldError]:
    fewest, most = _limit(schema, "minProperties"), _limit(schema, "maxProperties")
    if fewest is not None and len(value) < fewest:
        yield fields.invalid_value(path, len(value), f"{path} in body should have at least {int(fewest)} properties")
    if most is not None and len(value) > most:
        yield fields.too_many(path, len(value), int(most))
    for name in items(schema, "required"):
        if isinstance(name, str) and name not in value:
            yield fields.required(fields.joined(path, name))
    properties = child(schema, "properties")
    others = schema.get("additionalProperties")
    past = old[0] if old and isinstance(old[0], dict) else {}
    for name, member in value.items():
        member_schema = properties.get(name, others)
        if isinstance(member_schema, dict):
            then = [past[name]] if name in past else []
            yield from _check(member, member_schema, fields.joined(path, name), then)


def _enum(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    allowed = items(schema, "enum")
    if allowed and value is not None and value not in allowed:
        yield fields.not_supported(path, value, allowed)


def _failed(path: str, words: str) -> FieldError:
    return FieldError("FieldValueInvalid", "<nil>", f'Invalid value: "": "{path}" must {words}')


def _alternatives(value: JsonValue, schema: JsonObject, keyword: str, path: str) -> list[list[FieldError]]:
    return [validate(value, one, path) for one in objects(items(schema, keyword))]


def _all_of(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    failures = [error for errors in _alternatives(value, schema, "allOf", path) for error in errors]
    if failures:
        yield _failed(path, "validate all the schemas (allOf)")
        yield from failures


def _any_of(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    alternatives = _alternatives(value, schema, "anyOf", path)
    if alternatives and all(alternatives):
        yield _failed(path, "validate at least one schema (anyOf)")
        yield from min(alternatives, key=len)


def _one_of(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    alternatives = _alternatives(value, schema, "oneOf", path)
    valid = sum(not errors for errors in alternatives)
    if valid == 1 or not alternatives:
        return
    found = f"Found {valid} valid alternatives" if valid else "Found none valid"
    yield _failed(path, f"validate one and only one schema (oneOf). {found}")
    if not valid:
        yield from min(alternatives, key=len)


def _not(value: JsonValue, schema: JsonObject, path: str) -> Iterator[FieldError]:
    unwanted = schema["not"]
    if isinstance(unwanted, dict) and not validate(value, unwanted, path):
        yield _failed(path, "not validate the schema (not)")


_COMBINATIONS: dict[str, Callable[[JsonValue, JsonObject, str], Iterator[FieldError]]] = {
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
}
