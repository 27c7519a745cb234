"""The exit codes of `hyperctl`, as the manual promises them."""

from enum import IntEnum

from hypersdk import errors


class Exit(IntEnum):
    """0 is success; every failure says on stderr what failed, on which object, and what to try."""

    OK = 0
    FAILED = 1
    """It was tried and did not come about."""
    USAGE = 2
    """The command line makes no sense."""
    NOT_FOUND = 3
    """There is no such object."""
    REFUSED = 4
    """The API refuses: not signed in, not allowed, in conflict, or an object that is not valid."""
    UNREACHABLE = 5
    """Nothing answers at the API's address, or there is no kubeconfig."""


def exit_of(error: errors.HyperSDKError) -> Exit:
    """The exit code that goes with an error."""
    match error:
        case errors.UsageError():
            return Exit.USAGE
        case errors.NotFound():
            return Exit.NOT_FOUND
        case errors.Unreachable() | errors.ConfigError():
            return Exit.UNREACHABLE
        case errors.ApiError():
            return Exit.REFUSED
        case _:
            return Exit.FAILED
