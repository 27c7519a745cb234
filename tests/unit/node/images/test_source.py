"""Where images may come from, and where they may not."""

import os
from pathlib import Path

import pytest

from controller.node.images.catalogue import Entry
from controller.node.images.s3 import Keys
from controller.node.images.source import Digest, Source, resolve
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import Checksum

SHA = "a" * 64
CATALOGUE = {
    "demo": Entry("https://images.example/demo.qcow2"),
    "ubuntu:22.04": Entry("https://images.example/jammy.img"),
    "pinned": Entry("https://images.example/p", Checksum(type="sha512", value="b" * 128)),
    "stored": Entry("s3://images/p.qcow2"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    images = tmp_path / "images"
    images.mkdir()
    (images / "demo.qcow2").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")
    os.symlink(tmp_path / "secret", images / "link")
    os.symlink(images / "demo.qcow2", images / "inner")
    os.symlink(tmp_path, images / "up")
    os.symlink(images / "round", images / "round")
    return images


@pytest.mark.parametrize(
    ("word", "url"),
    [
        ("demo", "https://images.example/demo.qcow2"),
        ("ubuntu:22.04", "https://images.example/jammy.img"),
        ("http://h/x.img", "http://h/x.img"),
        ("HTTPS://h:8443/x.img?a=b", "HTTPS://h:8443/x.img?a=b"),
    ],
)
def test_short_names_and_web_addresses(word: str, url: str) -> None:
    assert resolve(word, None, CATALOGUE, ()) == Source(url)


def test_files_inside_the_folders_are_taken_links_followed(folder: Path) -> None:
    real = folder / "demo.qcow2"
    source = resolve(f"file://{real}", None, {}, (folder,))
    assert (source.folder, source.path) == (folder, real)
    assert resolve(f"file://localhost{folder}/inner", None, {}, (folder,)).path == real
    assert resolve(f"file://{folder}/de%6do.qcow2", None, {}, (folder,)).path == real


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/shadow",
        "file://{folder}/../secret",
        "file://{folder}/%2e%2e/secret",
        "file://{folder}/link",
        "file://{folder}/up/secret",
        "file://{folder}/round",
        "file://{folder}x/demo.qcow2",
        "file://other-host{folder}/demo.qcow2",
        "file:demo://x",
        "file://{folder}/a%00b",
        "file://",
    ],
)
def test_files_outside_of_them_are_not(folder: Path, url: str) -> None:
    with pytest.raises(Terminal) as refused:
        resolve(url.format(folder=folder), None, {}, (folder,))
    assert refused.value.reason in {"ImageNotAllowed", "ImageSourceUnsupported"}


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("nothing", "ImageNotFound"),
        ("", "ImageNotFound"),
        ("s3://bucket", "ImageSourceUnsupported"),
        ("s3://[::1/key", "ImageSourceUnsupported"),
        ("file://[::1/key", "ImageSourceUnsupported"),
        ("s3://Bucket_1/key", "ImageSourceUnsupported"),
        ("s3://ab/key", "ImageSourceUnsupported"),
        ("s3://10.0.0.1/key", "ImageSourceUnsupported"),
        ("s3://user:pw@bucket/key", "ImageSourceUnsupported"),
        ("s3://bucket:9000/key", "ImageSourceUnsupported"),
        ("s3://bucket/../other/key", "ImageSourceUnsupported"),
        ("s3://bucket/a%2f..%2fb", "ImageSourceUnsupported"),
        ("s3://bucket//key", "ImageSourceUnsupported"),
        ("s3://bucket/key?versionId=1", "ImageSourceUnsupported"),
        ("s3://bucket/a%0ab", "ImageSourceUnsupported"),
        ("http://host/a b", "ImageSourceUnsupported"),
        ("http://host/a\r\nX: y", "ImageSourceUnsupported"),
        ("ftp://host/x", "ImageSourceUnsupported"),
        ("gopher://host/x", "ImageSourceUnsupported"),
        ("http://", "ImageSourceUnsupported"),
        ("http://host:99999/", "ImageSourceUnsupported"),
        ("http://[::1/", "ImageSourceUnsupported"),
        ("json:{}://x", "ImageSourceUnsupported"),
    ],
)
def test_other_sources_are_refused_for_a_reason(word: str, reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        resolve(word, None, CATALOGUE, ())
    assert refused.value.reason == reason


def test_objects_of_a_store_are_taken_with_the_account() -> None:
    keys = Keys(access_key_id="a", secret_access_key="b")
    assert resolve("s3://bucket/a/b.qcow2", None, {}, (), keys) == Source("s3://bucket/a/b.qcow2", keys=keys)
    assert resolve("stored", None, CATALOGUE, (), keys).keys == keys
    assert resolve("demo", None, CATALOGUE, (), keys).keys is None


def test_checksum_of_the_catalogue_is_used_where_the_spec_has_none() -> None:
    assert resolve("pinned", None, CATALOGUE, ()).digest == Digest("sha512", "b" * 128)
    assert resolve("pinned", Checksum(value=SHA), CATALOGUE, ()).digest == Digest("sha256", SHA)


@pytest.mark.parametrize(
    ("checksum", "digest"),
    [
        (Checksum(), None),
        (Checksum(value=SHA), Digest("sha256", SHA)),
        (Checksum(value=f"sha256:{SHA.upper()}"), Digest("sha256", SHA)),
        (Checksum(type="md5", value="b" * 32), Digest("md5", "b" * 32)),
        (Checksum(type="sha512", value="c" * 128), Digest("sha512", "c" * 128)),
    ],
)
def test_checksums(checksum: Checksum, digest: Digest | None) -> None:
    assert resolve("demo", checksum, CATALOGUE, ()).digest == digest


@pytest.mark.parametrize("value", ["abc123...", "x" * 64, "a" * 63])
def test_checksum_that_cannot_be_one_is_refused(value: str) -> None:
    with pytest.raises(Terminal) as refused:
        resolve("demo", Checksum(value=value), CATALOGUE, ())
    assert refused.value.reason == "InvalidChecksum"


def test_words_of_a_source_keep_secrets_to_themselves() -> None:
    assert Source("https://ann:secret@host:8/x.img?token=t#f").words == "https://host:8/x.img"
