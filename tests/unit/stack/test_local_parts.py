"""What the parts are told when they are started."""

import socket
from collections.abc import Iterator

import pytest

from hyperctl.stack.local_api import choose_port
from hyperctl.stack.local_controller import grant_options, node_name
from hypersdk.errors import HyperSDKError


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


@pytest.fixture
def free() -> int:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        return port


def test_taken_port_that_was_asked_for_is_refused_with_a_way_out(taken: int) -> None:
    with pytest.raises(HyperSDKError, match="choose another one with --port"):
        choose_port(taken, 0)


def test_port_of_the_last_time_is_kept(free: int) -> None:
    assert choose_port(0, free) == free


def test_port_of_the_last_time_is_given_up_when_taken(taken: int) -> None:
    assert choose_port(0, taken) == 0


@pytest.mark.parametrize(
    ("hostname", "name"),
    [
        ("vm", "vm"),
        ("Host_7.Example.ORG", "host-7.example.org"),
        ("---", "localhost"),
        ("x" * 80, "x" * 63),
    ],
)
def test_node_is_named_as_an_object_may_be(hostname: str, name: str) -> None:
    assert node_name(hostname) == name


def test_bridges_are_told_one_by_one() -> None:
    assert grant_options("", "") == []
    assert grant_options("br0,br-lab", "") == ["--bridge", "br0", "--bridge", "br-lab"]
    assert grant_options("", "/srv/a,b\n/srv/c") == ["--backup-folder", "/srv/a,b", "--backup-folder", "/srv/c"]
