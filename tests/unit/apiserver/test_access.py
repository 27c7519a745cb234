"""Who is let in: the bearer of the one token, who is told nothing by how long a refusal takes."""

import hmac

import pytest

from apiserver import access
from apiserver.access import ADMIN, User, authenticate, is_allowed

TOKEN = "the-token-of-this-server"


@pytest.mark.parametrize(
    ("authorization", "who"),
    [
        (f"Bearer {TOKEN}", ADMIN),
        (f"bearer  {TOKEN} ", ADMIN),
        (f"Basic {TOKEN}", None),
        (TOKEN, None),
        ("Bearer ", None),
        ("", None),
        (f"Bearer {TOKEN}x", None),
        (f"Bearer {TOKEN[:-1]}", None),
        ("Bearer \u00fc\U0001f511", None),
    ],
)
def test_who_is_let_in(authorization: str, who: User | None) -> None:
    assert authenticate(authorization, TOKEN) == who


@pytest.mark.parametrize("given", [TOKEN, "", "t", TOKEN[:-1] + "x", "x" * 5000])
@pytest.mark.parametrize("scheme", ["Bearer", "Basic", ""])
def test_every_token_is_compared_whole_and_in_constant_time(
    scheme: str, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    class Watched:
        compare_digest = staticmethod(compare)

    monkeypatch.setattr(access, "hmac", Watched)
    authenticate(f"{scheme} {given}", TOKEN)
    assert compared == [(given.encode(), TOKEN.encode())]


def test_only_the_administrator_may_do_anything() -> None:
    assert is_allowed("x", ["system:masters"])
    assert is_allowed(ADMIN.name, [])
    assert not is_allowed("x", ["system:authenticated"])
