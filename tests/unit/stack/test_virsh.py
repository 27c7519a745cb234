"""Everything is ended, also what ends by itself meanwhile; what cannot be ended is told in libvirt's words."""

from dataclasses import dataclass, field

import pytest

from hyperctl.stack import virsh
from hypersdk.errors import HyperSDKError


@dataclass
class Libvirtd:
    """Guests and networks by their UUIDs, as virsh tells of them."""

    domains: list[str]
    networks: list[str]
    ends_itself: str = ""
    stays: str = ""
    ended: list[str] = field(default_factory=list)

    def __call__(self, uri: str, *arguments: str) -> str:
        if arguments == ("list", "--uuid"):
            return "\n".join(self.domains)
        if arguments == ("net-list", "--uuid"):
            return "\n".join(self.networks)
        word, uuid = arguments
        there = self.domains if word == "destroy" else self.networks
        if uuid == self.ends_itself:
            there.remove(uuid)
            raise HyperSDKError("Requested operation is not valid: domain is not running")
        if uuid == self.stays:
            raise HyperSDKError("Failed to terminate process 7 with SIGKILL: Device or resource busy")
        there.remove(uuid)
        self.ended.append(uuid)
        return ""


def test_what_powers_off_by_itself_meanwhile_does_not_hold_the_others_up(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Libvirtd(["a", "b"], ["n"], ends_itself="a")
    monkeypatch.setattr(virsh, "virsh", there)
    virsh.destroy_everything("qemu:///system")
    assert there.ended == ["b", "n"]


@pytest.mark.parametrize("stays", ["b", "n"])
def test_what_stays_is_told(monkeypatch: pytest.MonkeyPatch, stays: str) -> None:
    monkeypatch.setattr(virsh, "virsh", Libvirtd(["a", "b"], ["n"], stays=stays))
    with pytest.raises(HyperSDKError, match="resource busy"):
        virsh.destroy_everything("qemu:///system")
