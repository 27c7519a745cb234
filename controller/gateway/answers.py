"""How does a refusal look on the wire? As the `Status` that every client of Kubernetes can read."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from hypersdk.errors import ApiError, HyperSDKError, Unreachable
from hypersdk.model.base import JsonObject

_log = logging.getLogger(__name__)


def status(error: ApiError) -> web.Response:
    """The answer for an error (Kubernetes API conventions, `Status`)."""
    body: JsonObject = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": str(error),
        "reason": error.reason,
        "code": error.code,
    }
    return web.json_response(body, status=error.code)


@web.middleware
async def as_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a Status."""
    try:
        return await handler(request)
    except ApiError as error:
        return status(error)
    except Unreachable as error:
        return status(ApiError(f"access cannot be checked now: {error}", 503, "ServiceUnavailable"))
    except HyperSDKError as error:
        return status(ApiError(str(error), 503, "ServiceUnavailable"))
    except web.HTTPException as error:
        return status(ApiError(f"{request.method} {request.path}: {error.reason}", error.status, error.reason or ""))
