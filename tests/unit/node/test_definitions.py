"""What is kept of each start, and what a disk that is full costs."""

from pathlib import Path

from controller.domain.build import spec_hash
from controller.node.definitions import Definitions
from controller.node.places import NodePlaces
from tests.unit.node.builders import domain, wanted


def kept_in(folder: Path) -> Definitions:
    return Definitions(NodePlaces(folder))


def test_definition_is_found_again_for_the_guest_that_was_started_with_it(tmp_path: Path) -> None:
    (tmp_path / "definitions").mkdir()
    desired = wanted()
    kept_in(tmp_path).keep(desired)
    assert kept_in(tmp_path).running(domain(running_spec_hash=spec_hash(desired))) == desired
    assert kept_in(tmp_path).running(domain(running_spec_hash="another")) is None


def test_definition_that_cannot_be_written_holds_no_start_up(tmp_path: Path) -> None:
    definitions = tmp_path / "definitions"
    definitions.mkdir()
    (definitions / f"{wanted().uid}.json").mkdir()
    kept_in(tmp_path).keep(wanted())
    assert [path.suffix for path in definitions.iterdir()] == [".json"]
    assert kept_in(tmp_path).running(domain(running_spec_hash=spec_hash(wanted()))) is None
