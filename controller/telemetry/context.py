"""What is the work about that a line of log comes from: which VM, which operation?"""

from contextvars import ContextVar

VM: ContextVar[str] = ContextVar("vm", default="")
OPERATION: ContextVar[str] = ContextVar("operation", default="")


def about_vm(namespace: str, name: str) -> None:
    """Lines of this task are about that VM, until it turns to another one."""
    VM.set(f"{namespace}/{name}")
    OPERATION.set("")


def about_operation(name: str) -> None:
    """And about that operation of it."""
    OPERATION.set(name)
