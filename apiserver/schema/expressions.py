"""What does a CEL expression say? Google's CEL, with the functions that Kubernetes adds to it.

Kubernetes: "Common Expression Language in Kubernetes", the sections on its libraries.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from cel_expr_python import cel
from cel_expr_python.ext import ext_bindings, ext_optional, ext_strings
from pydantic import JsonValue

from apiserver.schema.formats import go_pattern
from apiserver.schema.quantities import as_text, compare, parse

_OLD_AS_OPTIONAL = "cel.bind(oldSelf, _old.size() > 0 ? optional.of(_old[0]) : optional.none(), {})"
_WHERE = re.compile(r"ERROR: <input>:\d+:\d+: (.*)")


class BadExpression(Exception):
    """The expression does not compile; the message says why."""


class Failed(Exception):
    """The expression has no value for these variables; the message says why."""


class _Value(Protocol):
    def type(self) -> object: ...

    def plain_value(self) -> JsonValue: ...


class _Compiled(Protocol):
    def eval(self, data: dict[str, object]) -> _Value: ...


@dataclass(frozen=True)
class Expression:
    """A compiled expression over `self` and `oldSelf`."""

    compiled: _Compiled

    def __call__(self, value: JsonValue, old: Sequence[JsonValue]) -> JsonValue:
        """Its value; `old` has the value before, if there is one. Failed when it has none."""
        data: dict[str, object] = {"self": value, "oldSelf": old[0] if old else None, "_old": list(old)}
        found = self.compiled.eval(data=data)
        if found.type() == cel.Type.ERROR:
            raise Failed(_in_go_words(str(found.plain_value()).partition(": ")[2]))
        return found.plain_value()


def _in_go_words(said: str) -> str:
    """What Kubernetes' own CEL says of the same error."""
    key = re.fullmatch(r'Key not found in map : "(.*)"', said)
    return f"no such key: {key[1]}" if key else said.replace("divide by zero", "division by zero")


@lru_cache(maxsize=4096)
def expression(text: str, *, optional_old: bool = False) -> Expression:
    """Compile; BadExpression when that is no CEL."""
    try:
        return Expression(_environment().compile(_OLD_AS_OPTIONAL.format(text) if optional_old else text))
    except RuntimeError as error:
        found = _WHERE.search(str(error))
        raise BadExpression(found[1] if found else str(error)) from error


@lru_cache(maxsize=1)
def _environment() -> "cel.Env":
    dyn = cel.Type.DYN
    return cel.NewEnv(
        variables={"self": dyn, "oldSelf": dyn, "_old": cel.Type.LIST},
        extensions=[ext_strings.ExtStrings(), ext_optional.ExtOptional(), ext_bindings.ExtBindings()],
        functions=[cel.FunctionDecl(name, overloads) for name, overloads in _library().items()],
    )


def _library() -> dict[str, list["cel.Overload"]]:
    """Functions by name. A quantity travels as text in one form only, so that equal ones are equal."""
    text, number, truth, any_list = cel.Type.STRING, cel.Type.INT, cel.Type.BOOL, cel.Type.LIST
    dyn, texts = cel.Type.DYN, cel.Type.List(cel.Type.STRING)
    return {
        "quantity": [_function("string_to_quantity", dyn, [text], lambda one: as_text(parse(one)))],
        "isQuantity": [_function("is_quantity", truth, [text], _is_quantity)],
        "compareTo": [_method("quantity_compare", number, [text, text], compare)],
        "isGreaterThan": [_method("quantity_greater", truth, [text, text], lambda a, b: compare(a, b) > 0)],
        "isLessThan": [_method("quantity_less", truth, [text, text], lambda a, b: compare(a, b) < 0)],
        "sign": [_method("quantity_sign", number, [text], lambda one: compare(one, "0"))],
        "add": [_method("quantity_add", dyn, [text, text], lambda a, b: as_text(parse(a) + parse(b)))],
        "sub": [_method("quantity_sub", dyn, [text, text], lambda a, b: as_text(parse(a) - parse(b)))],
        "asInteger": [_method("quantity_integer", number, [text], lambda one: int(parse(one)))],
        "asApproximateFloat": [_method("quantity_float", cel.Type.DOUBLE, [text], lambda one: float(parse(one)))],
        "find": [_method("string_find", text, [text, text], _find)],
        "findAll": [
            _method("string_find_all", texts, [text, text], _find_all),
            _method(
                "string_find_some", texts, [text, text, number], lambda a, b, most: _find_all(a, b)[: max(0, most)]
            ),
        ],
        "isSorted": [_method("list_is_sorted", truth, [any_list], lambda one: one == sorted(one))],
        "sum": [_method("list_sum", dyn, [any_list], sum)],
        "min": [_method("list_min", dyn, [any_list], min)],
        "max": [_method("list_max", dyn, [any_list], max)],
    }


def _function(
    name: str, result: "cel.Type", parameters: list["cel.Type"], work: Callable[..., object], *, member: bool = False
) -> "cel.Overload":
    return cel.Overload(name, return_type=result, parameters=parameters, is_member=member, impl=work)


def _method(name: str, result: "cel.Type", parameters: list["cel.Type"], work: Callable[..., object]) -> "cel.Overload":
    return _function(name, result, parameters, work, member=True)


def _is_quantity(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _find_all(text: str, pattern: str) -> list[str]:
    compiled = go_pattern(pattern)
    if compiled is None:
        raise ValueError(f"invalid regular expression: {pattern}")
    return [found[0] for found in compiled.finditer(text)]


def _find(text: str, pattern: str) -> str:
    return next(iter(_find_all(text, pattern)), "")
