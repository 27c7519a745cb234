"""Every error that crosses a module border.

HyperSDKError
├── UsageError               what the person asked for cannot be understood
├── ApiError                 the API answered with a Status (code, reason)
│   ├── NotFound             404
│   ├── AlreadyExists        409, reason AlreadyExists
│   ├── Conflict             409
│   ├── Gone                 410: the watch version is too old, list again
│   ├── Unauthorized         401
│   ├── Forbidden            403
│   └── Invalid              400, 422: the object or the patch is refused
├── Unreachable              no answer from the API at all
├── ConfigError              a kubeconfig, keymap, theme or settings file is wrong
├── Transient                the controller tries again with back-off
└── Terminal                 the controller stops until the spec changes; carries the condition's reason
"""


class HyperSDKError(Exception):
    """The root: a message for a person, naming what failed, on which object, and what to try."""


class UsageError(HyperSDKError):
    """The command line or a field typed by a person makes no sense."""


class ApiError(HyperSDKError):
    """An answer of the API that is not a success (Kubernetes API conventions, `Status`)."""

    def __init__(self, message: str, code: int = 500, reason: str = "InternalError") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.retry_after = 0.0
        """How many seconds the server asks to be left alone; 0 when it says nothing of it."""


class NotFound(ApiError):
    """404."""


class AlreadyExists(ApiError):
    """409 on create."""


class Conflict(ApiError):
    """409: somebody else wrote the object first."""


class Gone(ApiError):
    """410: the resourceVersion is older than what the server remembers."""


class Unauthorized(ApiError):
    """401: the token or certificate is not accepted."""


class Forbidden(ApiError):
    """403: the user may not do that."""


class Invalid(ApiError):
    """400 or 422: the server refuses the object."""


class Unreachable(HyperSDKError):
    """The API cannot be reached, or the connection broke before an answer."""


class ConfigError(HyperSDKError):
    """A file of the user's cannot be used; the message names the file and the line where known."""


class Transient(HyperSDKError):
    """Worth another try later; nothing was decided."""


class Terminal(HyperSDKError):
    """Will not get better by itself; `reason` is a CamelCase word for the condition."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
