"""Compile pyghostty's declarations of libghostty-vt into a Python module, so that the console need not parse them."""

import io
import runpy
from importlib.util import find_spec
from pathlib import Path

from cffi import FFI
from cffi.recompiler import Recompiler

TWIN = """
typedef struct { GhosttyTerminalScrollViewportTag tag; uint64_t row; uint64_t padding; } GhosttyScrollViewportTwin;
"""
"""A struct in the place of one with a union, which cffi cannot pass by value: the same size and alignment."""


def declarations() -> str:
    """The module's text."""
    found = find_spec("pyghostty")
    assert found is not None, "pyghostty is not installed: it is part of requirements/dev.txt"
    assert found.origin is not None
    source = runpy.run_path(str(Path(found.origin).with_name("_cdef.py")))["CDEF"]
    ffi = FFI()
    ffi.cdef(source + TWIN)
    assert ffi.sizeof("GhosttyScrollViewportTwin") == ffi.sizeof("GhosttyTerminalScrollViewport")
    compiler = Recompiler(ffi, "_ghostty_abi", target_is_python=True)
    compiler.collect_type_table()
    compiler.collect_step_tables()
    text = io.StringIO()
    compiler.write_source_to_f(text, None)
    return text.getvalue()
