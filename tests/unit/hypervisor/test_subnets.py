"""Whether the host's own network keeps off what the host has routes to."""

from ipaddress import IPv4Network

from controller.hypervisor.subnets import CANDIDATES, free_subnets, read_routes

_ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
virbr0\t007AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0
"""


def test_routes_of_proc() -> None:
    assert read_routes(_ROUTES) == [IPv4Network("192.168.122.0/24"), IPv4Network("10.0.0.0/8")]


def test_no_routes() -> None:
    assert read_routes("") == []
    assert next(free_subnets([])) == IPv4Network("192.168.122.0/24")


def test_taken_subnets_are_passed_over() -> None:
    assert next(free_subnets(read_routes(_ROUTES))) == IPv4Network("192.168.123.0/24")
    assert next(free_subnets([IPv4Network("192.168.0.0/16")])) == IPv4Network("10.213.0.0/24")
    assert list(free_subnets([IPv4Network("128.0.0.0/1"), IPv4Network("0.0.0.0/1")])) == []
    assert len(list(free_subnets([]))) == len(CANDIDATES)
