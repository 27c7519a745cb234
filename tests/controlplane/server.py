"""A real kube-apiserver with its etcd on loopback, for as long as a test session lasts."""

import base64
import json
import secrets
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from hypersdk.data import data_folder
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import GROUP, OURS
from tests.controlplane.api import RealApi
from tests.controlplane.build import Binaries
from tests.controlplane.certificates import LOOPBACK, Authority, KeyPair, rsa_key
from tests.controlplane.kubectl import Kubectl
from tests.controlplane.process import NotReady, Process

READY_WITHIN_S = 120.0
NAMES_WITHIN_S = 30.0
ATTEMPTS = 3
"""Between choosing a free port and listening on it somebody else may take it."""
FRONT_PROXY = "front-proxy-client"


@dataclass(frozen=True)
class _Credentials:
    """Who may sign in, and with what the servers prove themselves."""

    authority: Authority
    serving: KeyPair
    front_proxy_authority: Authority
    front_proxy: KeyPair
    service_accounts: Path
    token: str
    plain_token: str
    tokens: Path


class ControlPlane:
    """etcd and kube-apiserver; `api` is usable after `start`."""

    def __init__(self, folder: Path, binaries: Binaries) -> None:
        self._folder = folder
        self._binaries = binaries
        self._credentials = _credentials(folder)
        self._etcd: Process | None = None
        self._server: Process | None = None
        self._etcd_port = self._port = 0

    @property
    def api(self) -> RealApi:
        """What a test needs to know."""
        made = self._credentials
        return RealApi(
            name="kube",
            url=f"https://127.0.0.1:{self._port}",
            kubeconfig=self._folder / "kubeconfig",
            token=made.token,
            ca=made.authority.certificate,
            folder=self._folder,
            binaries=self._binaries,
            plain_token=made.plain_token,
            front_proxy_ca=made.front_proxy_authority.certificate,
            front_proxy_name=FRONT_PROXY,
        )

    @property
    def pids(self) -> list[int]:
        """The processes of both."""
        return [process.running.pid for process in (self._etcd, self._server) if process is not None]

    def start(self) -> None:
        """Start both, write the kubeconfig, install our kinds."""
        self._etcd_port, self._etcd = _on_free_port(self._start_etcd)
        _, self._server = _on_free_port(self._start_server)
        _write_kubeconfig(self.api)
        kubectl = self.api.kubectl()
        crds = data_folder("deploy") / "crds"
        kubectl("apply", "-f", crds)
        kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", crds)
        self._wait_for_kinds()
        _wait_for_names(kubectl)

    def restart(self) -> None:
        """Take kube-apiserver down and bring it back under the same address."""
        assert self._server is not None
        self._server.stop()
        self._server = self._start_server(self._port)
        self._wait_for_kinds()

    def kill(self) -> None:
        """End kube-apiserver as a loss of power would."""
        assert self._server is not None
        self._server.kill()

    def forget(self) -> None:
        """Forget the past: what etcd keeps of it, and what kube-apiserver keeps in memory."""
        with urllib.request.urlopen(
            urllib.request.Request(f"http://127.0.0.1:{self._etcd_port}/v3/kv/range", b'{"key": "AA=="}'), timeout=10
        ) as answer:
            self.compact(json.loads(answer.read())["header"]["revision"])
        self.restart()

    def stop(self) -> None:
        """End both."""
        for process in (self._server, self._etcd):
            if process is not None:
                process.stop()

    def compact(self, resource_version: str) -> None:
        """Make etcd forget everything before that version, as kube-apiserver does every five minutes."""
        body = json.dumps({"revision": resource_version, "physical": True}).encode()
        url = f"http://127.0.0.1:{self._etcd_port}/v3/kv/compaction"
        with urllib.request.urlopen(url, body, timeout=10) as answer:
            answer.read()

    def _start_etcd(self, port: int) -> Process:
        url = f"http://127.0.0.1:{port}"
        process = Process.start(
            [
                self._binaries.etcd,
                f"--data-dir={self._folder / 'etcd'}",
                "--unsafe-no-fsync",
                f"--listen-client-urls={url}",
                f"--advertise-client-urls={url}",
                "--listen-peer-urls=http://127.0.0.1:0",
            ],
            self._folder / "etcd.log",
        )
        return _ready(process, f"{url}/readyz", None)

    def _start_server(self, port: int) -> Process:
        command = [str(self._binaries.kube_apiserver), f"--secure-port={port}", *self._flags()]
        process = Process.start(command, self._folder / "kube-apiserver.log")
        self._port = port
        self._wait_for(process, "/readyz")
        return process

    def _wait_for_kinds(self) -> None:
        """Wait until they can be watched: later than Established, later than readyz after a restart."""
        assert self._server is not None
        for kind in OURS:
            self._wait_for(self._server, f"{kind.path()}?watch=1&timeoutSeconds=1")

    def _wait_for(self, process: Process, path: str) -> None:
        """Wait until the server answers there."""
        made = self._credentials
        headers = {"Authorization": f"Bearer {made.token}"}
        trust = ssl.create_default_context(cafile=str(made.authority.certificate))
        _ready(process, urllib.request.Request(self.api.url + path, headers=headers), trust)

    def _flags(self) -> list[str]:
        made = self._credentials
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",  # a network namespace has no default route to find another one by
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self._folder}",
            f"--tls-cert-file={made.serving.certificate}",
            f"--tls-private-key-file={made.serving.key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={made.service_accounts}",
            f"--service-account-signing-key-file={made.service_accounts}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={made.tokens}",
            "--disable-admission-plugins=ServiceAccount",  # nobody makes the default service accounts
            "--shutdown-send-retry-after=false",
            *self._aggregation_flags(),
        ]

    def _aggregation_flags(self) -> list[str]:
        """How kube-apiserver signs in to an aggregated API on behalf of its caller."""
        made = self._credentials
        return [
            f"--proxy-client-cert-file={made.front_proxy.certificate}",
            f"--proxy-client-key-file={made.front_proxy.key}",
            f"--requestheader-client-ca-file={made.front_proxy_authority.certificate}",
            f"--requestheader-allowed-names={FRONT_PROXY}",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        ]


