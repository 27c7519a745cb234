"""What the controller of one host is told on its command line."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hypersdk.kube.endpoint import Endpoint

GIB = 2**30


@dataclass(frozen=True)
class Tls:
    """Where and how the gateway listens for an aggregating API server."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path
    client_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pace:
    """The controller's times in seconds."""

    grace: float = 120.0
    """How long a guest may take to power off before the power is cut."""
    ask_again: float = 20.0
    resync: float = 60.0
    heartbeat: float = 20.0
    resources: float = 15.0
    """Measured resources are written at most this often."""
    unreachable: float = 60.0
    """After this long without libvirt the VMs of the node count as Unknown."""
    operation_ttl: float = 3600.0


@dataclass(frozen=True)
class Limits:
    """How large things may be."""

    image_bytes: int = 512 * GIB
    virtual_bytes: int = 16 * 1024 * GIB
    cpu_overcommit: int = 10
    """vCPUs that are placed on one CPU; KubeVirt's cpuAllocationRatio has the same default."""


@dataclass(frozen=True)
class Settings:
    """All settings of one node controller."""

    node: str
    state: Path
    endpoint: Endpoint = field(default_factory=Endpoint)
    namespace: str = ""
    """The only namespace whose VMs are looked at; all when empty."""
    libvirt_uri: str = "qemu:///system"
    virt_type: Literal["auto", "kvm", "qemu"] = "auto"
    gateway: Path | None = None
    gateway_tls: Tls | None = None
    catalogue: Path | None = None
    image_folders: tuple[Path, ...] = ()
    log_folder: Path = Path("/var/log/libvirt/qemu")
    network: str = "default"
    """What pod-network is: a libvirt network, or `bridge:` and a host bridge."""
    bridges: tuple[str, ...] = ()
    """Host bridges that `bridge` and `multus` networks may name."""
    storage_classes: Mapping[str, Path] = field(default_factory=dict)
    """Folders of disks by storageClass; `standard` is below the state folder unless it is named here."""
    pace: Pace = Pace()
    limits: Limits = Limits()


def parser() -> argparse.ArgumentParser:
    """The command line."""
    line = argparse.ArgumentParser(prog="hypersdk-controller", description="Runs the VMs of one hypervisor host.")
    line.add_argument("--kubeconfig", default="", help="kubeconfig of the API; in a pod the service account's")
    line.add_argument("--context", default="", help="context of the kubeconfig; its current one when left out")
    line.add_argument("--namespace", default="", help="look at this namespace's VMs alone, lease included")
    line.add_argument("--libvirt-uri", default="qemu:///system", help="default: %(default)s")
    line.add_argument("--virt-type", choices=("auto", "kvm", "qemu"), default="auto", help="default: %(default)s")
    line.add_argument("--node-name", required=True, help="name of this host's VMNode")
    line.add_argument("--state", type=Path, required=True, help="folder of images, disks and seeds")
    line.add_argument("--gateway", type=Path, help="unix socket of the gateway")
    line.add_argument("--gateway-tls", metavar="HOST:PORT", help="TLS address of the gateway, for aggregation")
    line.add_argument("--tls-cert", type=Path, help="the gateway's certificate")
    line.add_argument("--tls-key", type=Path, help="the gateway's key")
    line.add_argument("--client-ca", type=Path, help="the CA of the aggregating API server's client certificate")
    line.add_argument("--client-name", action="append", default=[], help="its common name; may be repeated")
    line.add_argument("--catalogue", type=Path, help="TOML file of short image names")
    line.add_argument("--image-folder", type=Path, action="append", default=[], help="file:// images; repeatable")
    line.add_argument("--log-folder", type=Path, default=Path("/var/log/libvirt/qemu"), help="folder of QEMU's logs")
    line.add_argument("--network", default="default", help="pod-network: a libvirt network, or bridge:NAME")
    line.add_argument("--bridge", action="append", default=[], help="bridge that VMs may be put on; repeatable")
    line.add_argument("--storage-class", action="append", default=[], metavar="NAME=DIR", help="folder of its disks")
    line.add_argument("--cpu-overcommit", type=int, default=10, metavar="N", help="vCPUs a CPU (default: %(default)s)")
    line.add_argument("--verbose", action="store_true", help="log more")
    return line


def settings_of(words: argparse.Namespace) -> Settings:
    """Settings from a parsed command line; ValueError when it makes no sense."""
    if words.cpu_overcommit < 1:
        raise ValueError(f"--cpu-overcommit {words.cpu_overcommit}: at least 1 vCPU is placed on each CPU")
    return Settings(
        node=words.node_name,
        state=words.state.resolve(),
        endpoint=Endpoint(words.kubeconfig, words.context),
        namespace=words.namespace,
        libvirt_uri=words.libvirt_uri,
        virt_type=words.virt_type,
        gateway=words.gateway,
        gateway_tls=_tls(words),
        catalogue=words.catalogue,
        image_folders=tuple(folder.resolve() for folder in words.image_folder),
        log_folder=words.log_folder,
        network=words.network,
        bridges=tuple(words.bridge),
        storage_classes=_storage_classes(words.storage_class),
        limits=Limits(cpu_overcommit=words.cpu_overcommit),
    )


def _tls(words: argparse.Namespace) -> Tls | None:
    if not words.gateway_tls:
        return None
    if not (words.tls_cert and words.tls_key and words.client_ca):
        raise ValueError("--gateway-tls needs --tls-cert, --tls-key and --client-ca")
    host, _, port = words.gateway_tls.rpartition(":")
    return Tls(host, int(port), words.tls_cert, words.tls_key, words.client_ca, tuple(words.client_name))


def _storage_classes(pairs: Sequence[str]) -> dict[str, Path]:
    split = [pair.partition("=") for pair in pairs]
    if wrong := [name for name, equals, folder in split if not (name and equals and folder)]:
        raise ValueError(f"--storage-class wants NAME=DIR, not {', '.join(wrong)}")
    return {name: Path(folder).resolve() for name, _, folder in split}
