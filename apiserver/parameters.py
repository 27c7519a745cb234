"""Which query parameters does an operation take, and what are they for? For OpenAPI."""

from pydantic import JsonValue

from hypersdk.model.base import JsonObject

Parameter = tuple[str, str, str]

_WRITE: tuple[Parameter, ...] = (
    ("dryRun", "string", "Nothing is stored when this is All."),
    ("fieldManager", "string", "Who makes the changes."),
    ("fieldValidation", "string", "What becomes of unknown and duplicate fields: Ignore, Warn or Strict."),
)
_FORCE: Parameter = ("force", "boolean", "Take over fields that others own (apply patches only).")
_VERSION: Parameter = ("resourceVersion", "string", "How new the answer has to be, or where a watch begins.")
_PRETTY: Parameter = ("pretty", "string", "Write the answer for people when this is true.")
_SELECT: tuple[Parameter, ...] = (
    ("labelSelector", "string", "Only objects with such labels."),
    ("fieldSelector", "string", "Only objects with such values in their selectable fields."),
    ("limit", "integer", "So many objects at most in one answer."),
    ("continue", "string", "Where the last answer ended: its metadata.continue."),
    _VERSION,
    ("resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."),
    ("timeoutSeconds", "integer", "How long the request may take, or a watch lasts."),
    ("sendInitialEvents", "boolean", "Begin a watch with what there is, and a bookmark after it."),
)
_LIST: tuple[Parameter, ...] = (
    *_SELECT,
    ("watch", "boolean", "Answer with changes as they happen."),
    ("allowWatchBookmarks", "boolean", "Tell a watch now and then up to which version it knows everything."),
)
_DELETE: tuple[Parameter, ...] = (
    ("dryRun", "string", "Nothing is deleted when this is All."),
    ("gracePeriodSeconds", "integer", "Taken, and without an effect: nothing here ends gracefully."),
    ("orphanDependents", "boolean", "The older way to say propagationPolicy=Orphan."),
    ("propagationPolicy", "string", "What becomes of dependents: Foreground, Background or Orphan."),
)
_OF: dict[str, tuple[Parameter, ...]] = {
    "get": (_VERSION,),
    "list": _LIST,
    "post": _WRITE,
    "put": _WRITE,
    "patch": (*_WRITE, _FORCE),
    "delete": _DELETE,
    "deletecollection": (*_DELETE, *_SELECT),
}


def parameters(action: str) -> list[JsonValue]:
    """As an OpenAPI operation lists them."""
    return [_written(*one) for one in (*_OF[action], _PRETTY)]


def _written(name: str, kind: str, words: str) -> JsonObject:
    return {"name": name, "in": "query", "description": words, "schema": {"type": kind, "uniqueItems": True}}
