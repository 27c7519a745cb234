"""Which handler answers a request on a resource?"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from apiserver.handlers import deleting, patching, reading, reviews, watching, writing
from apiserver.handlers.call import Call
from apiserver.refusal import NoPage, bad_request, no_such_method, no_such_path, not_found, unsupported_verb

Handler = Callable[[Call], Awaitable[web.StreamResponse]]
_COLLECTION: dict[str, tuple[str, Handler]] = {
    "GET": ("list", reading.list_),
    "HEAD": ("list", reading.list_),
    "POST": ("create", writing.create),
    "DELETE": ("deletecollection", deleting.delete_collection),
}
_OBJECT: dict[str, tuple[str, Handler]] = {
    "GET": ("get", reading.get),
    "HEAD": ("get", reading.get),
    "PUT": ("update", writing.replace),
    "PATCH": ("patch", patching.patch),
    "DELETE": ("delete", deleting.delete),
}
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


async def dispatch(call: Call) -> web.StreamResponse:
    """Answer; 404 and 405 for what is not there."""
    return await _handler(call)(call)


def _handler(call: Call) -> Handler:
    route, method = call.route, call.request.method
    if route.rest:
        raise no_such_path()
    if route.subresource:
        return _subresource(call)
    if not route.name:
        return _collection(call)
    if method not in _OBJECT:
        raise _not_allowed(call)
    verb, handler = _OBJECT[method]
    _check_scope(call)
    return _served(call, verb, handler)


def _not_allowed(call: Call) -> Exception:
    if call.resource.rules.is_typed:
        return no_such_method()
    verb = _VERBS.get(call.request.method, "")
    return unsupported_verb(call.resource.named(""), verb)


def _served(call: Call, verb: str, handler: Handler) -> Handler:
    if verb not in call.resource.verbs:
        raise _not_allowed(call)
    return handler


def _check_scope(call: Call) -> None:
    """A namespaced object is only found in its namespace, another one only outside of all."""
    if call.resource.namespaced is not bool(call.route.namespace):
        raise _nothing_there(call)


def _nothing_there(call: Call) -> Exception:
    return no_such_path() if call.resource.rules.is_typed else NoPage()


def _collection(call: Call) -> Handler:
    route, method = call.route, call.request.method
    if route.namespace and not call.resource.namespaced:
        raise _nothing_there(call)
    if method in {"PUT", "PATCH"}:
        raise bad_request("name must be provided")
    if method not in _COLLECTION:
        raise _not_allowed(call)
    verb, handler = _COLLECTION[method]
    if verb in {"create", "deletecollection"}:
        _check_scope(call)
    if "list" not in call.resource.verbs and verb == "create":
        return reviews.review
    if verb == "list" and call.flag("watch") and "watch" in call.resource.verbs:
        return watching.watch
    return _served(call, verb, handler)


def _subresource(call: Call) -> Handler:
    _check_scope(call)
    subresources = dict(call.resource.subresources)
    verbs = subresources.get(call.route.subresource)
    if verbs is None:
        if call.resource.rules.is_typed:
            raise no_such_path()
        raise not_found(call.resource.named(call.route.name))
    verb, handler = _OBJECT.get(call.request.method, ("", reading.get))
    if verb not in verbs:
        raise _not_allowed(call)
    return writing.finalize if call.route.subresource == "finalize" else handler
