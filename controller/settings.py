"""What the controller of one host is told on its command line."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from controller.node.images.addresses import AddressRules, networks
from hypersdk.kube.endpoint import Endpoint

GIB = 2**30
_POOL = "pool:"


@dataclass(frozen=True)
class Tls:
    """Where and how the gateway listens for an aggregating API server."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path
    client_names: tuple[str, ...] = ()
    advertise: str = ""
    """Where the other nodes' gateways reach it; empty for nowhere."""
    peer_ca: Path | None = None
    peer_name: str = "hypersdk-gateway.hypersdk-system.svc"
    """The host name, and the common name, in every gateway's certificate."""


@dataclass(frozen=True)
class Bind:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


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
    collect: float = 600.0
    """Between two looks for images that nothing needs any more."""
    image_grace: float = 6 * 3600.0
    """How long an image is kept that no disk stands on."""


@dataclass(frozen=True)
class Limits:
    """How large things may be."""

    image_bytes: int = 512 * GIB
    virtual_bytes: int = 16 * 1024 * GIB
    disk_overcommit: int = 10
    """The disks of a folder, each filled to its size, may be so many times the folder's file system."""
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
    gpus: tuple[tuple[str, str], ...] = ()
    """Names that VMs ask for GPUs by, each with a model, an address or a mediated device's type or UUID."""
    sysfs: Path = Path("/sys")
    """Where the host's devices are read from."""
    storage_classes: Mapping[str, Path] = field(default_factory=dict)
    """Folders of disks by storageClass; `standard` is below the state folder unless it is named here."""
    storage_pools: Mapping[str, str] = field(default_factory=dict)
    """Storage pools of the host by storageClass."""
    addresses: AddressRules = field(default_factory=AddressRules)
    """Where images may be fetched from."""
    object_store: Path | None = None
    """A TOML file with the account for s3:// images that name no Secret."""
    backup_folders: tuple[Path, ...] = ()
    """Folders that backups may go to, mounted NFS among them."""
    pace: Pace = Pace()
    limits: Limits = Limits()
    migration_folder: Path = Path("/run/hypersdk/migration")
    """Of the sockets of VMs that move; the same path on every node."""
    metrics: Bind | None = None
    """Where metrics and health are served."""


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
    line.add_argument("--gateway-advertise", default="", metavar="HOST:PORT", help="where other nodes reach it")
    line.add_argument("--peer-ca", type=Path, help="the CA of all gateways' certificates; needed to reach other nodes")
    line.add_argument("--peer-name", default=Tls.peer_name, help="the name in all of them (default: %(default)s)")
    line.add_argument("--migration-folder", type=Path, default=Settings.migration_folder, help="default: %(default)s")
    line.add_argument("--catalogue", type=Path, help="TOML file of short image names")
    line.add_argument("--image-folder", type=Path, action="append", default=[], help="file:// images; repeatable")
    line.add_argument("--log-folder", type=Path, default=Path("/var/log/libvirt/qemu"), help="folder of QEMU's logs")
    line.add_argument("--network", default="default", help="pod-network: a libvirt network, or bridge:NAME")
    line.add_argument("--bridge", action="append", default=[], help="bridge that VMs may be put on; repeatable")
    line.add_argument("--gpu", action="append", default=[], metavar="NAME=MODEL", help="GPUs for VMs; repeatable")
    line.add_argument("--sysfs", type=Path, default=Path("/sys"), help="where devices are read (default: %(default)s)")
    line.add_argument("--storage-class", action="append", default=[], metavar="NAME=DIR|NAME=pool:POOL")
    line.add_argument("--image-allow", action="append", default=[], metavar="CIDR", help="fetch images from there too")
    line.add_argument("--image-deny", action="append", default=[], metavar="CIDR", help="and not from there; 'private'")
    line.add_argument("--image-grace", type=float, default=6, metavar="HOURS", help="unused images stay so long")
    line.add_argument("--object-store", type=Path, metavar="FILE", help="TOML file with the node's own S3 account")
    line.add_argument("--backup-folder", type=Path, action="append", default=[], help="local, nfs backups; repeatable")
    line.add_argument("--disk-overcommit", type=int, default=10, metavar="N", help="disks' sizes to room (default: 10)")
    line.add_argument("--cpu-overcommit", type=int, default=10, metavar="N", help="vCPUs a CPU (default: %(default)s)")
    line.add_argument("--metrics-bind", default="127.0.0.1:8081", help="metrics, health; or off (default: %(default)s)")
    line.add_argument("--log-format", choices=("text", "json"), default="text", help="default: %(default)s")
    line.add_argument("--audit-file", type=Path, help="file of JSON lines about who was at which console")
    line.add_argument("--verbose", action="store_true", help="log more")
    return line


