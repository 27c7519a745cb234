"""What becomes of work on files that the system refuses? It is tried again, and says which file it was."""

from collections.abc import Awaitable
from typing import TypeVar

from hypersdk.errors import Transient

T = TypeVar("T")


def words_of(error: OSError) -> str:
    """The file and what the system says of it, for a person."""
    return f"{error.filename or 'a file'}: {error.strerror or error}"


async def tried(work: Awaitable[T]) -> T:
    """The result of work on files; Transient where the system refuses it."""
    try:
        return await work
    except OSError as error:
        raise Transient(words_of(error)) from error
