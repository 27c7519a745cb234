"""Short names: what a file may say of them, and what is answered to a name that it does not have."""

from pathlib import Path

import pytest

from controller.node.images.catalogue import Entry, entry_of, read_catalogue
from hypersdk.data import data_folder
from hypersdk.errors import ConfigError, Terminal
from hypersdk.model.virtualmachine import Checksum

KNOWN = {name: Entry("https://h/x") for name in ("demo", "ubuntu:22.04", "ubuntu:24.04", "debian:12")}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ubunt:22.04", r"near it: ubuntu:22\.04"),
        ("ubuntu:18.10", r"near it: .*ubuntu:22\.04"),
        ("debian", "near it: debian:12"),
        ("zzz", r"known names: debian:12, demo, ubuntu:22\.04, ubuntu:24\.04"),
    ],
)
def test_unknown_name_is_answered_with_those_near_it_or_all(name: str, words: str) -> None:
    with pytest.raises(Terminal, match=words) as refused:
        entry_of(name, KNOWN)
    assert refused.value.reason == "ImageNotFound"


def test_long_catalogue_is_not_listed_whole() -> None:
    with pytest.raises(Terminal, match="and 8 more"):
        entry_of("zzz", {f"image-{at}": Entry("u") for at in range(20)})


def test_catalogue_is_read_from_toml(tmp_path: Path) -> None:
    file = tmp_path / "images.toml"
    digest = "a" * 64
    table = f'{{ url = "https://h/y", checksum = {{ type = "sha256", value = "{digest}" }} }}'
    file.write_text(f'[images]\ndemo = "https://h/x"\n"ubuntu:22.04" = {table}\n')
    checksum = Checksum(type="sha256", value=digest)
    assert read_catalogue(file) == {"demo": Entry("https://h/x"), "ubuntu:22.04": Entry("https://h/y", checksum)}
    assert read_catalogue(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        "[images",
        "images = 3",
        "[images]\na = 3",
        '[images]\na = { ur = "x" }',
        '[images]\na = { url = "x", checksum = 3 }',
    ],
)
def test_catalogue_that_makes_no_sense_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "images.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"images\.toml"):
        read_catalogue(file)


def test_example_catalogue_can_be_read() -> None:
    found = read_catalogue(data_folder("deploy") / "examples" / "catalogue.toml")
    assert {"ubuntu:22.04", "debian:12"} <= found.keys()
    assert all(entry.url.startswith("https://") for entry in found.values())
