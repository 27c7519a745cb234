"""Whether the domain XML is still what was looked at and agreed to, device by device.

`python -m tests.unit.domain.test_golden` writes the files anew; the difference is then for the eye.
"""

from pathlib import Path

import pytest

from controller.domain.build import domain_xml
from tests.unit.domain.cases import CASES

_FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", CASES)
def test_xml_is_the_golden_one(name: str) -> None:
    assert domain_xml(CASES[name]) == (_FOLDER / f"{name}.xml").read_text()


def test_every_golden_file_has_a_case() -> None:
    assert {file.stem for file in _FOLDER.glob("*.xml")} == set(CASES)


def _write() -> None:
    for name, desired in CASES.items():
        (_FOLDER / f"{name}.xml").write_text(domain_xml(desired))


if __name__ == "__main__":
    _write()
