"""Which objects does a label selector mean? `a=b`, `a!=b`, `a in (b,c)`, `a notin (b)`, `a`, `!a`, `a>1`, `a<1`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apiserver.objects.names import label_value_problems, qualified_problems
from apiserver.refusal import bad_request

_TOKEN = re.compile(r"\s*(==|!=|=|!|,|\(|\)|<|>|[^\s=!,()<>]+)")
_INTEGER = re.compile(r"\d+", re.ASCII)
_OPERATORS = {"in", "notin", "=", "==", "!=", "gt", "lt", ">", "<"}
_SYMBOLS = {"==", "!=", "=", "!", ",", "(", ")", "<", ">"}


@dataclass(frozen=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy it."""
        value = labels.get(self.key)
        match self.operator:
            case "exists":
                return value is not None
            case "!":
                return value is None
            case "in" | "=" | "==":
                return value is not None and value in self.values
            case "notin" | "!=":
                return value is None or value not in self.values
        return value is not None and self._compares(value)

    def _compares(self, value: str) -> bool:
        limit = next(iter(self.values))
        if not (value.isdecimal() and limit.isdecimal()):
            return False
        return int(value) > int(limit) if self.operator in {">", "gt"} else int(value) < int(limit)


@dataclass(frozen=True)
class LabelSelector:
    """Conditions that all have to hold."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether labels satisfy all of them."""
        return all(requirement.holds(labels) for requirement in self.requirements)


def parse_labels(text: str) -> LabelSelector:
    """Read a selector; 400 when it is none."""
    parser = _Parser(_tokens(text))
    requirements: list[Requirement] = []
    while parser.peek():
        if not requirements and parser.peek() in _SYMBOLS - {"!"}:
            raise bad_request(f"found '{parser.peek()}', expected: !, identifier, or 'end of string'")
        requirements.append(parser.requirement())
        following = parser.take()
        if following and following != ",":
            raise bad_request(f"found '{following}', expected: ',' or 'end of string'")
        if following and parser.peek() in {"", ","}:
            raise bad_request(f"found '{parser.peek()}', expected: identifier after ','")
    return LabelSelector(tuple(requirements))


def _tokens(text: str) -> list[str]:
    return [match[1] for match in _TOKEN.finditer(text)]


class _Parser:
    """Reads one requirement after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._next = 0

    def peek(self) -> str:
        return self._tokens[self._next] if self._next < len(self._tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self._next += 1
        return token

    def requirement(self) -> Requirement:
        absent = self.peek() == "!"
        if absent:
            self.take()
        key = self._key()
        if absent:
            return Requirement(key, "!")
        operator = self.peek()
        if operator in {"", ","}:
            return Requirement(key, "exists")
        if operator not in _OPERATORS:
            expected = "in, notin, =, ==, !=, gt, lt"
            raise bad_request(f"unable to parse requirement: found '{operator}', expected: {expected}")
        self.take()
        values = self._list() if operator in {"in", "notin"} else self._value()
        return self._checked(Requirement(key, operator, frozenset(values)))

    def _key(self) -> str:
        key = self.take()
        if not key or key in _SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{key}', expected: identifier")
        problems = qualified_problems(key)
        if problems:
            raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": {"; ".join(problems)}')
        return key

    def _value(self) -> list[str]:
        if self.peek() in {"", ","}:
            return [""]
        value = self.take()
        if value in _SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{value}', expected: identifier")
        return [value]

    def _list(self) -> list[str]:
        opening = self.take()
        if opening != "(":
            raise bad_request(f"unable to parse requirement: found '{opening}' expected: '('")
        values: list[str] = []
        while True:
            if not self.peek():
                expected = "',', or identifier" if values else "',', ')' or identifier"
                raise bad_request(f"unable to parse requirement: found '', expected: {expected}")
            values.append("" if self.peek() in {",", ")"} else self.take())
            token = self.take()
            if token == ")":
                return values
            if token != ",":
                raise bad_request(f"unable to parse requirement: found '{token}', expected: ',' or ')'")

    def _checked(self, requirement: Requirement) -> Requirement:
        compares = requirement.operator in {">", "<", "gt", "lt"}
        for value in requirement.values if compares else ():
            if not _INTEGER.fullmatch(value):
                why = "for 'Gt', 'Lt' operators, the value must be an integer"
                raise bad_request(f'unable to parse requirement: values[0]: Invalid value: "{value}": {why}')
        for value in sorted(requirement.values):
            problems = label_value_problems(value)
            if problems:
                path = f'values[0][{requirement.key}]: Invalid value: "{value}"'
                raise bad_request(f"unable to parse requirement: {path}: {'; '.join(problems)}")
        return requirement
