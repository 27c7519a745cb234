"""Whether the catalogue gets its entry and keeps the user's own."""

import tomllib
from pathlib import Path

import pytest

from hyperctl.stack.library import copy, enter, with_entry

_OWN = '# mine\n[images]\nubuntu = "https://example.org/u.img"\n\n[other]\nx = 1\n'


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("[images]\n", id="bare table"),
        pytest.param(_OWN, id="entries of the user"),
        pytest.param('[images]\ndemo = "file:///old"\n', id="older entry"),
        pytest.param("[other]\nx = 1", id="no table, no newline at the end"),
    ],
)
def test_entry_is_there_once_and_all_else_stays(text: str) -> None:
    updated = with_entry(text, "demo", "file:///new")

    images = tomllib.loads(text).get("images", {})
    assert tomllib.loads(updated) == tomllib.loads(text) | {"images": images | {"demo": "file:///new"}}
    assert with_entry(updated, "demo", "file:///new") == updated


def test_catalogue_is_made_and_left_alone_when_right(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    enter(file, "demo", Path("/library/demo one.qcow2"))
    before = file.stat().st_mtime_ns
    enter(file, "demo", Path("/library/demo one.qcow2"))

    assert tomllib.loads(file.read_text())["images"] == {"demo": "file:///library/demo%20one.qcow2"}
    assert file.stat().st_mtime_ns == before


def test_copy_is_whole_and_readable(tmp_path: Path) -> None:
    source = tmp_path / "built.qcow2"
    source.write_bytes(b"image")
    source.chmod(0o600)

    copy(source, tmp_path / "copy.qcow2")

    assert (tmp_path / "copy.qcow2").read_bytes() == b"image"
    assert (tmp_path / "copy.qcow2").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built.qcow2", "copy.qcow2"]
