"""What is at a JSONPath of a CRD column? The part of kubectl's JSONPath that columns and selectable fields use.

Fields, `['quoted']` names, indexes, `[*]`, `.*` and filters: `[?(@.type=='Ready')]`, `[?(@.n>3)]`, `[?(@.x)]`.
"""

import json
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import assert_never

from pydantic import JsonValue

_TOKEN = re.compile(
    r"""\.?(?P<every>\*|\[\*\])
    |\.(?P<name>(?:\\.|[^.\[\]\\*])+)
    |\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]
    |\[(?P<index>-?\d+)\]
    |\[\?\((?P<filter>.*?)\)\]""",
    re.VERBOSE,
)
_FILTER = re.compile(r"@(?P<left>[^=!<>]*?)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<right>.+?))?\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class BadPath(ValueError):
    """The path is no JSONPath that this program understands."""


@dataclass(frozen=True)
class Name:
    """A member of an object."""

    name: str


@dataclass(frozen=True)
class Index:
    """A member of a list."""

    index: int


@dataclass(frozen=True)
class Every:
    """All members."""


@dataclass(frozen=True)
class Filter:
    """The members of a list for which a comparison holds; no operator asks whether the path exists."""

    path: tuple["Step", ...]
    operator: str
    right: JsonValue


Step = Name | Index | Every | Filter


@lru_cache(maxsize=1024)
def compiled(path: str) -> tuple[Step, ...]:
    """The steps of a path such as `.status.conditions[?(@.type=='Ready')].status`; BadPath when it is none."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if text and text[0] not in ".[":
        text = f".{text}"
    steps: list[Step] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise BadPath(f"{path!r} is not understood at {text[position:]!r}")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["name"] is not None:
        return Name(re.sub(r"\\(.)", r"\1", match["name"]))
    if match["quote"] is not None:
        return Name(match["quoted"])
    if match["index"] is not None:
        return Index(int(match["index"]))
    return Every() if match["filter"] is None else _filter(match["filter"])


def _filter(text: str) -> Filter:
    match = _FILTER.fullmatch(text.strip())
    if match is None:
        raise BadPath(f"filter {text!r} is not understood")
    right = match["right"]
    return Filter(compiled(match["left"]), match["operator"] or "", _literal(right) if right else None)


def _literal(text: str) -> JsonValue:
    if text[:1] == "'" and text[-1:] == "'" and len(text) > 1:
        return text[1:-1]
    try:
        value: JsonValue = json.loads(text)
    except ValueError as error:
        raise BadPath(f"{text!r} is no value to compare with") from error
    return value


def find(value: JsonValue, steps: tuple[Step, ...]) -> list[JsonValue]:
    """Every value at that path."""
    found = [value]
    for step in steps:
        found = [member for one in found for member in _members(one, step)]
    return found


def _members(value: JsonValue, step: Step) -> list[JsonValue]:
    match step:
        case Name(name):
            return [value[name]] if isinstance(value, dict) and name in value else []
        case Index(index):
            return [value[index]] if isinstance(value, list) and -len(value) <= index < len(value) else []
        case Every():
            return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        case Filter():
            return [member for member in value if _holds(member, step)] if isinstance(value, list) else []
        case _:
            assert_never(step)


def _holds(member: JsonValue, step: Filter) -> bool:
    found = find(member, step.path)
    if not step.operator or not found:
        return bool(found) and not step.operator
    left = found[0]
    if step.operator in {"==", "!="}:
        return (left == step.right) is (step.operator == "==")
    if isinstance(left, int | float) and isinstance(step.right, int | float):
        return _COMPARE[step.operator](left, step.right)
    return False
