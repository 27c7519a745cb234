"""The command line of the controller, and that only one works in a state folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from controller.main import main
from controller.settings import Tls, parser, settings_of

LEAST = ["--node-name", "n", "--state", "/s"]


def test_defaults() -> None:
    settings = settings_of(parser().parse_args(LEAST))
    assert (settings.node, settings.state, settings.virt_type, settings.network) == ("n", Path("/s"), "auto", "default")
    assert settings.gateway_tls is None


def test_everything() -> None:
    words = [
        *LEAST,
        "--image-folder",
        "/a",
        "--image-folder",
        "/b/../c",
        "--storage-class",
        "fast=/f",
        "--storage-class",
        "lab=pool:lab-pool",
        *("--image-deny", "private", "--image-allow", "127.0.0.1/32", "--image-grace", "0.5"),
        *("--disk-overcommit", "3", "--object-store", "/s3.toml"),
        "--bridge",
        "br0",
    ]
    tls = ["--gateway-tls", "127.0.0.1:8443", "--tls-cert", "c", "--tls-key", "k", "--client-ca", "a"]
    settings = settings_of(parser().parse_args([*words, *tls, "--client-name", "front-proxy-client"]))
    assert settings.image_folders == (Path("/a"), Path("/c"))
    assert settings.storage_classes == {"fast": Path("/f")}
    assert settings.storage_pools == {"lab": "lab-pool"}
    assert not settings.addresses.permits("10.1.2.3")
    assert settings.addresses.permits("127.0.0.1")
    assert settings.pace.image_grace == 1800
    assert settings.limits.disk_overcommit == 3
    assert settings.object_store == Path("/s3.toml")
    assert settings.bridges == ("br0",)
    assert settings.gateway_tls == Tls("127.0.0.1", 8443, Path("c"), Path("k"), Path("a"), ("front-proxy-client",))


@pytest.mark.parametrize(
    "words",
    [
        ["--gateway-tls", "h:1"],
        ["--storage-class", "fast"],
        ["--storage-class", "=x"],
        ["--storage-class", "fast=pool:"],
        ["--image-allow", "10.0.0.1/8"],
        ["--image-deny", "everything"],
        ["--disk-overcommit", "0"],
        ["--virt-type", "xen"],
    ],
)
def test_nonsense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*LEAST, *words])
    assert ended.value.code == 2
    assert "hypersdk-controller: error" in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_second_controller_on_one_state_folder_ends_with_words(tmp_path: Path) -> None:
    holder = (
        "import sys; from pathlib import Path; from controller.main import _only_one;"
        " held = _only_one(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == b"held\n"
        command = [sys.executable, "-m", "controller.main", "--node-name", "n", "--state", str(tmp_path)]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        first.stdin.close()
    assert second.returncode == 1
    assert second.stderr == (
        f"hypersdk-controller: another controller works in {tmp_path}; end it first, or use another --state\n"
    )
