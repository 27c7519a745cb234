"""Label and field selectors: what they mean, and how nonsense is refused."""

import pytest

from apiserver.document import encode
from apiserver.refusal import Refusal
from apiserver.registry.builtin import builtin_resources
from apiserver.selectors.fields import check_supported, parse_fields
from apiserver.selectors.labels import parse_labels
from apiserver.storage.stored import Key, stored
from hypersdk.model.base import JsonObject

EVENTS = next(one for one in builtin_resources() if one.plural == "events")


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=db", True),
        ("app in (web, api),n>3", True),
        ("app notin (web)", False),
        ("missing notin (x)", True),
        ("app", True),
        ("!app", False),
        ("!missing", True),
        ("n<4", False),
        ("app=", False),
        ("empty=", True),
    ],
)
def test_labels(selector: str, matches: bool) -> None:
    assert parse_labels(selector).matches({"app": "web", "n": "4", "empty": ""}) is matches


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in (b", "expected: ',' or ')'"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=-", "a valid label must be"),
    ],
)
def test_nonsense_is_refused_by_name(selector: str, words: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_labels(selector)
    assert words in str(refusal.value)
    assert refusal.value.code == 400


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("metadata.name=e", True),
        ("metadata.namespace!=other", True),
        ("involvedObject.name=vm,reason=Started", True),
        ("source=controller", True),
        ("type=Warning", False),
    ],
)
def test_fields(selector: str, matches: bool) -> None:
    event: JsonObject = {
        "involvedObject": {"name": "vm"},
        "reason": "Started",
        "reportingComponent": "controller",
    }
    assert parse_fields(selector, EVENTS).matches(stored(Key("events", "default", "e"), 1, encode(event))) is matches


def test_a_field_that_is_not_selectable_is_named() -> None:
    with pytest.raises(Refusal, match="field label not supported: message"):
        check_supported(parse_fields("message=x", EVENTS))
