"""The embedded API server as a subprocess, for as long as a test session lasts."""

import base64
import os
import sys
from pathlib import Path

import yaml

from tests.controlplane.api import Api
from tests.controlplane.build import Binaries
from tests.controlplane.process import Process

READY_WITHIN_S = 60.0


class EmbeddedServer:
    """`python -m apiserver.main`, which installs our kinds by itself; `api` is usable after `start`."""

    def __init__(self, folder: Path, binaries: Binaries, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._binaries = binaries
        self._process: Process | None = None
        self._port = 0

    @property
    def api(self) -> Api:
        """What a test needs to know."""
        kubeconfig = self._folder / "kubeconfig"
        config = yaml.safe_load(kubeconfig.read_text())
        return Api(
            name="embedded",
            url=config["clusters"][0]["cluster"]["server"],
            kubeconfig=kubeconfig,
            token=config["users"][0]["user"]["token"],
            ca=_authority(config["clusters"][0]["cluster"], self._folder / "ca.crt"),
            folder=self._folder,
            binaries=self._binaries,
        )

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.running.pid

    def start(self) -> None:
        """Start it; after the first time under the same port."""
        log = self._folder / f"apiserver-{len(list(self._folder.glob('*.log')))}.log"
        state = ["--state", str(self._folder / "state"), "--kubeconfig", str(self._folder / "kubeconfig")]
        command = [sys.executable, "-m", "apiserver.main", *state, "--port", str(self._port), *self._options]
        self._process = Process.start(command, log, {**os.environ, "PYTHONUNBUFFERED": "1"})
        self._process.wait_until(lambda: "ready https://" in log.read_text(), READY_WITHIN_S)
        self._port = int(self.api.url.rsplit(":", 1)[-1])

    def restart(self) -> None:
        """Take it down and bring it back under the same address."""
        self.stop()
        self.start()

    def kill(self) -> None:
        """End it as a loss of power would."""
        if self._process is not None:
            self._process.kill()

    def forget(self) -> None:
        """Make it forget the past: the window of changes is only in memory."""
        self.restart()

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.stop()


def _authority(cluster: dict[str, str], copy: Path) -> Path:
    """The authority's certificate as a file."""
    if "certificate-authority" in cluster:
        return Path(cluster["certificate-authority"])
    copy.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    return copy
