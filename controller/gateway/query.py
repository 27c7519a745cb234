"""What does a request ask for in its query? Checked, and refused in words."""

from aiohttp import web

from hypersdk.errors import Invalid


def choice(request: web.Request, name: str, choices: tuple[str, ...]) -> str:
    """A query parameter; the first choice when it is not given."""
    value = request.query.get(name, choices[0])
    if value not in choices:
        raise bad(f"{name} must be one of {', '.join(choices)}")
    return value


def number(request: web.Request, name: str, default: int, least: int, most: int) -> int:
    """A number in a query parameter."""
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 6 and least <= int(text) <= most):
        raise bad(f"{name} must be a number from {least} to {most}")
    return int(text)


def wants_socket(request: web.Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def bad(message: str) -> Invalid:
    """400 in those words."""
    return Invalid(message, 400, "BadRequest")