def settings_of(words: argparse.Namespace) -> Settings:
    """Settings from a parsed command line; ValueError when it makes no sense."""
    if words.cpu_overcommit < 1:
        raise ValueError(f"--cpu-overcommit {words.cpu_overcommit}: at least 1 vCPU is placed on each CPU")
    if words.disk_overcommit < 1 or words.image_grace < 0:
        raise ValueError("--disk-overcommit is at least 1, --image-grace at least 0")
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
        gpus=_gpus(words.gpu),
        sysfs=words.sysfs,
        storage_classes=_folders(words.storage_class),
        metrics=_bind(words.metrics_bind),
        migration_folder=words.migration_folder,
        storage_pools=_pools(words.storage_class),
        addresses=AddressRules(networks(words.image_allow), networks(words.image_deny)),
        object_store=words.object_store,
        backup_folders=tuple(folder.resolve() for folder in words.backup_folder),
        pace=Pace(image_grace=words.image_grace * 3600),
        limits=Limits(cpu_overcommit=words.cpu_overcommit, disk_overcommit=words.disk_overcommit),
    )


def _bind(text: str) -> Bind | None:
    """HOST:PORT, `:PORT` for all addresses, `off` for none."""
    if text == "off":
        return None
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdecimal() and int(port) < 65536):
        raise ValueError(f"--metrics-bind wants HOST:PORT or off, not {text}")
    return Bind(host.strip("[]") or "0.0.0.0", int(port))


def _tls(words: argparse.Namespace) -> Tls | None:
    if not words.gateway_tls:
        return None
    if not (words.tls_cert and words.tls_key and words.client_ca):
        raise ValueError("--gateway-tls needs --tls-cert, --tls-key and --client-ca")
    host, _, port = words.gateway_tls.rpartition(":")
    return Tls(
        host,
        int(port),
        words.tls_cert,
        words.tls_key,
        words.client_ca,
        tuple(words.client_name),
        words.gateway_advertise,
        words.peer_ca,
        words.peer_name,
    )


def _gpus(pairs: Sequence[str]) -> tuple[tuple[str, str], ...]:
    split = [pair.partition("=") for pair in pairs]
    if wrong := [pair for pair, (name, _, what) in zip(pairs, split, strict=True) if not (name and what)]:
        raise ValueError(f"--gpu wants NAME=MODEL such as t4=10de:1eb8, or NAME=ADDRESS, not {', '.join(wrong)}")
    return tuple((name, what.lower()) for name, _, what in split)


def _folders(pairs: Sequence[str]) -> dict[str, Path]:
    return {name: Path(word).resolve() for name, word in _storage_classes(pairs) if not word.startswith(_POOL)}


def _pools(pairs: Sequence[str]) -> dict[str, str]:
    return {name: word.removeprefix(_POOL) for name, word in _storage_classes(pairs) if word.startswith(_POOL)}


def _storage_classes(pairs: Sequence[str]) -> list[tuple[str, str]]:
    split = [pair.partition("=") for pair in pairs]
    if wrong := [name for name, equals, word in split if not (name and equals and word.removeprefix(_POOL))]:
        raise ValueError(f"--storage-class wants NAME=DIR or NAME=pool:POOL, not {', '.join(wrong)}")
    return [(name, word) for name, _, word in split]
