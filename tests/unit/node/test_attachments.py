"""Which bridge a NetworkAttachmentDefinition means, and which of them a VM can be put on."""

import json
from typing import Any

import pytest

from controller.node.attachments import bridge_of
from hypersdk.errors import Terminal
from hypersdk.model.core import NetworkAttachmentDefinition
from hypersdk.model.virtualmachine import Network

NETWORK = Network(name="external", type="multus", multus_network_name="external-net")


def definition(config: Any) -> NetworkAttachmentDefinition:
    text = config if isinstance(config, str) else json.dumps(config)
    return NetworkAttachmentDefinition.model_validate(
        {"metadata": {"name": "external-net", "namespace": "default"}, "spec": {"config": text}}
    )


@pytest.mark.parametrize(
    ("config", "bridge"),
    [
        ({"cniVersion": "0.3.1", "type": "bridge", "bridge": "br-ext", "ipam": {"type": "host-local"}}, "br-ext"),
        ({"name": "n", "plugins": [{"type": "bridge", "bridge": "br-ext"}, {"type": "tuning"}]}, "br-ext"),
        ({"type": "bridge"}, "cni0"),
    ],
    ids=["plain", "list", "the plug-in's own default"],
)
def test_bridge_is_read_from_the_configuration(config: Any, bridge: str) -> None:
    assert bridge_of(NETWORK, definition(config)) == bridge


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("", "has no configuration in JSON"),
        ("[" * 100_000, "has no configuration in JSON"),
        ("7", "is of the type None"),
        ({"plugins": []}, "is of the type None"),
        ({"plugins": {"a": 1}}, "is of the type None"),
        ({"type": "macvlan", "master": "eth0"}, "is of the type 'macvlan'"),
        ({"type": "bridge", "bridge": "br0", "vlan": 100}, "asks for VLAN 100"),
        ({"type": "bridge", "bridge": ["br0"]}, "names no bridge"),
    ],
)
def test_what_no_guest_can_be_put_on_is_refused_in_words(config: Any, words: str) -> None:
    with pytest.raises(Terminal, match="network external: the NetworkAttachmentDefinition external-net") as refused:
        bridge_of(NETWORK, definition(config))
    assert words in str(refused.value)
    assert refused.value.reason == "InvalidNetworkDefinition"
