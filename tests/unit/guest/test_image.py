"""When is an image made, when is it only found, and what does a person hear when it cannot be made?"""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from hyperctl.guest.image import build, image_path
from hyperctl.guest.packages import Package
from hypersdk.errors import HyperSDKError

PACKAGES = [Package("busybox-static_1.35_amd64.deb", 7, "sha256", "00ff")]


@pytest.fixture(autouse=True)
def _no_tools(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing can be built here: what still works asks neither apt nor the network."""
    monkeypatch.setenv("PATH", str(tmp_path))


def test_image_that_was_made_is_returned_without_a_word(tmp_path: Path) -> None:
    home = tmp_path / "guest"
    image = image_path(home, PACKAGES)
    image.parent.mkdir(parents=True)
    image.touch()
    (home / "packages.json").write_text(json.dumps([asdict(package) for package in PACKAGES]))
    told: list[str] = []
    assert build(tmp_path, told.append) == image
    assert told == []


def test_other_packages_make_another_image(tmp_path: Path) -> None:
    newer = [Package("busybox-static_1.36_amd64.deb", 7, "sha256", "11ff")]
    assert image_path(tmp_path, PACKAGES) != image_path(tmp_path, newer)


@pytest.mark.parametrize("record", ["", "{", "[{}]", '["x"]', '{"a": 1}'])
def test_a_record_nobody_can_read_counts_as_none(tmp_path: Path, record: str) -> None:
    (tmp_path / "guest").mkdir()
    (tmp_path / "guest/packages.json").write_text(record)
    with pytest.raises(HyperSDKError, match="apt-get install"):
        build(tmp_path, print)


def test_missing_tools_are_named_by_their_packages(tmp_path: Path) -> None:
    with pytest.raises(HyperSDKError, match=r"without .*mtools.*qemu-utils.*: try apt-get install"):
        build(tmp_path, print)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "guest").write_text("a file where a folder should be")
    with pytest.raises(HyperSDKError, match=f"cannot be written .*{tmp_path}/guest"):
        build(tmp_path, print)
