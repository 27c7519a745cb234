"""How a wrong field is worded: the messages of Kubernetes' field.Error."""

import json

from pydantic import JsonValue

from apiserver.refusal import FieldError


def shown(value: JsonValue) -> str:
    """A value as Go prints it in a message: strings quoted, the rest as JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def go_number(value: float) -> str:
    """A float64 as Go's %v prints it."""
    if abs(value) >= 1e6 or (value != 0 and abs(value) < 1e-4):
        mantissa, exponent = f"{value:.15e}".split("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    return str(int(value)) if float(value).is_integer() else repr(value)


def invalid_value(path: str, value: JsonValue, detail: str) -> FieldError:
    """The value has the right type but is not allowed."""
    return FieldError("FieldValueInvalid", path, f"Invalid value: {shown(value)}: {detail}")


def wrong_type(path: str, found: str, wanted: str, form: str = "") -> FieldError:
    """The value is of another JSON type; for a number with a format, the words tell that one."""
    named = {"number": "float64", "boolean": "", "object": ""}.get(found, found) if form else found
    shown_type = form if form and named != found else wanted
    detail = f'Invalid value: "{named}": {path} in body must be of type {shown_type}: "{named}"'
    return FieldError("FieldValueTypeInvalid", path, detail, (found, wanted))


def required(path: str, detail: str = "") -> FieldError:
    """The field is missing."""
    return FieldError("FieldValueRequired", path, f"Required value: {detail}" if detail else "Required value")


def not_supported(path: str, value: JsonValue, allowed: list[JsonValue]) -> FieldError:
    """The value is not in the enum."""
    names = ", ".join(shown(one if isinstance(one, str) else shown(one)) for one in allowed)
    return FieldError("FieldValueNotSupported", path, f"Unsupported value: {shown(value)}: supported values: {names}")


def too_long(path: str, limit: int) -> FieldError:
    """The string has too many bytes."""
    return FieldError("FieldValueTooLong", path, f"Too long: may not be more than {limit} bytes")


def too_many(path: str, actual: int, limit: int) -> FieldError:
    """The list or map has too many members."""
    noun = "item" if limit == 1 else "items"
    return FieldError("FieldValueTooMany", path, f"Too many: {actual}: must have at most {limit} {noun}")


def duplicate(path: str, value: JsonValue) -> FieldError:
    """A set or map list has the same member twice."""
    return FieldError("FieldValueDuplicate", path, f"Duplicate value: {shown(value)}")


def forbidden_field(path: str, detail: str) -> FieldError:
    """The field may not be set (so)."""
    return FieldError("FieldValueForbidden", path, f"Forbidden: {detail}")


def joined(path: str, name: str) -> str:
    """The path of a member."""
    return f"{path}.{name}" if path else name
