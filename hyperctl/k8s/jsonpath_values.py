"""What does a JSONPath template make of an object? What is not there prints nothing, as with kubectl."""

import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, assert_never

from pydantic import JsonValue

from hyperctl.k8s.jsonpath import Cut, Deep, Filter, Operand, Path, Pick, Range, Step, Template, Words

_COMPARISONS: Final[dict[str, Callable[[float | str, float | str], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def render(template: Template, root: JsonValue, clean: Callable[[str], str] = str) -> str:
    """The text of the template for that object; `clean` is given each string of the object's."""
    return _render(template, root, root, clean)


def _render(template: Template, root: JsonValue, here: JsonValue, clean: Callable[[str], str]) -> str:
    out: list[str] = []
    for part in template:
        match part:
            case Words(text):
                out.append(text)
            case Path():
                out.append(" ".join(worded(value, clean) for value in values(part, root, here)))
            case Range(over, body):
                out += [_render(body, root, one, clean) for one in values(over, root, here)]
            case _:
                assert_never(part)
    return "".join(out)


def worded(value: JsonValue, clean: Callable[[str], str] = str) -> str:
    """A value as text: strings bare, nothing for null, all else as JSON."""
    if isinstance(value, str):
        return clean(value)
    return "" if value is None else json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def values(path: Path, root: JsonValue, here: JsonValue) -> list[JsonValue]:
    """Every value at the path."""
    found: list[JsonValue] = [root if path.from_root else here]
    for step in path.steps:
        found = [one for value in found for one in _step(step, root, value)]
    return found


def _step(step: Step, root: JsonValue, value: JsonValue) -> Iterable[JsonValue]:
    match step:
        case Pick(keys):
            return (one for key in keys for one in _pick(key, value))
        case Cut(span):
            inside = list(value.values()) if isinstance(value, dict) else value
            return inside[span] if isinstance(inside, list) else []
        case Deep():
            return _below(value)
        case Filter():
            return (one for one in (value if isinstance(value, list) else []) if _passes(step, root, one))
        case _:
            assert_never(step)


def _pick(key: str | int, value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        if isinstance(key, str) and key in value:
            yield value[key]
    elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
        yield value[key]


def _below(value: JsonValue) -> Iterator[JsonValue]:
    yield value
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inside:
        yield from _below(one)


def _passes(wanted: Filter, root: JsonValue, here: JsonValue) -> bool:
    left = _operand(wanted.left, root, here)
    if wanted.right is None:
        return bool(left)
    right = _operand(wanted.right, root, here)
    return bool(left and right) and _compare(left[0], wanted.operator, right[0])


def _operand(operand: Operand, root: JsonValue, here: JsonValue) -> Sequence[JsonValue]:
    return values(operand, root, here) if isinstance(operand, Path) else [operand]


def _compare(left: JsonValue, sign: str, right: JsonValue) -> bool:
    if sign in {"==", "!="}:
        return (left == right and isinstance(left, bool) is isinstance(right, bool)) is (sign == "==")
    if isinstance(left, str) and isinstance(right, str):
        return _COMPARISONS[sign](left, right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return _COMPARISONS[sign](left, right)
    return False
