"""Images come out of a real object store: signed, resumed, and refused with the reason that helps."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from controller.node.finding import NotYet
from controller.node.images.incoming import Had
from controller.node.images.partial import Partial
from controller.node.images.s3 import Keys, keys_of_secret, read_keys, signed_url
from controller.node.images.source import Source, resolve
from controller.node.images.store import Images
from controller.settings import Limits
from hypersdk.errors import ConfigError, Terminal
from hypersdk.model.core import Secret
from hypersdk.model.virtualmachine import Checksum
from tests.s3.server import BUCKET, S3Server
from tests.unit.node.images.builders import imported, raw
from tests.unit.node.images.server import local_web

pytestmark = pytest.mark.s3
MIB = 2**20


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    """A store of images."""
    async with Images(tmp_path / "store", Limits(), local_web()) as store:
        yield store


def source(url: str, keys: Keys, checksum: Checksum | None = None) -> Source:
    """The object as a source."""
    return resolve(url, checksum, {}, (), keys)


async def test_object_is_fetched_with_the_account_and_held_to_its_digest(images: Images, s3: S3Server) -> None:
    body = raw(3 * MIB)
    url = s3.put("deep/er/ubuntu 22.04+é.img", body)
    checksum = Checksum(type="sha512", value=hashlib.sha512(body).hexdigest().upper())
    assert (await imported(images, source(url, s3.keys, checksum))).path.read_bytes() == body


async def test_object_is_continued_from_the_byte_that_was_reached(s3: S3Server) -> None:
    body = raw(3 * MIB)
    at = source(s3.put("half.img", body), s3.keys)
    async with local_web().fetch(at, Had()) as whole:
        validator = whole.validator
    assert validator
    async with local_web().fetch(at, Had(MIB, validator)) as rest:
        assert (rest.start, rest.total_bytes) == (MIB, 3 * MIB)
        assert b"".join([piece async for piece in rest.pieces]) == body[MIB:]


async def test_object_that_was_replaced_is_not_continued(s3: S3Server, tmp_path: Path) -> None:
    at = source(s3.put("new.img", raw(2 * MIB)), s3.keys)
    async with local_web().fetch(at, Had()) as first:
        partial = Partial(tmp_path / "store" / ".partial" / f"{at.identity}.part")
        partial.path.parent.mkdir(parents=True)
        partial.begin(0, first.total_bytes, first.validator).write(await anext(first.pieces))
        partial.checkpoint()
        partial.close()
    assert Partial.at(partial.path).had.count > 0
    body = raw(2 * MIB)
    s3.put("new.img", body)
    async with Images(tmp_path / "store", Limits(), local_web()) as images:
        assert (await imported(images, at)).path.read_bytes() == body


@pytest.mark.parametrize(
    ("change", "reason", "words"),
    [
        ({"secret_access_key": "wrong"}, "ImageAccessDenied", "secret key"),
        ({"access_key_id": "nobody"}, "ImageAccessDenied", "access key"),
        ({"access_key_id": "", "secret_access_key": ""}, "ImageAccessDenied", "secretRef"),
        ({"region": "eu-west-1"}, "ImageAccessDenied", "region"),
        ({"endpoint": "http://127.0.0.1:1"}, "ImportFailed", "127.0.0.1"),
    ],
    ids=["secret", "account", "nobody", "region", "endpoint"],
)
async def test_wrong_account_is_said(
    images: Images, s3: S3Server, change: dict[str, str], reason: str, words: str
) -> None:
    url = s3.put("some.img", raw())
    with pytest.raises(NotYet, match=words) as refused:
        await imported(images, source(url, replace(s3.keys, **change)))
    assert refused.value.reason == reason
    assert s3.keys.secret_access_key not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "words"), [(f"s3://{BUCKET}/none", "no such key"), ("s3://nowhere/x", "no such bucket")]
)
async def test_missing_object_is_said(images: Images, s3: S3Server, url: str, words: str) -> None:
    with pytest.raises(NotYet, match=words) as refused:
        await imported(images, source(url, s3.keys))
    assert refused.value.reason == "ImageNotFound"


async def test_store_at_a_forbidden_address_is_not_asked(images: Images, s3: S3Server) -> None:
    keys = replace(s3.keys, endpoint="http://169.254.169.254")
    with pytest.raises(Terminal, match="may not be fetched from") as refused:
        await imported(images, source(f"s3://{BUCKET}/x", keys))
    assert refused.value.reason == "ImageNotAllowed"


async def test_store_that_goes_away_meanwhile_is_waited_for(images: Images, s3: S3Server) -> None:
    at = source(s3.put("later.img", raw()), replace(s3.keys, endpoint="http://127.0.0.1:1"))
    failures = await asyncio.gather(imported(images, at), return_exceptions=True)
    assert isinstance(failures[0], NotYet)


def secret(**data: str) -> Secret:
    """A Secret as the API has it."""
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return Secret.model_validate({"metadata": {"name": "store"}, "data": encoded})


@pytest.mark.parametrize(
    "data",
    [
        {"accessKeyId": "a", "secretAccessKey": "b\n", "endpoint": "https://h:9000/", "region": "r"},
        {
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_ENDPOINT_URL": "https://h:9000/",
            "AWS_REGION": "r",
        },
    ],
)
def test_account_is_read_by_our_names_and_by_those_of_aws(data: dict[str, str]) -> None:
    assert keys_of_secret(secret(**data)) == Keys("https://h:9000/", "r", "a", "b")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"accessKeyId": "a"}, "needs both"),
        ({"accessKeyId": "a b", "secretAccessKey": "c"}, "access_key_id"),
        ({"endpoint": "file:///etc"}, "endpoint"),
        ({"endpoint": "https://user:pw@h"}, "endpoint"),
        ({"endpoint": "https://h/path"}, "endpoint"),
    ],
)
def test_secret_that_makes_no_sense_is_refused(data: dict[str, str], words: str) -> None:
    with pytest.raises(Terminal, match=words) as refused:
        keys_of_secret(secret(**data))
    assert refused.value.reason == "InvalidSecret"


def test_account_of_the_node_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "s3.toml"
    file.write_text('[s3]\nendpoint = "https://h"\naccessKeyId = "a"\nsecretAccessKey = "b"\n')
    assert read_keys(file) == Keys("https://h", "", "a", "b")
    assert read_keys(None) is None
    file.write_text("[s3")
    with pytest.raises(ConfigError, match=r"s3\.toml"):
        read_keys(file)


def test_nothing_of_the_environment_signs_for_a_vm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-node")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-node")
    url = signed_url("s3://bucket/key", Keys(access_key_id="mine", secret_access_key="x"))
    assert url.startswith("https://s3.us-east-1.amazonaws.com/bucket/key?")
    assert "of-the-node" not in url
    assert signed_url("s3://bucket/a b", Keys(region="eu-west-1")) == "https://s3.eu-west-1.amazonaws.com/bucket/a%20b"
