"""How the server says no: every refusal is a `Status` object as the Kubernetes API writes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from hypersdk.model.base import JsonObject


class Refusal(Exception):
    """Ends a request with a Status."""

    def __init__(self, code: int, reason: str, message: str, details: JsonObject | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        self.metadata: JsonObject = {}

    def status(self) -> JsonObject:
        """The body of the answer."""
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": str(self),
            "code": self.code,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status


@dataclass(frozen=True)
class Named:
    """What a refusal is about: a resource (or kind) of a group, and an object's name."""

    group: str
    resource: str
    name: str = ""

    @property
    def qualified(self) -> str:
        """`virtualmachines.hypersdk.io`, or `namespaces` for the core group."""
        return f"{self.resource}.{self.group}" if self.group else self.resource

    def details(self) -> JsonObject:
        """The `details` of a Status."""
        parts = {"name": self.name, "group": self.group, "kind": self.resource}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field; `reason` is a metav1.CauseType."""

    reason: str
    field: str
    message: str
    types: tuple[str, str] = ("", "")
    """For a value of a wrong type: the JSON type that it has, and the one that it should have."""

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def bad_request(message: str) -> Refusal:
    """400."""
    return Refusal(400, "BadRequest", message)


def not_found(about: Named) -> Refusal:
    """404 for an object."""
    return Refusal(404, "NotFound", f'{about.qualified} "{about.name}" not found', about.details())


def no_such_path() -> Refusal:
    """404 for a resource that is not served."""
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


class NoPage(Exception):
    """Ends a request with a plain 404: the path is in a group of custom resources, or in none."""


def no_such_method() -> Refusal:
    """405 for built-in kinds."""
    message = "the server does not allow this method on the requested resource"
    return Refusal(405, "MethodNotAllowed", message, {})


def unsupported_verb(about: Named, verb: str) -> Refusal:
    """405 for custom resources."""
    message = f'{verb} is not supported on resources of kind "{about.qualified}"'
    return Refusal(405, "MethodNotAllowed", message, about.details())


def forbidden(about: Named, why: str, causes: Sequence[JsonValue] = ()) -> Refusal:
    """403."""
    subject = f'{about.qualified} "{about.name}"' if about.name else about.qualified
    details = about.details() | ({"causes": list(causes)} if causes else {})
    return Refusal(403, "Forbidden", f"{subject} is forbidden: {why}", details)


def exists_already(about: Named, *, was_generated: bool = False, is_going: bool = False) -> Refusal:
    """409 on create; with a generateName there is the hope for another name."""
    message, details = f'{about.qualified} "{about.name}" already exists', about.details()
    if is_going:
        message = f"object is being deleted: {message}"
    if was_generated:
        message += ", the server was not able to generate a unique name for the object"
        details["retryAfterSeconds"] = 1
    return Refusal(409, "AlreadyExists", message, details)


def conflict(about: Named, why: str = "") -> Refusal:
    """409 on a write against a version that is not the newest."""
    reason = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {about.qualified} "{about.name}": {reason}'
    return Refusal(409, "Conflict", message, about.details())


def invalid(about: Named, errors: Sequence[FieldError]) -> Refusal:
    """422 with one cause for each field."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    causes: list[JsonValue] = [
        {"reason": error.reason, "message": error.message, "field": error.field} for error in errors
    ]
    message = f'{about.qualified} "{about.name}" is invalid: {joined}'
    return Refusal(422, "Invalid", message, about.details() | {"causes": causes})


def expired(message: str, continue_: str = "") -> Refusal:
    """410: what was asked for is older than what is remembered; a list can be gone on with all the same."""
    refusal = Refusal(410, "Expired", message)
    if continue_:
        refusal.metadata["continue"] = continue_
    return refusal


def unsupported_media(accepted: Sequence[str]) -> Refusal:
    """415."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return Refusal(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Sequence[str]) -> Refusal:
    """406."""
    message = f"only the following media types are accepted: {', '.join(accepted)}"
    return Refusal(406, "NotAcceptable", message)