def _credentials(folder: Path) -> _Credentials:
    authority = Authority.create(folder, "ca")
    front_proxy_authority = Authority.create(folder, "front-proxy-ca")
    token, plain_token = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    tokens = folder / "tokens.csv"
    tokens.touch(mode=0o600)
    tokens.write_text(f'{token},admin,1,"system:masters"\n{plain_token},plain,2\n')
    return _Credentials(
        authority=authority,
        serving=authority.issue("kube-apiserver", LOOPBACK),
        front_proxy_authority=front_proxy_authority,
        front_proxy=front_proxy_authority.issue(FRONT_PROXY),
        service_accounts=rsa_key(folder / "service-accounts.key"),
        token=token,
        plain_token=plain_token,
        tokens=tokens,
    )


def _ready(process: Process, url: str | urllib.request.Request, trust: ssl.SSLContext | None) -> Process:
    """The process once it answers at `url`; stopped again when it does not."""

    def answers() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5, context=trust) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    try:
        process.wait_until(answers, READY_WITHIN_S)
    except NotReady:
        process.stop()
        raise
    return process


def _wait_for_names(kubectl: Kubectl) -> None:
    """Wait until kubectl, which keeps what it has once seen, knows our kinds by their names."""
    wanted, end = {f"{kind.plural}.{GROUP}" for kind in OURS}, time.monotonic() + NAMES_WITHIN_S
    while not wanted <= set(kubectl("api-resources", f"--api-group={GROUP}", "--cached=false", "-o", "name").split()):
        assert time.monotonic() < end, f"kubectl does not see all of {sorted(wanted)}"


def _on_free_port(start: Callable[[int], Process]) -> tuple[int, Process]:
    """Start on a port that is free now, and again on another one when somebody else was faster."""
    for _ in range(ATTEMPTS - 1):
        port = free_port()
        try:
            return port, start(port)
        except NotReady as error:
            if "address already in use" not in str(error):
                raise
    port = free_port()
    return port, start(port)


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_kubeconfig(api: RealApi) -> None:
    """Two contexts: `admin`, which is the current one, and `plain`."""
    users = {"admin": api.token, "plain": api.plain_token}
    authority = base64.b64encode(api.ca.read_bytes()).decode()
    config: JsonObject = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "admin",
        "clusters": [{"name": "kube", "cluster": {"server": api.url, "certificate-authority-data": authority}}],
        "users": [{"name": name, "user": {"token": token}} for name, token in users.items()],
        "contexts": [
            {"name": name, "context": {"cluster": "kube", "user": name, "namespace": "default"}} for name in users
        ],
    }
    api.kubeconfig.touch(mode=0o600)
    api.kubeconfig.write_text(yaml.safe_dump(config))
