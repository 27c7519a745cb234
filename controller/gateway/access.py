"""May this caller open that stream? Who the caller is, by the front proxy; what it may do, by the API's own RBAC.

The API server signs in with a client certificate (or, on the same host, is the only one who can open the socket) and
names its caller in headers: Kubernetes' "authenticating proxy", as for every aggregated API.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import unquote

from hypersdk.errors import Unauthorized
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import ACCESS_REVIEWS, SUBRESOURCES

if TYPE_CHECKING:
    from aiohttp import web

    from hypersdk.kube.client import Client

USER_HEADER = "X-Remote-User"
GROUP_HEADER = "X-Remote-Group"
EXTRA_PREFIX = "X-Remote-Extra-"
REMEMBER_S = 10.0
REMEMBER_AT_MOST = 4096

Verb = Literal["get", "update", "create"]


@dataclass(frozen=True)
class Caller:
    """Who asks, as the API server knows them."""

    user: str
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Wish:
    """What somebody wants to do to one VM's subresource."""

    verb: Verb
    namespace: str
    name: str
    subresource: str

    def __str__(self) -> str:
        return f"{self.verb} virtualmachines/{self.subresource} of {self.namespace}/{self.name}"


class Access(Protocol):
    """Who may do what."""

    async def allows(self, caller: Caller, wish: Wish) -> bool:
        """Whether the caller may; ApiError or Unreachable when that cannot be found out."""
        ...


class ReviewedAccess:
    """Asks the API (SubjectAccessReview), and remembers a yes for some seconds."""

    def __init__(
        self, client: "Client", remember_s: float = REMEMBER_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._remember_s = remember_s
        self._clock = clock
        self._allowed: dict[tuple[Caller, Wish], float] = {}

    async def allows(self, caller: Caller, wish: Wish) -> bool:
        """Whether the caller may; ApiError or Unreachable when that cannot be found out."""
        now = self._clock()
        if self._allowed.get((caller, wish), 0.0) > now:
            return True
        review = await self._client.create(ACCESS_REVIEWS, "", _review(caller, wish), strict=False)
        if review.status.allowed:
            self._remember((caller, wish), now)
        return review.status.allowed

    def _remember(self, what: tuple[Caller, Wish], now: float) -> None:
        if len(self._allowed) >= REMEMBER_AT_MOST:
            self._allowed = {known: until for known, until in self._allowed.items() if until > now}
        if len(self._allowed) < REMEMBER_AT_MOST:
            self._allowed[what] = now + self._remember_s


def _review(caller: Caller, wish: Wish) -> JsonObject:
    group, _, version = SUBRESOURCES.partition("/")
    return {
        "spec": {
            "user": caller.user,
            "groups": list(caller.groups),
            "extra": {name: list(values) for name, values in caller.extra},
            "resourceAttributes": {
                "group": group,
                "version": version,
                "resource": "virtualmachines",
                "subresource": wish.subresource,
                "namespace": wish.namespace,
                "name": wish.name,
                "verb": wish.verb,
            },
        }
    }


def caller_of(request: "web.Request", allowed_names: frozenset[str]) -> Caller:
    """Who asks; Unauthorized unless a front proxy that we trust says so.

    A TLS listener lets in nobody without a certificate of the client CA, a unix socket nobody but its owner, so that
    only the name in the certificate is left to look at (no allowed names: any, as in Kubernetes).
    """
    peer = request.get_extra_info("peercert")
    if request.get_extra_info("ssl_object") is not None:
        names = common_names(peer)
        if allowed_names and not names & allowed_names:
            raise Unauthorized("the client certificate is not one of a front proxy", 401, "Unauthorized")
    user = request.headers.get(USER_HEADER, "")
    if not user:
        raise Unauthorized(f"no {USER_HEADER}: ask the API server, not this gateway", 401, "Unauthorized")
    groups = tuple(request.headers.getall(GROUP_HEADER, []))
    return Caller(user, groups, _extra(request))


def common_names(certificate: Mapping[str, object] | None) -> frozenset[str]:
    """The common names in a verified certificate's subject, as `ssl` gives it."""
    subject = (certificate or {}).get("subject")
    parts = [part for relative in subject for part in relative] if isinstance(subject, tuple) else []
    return frozenset(value for key, value in parts if key == "commonName")


def _extra(request: "web.Request") -> tuple[tuple[str, tuple[str, ...]], ...]:
    names = {name for name in request.headers if name.lower().startswith(EXTRA_PREFIX.lower())}
    return tuple(
        (unquote(name[len(EXTRA_PREFIX) :].lower()), tuple(request.headers.getall(name))) for name in sorted(names)
    )
