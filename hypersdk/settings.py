"""Where things live on a host: one folder of state, one of caches; nothing is read at import."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """The folders of one installation."""

    state: Path
    cache: Path

    @property
    def kubeconfig(self) -> Path:
        """The embedded API's kubeconfig (0600)."""
        return self.state / "kubeconfig"

    @property
    def api(self) -> Path:
        """The embedded API: database, certificates, token."""
        return self.state / "api"

    @property
    def node(self) -> Path:
        """The controller's: images, disks, seeds."""
        return self.state / "node"

    @property
    def libvirt(self) -> Path:
        """The private libvirtd's folders."""
        return self.state / "libvirt"

    @property
    def run(self) -> Path:
        """Sockets and pid files."""
        return self.state / "run"

    @property
    def log(self) -> Path:
        """Logs of the background parts."""
        return self.state / "log"

    @property
    def gateway(self) -> Path:
        """The controller's gateway, a unix socket."""
        return self.run / "gateway.sock"


def places(environ: Mapping[str, str], uid: int | None = None) -> Places:
    """$HYPERSDK_STATE and $HYPERSDK_CACHE, else /var/lib and /var/cache for root, else the XDG folders."""
    if (os.getuid() if uid is None else uid) == 0:
        state, cache = Path("/var/lib/hypersdk"), Path("/var/cache/hypersdk")
    else:
        home = Path(environ.get("HOME", "~")).expanduser()
        state = Path(environ.get("XDG_STATE_HOME") or home / ".local/state") / "hypersdk"
        cache = Path(environ.get("XDG_CACHE_HOME") or home / ".cache") / "hypersdk"
    return Places(Path(environ.get("HYPERSDK_STATE") or state), Path(environ.get("HYPERSDK_CACHE") or cache))
