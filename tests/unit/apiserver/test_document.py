"""Bodies become documents as Go would read them."""

import pytest

from apiserver.document import MAX_DEPTH, Unreadable, decode, decode_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("1.0", 1, id="a whole float is an integer"),
        pytest.param("1e3", 1000, id="an exponent too"),
        pytest.param("1.5", 1.5, id="a fraction stays"),
        pytest.param("9223372036854775807", 2**63 - 1, id="the greatest int64"),
        pytest.param("9223372036854775808", float(2**63), id="beyond int64 it is a float"),
    ],
)
def test_numbers(text: str, value: float) -> None:
    read = decode(text.encode()).value
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a":', "unexpected end of JSON input"),
        ("{bad", "invalid character 'b' looking for beginning of object key string"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ("1e999", "number 1e999 is out of range"),
    ],
)
def test_broken_json_is_named(text: str, words: str) -> None:
    with pytest.raises(Unreadable, match=words.replace("(", r"\(")):
        decode(text.encode())


def test_every_repeated_key_is_told_with_its_path() -> None:
    body = b'{"spec":{"a":1,"a":2,"l":[{"b":1,"b":2}]},"spec":{"a":3}}'
    decoded = decode(body)
    assert decoded.duplicates == ["spec.a", "spec.l[0].b", "spec"]
    assert decoded.value == {"spec": {"a": 3}}


@pytest.mark.parametrize("body", [b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), b"[" * 100_000])
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        decode(body)


def test_a_date_in_yaml_stays_text() -> None:
    assert decode_yaml(b"at: 2026-11-23\nn: 0x10\n").value == {"at": "2026-11-23", "n": 16}


def test_yaml_that_unfolds_is_refused() -> None:
    with pytest.raises(Unreadable, match="aliases"):
        decode_yaml(b"a: &a [x, x]\nb: [*a, *a]\n")


def test_half_a_character_is_replaced() -> None:
    assert decode(rb'["\ud800", "\ud83d\ude00"]').value == ["\ufffd", "\U0001f600"]
