"""GET on paths that are no resources: health, version, discovery, OpenAPI."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import JsonValue

from apiserver import discovery, openapi
from apiserver.document import encode
from apiserver.gateway import GROUP, Gateway
from apiserver.gateway import VERSION as STREAMS_VERSION
from apiserver.handlers.answers import compressed, pretty, wants_pretty
from apiserver.handlers.route import GroupPath
from apiserver.refusal import NoPage, no_such_path
from apiserver.registry.catalogue import Catalogue
from hypersdk.model.base import JsonObject

VERSION: JsonObject = {
    "major": "1",
    "minor": "37",
    "emulationMajor": "1",
    "emulationMinor": "37",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "36",
    "gitVersion": "v1.37.2+hypersdk",
    "gitCommit": "",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.26.8",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_GZIP_FROM = 4096


@dataclass
class Plain:
    """Answers that depend on the catalogue alone, kept until it changes."""

    catalogue: Catalogue
    gateway: Gateway
    _kept: dict[str, bytes] = field(default_factory=dict)
    _generation: int = -1

    def _made(self, name: str, make: Callable[[], JsonObject | None]) -> bytes:
        """A document from the catalogue; 404 when there is none."""
        if self._generation != self.catalogue.generation:
            self._kept.clear()
            self._generation = self.catalogue.generation
        if name not in self._kept:
            made = make()
            if made is None:
                raise NoPage
            self._kept[name] = encode(made)
        return self._kept[name]

    async def groups(self, request: web.Request, path: GroupPath) -> web.Response:
        """A discovery document."""
        if path.group == GROUP:
            return await self._stream_group(request, path)
        if not path.legacy and path.group and not path.version:
            return await _json(request, self._made(f"g {path.group}", lambda: self._group(path.group)))
        if path.version:
            name = f"r {path.group}/{path.version}"
            if self.catalogue.is_builtin(path.group) and not self.catalogue.resources(path.group, path.version):
                raise no_such_path()
            made = self._made(name, lambda: discovery.api_resource_list(self.catalogue, path.group, path.version))
            return await _json(request, made)
        return await self._top(request, path)

    def _group(self, name: str) -> JsonObject | None:
        return discovery.api_group(self.catalogue, name)

    async def _top(self, request: web.Request, path: GroupPath) -> web.Response:
        streams = None if path.legacy else await self.gateway.resources()
        if discovery.wants_aggregated(request.headers.get("Accept", "")):
            body = self._made(
                f"a {path.legacy} {streams!r}",
                lambda: discovery.with_streams(discovery.aggregated(self.catalogue, core=path.legacy), streams),
            )
            return await _json(request, body, discovery.AGGREGATED)
        if path.legacy:
            return await _json(request, self._made("api", lambda: discovery.api_versions(request.host)))
        made = self._made(
            f"apis {streams is None}",
            lambda: discovery.with_stream_group(discovery.api_group_list(self.catalogue), streams),
        )
        return await _json(request, made)

    async def _stream_group(self, request: web.Request, path: GroupPath) -> web.Response:
        streams = await self.gateway.resources()
        if streams is None or path.version not in {"", STREAMS_VERSION}:
            raise no_such_path()
        return await _json(request, streams if path.version else encode(discovery.stream_group()))

    async def openapi(self, request: web.Request, path: str) -> web.Response:
        """GET under /openapi."""
        if path == "v2":
            return await _json(request, self._made("v2", lambda: openapi.swagger(self.catalogue)))
        if path in {"v3", "v3/"}:
            return await _json(request, self._made("v3", lambda: openapi.index(self.catalogue)))
        found = openapi.paths_of(self.catalogue).get(path.removeprefix("v3/"))
        if found is None:
            raise no_such_path()
        made = self._made(f"v3/{found}", lambda: openapi.document(self.catalogue, *found))
        return await _json(request, made)


def health(request: web.Request) -> web.Response:
    """GET /healthz, /livez, /readyz and what is below them."""
    what = request.path.strip("/").split("/")[0]
    if "verbose" in request.query:
        return web.Response(text=f"[+]ping ok\n[+]storage ok\n{what} check passed\n")
    return web.Response(text="ok")


async def version(request: web.Request) -> web.Response:
    """GET /version."""
    return await _json(request, encode(VERSION))


def root(catalogue: Catalogue) -> JsonObject:
    """GET /: the paths that there are."""
    groups = [name for name in catalogue.groups() if name]
    documents = sorted(openapi.paths_of(catalogue))
    listed: list[JsonValue] = [
        "/api",
        "/apis",
        *(f"/apis/{name}" for name in groups),
        *(f"/{path}" for path in documents),
    ]
    fixed = ["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    return {"paths": [*listed, *fixed]}


async def _json(request: web.Request, body: bytes, media: str = "application/json") -> web.Response:
    headers = {"Content-Type": media, "Cache-Control": "no-cache, private", "Vary": "Accept"}
    if wants_pretty(request):
        body = pretty(body)
    if len(body) > _GZIP_FROM and "gzip" in request.headers.get("Accept-Encoding", ""):
        body = await asyncio.to_thread(compressed, body)
        headers["Content-Encoding"] = "gzip"
    return web.Response(body=body, headers=headers)
