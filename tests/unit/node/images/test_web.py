"""A web server may be slow, hostile or a go-between: redirects, names and addresses are checked at each hop."""

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from controller.node.finding import NotYet
from controller.node.images.addresses import AddressRules, networks
from controller.node.images.incoming import Had
from controller.node.images.source import Source
from controller.node.images.web import Patience, Web
from hypersdk.errors import Terminal
from tests.unit.node.images.server import LOOPBACK, WebServer, local_web, served


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with served() as made:
        made.body = bytes(range(256)) * 8
        yield made


async def fetched(web: Web, url: str) -> bytes:
    """The whole image."""
    async with web.fetch(Source(url), Had()) as incoming:
        return b"".join([piece async for piece in incoming.pieces])


class Names(AbstractResolver):
    """A name server that says something else each time it is asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answer = self.answers.pop(0)
        kind = socket.AF_INET6 if ":" in answer else socket.AF_INET
        return [ResolveResult(hostname=host, host=answer, port=port, family=kind, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{port}/x", "http://[::ffff:127.0.0.1]:{port}/x", "http://localhost:{port}/x"]
)
async def test_forbidden_address_is_not_asked_however_it_is_written(server: WebServer, url: str) -> None:
    port = server.origin.rpartition(":")[2]
    with pytest.raises(Terminal, match="may not be fetched from") as refused:
        await fetched(Web(), url.format(port=port))
    assert refused.value.reason == "ImageNotAllowed"
    assert server.asked == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001", "0177.0.0.1"])
async def test_odd_ways_to_write_an_address_lead_nowhere(server: WebServer, host: str) -> None:
    port = server.origin.rpartition(":")[2]
    with pytest.raises((Terminal, NotYet)):
        await fetched(Web(), f"http://{host}:{port}/x")
    assert server.asked == []


async def test_redirects_are_followed(server: WebServer) -> None:
    server.location = "/there"
    assert await fetched(local_web(), server.url) == server.body


@pytest.mark.parametrize(
    ("location", "error", "words"),
    [
        ("http://169.254.169.254/latest/meta-data/", Terminal, "may not be fetched from"),
        ("http://127.0.0.2/", Terminal, "may not be fetched from"),
        ("file:///etc/shadow", Terminal, "not on the web"),
        ("ftp://127.0.0.1/x", Terminal, "not on the web"),
        ("http://[::1", NotYet, "redirects to"),
        ("http://:80/", Terminal, "not a URL with a host"),
        ("/again", NotYet, "more than 5 redirects"),
    ],
)
async def test_redirect_leads_only_where_the_image_itself_could_be(
    server: WebServer, location: str, error: type[Exception], words: str
) -> None:
    server.location = location
    with pytest.raises(error, match=words):
        await fetched(local_web(), server.url)


async def test_redirect_to_a_name_is_checked_by_its_address(server: WebServer) -> None:
    server.location = "http://metadata.example/"
    with pytest.raises(Terminal, match=r"may not be fetched from 169\.254\.169\.254"):
        await fetched(Web(LOOPBACK, resolver=Names("169.254.169.254")), server.url)


async def test_name_that_changes_its_meaning_is_checked_each_time(server: WebServer) -> None:
    port = server.origin.rpartition(":")[2]
    web = Web(LOOPBACK, resolver=Names("127.0.0.1", "169.254.169.254"))
    assert await fetched(web, f"http://images.example:{port}/x") == server.body
    with pytest.raises(Terminal, match="may not be fetched from"):
        await fetched(web, f"http://images.example:{port}/x")


async def test_private_servers_are_forbidden_where_that_is_wanted() -> None:
    web = Web(AddressRules(forbidden=networks(["private"])), resolver=Names("10.0.0.1"))
    with pytest.raises(Terminal, match=r"may not be fetched from 10\.0\.0\.1"):
        await fetched(web, "http://images.example/x")


async def test_server_that_drips_is_given_up(server: WebServer) -> None:
    with pytest.raises(NotYet, match="too slow"):
        await fetched(local_web(Patience(window=0, least_bytes=2**20)), server.url)


async def test_server_that_falls_silent_is_given_up(server: WebServer) -> None:
    server.hold.clear()
    with pytest.raises(NotYet, match="imeout"):
        await fetched(local_web(Patience(silence=0.2)), server.url)
    server.hold.set()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, "ImageNotFound"),
        (410, "ImageNotFound"),
        (403, "ImageAccessDenied"),
        (500, "ImportFailed"),
        (206, "ImportFailed"),
    ],
)
async def test_answers_that_are_no_image_are_told_apart(server: WebServer, status: int, reason: str) -> None:
    server.status = status
    with pytest.raises(NotYet, match=f"the server says {status}") as failed:
        await fetched(local_web(), server.url)
    assert failed.value.reason == reason


async def test_part_of_another_version_is_not_taken(server: WebServer) -> None:
    server.forgetful = True
    async with local_web().fetch(Source(server.url), Had(1000, '"old"')) as incoming:
        assert incoming.start == 0
        assert b"".join([piece async for piece in incoming.pieces]) == server.body
    assert server.asked == ["bytes=1000-", ""]


async def test_password_of_a_url_is_sent_and_never_said(server: WebServer) -> None:
    server.status = 500
    host = server.origin.removeprefix("http://")
    with pytest.raises(NotYet) as failed:
        await fetched(local_web(), f"http://ann:secret@{host}/x?token=hidden")
    assert not {"secret", "hidden"} & set(str(failed.value).replace("=", " ").replace("@", " ").split())
    assert server.authorization.startswith("Basic ")
