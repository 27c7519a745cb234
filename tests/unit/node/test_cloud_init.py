"""Which cloud-init data is refused before the boot, with what words, and what is passed on."""

import pytest

from controller.node.cloud_init import MOST_BYTES, MOST_CHECKED_BYTES, check_network_data, check_user_data
from hypersdk.errors import Terminal

CONFIG = "#cloud-config\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(CONFIG, id="empty"),
        pytest.param(f"{CONFIG}---\n", id="null"),
        pytest.param(f"{CONFIG}users: [default, {{name: ann}}]\nruncmd:\n- [ls]\n", id="cloud-config"),
        pytest.param(f"\n  {CONFIG.title()}a: &x 1\nb: *x\n", id="as lenient as cloud-init"),
        pytest.param("#!/bin/sh\nexit: [", id="script"),
        pytest.param("#include\nhttp://example/", id="include"),
        pytest.param("Content-Type: multipart/mixed; boundary=x\n\n--x", id="mime"),
        pytest.param("## template: jinja\n#cloud-config\n{% if x %}", id="jinja"),
        pytest.param("#cloud-config-archive\n- type: x", id="archive"),
        pytest.param(b"\x1f\x8b\x08\x00", id="packed"),
        pytest.param("version: v1alpha1\nmachine: {}", id="read by something else"),
        pytest.param(CONFIG + "a: [" + "1," * MOST_CHECKED_BYTES, id="too long to be read at each pass"),
    ],
)
def test_user_data_is_passed_on(data: str | bytes) -> None:
    check_user_data(data if isinstance(data, bytes) else data.encode())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(f"{CONFIG}a: [1\nb: 2\n", "line 3, column 2: did not find expected", id="flow"),
        pytest.param(f"{CONFIG}a:\n\t- b\n", "line 3, column 1: found character that cannot start", id="tab"),
        pytest.param(f"{CONFIG}- a\n", "line 2, column 1: this is no mapping", id="list"),
        pytest.param(f"{CONFIG}a: 1\n---\nb: 2\n", "line 3, column 1: a second document", id="two"),
        pytest.param(f"{CONFIG}a: *x\n", "line 2, column 4: alias 'x' stands for nothing", id="alias"),
        pytest.param(CONFIG + "a: " + "[" * 60000, "nested too deep", id="deep"),
        pytest.param(f"{CONFIG}a: \0", "control characters are not allowed", id="control"),
        pytest.param(CONFIG.encode() + b"a: \xff", "byte 18 is not UTF-8", id="encoding"),
        pytest.param("# cloud-config\na: 1", "the first line must be #cloud-config", id="a blank in the header"),
        pytest.param("cloud_config\n", "the first line must be #cloud-config", id="no hash in the header"),
        pytest.param("x" * (MOST_BYTES + 1), "1048577 bytes are more than the 1048576", id="size"),
    ],
)
def test_broken_user_data_is_refused_with_the_place(data: str | bytes, words: str) -> None:
    with pytest.raises(Terminal, match="cloud-init cannot read this userData") as refused:
        check_user_data(data if isinstance(data, bytes) else data.encode())
    assert words in str(refused.value)
    assert refused.value.reason == "InvalidCloudInit"


@pytest.mark.parametrize("data", ["version: 2", "network: {version: 1}", "network: {config: disabled}"])
def test_network_data_is_passed_on(data: str) -> None:
    check_network_data(data.encode())


@pytest.mark.parametrize(
    ("data", "words"), [("ethernets: {}", "no key 'version'"), ("a: b: c", "line 1, column 5"), ("text", "no mapping")]
)
def test_broken_network_data_is_refused(data: str, words: str) -> None:
    with pytest.raises(Terminal, match=words):
        check_network_data(data.encode())
