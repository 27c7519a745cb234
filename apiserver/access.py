"""Who asks? One administrator, known by a bearer token."""

import hmac
from dataclasses import dataclass

MASTERS = "system:masters"


@dataclass(frozen=True)
class User:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...]


ADMIN = User("kubernetes-admin", (MASTERS, "system:authenticated"))


def authenticate(authorization: str, token: str) -> User | None:
    """The caller behind an Authorization header; None when the token is not ours. Takes the same time either way."""
    scheme, _, given = authorization.partition(" ")
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    return ADMIN if same and scheme.lower() == "bearer" else None


def is_allowed(user: str, groups: list[str]) -> bool:
    """Whether that user may do anything at all here: there is no finer rule than being the administrator."""
    return MASTERS in groups or user == ADMIN.name
