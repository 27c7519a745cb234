"""Whether the domain XML is still what was looked at and agreed to, device by device.

`python -m tests.unit.domain.test_golden` writes the files anew; the difference is then for the eye.
"""

from pathlib import Path
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain, DiskFile, HostDevice, Interface
from tests.unit.domain.cases import CASES

_FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", CASES)
def test_xml_is_the_golden_one(name: str) -> None:
    assert domain_xml(CASES[name]) == (_FOLDER / f"{name}.xml").read_text()


def test_every_golden_file_has_a_case() -> None:
    assert {file.stem for file in _FOLDER.glob("*.xml")} == set(CASES)


@pytest.mark.parametrize("kind", [DesiredDomain, DiskFile, Interface, HostDevice])
def test_every_field_and_every_choice_is_in_some_case(kind: type) -> None:
    values = [value for desired in CASES.values() for value in _of_kind(kind, desired)]
    seen = {name: {getattr(value, name) for value in values} for name in get_type_hints(kind)}
    always_the_same = {name for name, found in seen.items() if len(found) < 2} - {"uid"}
    never_chosen = {
        name: set(get_args(hint)) - seen[name] for name, hint in get_type_hints(kind).items() if _is_choice(hint)
    }

    assert not always_the_same
    assert not any(never_chosen.values()), never_chosen


def _of_kind(kind: type, desired: DesiredDomain) -> list[object]:
    return [
        one for one in (desired, *desired.disks, *desired.interfaces, *desired.host_devices) if isinstance(one, kind)
    ]


def _is_choice(hint: object) -> bool:
    return get_origin(hint) is Literal


def _write() -> None:
    for name, desired in CASES.items():
        (_FOLDER / f"{name}.xml").write_text(domain_xml(desired))


if __name__ == "__main__":
    _write()
