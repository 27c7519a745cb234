"""What does a URL path ask for? The same reading as Kubernetes' RequestInfo."""

from dataclasses import dataclass
from urllib.parse import unquote

_NAMESPACE_SUBRESOURCES = {"status", "finalize"}


@dataclass(frozen=True)
class Route:
    """A path under /api or /apis: a resource, one of its objects, or a subresource of it."""

    group: str
    version: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    """What stands behind the subresource."""


@dataclass(frozen=True)
class GroupPath:
    """A discovery path; a missing part is empty."""

    legacy: bool
    group: str = ""
    version: str = ""


def read_path(raw_path: str) -> Route | GroupPath | None:
    """The meaning of a raw (percent-encoded) path; None when it is no API path."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if parts[0] not in {"api", "apis"} or any("/" in part or "\0" in part for part in parts):
        return None
    legacy = parts[0] == "api"
    heads = parts[1:]
    if len(heads) < (2 if legacy else 3):
        if legacy:
            return GroupPath(True, "", heads[0] if heads else "")
        return GroupPath(False, *heads)
    group, version, tail = ("", heads[0], heads[1:]) if legacy else (heads[0], heads[1], heads[2:])
    return _route(group, version, tail)


def _route(group: str, version: str, tail: list[str]) -> Route:
    namespace = ""
    if tail[0] == "namespaces" and len(tail) > 2 and not (len(tail) == 3 and tail[2] in _NAMESPACE_SUBRESOURCES):
        namespace, tail = tail[1], tail[2:]
    resource, name, subresource, *rest = [*tail, "", ""][: max(3, len(tail))]
    return Route(group, version, resource, namespace, name, subresource, "/".join(rest))
