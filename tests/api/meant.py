"""In what may the embedded API differ from kube-apiserver? The one table of it; `python -m tests.api.meant` writes it
into docs/api-differences.md."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.api.http import Answer

PAGE = Path(__file__).resolve().parents[2] / "docs" / "api-differences.md"
_HEAD = "| what | kube-apiserver | the embedded API | why |\n|---|---|---|---|\n"
_TYPED = re.compile(r"^ *(\S+): (field not declared in schema|expected [^,]+)", re.MULTILINE)


@dataclass(frozen=True)
class Meant:
    """One difference that is meant."""

    what: str
    kube: str
    ours: str
    why: str
    is_one: Callable[[Answer, Answer], bool] = lambda _ours, _kubes: False
    """Whether these two answers differ in this way (what is not whole answers, `comparing` makes equal)."""


def _words(answer: Answer) -> str:
    return str(answer.at("message"))


def _does_not_fit(ours: Answer, kubes: Answer) -> bool:
    """The same complaints about the same object; kube-apiserver may stop early, and prints values as Go has them."""
    if (ours.code, kubes.code) != (422, 500) or "failed to create typed patch object" not in _words(kubes):
        return False
    (head, _, told), (their_head, _, theirs) = _words(ours).partition("): "), _words(kubes).partition("): ")
    found = set(_TYPED.findall(theirs))
    return head == their_head and bool(found) and found <= set(_TYPED.findall(told))


def _is_no_version(ours: Answer, kubes: Answer) -> bool:
    return (ours.code, kubes.code) == (409, 500) and "strconv.ParseUint" in _words(kubes)


def _is_watch_from_nowhere(ours: Answer, kubes: Answer) -> bool:
    return (ours.code, kubes.code) == (400, 500) and _words(ours) == _words(kubes)


def _is_no_continue(ours: Answer, kubes: Answer) -> bool:
    about = "invalid continue token: "
    return ours.code == kubes.code == 400 and _words(ours).startswith(about) and _words(kubes).startswith(about)


MEANT = (
    Meant(
        "an applied configuration with unknown fields or values of wrong types",
        "500 without a reason; values as Go prints them (`got &{yes}`); may stop at an unknown field",
        "422; the type (`got string`); all of them",
        "it is the sender's mistake, and a 500 would be tried again",
        _does_not_fit,
    ),
    Meant(
        "a patch with a `resourceVersion` that is no number",
        "500",
        "409 Conflict",
        "the same",
        _is_no_version,
    ),
    Meant(
        "a watch from a `resourceVersion` that is no number",
        "500",
        "400, the same message",
        "the same",
        _is_watch_from_nowhere,
    ),
    Meant(
        "a `continue` that no server has given out",
        "told in words about base64 and JSON",
        "told as that",
        "a token is nobody's business",
        _is_no_continue,
    ),
    Meant(
        "a manifest of another kind or version under `PUT` or `POST`",
        "told after other faults, or with them",
        "told first and alone",
        "the object is not read any further",
    ),
    Meant(
        "a null, or an empty object, in an applied configuration",
        "taken, dropped or refused, by what stood there before",
        "an object keeps what it has; anything else is refused",
        "nobody has to know what stood there before",
    ),
    Meant(
        "in which order the `message` and the `causes` tell several faults, and how often",
        "any; some faults twice",
        "that of the schema; once",
        "they are the same faults",
    ),
    Meant(
        "JSON that does not fit metadata, DeleteOptions or a built-in kind",
        "names the Go struct and type (`LeaseSpec.spec.leaseDurationSeconds`)",
        "names the kind (`Lease.spec.leaseDurationSeconds`)",
        "there are no such structs; the path is the same",
    ),
    Meant('`continue: ""` at the end of a list, descriptions of table columns', "there", "not there, or shorter", ""),
    Meant("a UID that does not match", "`StorageError: …` around the words", "the words", "there is no etcd behind it"),
    Meant(
        "an object without a schema (`affinity`) whose last applied field is taken back",
        "becomes null, then is refused",
        "is gone",
        "",
    ),
    Meant(
        "a write of nothing (a `DELETE` of what is going, an empty patch) after an applier took back the last label",
        "a new version and a MODIFIED event, once: what is stored has `labels: {}`, what is read has not",
        "no new version, no event",
        "nothing has changed",
    ),
    Meant(
        "rules (CEL) on `date-time` fields",
        "the field is a timestamp",
        "the field is text: write `timestamp(self.at)` on both",
        "the CEL library takes no timestamps",
    ),
    Meant("limits on the cost of CEL rules", "checked", "not checked", "the definitions of one host are its owner's"),
    Meant(
        "foreground and orphan deletion",
        "left to the garbage collector",
        "done by the server itself",
        "there is no controller manager",
    ),
    Meant("users, RBAC, admission webhooks, aggregated APIs", "there", "one administrator", "one host, one owner"),
)


def is_meant(ours: Answer, kubes: Answer) -> bool:
    """Whether two whole answers differ on purpose."""
    return any(one.is_one(ours, kubes) for one in MEANT)


def table() -> str:
    """As the page has it."""
    return _HEAD + "".join(f"| {one.what} | {one.kube} | {one.ours} | {one.why} |\n" for one in MEANT)


def page() -> str:
    """The page with the table of now."""
    head, _, _ = PAGE.read_text().partition(_HEAD)
    return head + table()


if __name__ == "__main__":
    PAGE.write_text(page())
