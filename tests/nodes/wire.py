"""How nodes are joined: a wire for their controllers, and a VXLAN on it for their guests."""

import subprocess

from tests.nodes.node import Node

WIRE = "wire0"
HOST = "10.78.0.254"
"""The test itself, and the API server."""
OVERLAY = "br-lab"
"""The bridge of guests on each node; all of them are one segment."""
VXLAN = "vx0"


def lay() -> None:
    """The wire, with the test at one end."""
    ip("link", "add", WIRE, "type", "bridge", "forward_delay", "0")
    ip("addr", "add", f"{HOST}/24", "dev", WIRE)
    ip("link", "set", WIRE, "up")


def take_up() -> None:
    """Without it."""
    ip("link", "delete", WIRE)


def join(nodes: list[Node]) -> None:
    """Every node on the wire, and its guests' bridge on the VXLAN."""
    for node in nodes:
        end = f"to-{node.name}"
        ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", str(node.init))
        ip("link", "set", end, "master", WIRE, "up")
        node.run("ip", "link", "set", "lo", "up")
        node.run("ip", "addr", "add", f"{node.address}/24", "dev", "eth0")
        node.run("ip", "link", "set", "eth0", "up")
        node.run("ip", "link", "add", OVERLAY, "type", "bridge", "forward_delay", "0")
        tunnel = ("id", "42", "dstport", "4789", "local", node.address, "dev", "eth0")
        node.run("ip", "link", "add", VXLAN, "type", "vxlan", *tunnel)
        node.run("ip", "link", "set", VXLAN, "master", OVERLAY, "up")
        node.run("ip", "link", "set", OVERLAY, "up")
        for other in nodes:
            if other is not node:
                node.run("bridge", "fdb", "append", "00:00:00:00:00:00", "dev", VXLAN, "dst", other.address)


def ip(*words: str) -> None:
    """One call of ip(8)."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
