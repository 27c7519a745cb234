"""What does an API server need to read before it lets an aggregated API in?"""

from aiohttp import web
from aiohttp.typedefs import Handler

from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import SUBRESOURCES

GROUP, _, VERSION = SUBRESOURCES.partition("/")
_KINDS = {
    "console": "VirtualMachineConsole",
    "vnc": "VirtualMachineVnc",
    "metrics": "VirtualMachineMetrics",
    "log": "VirtualMachineLog",
    "screenshot": "VirtualMachineScreenshot",
    "portforward": "VirtualMachinePortForward",
    "disks": "VirtualMachineDisks",
}
_VERSIONED: JsonObject = {"groupVersion": SUBRESOURCES, "version": VERSION}
_GROUP: JsonObject = {"name": GROUP, "versions": [_VERSIONED], "preferredVersion": _VERSIONED}
_INFO: JsonObject = {"title": "HyperSDK VM streams", "version": VERSION}
_WRITABLE = {"console", "vnc", "portforward"}

DOCUMENTS: dict[str, JsonObject] = {
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_GROUP]},
    f"/apis/{GROUP}": {"kind": "APIGroup", "apiVersion": "v1", **_GROUP},
    f"/apis/{SUBRESOURCES}": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": SUBRESOURCES,
        "resources": [
            {
                "name": f"virtualmachines/{name}",
                "singularName": "",
                "namespaced": True,
                "kind": kind,
                "verbs": ["get", "update"] if name in _WRITABLE else ["get"],
            }
            for name, kind in _KINDS.items()
        ],
    },
    "/openapi/v2": {"swagger": "2.0", "info": _INFO, "paths": {}},
    "/openapi/v3": {"paths": {}},
}


def routes() -> list[web.RouteDef]:
    """A route for each document, and one for the health check."""
    return [web.get(path, _answer(document)) for path, document in DOCUMENTS.items()] + [web.get("/healthz", _healthy)]


def _answer(document: JsonObject) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.json_response(document)

    return handler


async def _healthy(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")
