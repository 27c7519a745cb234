"""What does a template of `-o jsonpath=…` say? kubectl's JSONPath, taken apart (Kubernetes: JSONPath Support)."""

import re
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

from hypersdk.errors import UsageError

_NAME = re.compile(r"(?:[\w-]|\\.)+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_SLICE = re.compile(r"(-?\d*):(-?\d*)(?::(\d+))?")
_OPERATOR = re.compile(r"==|!=|<=|>=|<|>")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}


@dataclass(frozen=True)
class Pick:
    """Fields and items by name and number: `.a`, `['a','b']`, `[0,-1]`."""

    keys: tuple[str | int, ...]


@dataclass(frozen=True)
class Cut:
    """`[1:3:2]`; `[*]` and `.*` are all of it."""

    slice: slice


@dataclass(frozen=True)
class Deep:
    """`..`: the value and everything below it."""


@dataclass(frozen=True)
class Filter:
    """`[?(@.a=="b")]`; without an operator: whether there is such a thing."""

    left: "Operand"
    operator: str = ""
    right: "Operand | None" = None


Step: TypeAlias = Pick | Cut | Deep | Filter


@dataclass(frozen=True)
class Path:
    """Where values are, from the root (`$`) or from where a range or a filter stands."""

    steps: tuple[Step, ...]
    from_root: bool = False


@dataclass(frozen=True)
class Words:
    """Text as it is."""

    text: str


@dataclass(frozen=True)
class Range:
    """The body once for each value."""

    over: Path
    body: "Template"


Part: TypeAlias = Path | Words | Range
Template: TypeAlias = tuple[Part, ...]
Constant: TypeAlias = str | int | float | bool
Operand: TypeAlias = Path | Constant


def template(text: str) -> Template:
    """The parts of a template; UsageError with the place of what is wrong. A bare path needs no braces."""
    bare = "{" not in text and text[:1] in {".", "$", "["}
    return _Reader(f"{{{text}}}" if bare else text, text).whole()


class _Reader:
    """Reads from left to right."""

    def __init__(self, text: str, shown: str) -> None:
        self.text, self.at = text, 0
        self._shown = shown

    def wrong(self, what: str) -> NoReturn:
        place = min(self.at - (len(self.text) - len(self._shown)) // 2, len(self._shown))
        raise UsageError(f"jsonpath: {what} at character {place + 1}\n  {self._shown}\n  {' ' * place}^")

    def whole(self) -> Template:
        parts, closed = self._parts()
        if closed:
            self.wrong("{end} without {range}")
        return parts

    def _parts(self) -> tuple[Template, bool]:
        """Up to the end of the text, or of the range that is being read."""
        parts: list[Part] = []
        inside = False
        while self.at < len(self.text):
            if not inside:
                until = self.text.find("{", self.at)
                words = self.text[self.at : until if until >= 0 else len(self.text)]
                parts += [Words(words)] if words else []
                self.at += len(words)
                inside = self._takes("{")
                continue
            self._blanks()
            if self._takes("}"):
                inside = False
            elif self._word("end"):
                self._close()
                return tuple(parts), True
            else:
                parts.append(self._part())
                inside = not isinstance(parts[-1], Range)  # whose {end} has brought us out
        if inside:
            self.wrong("a } is missing")
        return tuple(parts), False

    def _part(self) -> Part:
        if self._peek() in {"'", '"'}:
            return Words(self._quoted())
        if not self._word("range"):
            return self._path()
        self._blanks()
        over = self._path()
        self._close()
        body, closed = self._parts()
        if not closed:
            self.wrong("an {end} is missing")
        return Range(over, body)

    def _path(self) -> Path:
        from_root = self._takes("$")
        current = from_root or self._takes("@")
        steps: list[Step] = []
        while self._peek() in {".", "["}:
            if self._takes(".."):
                steps.append(Deep())
                steps += [self._field()] if self._peek() != "[" else []
            elif self._takes("."):
                steps += [self._field()] if _NAME.match(self.text, self.at) or self._peek() == "*" else []
                current = True
            else:
                steps.append(self._bracket())
        if not steps and not current:
            self.wrong("a path such as .metadata.name is missing")
        return Path(tuple(steps), from_root)

    def _field(self) -> Step:
        if self._takes("*"):
            return Cut(slice(None))
        if not (found := _NAME.match(self.text, self.at)):
            self.wrong("a field's name is missing")
        self.at = found.end()
        return Pick((re.sub(r"\\(.)", r"\1", found.group()),))

    def _bracket(self) -> Step:
        self._needs("[")
        step = self._in_bracket()
        self._blanks()
        self._needs("]")
        return step

    def _in_bracket(self) -> Step:
        if self._takes("*"):
            return Cut(slice(None))
        if self._takes("?("):
            chosen = self._filter()
            self._needs(")")
            return chosen
        if found := _SLICE.match(self.text, self.at):
            self.at = found.end()
            if found.group(3) == "0":
                self.wrong("a step of 0")
            return Cut(slice(*(int(one) if one else None for one in found.groups())))
        keys = [self._key()]
        while self._takes(","):
            keys.append(self._key())
        return Pick(tuple(keys))

    def _key(self) -> str | int:
        self._blanks()
        if self._peek() in {"'", '"'}:
            return self._quoted()
        if not (found := re.compile(r"-?\d+").match(self.text, self.at)):
            self.wrong("a number, 'name', * or ?(…) is missing")
        self.at = found.end()
        return int(found.group())

    def _filter(self) -> Filter:
        left = self._operand()
        self._blanks()
        if not (found := _OPERATOR.match(self.text, self.at)):
            return Filter(left)
        self.at = found.end()
        right = self._operand()
        self._blanks()
        return Filter(left, found.group(), right)

    def _operand(self) -> Operand:
        self._blanks()
        if self._peek() in {"'", '"'}:
            return self._quoted()
        if found := _NUMBER.match(self.text, self.at):
            self.at = found.end()
            return float(found.group()) if "." in found.group() else int(found.group())
        for word, value in (("true", True), ("false", False)):
            if self._word(word):
                return value
        return self._path()

    def _quoted(self) -> str:
        began, quote = self.at, self.text[self.at]
        found = re.compile(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL).match(self.text, began)
        if not found:
            self.wrong("a quote that nothing closes")
        self.at = found.end()
        return re.sub(r"\\(.)", lambda one: _ESCAPES.get(one[1], one[1]), found.group(1), flags=re.DOTALL)

    def _peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def _takes(self, sign: str) -> bool:
        found = self.text.startswith(sign, self.at)
        self.at += len(sign) * found
        return found

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            self.wrong(f"a {sign} is missing")

    def _close(self) -> None:
        self._blanks()
        self._needs("}")

    def _word(self, word: str) -> bool:
        found = re.compile(rf"{word}(?![\w.\[])").match(self.text, self.at)
        self.at = found.end() if found else self.at
        return found is not None

    def _blanks(self) -> None:
        while self._peek().isspace():
            self.at += 1
