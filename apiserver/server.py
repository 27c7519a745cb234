"""How does an HTTP request find its handler? Authentication first, then paths, then resources."""

import logging
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from apiserver.access import User, authenticate
from apiserver.document import encode
from apiserver.gateway import GROUP, Gateway
from apiserver.handlers import plain
from apiserver.handlers.answers import pretty, status_answer
from apiserver.handlers.call import Api, Call
from apiserver.handlers.dispatch import dispatch
from apiserver.handlers.route import GroupPath, Route, read_path
from apiserver.patience import unhurried
from apiserver.refusal import NoPage, Refusal, no_such_path

log = logging.getLogger(__name__)

BODY_LIMIT = 3 * 2**20
_HEALTH = {"healthz", "livez", "readyz"}
WARNINGS = web.RequestKey("warnings", list[str])
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The HTTP side of the API."""

    def __init__(self, api: Api, gateway: Gateway, token: str) -> None:
        self._api = api
        self._gateway = gateway
        self._token = token
        self._plain = plain.Plain(api.catalogue, gateway)

    def application(self) -> web.Application:
        """What aiohttp serves."""
        app = web.Application(client_max_size=BODY_LIMIT, middlewares=[unhurried, _refusals])
        app.on_response_prepare.append(_anonymous)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = urlsplit(request.raw_path).path
        authorization = request.headers.get("Authorization", "")
        user = authenticate(authorization, self._token)
        if user is None and (authorization or not _is_open(path)):
            raise Refusal(401, "Unauthorized", "Unauthorized")
        if path.strip("/").split("/")[0] in _HEALTH:
            return plain.health(request)
        if user is None or path == "/version":
            return await plain.version(request)
        if request.query.get("watch") is None and path.startswith("/openapi/"):
            return await self._plain.openapi(request, path.removeprefix("/openapi/"))
        if path == "/":
            return web.Response(body=pretty(encode(plain.root(self._api.catalogue))))
        return await self._api_path(request, user, path)

    async def _api_path(self, request: web.Request, user: User, path: str) -> web.StreamResponse:
        match read_path(path):
            case GroupPath() as groups:
                return await self._plain.groups(request, groups)
            case Route(group=group) if group == GROUP:
                return await self._gateway.forward(request, user)
            case Route() as route:
                return await self._resource(request, user, route)
        raise NoPage

    async def _resource(self, request: web.Request, user: User, route: Route) -> web.StreamResponse:
        resource = self._api.catalogue.find(route.group, route.version, route.resource)
        if resource is None:
            if self._api.catalogue.is_builtin(route.group):
                raise no_such_path()
            raise NoPage
        call = Call(self._api, request, user, resource, route)
        request[WARNINGS] = call.warnings
        return await dispatch(call)


def _is_open(path: str) -> bool:
    """Whether a path is answered without a token (with a wrong one, none is)."""
    return path == "/version" or path.strip("/").split("/")[0] in _HEALTH


async def _anonymous(_request: web.Request, response: web.StreamResponse) -> None:
    """Do not tell which software answers."""
    response.headers.pop("Server", None)


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every way to fail into a Status."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return status_answer(refusal, request.get(WARNINGS, []))
    except NoPage:
        return web.Response(status=404, text="404 page not found\n")
    except web.HTTPRequestEntityTooLarge:
        message = f"Request entity too large: limit is {BODY_LIMIT}"
        return status_answer(Refusal(413, "RequestEntityTooLarge", message))
    except web.HTTPException as error:
        return status_answer(Refusal(error.status, error.reason.replace(" ", ""), error.text or error.reason))
    except RecursionError:
        return status_answer(Refusal(400, "BadRequest", "the object is nested too deeply"))
