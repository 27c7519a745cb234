"""Is a failing program told in a few words that name it?"""

import sys

import pytest

from hyperctl.guest.host import run
from hypersdk.errors import HyperSDKError


def test_output_is_returned() -> None:
    assert run([sys.executable, "-c", "print('made')"]) == "made\n"


def test_long_complaints_are_shortened() -> None:
    program = "import sys; sys.exit('no space\\n' * 30)"
    with pytest.raises(HyperSDKError, match=r"failed: no space / no space \(and 28 lines more\)$"):
        run([sys.executable, "-c", program])


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(HyperSDKError, match="no-such-program cannot be run"):
        run(["no-such-program"])
